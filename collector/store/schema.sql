-- SPDX-License-Identifier: Apache-2.0
-- The collector's tables, schema RW_STORE_SCHEMA (store.h). A change of any line is a new number.
-- Times are wall-clock milliseconds, 0 = has not happened. Unsigned 64-bit
-- numbers of hosts (boot_order, boot_ms) are kept bit for bit in signed ones.

-- A host as it is now; row_id is the order of enrolment.
CREATE TABLE hosts (
  row_id INTEGER PRIMARY KEY,
  host TEXT NOT NULL UNIQUE,
  ring TEXT NOT NULL,
-- enum rw_presence
  presence INTEGER NOT NULL,
  boot_id BLOB NOT NULL,
  boot_order INTEGER NOT NULL,
  since_wall_ms INTEGER NOT NULL,
  heard_wall_ms INTEGER NOT NULL,
  goodbye INTEGER NOT NULL,
  back_by_wall_ms INTEGER NOT NULL,
-- 0 or 1; a column with a DEFAULT came with a later schema
  excluded INTEGER NOT NULL DEFAULT 0,
  by_age INTEGER NOT NULL DEFAULT 0,
  unregistered INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The journal of presence: one row each time that it changed.
CREATE TABLE transitions (
  row_id INTEGER PRIMARY KEY,
  at_wall_ms INTEGER NOT NULL,
  host TEXT NOT NULL,
  ring TEXT NOT NULL,
  was INTEGER NOT NULL,
  is_now INTEGER NOT NULL
) STRICT;
CREATE INDEX transitions_by_host ON transitions (host);

CREATE TABLE deployments (
  row_id INTEGER PRIMARY KEY,
  deployment TEXT NOT NULL UNIQUE,
  component TEXT NOT NULL,
  version TEXT NOT NULL,
  exposure INTEGER NOT NULL,
  state INTEGER NOT NULL,
  created_wall_ms INTEGER NOT NULL,
  ended_wall_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
-- names in rollout order, parted by single spaces (a name holds none)
  rings TEXT NOT NULL,
-- whose value `version` is, of REPORTED exposure
  match TEXT NOT NULL DEFAULT ''
) STRICT;

-- A deployment in one ring: bake and breaker.
CREATE TABLE runs (
  deployment TEXT NOT NULL,
  ring TEXT NOT NULL,
  step INTEGER NOT NULL,
  started_wall_ms INTEGER NOT NULL,
  target INTEGER NOT NULL,
  observed_ms INTEGER NOT NULL,
  breaker_open INTEGER NOT NULL,
  rule INTEGER NOT NULL,
  grade INTEGER NOT NULL,
  opened_wall_ms INTEGER NOT NULL,
  opened_failed INTEGER NOT NULL,
  opened_at_risk INTEGER NOT NULL,
  proof INTEGER NOT NULL DEFAULT 0,
-- numbers parted by single spaces, zeros at the end left off; so in all texts of numbers
  step_targets TEXT NOT NULL DEFAULT '',
  watched_ms INTEGER NOT NULL DEFAULT 0,
  watched_from_ms INTEGER NOT NULL DEFAULT 0,
  epoch INTEGER NOT NULL DEFAULT 0,
  exposed_host_ms INTEGER NOT NULL DEFAULT 0,
  control_host_ms INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (deployment, ring)
) STRICT, WITHOUT ROWID;

-- host before ring: whether a host is exposed to a deployment is asked for each event that is listed
CREATE TABLE exposures (
  deployment TEXT NOT NULL,
  host TEXT NOT NULL,
  ring TEXT NOT NULL,
  boot_order INTEGER NOT NULL,
  boot_ms INTEGER NOT NULL,
  alive INTEGER NOT NULL,
  heard INTEGER NOT NULL,
  crashed INTEGER NOT NULL,
  recovered INTEGER NOT NULL,
  acknowledged INTEGER NOT NULL,
  at_wall_ms INTEGER NOT NULL DEFAULT 0,
  watched_ms INTEGER NOT NULL DEFAULT 0,
  step INTEGER NOT NULL DEFAULT 0,
  module_failed INTEGER NOT NULL DEFAULT 0,
  left_offline INTEGER NOT NULL DEFAULT 0,
  left_out INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (deployment, host, ring)
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence (
  row_id INTEGER PRIMARY KEY,
  deployment TEXT NOT NULL,
  ring TEXT NOT NULL,
  host TEXT NOT NULL,
  kind TEXT NOT NULL,
  event TEXT NOT NULL,
  signature TEXT NOT NULL,
  at_wall_ms INTEGER NOT NULL,
  UNIQUE (deployment, ring, host, kind)
) STRICT;

-- Signatures that were new when hosts of a deployment showed them, and the first of these.
CREATE TABLE sightings (
  row_id INTEGER PRIMARY KEY,
  deployment TEXT NOT NULL,
  signature TEXT NOT NULL,
  host TEXT NOT NULL,
-- by another host, too
  shared INTEGER NOT NULL,
  UNIQUE (deployment, signature)
) STRICT;

-- What hosts have been through.
CREATE TABLE troubles (
  host TEXT NOT NULL PRIMARY KEY,
-- numbers, three a crash: boot_order, wall_ms, whether it was an unexpected end; newest first
  crashes TEXT NOT NULL,
-- numbers, three a failure: of (module, errno) a hash, boot_order, boot_ms
  modules TEXT NOT NULL,
  maintenance_until_wall_ms INTEGER NOT NULL,
  crash_epoch INTEGER NOT NULL,
  silence_epoch INTEGER NOT NULL,
  excused_boot_order INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Crash signatures that the fleet knows.
CREATE TABLE fleet_signatures (
  signature TEXT NOT NULL PRIMARY KEY,
  before_wall_ms INTEGER NOT NULL,
  since_wall_ms INTEGER NOT NULL,
  last_wall_ms INTEGER NOT NULL,
  control_wall_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the judgement knows of itself and of the whole fleet: one row, or none.
CREATE TABLE life (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  told_wall_ms INTEGER NOT NULL,
  listened_ms INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  blackout INTEGER NOT NULL,
  natural_host_ms INTEGER NOT NULL,
  natural_failures INTEGER NOT NULL,
  natural_watched_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
  row_id INTEGER PRIMARY KEY,
  host TEXT NOT NULL,
  ring TEXT NOT NULL,
  spool_id BLOB NOT NULL,
  sequence INTEGER NOT NULL,
  at_wall_ms INTEGER NOT NULL,
  received_wall_ms INTEGER NOT NULL,
-- what the host's own clock said; never trusted
  host_wall_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  severity TEXT NOT NULL,
  source TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  boot_order INTEGER NOT NULL,
  boot_ms INTEGER NOT NULL,
  cpu INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  error INTEGER NOT NULL,
  count INTEGER NOT NULL,
  comm TEXT NOT NULL,
  signature TEXT NOT NULL,
  symbol TEXT NOT NULL,
  module TEXT NOT NULL,
  detail TEXT NOT NULL,
-- frames parted by newlines
  stack TEXT NOT NULL,
-- a JSON object of texts
  facts TEXT NOT NULL,
-- of a staged failure, the name of its drill; it counts in nothing
  drill TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX events_by_host ON events (host);
CREATE INDEX events_by_signature ON events (signature);

-- The kernel log around an event, which may come after it.
CREATE TABLE excerpts (
  event_row_id INTEGER PRIMARY KEY,
-- in zlib form
  log BLOB NOT NULL,
-- what it unpacks to
  log_bytes INTEGER NOT NULL
) STRICT;

-- Quotas are of a day: received_wall_ms / 86400000. Older days are removed.

-- Which row of events counts what a host sent beyond its quota.
CREATE TABLE overflows (
  day INTEGER NOT NULL,
  host TEXT NOT NULL,
  kind TEXT NOT NULL,
  event_row_id INTEGER NOT NULL,
  PRIMARY KEY (day, host, kind)
) STRICT, WITHOUT ROWID;

-- The signatures that a host has shown.
CREATE TABLE signatures (
  day INTEGER NOT NULL,
  host TEXT NOT NULL,
  severity TEXT NOT NULL,
  signature TEXT NOT NULL,
  PRIMARY KEY (day, host, severity, signature)
) STRICT, WITHOUT ROWID;

-- How many excerpts of a host were kept.
CREATE TABLE excerpt_days (
  day INTEGER NOT NULL,
  host TEXT NOT NULL,
  severity TEXT NOT NULL,
  excerpts INTEGER NOT NULL,
  PRIMARY KEY (day, host, severity)
) STRICT, WITHOUT ROWID;

-- High-water marks: every event of that spool up to `sequence` is in the store.
CREATE TABLE spools (
  host TEXT NOT NULL,
  spool_id BLOB NOT NULL,
  sequence INTEGER NOT NULL,
  used_wall_ms INTEGER NOT NULL,
  PRIMARY KEY (host, spool_id)
) STRICT, WITHOUT ROWID;

-- What a verdict said over a bake, for its timeline.
CREATE TABLE bake_samples (
  deployment TEXT NOT NULL,
  ring TEXT NOT NULL,
  at_wall_ms INTEGER NOT NULL,
  step INTEGER NOT NULL,
-- enum rw_decision, and whether the breaker was open
  verdict INTEGER NOT NULL,
  breaker_open INTEGER NOT NULL,
  exposed INTEGER NOT NULL,
  at_risk INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  unheard INTEGER NOT NULL,
-- parts per million
  coverage INTEGER NOT NULL,
  observed_ms INTEGER NOT NULL,
  PRIMARY KEY (deployment, ring, at_wall_ms)
) STRICT, WITHOUT ROWID;

-- What is to be told to webhooks, and what became of it.
CREATE TABLE deliveries (
  row_id INTEGER PRIMARY KEY,
  delivery TEXT NOT NULL UNIQUE,
  target TEXT NOT NULL,
-- the verdict that is told (proceed, hold, abort or drill), or breaker
  kind TEXT NOT NULL,
  deployment TEXT NOT NULL,
  ring TEXT NOT NULL,
  created_wall_ms INTEGER NOT NULL,
  body TEXT NOT NULL,
-- 1 pending, 2 delivered, 3 dead, 4 skipped
  state INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  next_wall_ms INTEGER NOT NULL,
-- of a pending one, when an operator had it tried again
  ended_wall_ms INTEGER NOT NULL,
  error TEXT NOT NULL
) STRICT;
CREATE INDEX deliveries_by_state ON deliveries (state, next_wall_ms);

-- Failures that were staged to prove that the way from a sensor to the verdict is whole.
CREATE TABLE drills (
  row_id INTEGER PRIMARY KEY,
  drill TEXT NOT NULL UNIQUE,
  deployment TEXT NOT NULL,
  ring TEXT NOT NULL,
  host TEXT NOT NULL,
  actor TEXT NOT NULL,
  started_wall_ms INTEGER NOT NULL,
-- its event was received, and the verdict said abort
  proved_wall_ms INTEGER NOT NULL,
  ended_wall_ms INTEGER NOT NULL,
  detail TEXT NOT NULL
) STRICT;

-- Hosts that were told that they may reboot, and have not yet said that they did.
CREATE TABLE fleetlock_slots (
  ring TEXT NOT NULL,
  id TEXT NOT NULL,
  reserved_wall_ms INTEGER NOT NULL,
  PRIMARY KEY (ring, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  row_id INTEGER PRIMARY KEY,
  at_wall_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;

-- The audit trail is added to, and nothing else; retention leaves it alone.
CREATE TRIGGER audit_keeps_its_rows BEFORE DELETE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_keeps_its_words BEFORE UPDATE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
-- INSERT OR REPLACE would delete without the first trigger
CREATE TRIGGER audit_keeps_its_places BEFORE INSERT ON audit
  WHEN EXISTS (SELECT 1 FROM audit WHERE row_id = NEW.row_id) BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
