#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The sensor on this very machine, with what its kernel gives: a real out-of-memory
kill is seen, what user space can write is not believed, and rights are shed."""

import glob
import os
import re
import subprocess
import sys
import time

from harness import Site, Skip, Tap, equal, kmsg_fifo, program, wait_until

MEMORY_MIB = 24

# A task named by its first argument eats memory until it is killed.
HOG = """
import ctypes, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)  # PR_SET_NAME
kept = []
while True:
    kept.append(bytearray(b"x" * (1 << 20)))
"""


class Group:
    """A cgroup with a memory limit, of whichever version this machine has."""

    def __init__(self, name):
        self.name = name
        if os.path.isdir("/sys/fs/cgroup/memory"):
            own = re.search(r"^\d+:memory:(.*)$", open("/proc/self/cgroup", encoding="ascii").read(), re.M)
            self.path, limit = f"/sys/fs/cgroup/memory{own[1]}/{name}", "memory.limit_in_bytes"
        elif os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            self.path, limit = f"/sys/fs/cgroup/{name}", "memory.max"
        else:
            raise Skip("no memory cgroups here")
        try:
            os.makedirs(self.path, exist_ok=True)
            with open(os.path.join(self.path, limit), "w", encoding="ascii") as file:
                file.write(str(MEMORY_MIB << 20))
        except OSError as cause:
            raise Skip(f"no memory cgroup can be made here: {cause}") from cause

    def overflow(self, task):
        """Runs a task in the group until the kernel kills it; returns its pid."""
        def join():
            with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write("0")
        child = subprocess.Popen([sys.executable, "-c", HOG, task], preexec_fn=join)
        equal(child.wait(60), -9, "the hog's end")
        return child.pid

    def remove(self):
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.05)


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return dict(re.findall(r"^(\w+):\s+(.*)$", file.read(), re.M))


def events(site, kind):
    return site.pages(f"/v1/events?host=h1&kind={kind}", "events")


def killed(site, pid):
    return [row for row in events(site, "oom_kill") if row["pid"] == pid]


def settled(site, sensor):
    """Returns when what was said until now has had the time to become an event."""
    time.sleep(2.5)  # the longest that the sensor holds anything; no clock of its own can be moved
    wait_until("an empty spool", lambda: site.get("/v1/hosts/h1")["pending_events"] == 0, 10)
    assert sensor.running()


def main():
    tap = Tap()
    if os.geteuid() != 0:
        with tap.case("the sensor on this machine"):
            raise Skip("needs root")
        tap.finish()

    with tap.case("--coverage names a hook, or why there is none, for each kind"):
        out = subprocess.run([program("ringwatch-sensor"), "--coverage"], text=True, check=True,
                             capture_output=True).stdout
        rows = {line.split()[0]: line for line in out.splitlines()[1:]}
        for kind in ("oops", "panic", "warning", "module_load_failed", "soft_lockup", "hard_lockup",
                     "rcu_stall", "hung_task", "oom_kill", "taint", "machine_check", "memory_error",
                     "pcie_error", "kfence", "kasan", "unexpected_reboot", "unexplained"):
            assert kind in rows, f"{kind} is missing"
            assert len(rows[kind].split()) >= 2, rows[kind]

    with Site(tap) as site:
        site.start_collector()
        sensor = site.start_sensor("h1")
        sensor.wait_for(r"event=connected", 30)

        with tap.case("a real kill for want of memory in a cgroup is told once, with task and cgroup"):
            group = Group("ringwatch-test")
            pid = group.overflow("ringwatch-hog")
            # the log's older kills may have made it part of a storm, whose last it is
            wait_until("the event", lambda: killed(site, pid), 30)
            settled(site, sensor)
            row, = killed(site, pid)
            equal(row["signature"], "oom_kill:cgroup", "signature")
            equal(row["facts"]["scope"], "cgroup", "scope")
            # the hooks know the name, the log only what is in front of it
            if "bpf" in row["source"]:
                equal(row["comm"], "ringwatch-hog", "task")
            group.remove()

        with tap.case("`events --wide` names it, and `event` shows its facts"):
            wide = site.command("events", "--wide", "--kind", "oom_kill", url=True).stdout
            assert row["event"] in wide and "scope=cgroup" in wide, wide
            text = site.command("event", row["event"], url=True).stdout
            assert "scope         cgroup" in text, text
            answer = site.command("event", "h1/nothing", url=True, check=False)
            equal(answer.returncode, 2, "exit of a name that cannot be one")

        with tap.case("a task and a cgroup that are named like an oops make none"):
            group = Group("BUG: kernel NULL pointer dereference, address: 0")
            pid = group.overflow("Oops: 0002 [#1]")
            wait_until("the event", lambda: killed(site, pid), 30)
            settled(site, sensor)
            for kind in ("oops", "panic", "warning"):
                equal(events(site, kind), [], kind)
            group.remove()

        with tap.case("lines that user space writes into the kernel log make no event"):
            with open("/dev/kmsg", "wb", buffering=0) as log:
                for line in (b"<2>Oops: 0002 [#1] SMP", b"<1>BUG: kernel NULL pointer dereference, address: 0",
                             b"<0>Kernel panic - not syncing: forged", b"<4>WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2",
                             b"<0>watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [x:1]"):
                    log.write(line)
            settled(site, sensor)
            for kind in ("oops", "panic", "warning", "soft_lockup"):
                equal(events(site, kind), [], kind)

        with tap.case("after the start it has no right left that it does not need"):
            status = status_of(sensor.pid)
            equal(status["NoNewPrivs"], "1", "no_new_privs")
            equal(status["Seccomp"], "2", "system calls")
            kept = int(status["CapEff"], 16)
            allowed = 1 << 39 | 1 << 34  # CAP_BPF, CAP_SYSLOG
            equal(kept & ~allowed, 0, f"capabilities {status['CapEff']}")
            for path in glob.glob(f"/proc/{sensor.pid}/task/*/status"):
                with open(path, encoding="utf-8", errors="replace") as file:
                    assert re.search(r"^Seccomp:\s+2$", file.read(), re.M), path

        with tap.case("it reloads its certificates after that, and stops in good order"):
            sensor.signal(1)
            sensor.wait_for(r"event=certificates_reloaded", 10)
            equal(sensor.stop(), 0, "exit")
            wait_until("planned or gone", lambda: not site.get("/v1/hosts/h1")["connected"], 10)

    with Site(tap) as site:
        site.start_collector()
        with tap.case("as another user it keeps events, and heeds what root announces"):
            os.chmod(site.dir, 0o755)  # so that another user gets to the state directory
            write = kmsg_fifo(site.path("kmsg"))
            sensor = site.start_sensor("h1", options=("--user", "nobody", "--kmsg", site.path("kmsg")))
            sensor.wait_for(r"event=connected", 30)
            assert int(status_of(sensor.pid)["Uid"].split()[0]) != 0, "still root"
            write("WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n---[ end trace 0000000000000000 ]---")
            wait_until("the event", lambda: events(site, "warning"), 15)
            sensor.wait_for(r"event=spooled sequence=\d+ where=disk", 10)
            subprocess.run([program("ringwatch-sensor"), "--config", site.path("sensor-h1.yaml"),
                            "--announce", "reboot"], check=True)
            equal(sensor.stop(), 0, "exit")
            host = wait_until("planned", lambda: next(
                (one for one in site.pages("/v1/hosts", "hosts") if one["state"] == "planned"), None), 10)
            equal(host["goodbye"], "reboot", "goodbye")

    with Site(tap) as site:
        site.start_collector()
        with tap.case("two deaths soon after an attach: BPF stays off, and it is said everywhere"):
            boot = "11111111-1111-4111-8111-111111111111"
            version = subprocess.run([program("ringwatch-sensor"), "--version"], text=True, check=True,
                                     capture_output=True).stdout.split()[1]
            os.makedirs(site.path("state-h1"), exist_ok=True)
            site.write("state-h1/attach.mark",
                       f"schema=1\nversion={version}\nrelease={os.uname().release}\ndeaths=2\nengaged=yes\n"
                       f"boot_id={boot}\nattached_boot_ms=20000\n")
            sensor = site.start_sensor("h1")
            sensor.wait_for(r"event=safe_start", 30)
            sensor.wait_for(r"event=connected", 30)
            host = site.get("/v1/hosts/h1")
            equal(host["safe_start"], True, "safe_start")
            for row in host["coverage"]:
                assert "raw_tp" not in row["hook"] and "fentry" not in row["hook"], row
            wait_until("the event", lambda: events(site, "safe_start"), 15)
            equal(events(site, "safe_start")[0]["severity"], "critical", "severity")
            sensor.stop()

        with tap.case("--leave-safe-start lets BPF attach again"):
            subprocess.run([program("ringwatch-sensor"), "--config", site.path("sensor-h1.yaml"),
                            "--leave-safe-start"], check=True)
            sensor = site.start_sensor("h1")
            sensor.wait_for(r"event=connected", 30)
            equal(site.get("/v1/hosts/h1")["safe_start"], False, "safe_start")
            sensor.stop()

    tap.finish()


if __name__ == "__main__":
    main()
