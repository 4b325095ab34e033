#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which hosts a deployment has reached is told by the hosts themselves: by markers, by
their kernel, by the modules that they have loaded."""

import os

from harness import Site, Skip, Tap, equal, wait_until

RINGS = {"canary": {"steps": ["20%", "100%"]}}


def fleet(site, prefix, hosts, *options):
    """Simulated hosts, which go on as the same ones when they are started again."""
    return site.start_fleet("--prefix", prefix, "--state", site.path(f"{prefix}.state"), *options,
                            hosts=hosts, log=f"fleet-{prefix}.log")


def create(site, deployment, version, match):
    site.post("/v1/deployments", {"deployment": deployment, "component": "driver", "version": version,
                                  "exposure": "reported", "match": match, "rings": ["canary"]}, 201)


def ring_of(site, deployment):
    ring, = site.get(f"/v1/deployments/{deployment}")["rings"]
    return ring


def wait_exposed(site, deployment, hosts):
    wait_until(f"{hosts} hosts exposed to {deployment}",
               lambda: ring_of(site, deployment)["exposed"] >= hosts)
    equal(ring_of(site, deployment)["exposed"], hosts, "exposed")


def versions(site, host):
    answer = site.http("GET", f"/v1/hosts/{host}")
    if answer.status != 200:
        return {}
    return {row["subject"]: row["value"] for row in answer.json["versions"]}


def wait_version(site, host, subject, value):
    wait_until(f"{host} to report {subject} {value!r}",
               lambda: versions(site, host).get(subject) == value)


def changes(site, host):
    """Details of this host's changes that no deployment names, oldest first."""
    rows = [row for row in site.pages("/v1/audit?", "audit") if row["action"] == "unregistered_change"]
    assert all(row["actor"] == "collector" for row in rows), rows
    return [row["detail"] for row in reversed(rows) if row["subject"] == f"host={host} ring=canary"]


def fleets(tap):
    with Site(tap, rings=RINGS) as site:
        site.start_collector()
        old = ("--report", "marker:driver=1.0", "--report", "kernel=6.1.0 abcd")
        fleet(site, "a", 6, *old)
        some = {prefix: fleet(site, prefix, 2, *old) for prefix in ("b", "c")}
        wait_until("all hosts", lambda: len(site.hosts_in("online")) == 10)
        for host in ("a-00006", "b-00002", "c-00002"):
            wait_version(site, host, "marker:driver", "1.0")

        with tap.case("a host's versions are shown"):
            equal(versions(site, "b-00001"), {"marker:driver": "1.0", "kernel": "6.1.0 abcd"}, "versions")
            shown = site.ask("hosts", "--host", "b-00001").stdout
            assert "marker:driver  1.0" in shown and "6.1.0 abcd" in shown, shown

        with tap.case("hosts are exposed as they report the deployment's version"):
            create(site, "d", "2.0", "marker:driver")
            site.post("/v1/deployments/d/rings/canary/start", {"step": 1})
            equal(ring_of(site, "d")["exposed"], 0, "exposed before any report")
            equal(some["b"].stop(), 0, "exit")
            fleet(site, "b", 2, "--report", "marker:driver=2.0")
            wait_exposed(site, "d", 2)
            equal(ring_of(site, "d")["breaker"], "closed", "breaker")

        with tap.case("more of them than the step allows open the breaker"):
            equal(some["c"].stop(), 0, "exit")
            fleet(site, "c", 2, "--report", "marker:driver=2.0")
            wait_exposed(site, "d", 4)
            answer = site.wait_verdict("d", "abort")
            equal(answer["breaker"]["rule"], "exposure", "rule")
            # What a deployment names is no stray change, over a new connection neither.
            equal(changes(site, "c-00001"), [], "unregistered changes")

        with tap.case("a new deployment finds the hosts that reported its version before"):
            create(site, "late", "1.0", "marker:driver")
            equal(ring_of(site, "late")["exposed"], 6, "exposed at once")
            create(site, "kernel", "6.1.0", "kernel")
            equal(ring_of(site, "kernel")["exposed"], 6, "exposed to the kernel at once")

        with tap.case("a change that no deployment names is in the audit"):
            fleet(site, "e", 1, "--report", "marker:agent=1", "--update", "marker:agent=9 \u202ex",
                  "--fate", "1:update@200ms")
            wait_until("the audit row", lambda: changes(site, "e-00001"))
            equal(changes(site, "e-00001"), ["marker:agent 1 -> 9 \\xe2\\x80\\xaex"], "detail")
            site.collector.wait_for(r"event=unregistered_change host=e-00001 ring=canary")


def sensor(tap):
    with Site(tap) as site:
        os.chmod(site.dir, 0o755)  # a sensor that sheds its rights is another user
        site.start_collector()
        os.mkdir(site.path("markers"), 0o755)
        one = site.start_sensor("h1", markers_dir=site.path("markers"))
        one.wait_for(r"event=connected", 30)

        def mark(name, text, mode=0o644):
            site.write(f".{name}", text)
            os.chmod(site.path(f".{name}"), mode)
            os.rename(site.path(f".{name}"), site.path("markers", name))

        with tap.case("a sensor tells the kernel that runs, by release and build id"):
            release = os.uname().release
            wait_until("the kernel", lambda: versions(site, "h1").get("kernel", "").startswith(release))

        with tap.case("a marker is told when it is written, changed and removed"):
            create(site, "d", "2.0", "marker:driver")
            mark("driver", "1.0\n")
            wait_version(site, "h1", "marker:driver", "1.0")
            equal(ring_of(site, "d")["exposed"], 0, "exposed")
            mark("driver", "2.0\nbuilt by hand\n")
            wait_exposed(site, "d", 1)
            os.unlink(site.path("markers", "driver"))
            wait_version(site, "h1", "marker:driver", None)
            equal(changes(site, "h1"), [], "unregistered changes")

        with tap.case("what was removed and comes back as another is a change, over a restart of the sensor"):
            equal(one.stop(), 0, "exit")
            mark("driver", "3.0\n")
            one = site.start_sensor("h1", markers_dir=site.path("markers"))
            wait_version(site, "h1", "marker:driver", "3.0")
            equal(changes(site, "h1"), ["marker:driver 2.0 -> 3.0"], "unregistered changes")

        with tap.case("a marker that others may write is refused and said once"):
            mark("open", "1\n", 0o666)
            refused = r"event=marker_refused marker=open reason=\"can be written by group or others\""
            one.wait_for(refused)
            wait_version(site, "h1", "marker:open", None)
            mark("other", "1\n")
            wait_version(site, "h1", "marker:other", "1")
            equal(len([line for line in one.lines() if "marker_refused" in line]), 1, "lines")

        with tap.case("modules are reported while an active deployment matches them"):
            create(site, "live", "ABCDEF", "module:no_such_module")
            wait_version(site, "h1", "module:no_such_module", "")
            equal(one.stop(), 0, "exit")
            create(site, "away", "ABCDEF", "module:nor_this_one")
            one = site.start_sensor("h1", markers_dir=site.path("markers"))
            wait_version(site, "h1", "module:nor_this_one", "")
            site.post("/v1/deployments/away/withdraw", {"reason": "done"})
            wait_version(site, "h1", "module:nor_this_one", None)
            equal(versions(site, "h1")["module:no_such_module"], "", "the other")


def main():
    tap = Tap()
    fleets(tap)
    if os.geteuid() == 0:
        sensor(tap)
    else:
        with tap.case("a sensor reports markers"):
            raise Skip("markers must be root's")
    tap.finish()


if __name__ == "__main__":
    main()
