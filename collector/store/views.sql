-- SPDX-License-Identifier: Apache-2.0
-- Views for people and their SQL; docs/sql.md describes them. They hold nothing: each
-- migration makes them anew. Times are RFC 3339 UTC with milliseconds, '' = has not happened.

CREATE VIEW named_presence AS SELECT row_id, host, ring,
  CASE presence WHEN 0 THEN 'unknown' WHEN 1 THEN 'online' WHEN 2 THEN 'suspect'
  WHEN 3 THEN 'offline' WHEN 4 THEN 'planned' WHEN 5 THEN 'absent' ELSE 'retired' END AS state,
  since_wall_ms, heard_wall_ms, excluded, unregistered FROM hosts;

-- A row a ring: hosts by what was told of them last. While the collector runs, a change
-- stands here within a second.
CREATE VIEW ring_health AS SELECT p.ring,
  sum(p.state<>'retired') AS enrolled,
  sum(p.state='online') AS online,
  sum(p.state='suspect') AS suspect,
  sum(p.state='offline') AS offline,
  sum(p.state='planned') AS planned,
  sum(p.state='absent') AS absent,
  sum(p.state='unknown') AS unknown,
  sum(p.state='retired') AS retired,
  sum(p.excluded) AS excluded,
  sum(p.unregistered) AS unregistered,
  (SELECT count(*) FROM runs r JOIN deployments d USING (deployment)
    WHERE r.ring=p.ring AND r.step>0 AND d.state=1) AS active_deployments,
  (SELECT count(*) FROM runs r JOIN deployments d USING (deployment)
    WHERE r.ring=p.ring AND r.breaker_open AND d.state=1) AS open_breakers
  FROM named_presence p GROUP BY p.ring;

-- What befell a host, in order: its presence, its events.
CREATE VIEW host_timeline AS SELECT
  strftime('%Y-%m-%dT%H:%M:%fZ', at_wall_ms / 1000.0, 'unixepoch') AS at, at_wall_ms,
  host, ring, 'presence' AS what,
  CASE is_now WHEN 0 THEN 'unknown' WHEN 1 THEN 'online' WHEN 2 THEN 'suspect'
  WHEN 3 THEN 'offline' WHEN 4 THEN 'planned' WHEN 5 THEN 'absent' ELSE 'retired' END AS is_now,
  '' AS signature, '' AS detail, 0 AS boot_order, '' AS drill FROM transitions
  UNION ALL SELECT
  strftime('%Y-%m-%dT%H:%M:%fZ', at_wall_ms / 1000.0, 'unixepoch'), at_wall_ms,
  host, ring, 'event', kind, signature, detail, boot_order, drill FROM events;

-- A row a signature, of all events that are kept; drills left out.
CREATE VIEW crash_signatures AS SELECT signature, kind, max(symbol) AS symbol,
  max(module) AS module, count(DISTINCT host) AS hosts, sum(count) AS events,
  count(DISTINCT ring) AS rings,
  strftime('%Y-%m-%dT%H:%M:%fZ', min(at_wall_ms) / 1000.0, 'unixepoch') AS first_at,
  strftime('%Y-%m-%dT%H:%M:%fZ', max(at_wall_ms) / 1000.0, 'unixepoch') AS last_at,
  (SELECT count(*) FROM sightings s WHERE s.signature=events.signature) AS new_in_deployments
  FROM events WHERE drill='' AND signature NOT IN ('', 'over quota') GROUP BY signature, kind;

-- A row a deployment and ring that was started.
CREATE VIEW bake_history AS SELECT r.deployment, d.component, d.version, r.ring,
  CASE d.state WHEN 1 THEN 'active' WHEN 2 THEN 'finished' ELSE 'withdrawn' END AS state,
  strftime('%Y-%m-%dT%H:%M:%fZ', r.started_wall_ms / 1000.0, 'unixepoch') AS started_at,
  CASE d.ended_wall_ms WHEN 0 THEN '' ELSE
    strftime('%Y-%m-%dT%H:%M:%fZ', d.ended_wall_ms / 1000.0, 'unixepoch') END AS ended_at,
  r.step, r.observed_ms / 1000.0 AS observed_seconds,
  (SELECT count(*) FROM exposures x WHERE x.deployment=r.deployment AND x.ring=r.ring) AS exposed,
  (SELECT count(*) FROM exposures x WHERE x.deployment=r.deployment AND x.ring=r.ring
    AND x.crashed AND NOT x.acknowledged) AS crashed,
  CASE r.breaker_open WHEN 1 THEN 'open' ELSE 'closed' END AS breaker,
  CASE r.opened_wall_ms WHEN 0 THEN '' ELSE
    strftime('%Y-%m-%dT%H:%M:%fZ', r.opened_wall_ms / 1000.0, 'unixepoch') END AS opened_at,
  r.opened_failed, r.opened_at_risk, d.reason
  FROM runs r JOIN deployments d USING (deployment) WHERE r.step>0;
