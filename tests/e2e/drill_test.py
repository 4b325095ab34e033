#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drills: from this machine's kernel log through a real sensor to the verdict and a recipe
that stops, with no figure changed."""

import json
import os
import re
import signal
import subprocess
import time

from harness import Site, Skip, Tap, equal, kmsg_fifo, program, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def kernel_log_gives_back():
    """Whether what is written to this kernel's log can be read there."""
    try:
        reader = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(reader, 0, os.SEEK_END)
        with open("/dev/kmsg", "w", encoding="ascii") as file:
            file.write("<14>ringwatch: drill test, is there an echo?\n")
    except OSError:
        return False
    records = []
    while True:
        try:
            records.append(os.read(reader, 8192))
        except BlockingIOError:
            return any(b"is there an echo" in record for record in records)
        except BrokenPipeError:
            pass  # lines were overwritten before they could be read


def figures(verdict):
    return {key: verdict[key] for key in ("breaker", "failed", "bake", "hosts")
            if key != "bake"} | {"state": verdict["bake"]["state"]}


def drills(site):
    return site.get("/v1/drills")["drills"]


def gate(site, *options):
    """The recipe for shells, as it is in the tree."""
    env = {**os.environ, "PATH": f"{os.path.dirname(program('ringwatch'))}:{os.environ['PATH']}",
           "RINGWATCH_URL": site.url, "RINGWATCH_TOKEN": site.tokens["read"]}
    return subprocess.run(["sh", os.path.join(ROOT, "deploy/recipes/gate.sh"), *options], env=env, text=True,
                          capture_output=True, timeout=60, check=False)


def whole_way(site, tap):
    with tap.case("a line of the kernel log becomes an abort, and no figure changes"):
        if not kernel_log_gives_back():
            raise Skip("this kernel's log cannot be written and read")
        before = site.verdict("acme-2.1")
        equal((before["verdict"], before["last_proved_at"]), ("hold", ""), "before")
        assert "drill_stale" in before["warnings"], before["warnings"]
        said = site.command("drill", "--deployment", "acme-2.1", "--ring", "canary", "--host", "real",
                            "--for", "10s", url=True).stdout
        assert re.search(r"^proved: staged: its line came out of the kernel log after \d+ ms; ", said, re.M), said
        on = site.verdict("acme-2.1")
        equal((on["verdict"], on["reasons"]), ("abort", ["drill"]), "while it is on")
        equal(site.verdict("acme-2.1", question="enter")["verdict"], "abort", "for=enter")
        equal(figures(on), figures(before), "figures")
        equal("drill_stale" in on["warnings"], False, "the warning")
        row = drills(site)[0]
        equal((row["host"], row["state"], row["actor"]), ("real", "proved", "operator"), "the drill")
        equal(on["last_proved_at"], row["proved_at"], "last_proved_at")

    with tap.case("it is an event like others, marked, and no signature of a crash"):
        if not drills(site):
            raise Skip("no drill came the whole way")
        event = site.get("/v1/events?kind=drill")["events"][0]
        equal((event["host"], event["source"], event["facts"]["drill"]),
              ("real", "log", drills(site)[0]["drill"]), "the event")
        equal([row for row in site.get("/v1/signatures")["signatures"] if row["kind"] == "drill"], [],
              "signatures")

    with tap.case("it clears by itself"):
        wait_until("the verdict of before", lambda: site.verdict("acme-2.1")["verdict"] == "hold", 20)
        wait_until("the end", lambda: all(row["ended_at"] for row in drills(site)))
        actions = [row["action"] for row in site.get("/v1/audit")["audit"] if row["action"].startswith("drill")]
        if drills(site):
            equal(actions, ["drill_cleared", "drill_proved", "drill_started"], "the audit")


def controller(site, tap):
    with tap.case("a rollout that obeys the verdict stops, and says that it was a drill"):
        done = site.command("drill", "--deployment", "acme-2.1", "--ring", "sim", "--for", "30s", "--json",
                            url=True)
        drill = json.loads(done.stdout)
        equal((drill["state"], drill["ring"]), ("proved", "sim"), "the drill")
        stopped = subprocess.run(
            [program("ringwatch"), "verdict", "--deployment", "acme-2.1", "--ring", "canary"],
            env={**os.environ, "RINGWATCH_URL": site.url, "RINGWATCH_TOKEN": site.tokens["read"]},
            text=True, capture_output=True, timeout=30, check=False)
        equal(stopped.returncode, 20, f"exit status, {stopped.stdout}{stopped.stderr}")
        assert "a drill is on" in stopped.stdout, stopped.stdout
        answer = site.http("POST", "/v1/flagger/rollback", {
            "name": "acme", "namespace": "default", "phase": "Progressing",
            "metadata": {"deployment": "acme-2.1", "ring": "canary", "token": site.tokens["read"]}}, token=None)
        equal(answer.status, 200, f"Flagger's rollback: {answer.body}")
    with tap.case("one at a time; what nothing can be proved by is refused"):
        for path, body, status, code in (
                ("acme-2.1/rings/sim", {"host": "", "seconds": 30}, 409, "conflict"),
                ("nothing/rings/sim", {"host": "", "seconds": 30}, 404, "unknown_deployment"),
                ("acme-2.1/rings/empty", {"host": "", "seconds": 30}, 404, "unknown_ring"),
                ("acme-2.1/rings/sim", {"host": "", "seconds": 9}, 400, "bad_request"),
                ("acme-2.1/rings/sim", {"host": "A b", "seconds": 30}, 400, "bad_request"),
                ("acme-2.1/rings/sim", {"seconds": 30}, 400, "bad_request")):
            answer = site.http("POST", f"/v1/deployments/{path}/drill", body)
            equal((answer.status, answer.error), (status, code), f"{path} {body}: {answer.body}")
        answer = site.http("POST", "/v1/deployments/acme-2.1/rings/sim/drill", {"host": "", "seconds": 30},
                           token="rollout")
        equal(answer.status, 403, "a rollout system's token")
        equal(site.http("GET", "/v1/drills/0123").status, 404, "one that never was")


def restart(site, tap):
    with tap.case("a restart ends a drill; what it proved is known"):
        proved = site.verdict("acme-2.1", ring="sim")["last_proved_at"]
        assert proved != "", "not proved"
        site.collector.kill()
        site.start_collector()
        wait_until("the end", lambda: drills(site)[0]["state"] == "cleared")
        verdict = site.verdict("acme-2.1", ring="sim")
        equal((verdict["verdict"], verdict["last_proved_at"]), ("hold", proved), "after the restart")
        wait_until("the hosts", lambda: len(site.hosts_in("online", "sim")) == 3
                   and len(site.hosts_in("online")) == 2, 30)

    with tap.case("no answer in time, and none out of a kernel log, prove nothing"):
        # A sensor that reads a recording in place of the kernel's log cannot write there.
        done = site.command("drill", "--deployment", "acme-2.1", "--ring", "canary", "--host", "blind",
                            url=True, check=False)
        equal(done.returncode, 1, done.stdout)
        assert "what is read as the kernel log is none" in done.stderr, done.stderr
        equal(site.verdict("acme-2.1")["verdict"], "hold", "the verdict")
        site.fleet.signal(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            answer = site.post("/v1/deployments/acme-2.1/rings/sim/drill", {"host": "", "seconds": 10},
                               status=201)
            wait_until("the end", lambda: site.get(f"/v1/drills/{answer['drill']}")["state"] == "failed", 60)
            assert time.monotonic() - begun > 25, "it did not wait"
        finally:
            site.fleet.signal(signal.SIGCONT)
        equal(site.get(f"/v1/drills/{answer['drill']}")["detail"], "the host reported nothing in time", "why")


def main():
    tap = Tap()
    rings = {"canary": {"bake": "1h"}, "sim": {"bake": "1h"}, "empty": {"bake": "1h"}}
    with Site(tap, rings=rings) as site:
        site.start_collector()
        site.start_sensor("real")
        write = kmsg_fifo(site.path("kmsg"))
        site.start_sensor("blind", options=("--kmsg", site.path("kmsg"), "--no-bpf"))
        write("Linux version 6.1.0")
        site.fleet = site.start_fleet(ring="sim", hosts=3)
        site.post("/v1/deployments", {"deployment": "acme-2.1", "component": "acme", "version": "2.1",
                                      "exposure": "fixed", "match": "none", "rings": ["canary", "sim"]}, status=201)
        wait_until("the hosts", lambda: len(site.hosts_in("online")) == 2
                   and len(site.hosts_in("online", "sim")) == 3)
        wait_until("readiness", lambda: site.http("GET", "/readyz", token=None).status == 200)
        site.post("/v1/deployments/acme-2.1/rings/canary/start", {"step": 1})
        wait_until("nothing but the bake to wait for",
                   lambda: site.verdict("acme-2.1")["reasons"] in (["bake_incomplete"],
                                                                   ["too_few_hosts", "bake_incomplete"]))
        whole_way(site, tap)
        controller(site, tap)
        restart(site, tap)
    tap.finish()


if __name__ == "__main__":
    main()
