# SPDX-License-Identifier: Apache-2.0
"""What else a kernel can do to a host, seen from outside: getting stuck, killing for want
of memory, refusing modules for each cause, storms, and each way to end a boot.

Cases of cases.py's machines; a class of its own so that each file stays one theme."""

import os
import re

from harness import equal, wait_until

# Of the module rw_senses: what to write, the kind of oops, the function that is to blame.
ERRORS = (("d", "divide error", "divide_error", "rw_divide"),
          ("u", "invalid opcode", "invalid_opcode", "rw_bad_opcode"),
          ("j", "jump to address 0", "null_dereference", "rw_jump"))

# The file, what is wrong with it, the cause that is told and the errno.
CAUSES = (("rw_garbage.ko", "no module at all", "bad_format", -8),
          ("rw_vermagic.ko", "a module for another kernel", "version_magic", -8),
          ("rw_initfail.ko", "a module whose init fails", "init_failed", -5),
          ("rw_unknown.ko", "a module that needs a symbol which nobody has", "unknown_symbol", -2),
          ("rw_parameter.ko count=3", "a parameter that the module refuses", "bad_parameter", -22))

EAT_ALL = "tail /dev/zero"

# What software emulation cannot make is replayed from the logs of real machines: the text,
# the kind that it must become and the start of its signature.
TEXTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "oops")
REPLAYED = (("x86_64-6.17-hard-lockup", "hard_lockup", "hard_lockup:"),
            ("x86_64-6.17-mce-local", "machine_check", "machine_check:bank3:"))


def replay_files():
    """Real logs as records of /dev/kmsg, in the machine's /replay."""
    files = {}
    for text, _, _ in REPLAYED:
        with open(os.path.join(TEXTS, text + ".txt"), encoding="utf-8") as file:
            lines = [re.sub(r"^\[ *[0-9.]+\] ?", "", line) for line in file.read().splitlines()[1:]]
        files[f"replay/{text}"] = "".join(f"0,{number},1000000,-;{line}\n" for number, line in enumerate(lines))
    return files


class Senses:
    """Expects machine, site, host, case(), events(), exactly(), wait_events(), settle()."""

    def only(self, kind, count, before=()):
        """The newest of exactly `count` more rows of a kind than `before`."""
        return self.exactly(kind, len(before) + count)[0]

    def errors(self):
        for how, name, kind, symbol in ERRORS:
            with self.case(f"oops by {name}: its type, and the function to blame"):
                before = self.events("oops")
                self.machine.crash("rw_senses", how)
                row = self.only("oops", 1, before)
                equal(row["symbol"].split("+")[0], symbol, "symbol")
                equal(row["module"], "rw_senses", "module")
                equal(row["facts"].get("type"), kind, "type")
        with self.case("two errors at two places of one module have two signatures"):
            before = self.events("oops")
            self.machine.crash("rw_senses", "e")
            row = self.only("oops", 1, before)
            assert row["signature"] not in {old["signature"] for old in before}, row
        with self.case("the kernel log around an oops is there to be read"):
            def log():
                event = self.events("oops")[0]["event"]
                return self.site.get(f"/v1/events/{event}")["log"]
            text = wait_until("the excerpt", log, 20)
            shown = self.site.command("event", self.events("oops")[0]["event"], url=True).stdout
            for words in ("rw_divide_elsewhere+0x", "Call Trace:", "divide error"):
                assert words in text, text[-1500:]
                assert words in shown, shown[-1500:]

    def causes(self):
        for file, name, cause, error in CAUSES:
            with self.case(f"{name}: cause {cause}"):
                before = self.events("module_load_failed")
                self.machine.run(f"insmod /crash/{file}", check=False)
                row = self.only("module_load_failed", 1, before)
                equal(row["error"], error, "errno")
                equal(row["module"], file.split(".")[0], "module")
                equal(row["facts"].get("cause"), cause, "cause")

    def stuck(self):
        with self.case("a CPU that is stuck: soft lockup, with whoever hogs it"):
            self.machine.run("echo 1 >/proc/sys/kernel/watchdog_thresh")
            # an emulated processor that was itself kept waiting may pass for one that was not stuck
            for _ in range(3):
                self.machine.crash("rw_senses", "s")
                self.settle()
                if self.events("soft_lockup"):
                    break
            row = self.wait_events("soft_lockup", 1)[-1]
            assert row["signature"].startswith("soft_lockup:"), row  # of whatever it was in: the delay loop
            assert "rw_spin+" in " ".join(row["stack"]), row
            equal(row["severity"], "critical", "severity")
        with self.case("the taint that it leaves is told once"):
            rows = [row for row in self.wait_events("taint", 1) if row["facts"].get("flag") == "L"]
            equal(len(rows), 1, f"taints {[(r['source'], r['boot_seconds'], r['detail']) for r in rows]}")
        with self.case("a reader that does not end: RCU stall"):
            self.machine.run("echo 3 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout")
            # the kernel finds it only when somebody waits for readers meanwhile
            for _ in range(4):
                self.machine.crash("rw_senses", "r")
                self.settle()
                if self.events("rcu_stall"):
                    break
            row = self.wait_events("rcu_stall", 1, 30)[-1]
            assert row["facts"].get("type") in ("self_detected", "detected"), row

    def hangs(self):
        with self.case("a task that hangs: one event, however often the kernel looks"):
            self.machine.run("echo 2 >/proc/sys/kernel/hung_task_timeout_secs")
            self.machine.run("echo 1 >/proc/sys/kernel/hung_task_check_interval_secs", check=False)
            self.machine.run("insmod /crash/rw_senses.ko; (echo h >/proc/rw_senses) >/dev/null 2>&1 &")
            rows = self.wait_events("hung_task", 1, 60)
            equal(len(rows), 1, "events")
            # the innermost frame outside the scheduler; rw_hang() itself ends in a jump there
            equal(rows[0]["signature"], "hung_task:rw_trigger_write:rw_senses", "signature")
            self.machine.run("echo 0 >/proc/sys/kernel/hung_task_timeout_secs")

    def fill_cgroup(self):
        self.machine.run("mkdir -p /cg; [ -e /cg/small ] || { mount -t cgroup2 cgroup2 /cg && "
                         "echo +memory >/cg/cgroup.subtree_control && mkdir /cg/small && "
                         "echo 20M >/cg/small/memory.max; }")
        self.machine.run(f"sh -c 'echo $$ >/cg/small/cgroup.procs; exec {EAT_ALL}'", check=False)

    def starves(self):
        with self.case("killed because its cgroup is full"):
            self.fill_cgroup()
            row = self.only("oom_kill", 1)
            equal(row["signature"], "oom_kill:cgroup", "signature")
            equal(row["facts"].get("cgroup"), "small", "cgroup")
            equal(row["comm"], "tail", "victim")
        with self.case("killed because the machine is full"):
            # nobody else is the kernel's choice, however the machine is loaded
            self.machine.run(f"sh -c 'echo 1000 >/proc/self/oom_score_adj; exec {EAT_ALL}'", check=False)
            row = self.only("oom_kill", 2)
            equal(row["signature"], "oom_kill:global", "signature")
            equal(row["comm"], "tail", "victim")

    def storms(self):
        with self.case("a storm of 2,000 warnings: few events, and every one of them accounted for"):
            self.machine.run("dmesg -n 1")  # the console would take minutes
            before = int(self.machine.run("cat /sys/kernel/warn_count"))
            self.machine.crash("rw_senses", "w")
            count = int(self.machine.run("cat /sys/kernel/warn_count")) - before

            def told():
                rows = [row for row in self.events("warning") if row["symbol"].startswith("rw_storm+")]
                # what neither the ring nor the log could hold, the kernel's counter tells
                rows += [row for row in self.events("unexplained") if row["facts"]["counter"] == "warn_count"]
                return rows if sum(row["count"] for row in rows) >= count else None
            rows = wait_until("the counts", told, 120)
            equal(sum(row["count"] for row in rows), count, "warnings told")
            assert len(rows) < 20, f"{len(rows)} events"
            self.machine.run("dmesg -n 7")

    def lesser_tiers(self):
        """What each kind falls back to when there is no fentry, and when there are no probes at all."""
        def by_bpf(tier, kind, do):
            assert self.coverage()[kind]["hook"].startswith(tier), self.coverage()[kind]
            before = self.events(kind)
            do()
            row = self.only(kind, 1, before)
            assert row["source"].startswith("bpf"), row

        with self.case("without fentry kprobes see WARN, a refused module and a kill for want of memory"):
            self.restart_sensor("--hooks kprobe")
            by_bpf("kprobe/", "warning", lambda: self.machine.crash("rw_warn", "w"))
            by_bpf("kretprobe/", "module_load_failed",
                   lambda: self.machine.run("insmod /crash/rw_vermagic.ko", check=False))
            by_bpf("kprobe/", "oom_kill", self.fill_cgroup)
        with self.case("with raw tracepoints alone a kill for want of memory is seen, and modules by the log"):
            self.restart_sensor("--hooks raw")
            by_bpf("raw_tp/", "oom_kill", self.fill_cgroup)
            equal(self.coverage()["module_load_failed"]["hook"].split("/")[0], "kernel log", "modules")
            self.restart_sensor()

    def full_disk(self):
        def spool_in(state):
            wait_until(f"the spool in {state}", lambda: self.about()["spool"]["state"] == state, 30)

        with self.case("a full state disk: the event is told all the same, and the host says why"):
            self.machine.run("dd if=/dev/zero of=/state/full bs=64k 2>/dev/null; "
                             "dd if=/dev/zero of=/state/fuller bs=1 count=65536 2>/dev/null", check=False)
            before = self.events("warning")
            self.machine.crash("rw_warn", "w")
            self.wait_events("warning", len(before) + 1)
            spool_in("memory")
            assert self.about()["spool"]["reason"], self.about()["spool"]
        with self.case("room again: what is seen is kept on disk again"):
            self.machine.run("rm /state/full /state/fuller")
            self.settle()
            spool_in("disk")

    def replays(self):
        with self.case("hard lockup and machine check, replayed from real machines' logs"):
            self.machine.run("mkfifo /run/replay; (sleep 3600 <>/run/replay >/dev/null 2>&1 &)", check=False)
            self.restart_sensor("--no-bpf --kmsg /run/replay")
            for text, kind, signature in REPLAYED:
                self.machine.run(f"cat /replay/{text} >/run/replay")
                row = self.wait_events(kind, 1)[0]
                assert row["signature"].startswith(signature), row
                equal(row["source"], "log", "source")
            self.restart_sensor()

    def nothing_unexplained(self):
        with self.case("all that the kernel counted is explained by an event"):
            equal(self.events("unexplained"), [], "unexplained")

    # ---- ends of a boot ----

    def end_of(self, boot):
        rows = [row for row in self.wait_events("unexpected_reboot", 1) if row["boot_id"] == boot]
        equal(len(rows), 1, f"events about {boot}")
        return rows[0]

    def leave_safe_start(self):
        self.machine.run("ringwatch-sensor --config /etc/ringwatch/sensor.yaml --leave-safe-start")

    def dies_by(self, name, kill, words, evidence=None):
        """One end of a boot: what the next one says of it."""
        with self.case(name):
            self.leave_safe_start()  # the boots that die here are not the sensor's doing
            self.restart_sensor()
            self.leave_safe_start()
            old = self.boot_id()
            new = kill()
            assert new != old, new
            self.wait_online(new)
            row = wait_until(f"how {old} ended", lambda: next(
                (one for one in self.events("unexpected_reboot") if one["boot_id"] == old), None), 30)
            assert row["facts"].get("end") in words, row
            equal(row["signature"].split(":")[1], row["facts"]["end"], "signature")
            if evidence:
                assert re.search(evidence, row["facts"].get("evidence", "")), row

    def send_and_wait(self, command):
        def kill():
            self.machine.send(command)
            return self.machine.wait_boot()
        return kill

    def ends(self):
        # nothing is synced then: whether the sensor could still write it down is luck
        self.dies_by("sysrq-b: a forced restart, or what looks like a reset",
                     self.send_and_wait("echo b >/proc/sysrq-trigger"), ("forced_restart", "reset_or_power_loss"))
        self.dies_by("reboot -f that nobody announced: a forced restart", self.send_and_wait("reboot -f"),
                     ("forced_restart", "reset_or_power_loss"))
        self.dies_by("sysrq-c: a panic", self.send_and_wait("echo c >/proc/sysrq-trigger"), ("panic",), "pstore erst")
        with self.case("what the persistent store kept is the panic itself, with its log"):
            rows = [row for row in self.events("panic") if row["source"] == "pstore"]
            assert rows, [(row["signature"], row["source"]) for row in self.events("panic")]
            text = self.site.get(f"/v1/events/{rows[0]['event']}")["log"]
            assert "Kernel panic - not syncing" in text, text[-500:]
        self.dies_by("a hard reset, with a store that would have kept a panic", self.reset, ("reset_or_power_loss",))
        self.dies_by("a loss of power, likewise", self.lose_power, ("reset_or_power_loss",))

    def safe_start(self):
        with self.case("two deaths soon after BPF came: it stays off, and the host says so"):
            self.leave_safe_start()
            self.restart_sensor()
            for _ in range(2):
                self.machine.send("echo b >/proc/sysrq-trigger")
                boot = self.machine.wait_boot()
                self.wait_online(boot)
            about = self.about()
            equal(about["safe_start"], True, "safe_start")
            equal([row["hook"] for row in about["coverage"] if "/" in row["hook"]], [], "hooks")
            self.wait_events("safe_start", 1)
        with self.case("it is left when an operator says so"):
            self.leave_safe_start()
            self.restart_sensor()
            equal(self.about()["safe_start"], False, "safe_start")
            assert "/" in self.coverage()["oops"]["hook"], self.coverage()["oops"]

    def boots_with(self, words):
        """The plug is pulled, and the next boot has these words on its command line."""
        self.machine.append = words
        boot = self.lose_power()
        self.leave_safe_start()
        self.wait_online(boot)
        self.restart_sensor()

    def refuses_signatures(self):
        with self.case("module.sig_enforce=1: cause signature_refused"):
            self.boots_with("module.sig_enforce=1")
            before = self.events("module_load_failed")
            self.machine.run("insmod /crash/rw_initfail.ko", check=False)
            row = self.wait_events("module_load_failed", len(before) + 1)[0]
            equal(row["facts"].get("cause"), "signature_refused", "cause")
            equal(row["module"], "rw_initfail", "module")
            self.machine.append = ""

    def finds_wild_writes(self):
        """6.1's cloud kernel has KFENCE off, and no way to switch it on."""
        with self.case("a write behind an allocation, found by KFENCE"):
            self.boots_with("kfence.sample_interval=100")
            self.machine.crash("rw_senses", "k")
            row = self.wait_events("kfence", 1)[0]
            equal(row["module"], "rw_senses", "module")
            assert "rw_out_of_bounds" in row["signature"], row
            equal(row["severity"], "critical", "severity")
            self.machine.append = ""

    def locked_down(self):
        with self.case("under lockdown=confidentiality the programs without probe reads still see"):
            self.boots_with("lockdown=confidentiality")
            coverage = self.coverage()
            assert re.search("(fentry|tp_btf)/", coverage["oops"]["hook"]), coverage["oops"]
            assert re.search("(fentry|tp_btf)/", coverage["oom_kill"]["hook"]), coverage["oom_kill"]
            for row in coverage.values():
                assert "kprobe/" not in row["hook"], row
        with self.case("a module that lockdown refuses: its name and EPERM"):
            before = self.events("module_load_failed")
            self.machine.run("insmod /crash/rw_initfail.ko", check=False)
            row = self.wait_events("module_load_failed", len(before) + 1)[0]
            # EPERM alone says no more, and the line that does begins with a task's name
            equal(row["facts"].get("cause"), "other", "cause")
            equal(row["error"], -1, "errno")
            equal(row["module"], "rw_initfail", "module")
            self.machine.append = ""
