# SPDX-License-Identifier: Apache-2.0
"""The last gasp: a kernel's own datagrams tell of its death before its silence could.

Two machines, one of each kernel, whose datagrams come from one address (QEMU's user-mode
network translates it), so that only the port tells them apart. Silence counts only after longer
than any case waits: what is offline here is so by its last words."""

import re
import time

from machine import KERNELS, Machine, loadable_modules, machine_files

from harness import Site, equal, wait_until

TIMING = {"heartbeat_every": "5s", "suspect_after": "60s", "offline_after": "90s"}

# From the command to panic on; less than suspect_after without a heartbeat.
OFFLINE_WITHIN_SECONDS = 50

# A collector whose loop was starved judges no silence for suspect_after, and may be starved again.
SIGHTED_WITHIN_SECONDS = 300


class Gasps:
    def __init__(self, site, tap, folder):
        self.site, self.tap = site, tap
        self.collector = site.start_collector(listen={
            "sensors": "127.0.0.1:0", "http": "127.0.0.1:0", "netconsole": "127.0.0.1:0"})
        port = self.collector.wait_for(r"event=listening what=netconsole addr=\S+:(\d+)")[1]
        self.machines = {}
        for kernel in KERNELS:
            host = "gasp-" + kernel.replace(".", "-")
            files = machine_files(site, host, ring=host, netconsole=f"10.0.2.2:{port}")
            # no panic=1: it stays dead, as a host that hangs in its panic does
            self.machines[host] = Machine(host, kernel, folder, files, append="panic=0",
                                          archive=loadable_modules(kernel, ("configfs", "netconsole")))
        tap.on_failure.append(self.tell)

    def tell(self):
        return [f"{host}: {line}" for host, machine in self.machines.items()
                for line in machine.console_text().splitlines()[-8:]]

    def about(self, host):
        return self.site.get(f"/v1/hosts/{host}")

    def wait_sighted(self):
        """Until silence is judged: not just after its start, nor after its own loop was starved."""
        wait_until("the collector not to be blind", lambda: self.site.http("GET", "/readyz").status == 200,
                   SIGHTED_WITHIN_SECONDS)

    def presences(self, host):
        """(from, to) of what the collector logged of it."""
        return re.findall(rf"event=presence host={host} \S+ from=(\w+) to=(\w+)", "\n".join(self.collector.lines()))

    def gasps(self, verified):
        return [row for row in self.site.get("/v1/gasps")["gasps"] if row["verified"] == verified]

    def proves(self):
        with self.tap.case("netconsole: two machines behind one address prove which port is whose"):
            for machine in self.machines.values():
                machine.start()
            for host in self.machines:
                wait_until(f"{host} to be proved",
                           lambda host=host: self.collector.find(rf"event=netconsole_proved host={host} "), 120)
                assert self.about(host)["netconsole"].startswith("armed"), self.about(host)["netconsole"]
            sources = {self.collector.find(rf"event=netconsole_proved host={host} source=(\S+)")[1]
                       for host in self.machines}
            equal(len(sources), len(self.machines), "sources")
            equal(len({source.rsplit(":", 1)[0] for source in sources}), 1, "addresses")

    def forges(self):
        for count, (host, machine) in enumerate(self.machines.items(), 1):
            with self.tap.case(f"netconsole: {host}: a panic that user space wrote is shown, and not believed"):
                before = self.presences(host)
                machine.run(f"echo '<0>Kernel panic - not syncing: forged on {host}' >/dev/kmsg")
                rows = wait_until("the gasp", lambda count=count: len(self.gasps(False)) == count and self.gasps(False), 20)
                row = next(row for row in rows if f"forged on {host}" in row["text"])
                equal(row["forged"], True, "forged")
                equal(self.gasps(True), [], "verified")
                equal(self.presences(host), before, "presences")
                equal(self.about(host)["state"], "online", "state")

    def at(self, pattern):
        """The place in the collector's log of the first line like this; the log's end when there is none."""
        lines = self.collector.lines()
        return next((at for at, line in enumerate(lines) if re.search(pattern, line)), len(lines))

    def dies(self, host, others):
        change = f"change-{host}"
        with self.tap.case(f"netconsole: {host} panics: its last words make it offline, and the verdict abort"):
            self.site.deploy(change, host)
            # a host counts from when it was heard once after its exposure
            wait_until("a heartbeat", lambda: self.site.verdict(change, host)["failed"]["hosts"] == 1, 60)
            self.wait_sighted()
            self.machines[host].send("echo c >/proc/sysrq-trigger")
            begun = time.monotonic()
            wait_until(f"{host} to be offline", lambda: self.about(host)["state"] == "offline", OFFLINE_WITHIN_SECONDS)
            offline = time.monotonic() - begun
            self.site.wait_verdict(change, "abort", host, SIGHTED_WITHIN_SECONDS)
            self.tap.say(f"## {host}: panic to abort: {time.monotonic() - begun:.1f} s (offline: {offline:.1f} s)")
            row = next(row for row in self.gasps(True) if row["host"] == host)
            equal((row["kind"], row["forged"]), ("panic", False), "kind and forged")
            equal(self.presences(host)[-2:], [("online", "suspect"), ("suspect", "offline")], "presences")
            order = [self.at(rf"event=last_gasp verified=yes host={host} .*kind=panic acted=yes"),
                     self.at(rf"event=presence host={host} .*to=offline"),
                     self.at(rf"event=breaker_opened deployment={change} .*rule=offline")]
            assert order == sorted(order) and order[-1] < len(self.collector.lines()), order
            for other in others:
                equal(self.about(other)["state"], "online", other)
                assert ("online", "suspect") not in self.presences(other), self.presences(other)
        self.machines[host].stop()  # a panic that never ends takes a whole CPU

    def run(self):
        try:
            self.proves()
            self.forges()
            left = list(self.machines)
            while left:
                host = left.pop(0)
                self.dies(host, left)
        finally:
            for machine in self.machines.values():
                machine.stop()


def rings():
    return {"gasp-" + kernel.replace(".", "-"): {"bake": "1h"} for kernel in KERNELS}


def run_gasps(tap, folder):
    with tap.case("netconsole: the cases run to their end"), Site(tap, rings=rings(), timing=TIMING) as site:
        Gasps(site, tap, folder).run()
