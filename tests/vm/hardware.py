# SPDX-License-Identifier: Apache-2.0
"""Hardware that emulation has: a watchdog that bites, memory that outlives a reset, and a
machine check that is injected where the kernel would take a real one.

More cases of cases.py's machines. 6.1's cloud kernel has neither i6300esb nor mce-inject."""

import os

from machine import driver_files, unpacked

from harness import equal, wait_until

# Half way up the machine's memory, where neither the kernel's image nor the initramfs is loaded.
RAMOOPS_AT, RAMOOPS_BYTES = 0x0a000000, 0x100000

# Each is loaded before the sensor starts, when the kernel's command line names it.
DRIVERS = {"ramoops": f"mem_address={RAMOOPS_AT:#x} mem_size={RAMOOPS_BYTES:#x} record_size=0x8000 mem_type=0",
           "i6300esb": "heartbeat=5", "mce-inject": ""}
LACKING = {"6.1": ("i6300esb", "mce-inject")}


def hardware_files(kernel):
    files, script = {}, []
    for driver, parameters in DRIVERS.items():
        if driver in LACKING.get(kernel, ()):
            continue
        script.append(f"if grep -q rw_{driver} /proc/cmdline; then")
        paths = driver_files(kernel, (driver,))
        for path in paths:
            name = os.path.basename(path).removesuffix(".xz")
            files[f"drivers/{name}"] = unpacked(path)
            script.append(f"insmod /drivers/{name}" + (f" {parameters}" if path == paths[-1] else ""))
        script.append("fi")
    return files | {"etc/drivers": "\n".join(script) + "\n"}


class Hardware:
    """Expects what Senses expects, and boots_with(), dies_by(), send_and_wait()."""

    def has(self, driver):
        return driver not in LACKING.get(self.kernel, ())

    def keeps_in_ram(self):
        with self.case("ramoops instead of ERST: the sensor finds it"):
            self.boots_with(f"rw_ramoops erst_disable memmap={RAMOOPS_BYTES >> 20}M${RAMOOPS_AT:#x}")
            assert "ramoops" in self.machine.run("cat /sys/module/pstore/parameters/backend"), "another backend"
        before = len([row for row in self.events("panic") if row["source"] == "pstore"])
        self.dies_by("sysrq-c: a panic, kept by ramoops", self.send_and_wait("echo c >/proc/sysrq-trigger"),
                     ("panic",), "pstore ramoops")
        with self.case("what ramoops kept is the panic itself, with its log"):
            rows = [row for row in self.events("panic") if row["source"] == "pstore"]
            equal(len(rows), before + 1, "panics from pstore")
            text = self.site.get(f"/v1/events/{rows[0]['event']}")["log"]
            assert "Kernel panic - not syncing" in text, text[-500:]
        self.machine.append = ""

    def bites(self):
        with self.case("i6300esb: the driver is there before the sensor"):
            self.boots_with("rw_i6300esb")
            self.machine.run("[ -c /dev/watchdog0 ]")
        # opened, and never fed nor closed in good order
        self.dies_by("i6300esb, that nobody feeds: a watchdog", self.send_and_wait("echo 1 >/dev/watchdog0"),
                     ("watchdog",), "i6300ESB|watchdog")
        self.machine.append = ""

    def machine_checks(self):
        with self.case("a machine check, injected: its bank and status"):
            self.boots_with("rw_mce-inject")
            before = self.events("machine_check")
            self.machine.run("mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null; cd /sys/kernel/debug/mce-inject && "
                             "echo sw >flags && echo 0x9c00000000010150 >status && echo 0 >cpu && echo 4 >bank")
            rows = wait_until("the event", lambda: [row for row in self.events("machine_check")
                                                    if row["event"] not in {one["event"] for one in before}], 30)
            equal(rows[0]["facts"].get("bank"), "4", "bank")
            self.machine.append = ""
