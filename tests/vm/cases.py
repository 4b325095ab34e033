#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real kernels really crash, and what reaches the collector is checked.

One machine a kernel goes through all cases that it survives, and through those
that end a boot. Both kernels run at the same time, each against a collector of
its own. `--core` leaves out the slower cases; `--kernel 6.1` runs one kernel.
A table at the end tells what was seen through which hook. It and the consoles
are kept under BUILD/vm/logs.
"""

import argparse
import concurrent.futures
import contextlib
import os
import re
import signal
import sys
import threading
import time

from gasp import run_gasps
from hardware import Hardware, hardware_files
from machine import BUILD, KERNELS, Machine, machine_files
from senses import Senses, replay_files

from harness import Site, Tap, Timeout, equal, wait_until

# Emulated machines share two cores: generous, but a dead one is still found.
TIMING = {"heartbeat_every": "1s", "suspect_after": "8s", "offline_after": "20s"}

# Longer than the sensor holds anything back to wait for its second source.
HELD_SECONDS = 1.5

# A store that is emptied once it is read can tell a reset from a panic.
OPTIONS = "--remove-pstore"

# A module to load and write to, the function in it that crashes.
OOPSES = {"NULL dereference": ("rw_null", "rw_crash_null"),
          "general protection fault": ("rw_gp", "rw_crash_gp"),
          "BUG": ("rw_bug", "rw_crash_bug")}


class Cases(Senses, Hardware):
    def __init__(self, kernel, site, tap, folder):
        self.kernel, self.site, self.tap = kernel, site, tap
        self.host = "vm-" + kernel.replace(".", "-")
        self.ring = ring_of(kernel)
        self.deployment = "change-" + kernel.replace(".", "-")
        files = machine_files(site, self.host, ring=self.ring, options=OPTIONS)
        self.machine = Machine(self.host, kernel, folder, files | replay_files() | hardware_files(kernel),
                               cpus=2)
        self.marks = 0
        self.seen, self.table = set(), []
        tap.on_failure.append(self.tell)

    def tell(self):
        told = [f"---- console of {self.host} ends", *self.machine.console_text().splitlines()[-15:]]
        with contextlib.suppress(Exception):
            log, _ = self.machine.ask("tail -n 15 /state/sensor.log", 10)
            told += [f"sensor: {line}" for line in log.splitlines()]
        return told

    @contextlib.contextmanager
    def case(self, name):
        with self.tap.case(f"{self.kernel}: {name}"):
            yield
        with contextlib.suppress(Timeout):
            self.add_to_table(name)

    def add_to_table(self, case):
        """What this case made the sensor see, and through which hook."""
        about = self.about()
        hooks = {row["kind"]: row["hook"] for row in about.get("coverage", [])}
        rows = self.site.pages(f"/v1/events?host={self.host}", "events")
        new = [row for row in rows if row["event"] not in self.seen and not row["symbol"].startswith("rw_mark_")
               and row["kind"] != "log_excerpt"]
        self.seen |= {row["event"] for row in rows}
        for row in sorted({(row["kind"], row["source"]) for row in new}):
            kind, source = row
            hook = hooks.get(kind, "") if source.startswith("bpf") else {"log": "kernel log"}.get(source, source)
            self.table.append((case, self.kernel, kind, source, hook))

    # ---- what the collector says ----

    def events(self, kind):
        """Newest first, without the marks."""
        rows = self.site.pages(f"/v1/events?host={self.host}&kind={kind}", "events")
        return [row for row in rows if not row["symbol"].startswith("rw_mark_")]

    def wait_events(self, kind, count, seconds=30):
        def look():
            rows = self.events(kind)
            return rows if len(rows) >= count else None
        return wait_until(f"{count} events of kind {kind} from {self.host}", look, seconds)

    def settle(self):
        """Returns when all that the machine's kernel did until now is at the collector."""
        symbol = f"rw_mark_{self.marks % 8}"
        self.marks += 1

        def seen():
            rows = self.site.pages(f"/v1/events?host={self.host}&kind=warning", "events")
            return len([row for row in rows if row["symbol"].startswith(symbol + "+")])
        before = seen()
        self.machine.run(f"sleep {HELD_SECONDS}")
        self.machine.crash("rw_warn", symbol[-1])
        wait_until(f"the mark {symbol} from {self.host}", lambda: seen() > before, 30)

    def exactly(self, kind, count):
        """Exactly `count` events of this kind, also when the second source had time to speak."""
        self.wait_events(kind, count)
        self.settle()
        rows = self.events(kind)
        equal(len(rows), count, f"events of kind {kind}: "
              f"{[(r['signature'], r['source'], r['count']) for r in rows]}")
        return rows

    def about(self):
        answer = self.site.http("GET", f"/v1/hosts/{self.host}")
        return answer.json if answer.status == 200 else {"state": "not seen yet", "boot_id": ""}

    def wait_online(self, boot=None, seconds=60):
        def look():
            host = self.about()
            return host["state"] == "online" and host["connected"] and boot in (None, host["boot_id"])
        wait_until(f"{self.host} to be online", look, seconds)

    def restart_sensor(self, options=OPTIONS):
        self.machine.stop_sensor()
        wait_until(f"{self.host}'s goodbye", lambda: not self.about()["connected"], 15)
        self.machine.start_sensor(options)
        self.wait_online()

    def coverage(self):
        return {row["kind"]: row for row in self.about()["coverage"]}

    def boot_id(self):
        return self.machine.run("cat /proc/sys/kernel/random/boot_id").strip()

    # ---- what it survives ----

    def boots(self):
        with self.case("boots with the sensor and is online"):
            boot = self.machine.start()
            self.wait_online(boot)
            self.site.deploy(self.deployment, self.ring)
            answer = self.site.verdict(self.deployment, self.ring)
            equal(answer["verdict"], "hold", "verdict")
            equal(answer["hosts"]["exposed"], 1, "exposed hosts")

        with self.case("the sensor says what it sees, through BPF and the kernel log"):
            coverage = self.coverage()
            for kind in ("oops", "panic", "warning", "module_load_failed", "restart"):
                assert kind in coverage, f"{kind} is missing in {sorted(coverage)}"
                hook = coverage[kind]["hook"]
                # 6.1's console tracepoint does harm in NMIs: a kprobe sees panics there
                best = "kprobe/" if (self.kernel, kind) == ("6.1", "panic") else "(fentry|fexit|tp_btf)/"
                assert re.search(best, hook), coverage[kind]
                assert "kernel log" in hook, coverage[kind]

    def warns(self):
        with self.case("WARN: one event, site and module"):
            self.machine.crash("rw_warn", "w")
            row = self.exactly("warning", 1)[0]
            assert row["symbol"].startswith("rw_complain+0x"), row
            equal(row["module"], "rw_warn", "module")
            equal(row["signature"], f"warning:{row['symbol']}:rw_warn", "signature")
            assert row["source"] in ("bpf", "bpf_and_log"), row
            equal(row["severity"], "warning", "severity")

    def modules(self):
        with self.case("a module whose init fails: one event, name and errno"):
            self.machine.run("insmod /crash/rw_initfail.ko", check=False)
            row = self.exactly("module_load_failed", 1)[0]
            equal(row["module"], "rw_initfail", "module")
            equal(row["error"], -5, "error")
        for count, (name, what) in enumerate((("rw_garbage", "no module at all"),
                                              ("rw_cut", "a truncated module"),
                                              ("rw_vermagic", "a module for another kernel")), 2):
            with self.case(f"{what}: one event with its name and ENOEXEC, though insmod tries twice"):
                self.machine.run(f"insmod /crash/{name}.ko", check=False)
                row = self.exactly("module_load_failed", count)[0]
                equal(row["module"], name, "module")
                equal(row["error"], -8, "error")
        with self.case("an attempt without the right to load modules is no event"):
            said = self.machine.run("su nobody -c 'insmod /crash/rw_cut.ko'", check=False)
            assert "not permitted" in said, said
            self.exactly("module_load_failed", 4)

    def oopses(self):
        for before, (name, (module, symbol)) in enumerate(OOPSES.items()):
            with self.case(f"oops by {name}: one event, faulting symbol and module"):
                self.machine.crash(module)
                row = self.exactly("oops", before + 1)[0]
                assert row["symbol"].startswith(symbol + "+0x"), row
                equal(row["module"], module, "module")
                equal(row["signature"], f"oops:{row['symbol']}:{module}", "signature")
                equal(row["comm"], "sh", "comm")
                equal(row["severity"], "critical", "severity")
                assert row["source"] in ("bpf", "bpf_and_log"), row
                assert any(frame.startswith("rw_trigger_write+") and f"[{module}]" in frame
                           for frame in row["stack"]), row["stack"]

        with self.case("the verdict is abort, and its evidence names the host and the symbol"):
            answer = self.site.wait_verdict(self.deployment, "abort", self.ring, 10)
            equal(answer["breaker"]["rule"], "crashed", "rule")
            evidence = [e for e in answer["breaker"]["evidence"] if e["kind"] == "oops"]
            assert any(e["host"] == self.host and "rw_crash_null" in e["signature"] for e in evidence), evidence
            equal(self.site.ask("verdict", "--deployment", self.deployment, "--ring", self.ring).returncode,
                  20, "exit status of ringwatch verdict")

    def oops_in_a_worker(self):
        with self.case("oops in a kernel thread: the driver's function, not the worker's"):
            before = len(self.events("oops"))
            self.machine.run("insmod /crash/acme_storage.ko")
            row = self.exactly("oops", before + 1)[0]
            assert row["symbol"].startswith("acme_complete_request+0x"), row
            equal(row["module"], "acme_storage", "module")
            assert row["comm"].startswith("kworker/"), row

    def log_only(self):
        """A host where BPF is refused: the kernel log is a full sensor of its own."""
        with self.case("without BPF the kernel log alone sees WARN and oops, with the same signatures"):
            signatures = {row["module"]: row["signature"] for row in
                          self.events("oops") + self.events("warning")}
            self.wait_online(self.machine.reboot_orderly())
            self.restart_sensor("--no-bpf")
            for kind in ("oops", "warning"):
                hook = self.coverage()[kind]["hook"]
                assert hook.startswith("kernel log") and "/" not in hook, hook
            for kind, module in (("warning", "rw_warn"), ("oops", "rw_null"), ("oops", "rw_gp"), ("oops", "rw_bug")):
                before = len(self.events(kind))
                self.machine.crash(module, "w")
                row = self.exactly(kind, before + 1)[0]
                equal(row["source"], "log", "source")
                equal(row["signature"], signatures[module], "signature")

        with self.case("without BPF the kernel log names a refused module"):
            before = len(self.events("module_load_failed"))
            self.machine.run("insmod /crash/rw_vermagic.ko", check=False)
            row = self.exactly("module_load_failed", before + 1)[0]
            equal(row["source"], "log", "source")
            equal(row["module"], "rw_vermagic", "module")

    def kprobes(self):
        with self.case("without fentry the kprobe tier sees all three oopses and says so"):
            self.wait_online(self.machine.reboot_orderly())
            self.restart_sensor("--hooks kprobe")
            assert "kprobe/" in self.coverage()["oops"]["hook"], self.coverage()["oops"]
            for module, symbol in OOPSES.values():
                before = len(self.events("oops"))
                self.machine.crash(module)
                row = self.exactly("oops", before + 1)[0]
                assert row["symbol"].startswith(symbol + "+0x"), row
                assert row["source"] in ("bpf", "bpf_and_log"), row

    # ---- ends of a boot ----

    def reboots_in_order(self):
        with self.case("an orderly reboot is planned, never offline, never a failure"):
            old = self.boot_id()
            new = self.machine.reboot_orderly()
            assert new != old, new
            self.wait_online(new)
            row = self.exactly("planned_reboot", 1)[0]
            equal(row["boot_id"], old, "boot that ended")
            states = [t["to"] for t in self.about()["transitions"]]
            assert "planned" in states, states
            assert "offline" not in states, states
            equal(self.events("unexpected_reboot"), [], "unexpected reboots")
            answer = self.site.verdict(self.deployment, self.ring)
            equal((answer["verdict"], answer["failed"]["count"]), ("hold", 0), "verdict and failed hosts")

    def dies(self, name, kill):
        """A boot ends without a word; the next one says so, once, also after another start of the sensor."""
        with self.case(name):
            before = len(self.events("unexpected_reboot"))
            planned = len(self.events("planned_reboot"))
            old = self.boot_id()
            new = kill()
            assert new != old, new
            self.wait_online(new)
            row = self.wait_events("unexpected_reboot", before + 1)[0]
            equal(row["boot_id"], old, "boot that died")
            equal(row["severity"], "critical", "severity")
            self.restart_sensor()
            self.exactly("unexpected_reboot", before + 1)
            equal(len(self.events("planned_reboot")), planned, "planned reboots")

    def panic(self):
        self.machine.run("insmod /crash/rw_panic.ko")
        self.machine.send("echo 1 >/proc/rw_panic")
        return self.machine.wait_boot()

    def reset(self):
        self.machine.monitor("system_reset")
        return self.machine.wait_boot()

    def lose_power(self):
        self.machine.stop()
        return self.machine.start()

    def run(self, core):
        with self.machine:
            self.boots()
            self.warns()
            self.modules()
            self.causes()
            if not core:
                self.hangs()  # a kernel that has had an oops looks for no more of these
            self.reboots_in_order()
            self.oopses()
            self.errors()
            self.stuck()
            self.starves()
            self.nothing_unexplained()
            if not core:
                self.storms()
            if not core:
                self.oops_in_a_worker()
            self.dies("a panic reboots the machine; the next boot reports it as unexpected, once", self.panic)
            with self.case("a panic is one event at most, of the boot that died"):
                assert len(self.events("panic")) <= 1, self.events("panic")
            if not core:
                self.ends()
                self.safe_start()
                self.full_disk()
                self.replays()
                self.log_only()
                self.kprobes()
                self.lesser_tiers()
                self.keeps_in_ram()
                if self.has("i6300esb"):
                    self.bites()
                if self.has("mce-inject"):
                    self.machine_checks()
                self.refuses_signatures()
                if self.kernel != "6.1":
                    self.finds_wild_writes()
                self.locked_down()


class Lines:
    """Where both kernels' TAP goes: whole lines, numbered as one plan."""

    def __init__(self, out):
        self.out, self.lock, self.number = out, threading.Lock(), 0

    def write(self, text):
        for line in text.splitlines():
            if not line:  # print() writes the end of a line by itself
                continue
            with self.lock:
                match = re.match(r"((?:not )?ok) \d+(.*)", line)
                if match:
                    self.number += 1
                    line = f"{match[1]} {self.number}{match[2]}"
                self.out.write(line + "\n")
                self.out.flush()

    def flush(self):
        """Each line is, when it is written."""


def ring_of(kernel):
    return "k" + kernel.replace(".", "-")


def run_kernel(kernel, core, folder, out, tables):
    """One kernel's cases against a collector of their own; how many failed."""
    tap = Tap(out)
    with tap.case(f"{kernel}: the cases run to their end"), \
            Site(tap, rings={ring_of(kernel): {"bake": "1h"}}, timing=TIMING) as site:
        site.start_collector(quotas={"events_burst": 1000, "events_per_second": 100,
                                     "sessions_max": 100, "hosts_max": 100})
        cases = Cases(kernel, site, tap, folder)
        try:
            cases.run(core)
        finally:
            tables.extend(cases.table)
    return tap.failures


def print_table(rows, path):
    """Case by case: on which kernel what was seen, and through which hook. Also kept in a file."""
    rows = [("case", "kernel", "seen", "by", "hook"), *sorted(set(rows))]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            line = "  ".join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[4]]).rstrip()
            file.write(line + "\n")
            print(f"## {line}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", choices=(*KERNELS, "all"), default="all")
    parser.add_argument("--core", action="store_true", help="the cases of `make test` only")
    args = parser.parse_args()
    kernels = KERNELS if args.kernel == "all" else [args.kernel]
    folder = os.path.join(BUILD, "vm", "logs", time.strftime("%Y%m%d-%H%M%S"))
    os.makedirs(folder, exist_ok=True)

    # A stop from outside takes the machines along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out, tables = Lines(sys.stdout), []
    with concurrent.futures.ThreadPoolExecutor(len(kernels)) as pool:
        failures = list(pool.map(lambda kernel: run_kernel(kernel, args.core, folder, out, tables), kernels))
    if not args.core and args.kernel == "all":
        tap = Tap(out)
        run_gasps(tap, folder)
        failures.append(tap.failures)
    print(f"1..{out.number}")
    print_table(tables, os.path.join(folder, "table.txt"))
    sys.exit(1 if any(failures) else 0)


if __name__ == "__main__":
    main()
