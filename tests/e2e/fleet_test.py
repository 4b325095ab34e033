#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fates of hosts over the real protocol: each ends where a person would put it."""

import json

from harness import Site, Tap, equal, wait_until


def fates(path):
    """host -> fate, as the fleet wrote it."""
    with open(path, encoding="utf-8") as file:
        return {row["host"]: row["fate"] for row in map(json.loads, file)}


def main():
    tap = Tap()
    with Site(tap, rings={"canary": {"bake": "1h"}}) as site:
        site.start_collector()
        fleet = site.start_fleet(
            "--print-hosts", site.path("hosts.txt"), "--fate",
            "2:silent@8s,2:drop@8s,2:goodbye@8s,2:oops@8s,2:panic-reboot@8s,1:flood@8s,1:nonsense@8s,1:dribble@8s",
            hosts=30)
        wait_until("30 hosts online", lambda: len(site.hosts_in("online")) == 30)
        site.deploy("d1")
        by_fate = {}
        for host, fate in fates(site.path("hosts.txt")).items():
            by_fate.setdefault(fate, set()).add(host)

        def presence(host):
            return site.get(f"/v1/hosts/{host}")["state"]

        def history(host):
            return [row["to"] for row in site.get(f"/v1/hosts/{host}")["transitions"]]

        with tap.case("a silent host and one that dropped its session are offline by the deadline"):
            gone = by_fate["silent"] | by_fate["drop"]
            wait_until("four hosts offline", lambda:
                       {r["host"] for r in site.hosts_in("offline")} == gone, 30)
            for host in gone:
                assert "suspect" in history(host), f"{host} was suspect before: {history(host)}"

        with tap.case("a goodbye is planned, comes back, and never fails"):
            for host in by_fate["goodbye"]:
                wait_until(f"{host} back", lambda h=host: presence(h) == "online", 30)
                assert "planned" in history(host), history(host)
                assert "offline" not in history(host), history(host)

        with tap.case("oopsed and unexpectedly rebooted hosts have crashed, once each"):
            crashed = by_fate["oops"] | by_fate["panic-reboot"]
            answer = wait_until("four crashed hosts", lambda: (
                lambda v: v if v["failed"]["crashed"] == len(crashed) else None)(site.verdict("d1")), 30)
            equal(answer["verdict"], "abort", "verdict")
            named = {row["host"] for row in answer["breaker"]["evidence"] if row["kind"] != "offline"}
            equal(named, crashed, "hosts in the evidence")

        with tap.case("failed = offline or crashed, of all that were heard"):
            answer = site.verdict("d1")
            equal(answer["failed"]["offline"], 4, "offline")
            equal(answer["failed"]["count"], 8, "failed")
            equal(answer["failed"]["hosts"], 30, "at risk")
            states = answer["hosts"]
            equal(sum(states[s] for s in ("online", "suspect", "offline", "planned", "absent", "unknown")),
                  states["enrolled"], "states add up over enrolled")

        with tap.case("a flood is stored up to the quota and counted beyond it"):
            host = next(iter(by_fate["flood"]))
            rows = wait_until("the flood's rows", lambda: site.pages(f"/v1/events?host={host}", "events"))
            total = wait_until("the flood to be counted", lambda: (
                lambda n: n if n >= 500 else None)(sum(
                    r["count"] for r in site.pages(f"/v1/events?host={host}", "events"))), 30)
            rows = site.pages(f"/v1/events?host={host}", "events")
            assert len(rows) < 200, f"{len(rows)} rows for {total} events"

        with tap.case("nonsense and dribbled frames end their sessions with a counted reason"):
            def rejected():
                text = site.http("GET", "/metrics").body.decode()
                return {line.split("{")[1].split('"')[1]: float(line.split()[-1])
                        for line in text.splitlines()
                        if line.startswith("ringwatch_frames_rejected_total{")}
            counts = wait_until("several kinds of rejected frames", lambda: (
                lambda c: c if sum(1 for v in c.values() if v > 0) >= 3 else None)(rejected()), 30)
            assert sum(counts.values()) >= 3, counts

        with tap.case("the others did not notice: no host without a fate was ever offline"):
            equal(len(by_fate["steady"]), 17, "hosts without a fate")
            for host in sorted(by_fate["steady"]):
                equal(presence(host), "online", host)
                assert "offline" not in history(host), (host, history(host))
            equal(len(site.hosts_in("offline")), 4, "offline hosts")

        with tap.case("the fleet ends in order and has lost no acknowledged event"):
            equal(fleet.stop(), 0, "exit status")

        with tap.case("`ringwatch` shows it to people and to programs"):
            shown = site.ask("hosts", "--state", "offline")
            equal(shown.returncode, 0, "hosts")
            for host in by_fate["silent"]:
                assert host in shown.stdout, shown.stdout
            rows = json.loads(site.ask("rings", "--json").stdout)["rings"]
            equal([r["ring"] for r in rows], ["canary"], "rings --json")
            for args in (("status",), ("events",), ("audit",), ("deployments",), ("rings",)):
                done = site.ask(*args)
                equal(done.returncode, 0, " ".join(args))
                assert done.stdout.strip(), args
            shown = site.ask("verdict", "--deployment", "d1", "--ring", "canary")
            equal(shown.returncode, 20, "verdict")
            assert "abort" in shown.stdout.lower(), shown.stdout
    tap.finish()


if __name__ == "__main__":
    main()
