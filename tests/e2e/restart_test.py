#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A collector that is killed comes back as it was, and holds until it has listened."""

import time

from harness import Site, Tap, equal, wait_until

OFFLINE_AFTER = 4.0


def main():
    tap = Tap()
    with Site(tap, rings={"canary": {"bake": "1h"}, "wide": {"bake": "1s"}}) as site:
        site.start_collector()
        wide = site.start_fleet("--prefix", "w", ring="wide", hosts=20, log="wide.log")
        canary = site.start_fleet("--prefix", "c", "--fate", "1:oops@6s", hosts=10)
        wait_until("30 hosts online", lambda: len(site.hosts_in("online")) == 10
                   and len(site.hosts_in("online", "wide")) == 20)
        before = {}

        with tap.case("an oops on one canary of ten opens the breaker, with its evidence"):
            site.deploy("bad")
            site.deploy("good", ring="wide")
            equal(site.verdict("bad")["verdict"], "hold", "before the oops")
            before = site.wait_verdict("bad", "abort")
            equal(before["breaker"]["state"], "open", "breaker")
            equal(before["breaker"]["rule"], "crashed", "rule")
            equal(before["failed"]["count"], 1, "failed")
            equal(before["failed"]["hosts"], 10, "at risk")
            evidence = before["breaker"]["evidence"][0]
            assert evidence["host"].startswith("c") and evidence["kind"] == "oops", evidence
            assert evidence["signature"].startswith("oops:"), evidence
            equal(site.ask("verdict", "--deployment", "bad", "--ring", "canary").returncode, 20,
                  "exit status of ringwatch verdict")

        with tap.case("another deployment on another ring proceeds once it has baked"):
            site.wait_verdict("good", "proceed", "wide")
            equal(site.ask("verdict", "--deployment", "good", "--ring", "wide").returncode, 0,
                  "exit status of ringwatch verdict")

        events = site.pages("/v1/events?kind=oops", "events")
        hosts = {row["host"] for row in site.pages("/v1/hosts", "hosts")}

        with tap.case("after kill -9 the breaker is still open, on the same evidence"):
            site.collector.kill()
            killed = time.monotonic()
            site.start_collector()
            after = site.verdict("bad")
            equal(after["verdict"], "abort", "verdict at once after the restart")
            equal(after["breaker"], before["breaker"], "breaker")
            equal(after["failed"]["count"], 1, "failed")

        with tap.case("it holds as blind until it has listened for one offline_after"):
            first = site.verdict("good", "wide")
            equal(first["verdict"], "hold", "right after the restart")
            assert "blind" in first["reasons"], first["reasons"]
            equal(site.http("GET", "/readyz").status, 503, "readyz")
            site.wait_verdict("good", "proceed", "wide")
            listened = time.monotonic() - killed
            assert listened >= OFFLINE_AFTER, f"proceeded after {listened:.1f} s of listening"
            equal(site.http("GET", "/readyz").status, 200, "readyz")

        with tap.case("hosts, events and deployments are as they were"):
            equal({row["host"] for row in site.pages("/v1/hosts", "hosts")}, hosts, "hosts")
            equal(site.pages("/v1/events?kind=oops", "events"), events, "oops events")
            equal({row["deployment"] for row in site.get("/v1/deployments")["deployments"]},
                  {"bad", "good"}, "deployments")

        with tap.case("no live host was ever taken for offline"):
            wait_until("all online again", lambda: len(site.hosts_in("online")) == 10
                       and len(site.hosts_in("online", "wide")) == 20)
            for host in sorted(hosts):
                changes = site.get(f"/v1/hosts/{host}")["transitions"]
                assert not [c for c in changes if c["to"] == "offline"], (host, changes)

        with tap.case("reset needs a reason, closes the breaker and starts the bake again"):
            refused = site.ask("deploy", "reset", "--deployment", "bad", "--ring", "canary")
            equal(refused.returncode, 2, "exit status without a reason")
            site.ask("deploy", "reset", "--deployment", "bad", "--ring", "canary",
                     "--reason", "driver fixed")
            answer = site.verdict("bad")
            equal(answer["breaker"]["state"], "closed", "breaker")
            equal(answer["verdict"], "hold", "verdict")
            assert answer["bake"]["observed_seconds"] < 30, answer["bake"]
            trail = site.get("/v1/audit")["audit"]
            assert any("driver fixed" in row["detail"] for row in trail), trail
            site.collector.kill()
            site.start_collector()
            equal(site.verdict("bad")["breaker"]["state"], "closed", "after another kill -9")

        with tap.case("a stopped collector ends in order"):
            equal(site.collector.stop(), 0, "exit status")
        canary.stop()
        wide.stop()
    tap.finish()


if __name__ == "__main__":
    main()
