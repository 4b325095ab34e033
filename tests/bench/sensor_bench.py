# SPDX-License-Identifier: Apache-2.0
"""What the sensor costs its host, beside others in the same run.

All run at the same time and for the same while: the sensor, connected to a
collector; the smallest TLS client that OpenSSL allows; and node exporter
(scraped every 15 s, as Prometheus does by default), collectd and rasdaemon as
Debian ships them, unpacked by tests/bench/fetch-rivals. rasdaemon wants debugfs:
it gets its own mount of it. What cannot run here is said and left out.
"""

import contextlib
import glob
import os
import re
import socket
import subprocess
import time
import urllib.request

from harness import BUILD, Site, kmsg_fifo, wait_until

TICKS = os.sysconf("SC_CLK_TCK")
RIVALS = os.path.join(BUILD, "bench", "rivals")

COLLECTD = """BaseDir "{dir}"
PIDFile "{dir}/pid"
PluginDir "{rivals}/usr/lib/collectd"
TypesDB "{rivals}/usr/share/collectd/types.db"
Interval 10
LoadPlugin cpu
LoadPlugin memory
LoadPlugin load
"""

WARNING = """------------[ cut here ]------------
WARNING: CPU: 0 PID: 77 at drivers/net/acme/main.c:120 acme_poll+0x1f/0x40 [acme]
CPU: 0 PID: 77 Comm: acme Not tainted 6.1.0-1-amd64 #1
RIP: 0010:acme_poll+0x1f/0x40 [acme]
---[ end trace 0000000000000000 ]---"""


def cpu_ms(pid):
    """User and system time of all threads; schedstat is finer than clock ticks."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e6


def wakeups(pid):
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M)[1])
    return total


def memory_kib(pid, field):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(rf"^{field}:\s+(\d+) kB", file.read(), re.M)[1])


class Measured:
    """One program over the same stretch of time as the others."""

    def __init__(self, name, pid):
        self.name, self.pid = name, pid
        self.cpu, self.woken = cpu_ms(pid), wakeups(pid)

    def end(self, seconds):
        self.cpu = (cpu_ms(self.pid) - self.cpu) * 60 / seconds
        self.woken = (wakeups(self.pid) - self.woken) * 60 / seconds
        self.anonymous = memory_kib(self.pid, "Anonymous")
        self.resident = memory_kib(self.pid, "Rss")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start_rivals(site, stack):
    """(name, process, what to do every 15 s) of those that can run here."""
    def run(name, argv, settle):
        with open(site.path(f"{name}.log"), "wb") as log:
            child = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        stack.callback(child.wait)
        stack.callback(child.kill)
        time.sleep(settle)
        if child.poll() is not None:
            with open(site.path(f"{name}.log"), encoding="utf-8", errors="replace") as log:
                print(f"# {name} does not run here: {(log.read().strip().splitlines() or ['no word'])[-1]}")
            return None
        return child

    started = []
    port = free_port()
    child = run("node_exporter", [f"{RIVALS}/usr/bin/prometheus-node-exporter",
                                  f"--web.listen-address=127.0.0.1:{port}"], 1)
    if child:
        started.append(("prometheus-node-exporter", child,
                        lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read()))
    os.makedirs(site.path("collectd"))
    config = site.write("collectd.conf", COLLECTD.format(dir=site.path("collectd"), rivals=RIVALS))
    child = run("collectd", [f"{RIVALS}/usr/sbin/collectd", "-f", "-C", config], 1)
    if child:
        started.append(("collectd (cpu, memory, load)", child, None))
    child = run("rasdaemon", ["unshare", "-m", "sh", "-c", "mount -t debugfs debugfs /sys/kernel/debug && exec "
                              f"{RIVALS}/usr/sbin/rasdaemon -f"], 2)
    if child:
        started.append(("rasdaemon", child, None))
    return started


def system_call():
    out = subprocess.run([os.path.join(BUILD, "bench", "syscalls")], check=True, text=True,
                         capture_output=True).stdout
    return [float(value) for value in re.findall(r"_ns=([\d.]+)", out)]


def start_up(site):
    """Milliseconds from exec to the first word that it runs."""
    begin = time.monotonic()
    sensor = site.start_sensor("h2", options=("--user", "none"))
    wait_until("the sensor's start", lambda: sensor.find("event=started"), 60, every=0.001)
    took = (time.monotonic() - begin) * 1000
    sensor.stop()
    return took


def bench_storm(row, site, sensor, write):
    """A WARN storm through the kernel log: 20,000 warnings of one place."""
    before, begin, count = cpu_ms(sensor.pid), time.monotonic(), 20000
    for _ in range(count):
        write(WARNING, level=4)

    def told():
        rows = site.pages("/v1/events?host=h1&kind=warning", "events")
        return sum(row["count"] for row in rows) >= count and rows
    rows = wait_until("the storm's counts", told, 60)
    row("a storm of 20,000 warnings: events sent / CPU of the sensor",
        f"{len(rows)} / {cpu_ms(sensor.pid) - before:.0f} ms", f"over {time.monotonic() - begin:.0f} s")


def bench_sensor(row, seconds):
    subprocess.run([os.path.join(os.path.dirname(__file__), "fetch-rivals")], check=True)
    with Site(timing={"heartbeat_every": "5s", "suspect_after": "12s", "offline_after": "30s"}) as site, \
            contextlib.ExitStack() as stack:
        site.start_collector()
        row("sensor, from start to ready (ms)", f"{min(start_up(site) for _ in range(3)):.0f}")

        without = system_call()
        sensor = site.start_sensor("h1")
        sensor.wait_for(r"event=connected", 60)
        under = system_call()
        again = system_call()
        for name, with_it, one, two in zip(("getppid", "open, read, close"), again, without, under):
            row(f"system call {name}, with the sensor (ratio to without)",
                f"{min(with_it, two) / one:.2f}", "aim 1.00")

        bare = subprocess.Popen(
            [os.path.join(BUILD, "bench", "tls_client"), f"127.0.0.1:{site.sensors_port}",
             site.path("pki", "host-h1.pem"), site.path("pki", "host-h1.key"), site.path("pki", "ca.pem")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        stack.callback(bare.kill)
        bare.stdout.readline()
        rivals = start_rivals(site, stack)
        measured = [Measured("ringwatch-sensor", sensor.pid), Measured("bare TLS client", bare.pid)]
        measured += [Measured(name, child.pid) for name, child, _ in rivals]
        end, asked = time.monotonic() + seconds, 0.0
        begin = time.monotonic()
        while time.monotonic() < end:
            if time.monotonic() - asked >= 15:
                asked = time.monotonic()
                for _, _, ask in rivals:
                    if ask:
                        ask()
            time.sleep(min(1, max(0, end - time.monotonic())))
        took = time.monotonic() - begin
        row(f"idle for {seconds:.0f} s, in a minute:", "", "CPU ms / wake-ups / anonymous KiB / resident KiB")
        for one in measured:
            one.end(took)
            row(f"  {one.name}", f"{one.cpu:.1f} / {one.woken:.0f}",
                f"{one.anonymous:,} / {one.resident:,}" +
                ("   aim ≤ 72 wake-ups, 1,536, 5,120" if one is measured[0] else ""))
        ours, client = measured[0], measured[1]
        row("sensor's anonymous memory, ratio to the bare TLS client", f"{ours.anonymous / client.anonymous:.2f}")
        for other in measured[2:]:
            row(f"sensor's CPU, ratio to {other.name.split()[0]}", f"{ours.cpu / max(other.cpu, 0.1):.2f}", "aim < 1")
        sensor.stop()

        fifo = site.path("kmsg")
        write = kmsg_fifo(fifo)
        sensor = site.start_sensor("h1", options=("--kmsg", fifo))
        sensor.wait_for(r"event=connected", 60)
        bench_storm(row, site, sensor, write)
