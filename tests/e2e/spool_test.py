#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No acknowledged event is lost and none stands twice, whatever is killed when.

The sensor reads kernel log records from a FIFO here: /dev/kmsg takes no
records of the kernel from user space, and a kernel that really crashes cannot
be killed at a thousand points a minute. Real kernels crash in tests/vm.

The disk that fills up is a real one, a small tmpfs; so is the read-only one.
"""

import contextlib
import glob
import os
import random
import subprocess

from harness import Site, Skip, Tap, equal, kmsg_fifo, wait_until

QUOTAS = {"events_burst": 100000, "events_per_second": 100000, "sessions_max": 100,
          "hosts_max": 100}

SEED = int(os.environ.get("SEED", "20240719"))


def warning(number):
    return (f"WARNING: CPU: 0 PID: {1000 + number} at drivers/test/w{number}.c:{number + 1} "
            f"warn_{number:05d}+0x10/0x20 [drv]\n---[ end trace 0000000000000000 ]---")


def stored(site, host):
    """Symbols of this host's stored warnings, with how often each stands there."""
    found = {}
    for row in site.pages(f"/v1/events?host={host}&kind=warning", "events"):
        key = row["symbol"].split("+")[0]
        found[key] = found.get(key, 0) + 1
    return found


def spooled(sensor, number):
    """Whether the warning of this number is where it stays: the sensor tells first that it
    has seen it, and then up to which number everything is kept."""
    seen = sensor.find(rf"event=seen .*warn_{number:05d}.* sequence=(\d+)")
    if not seen:
        return False
    return any(int(line.split("event=spooled sequence=")[1].split()[0]) >= int(seen[1])
               for line in sensor.lines() if "event=spooled sequence=" in line)


class Disk:
    """A tmpfs of one megabyte at a host's state directory."""

    def __init__(self, site, host):
        self.path = site.path(f"state-{host}")
        os.makedirs(self.path, exist_ok=True)
        self.mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", self.path)

    @staticmethod
    def mount(*args):
        done = subprocess.run(["mount", *args], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Skip(f"mount: {done.stderr.strip()}")

    def fill(self):
        """Takes all that is free."""
        with open(os.path.join(self.path, "filler"), "ab", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(b"x" * 4096):
                    pass

    def give_back(self):
        os.unlink(os.path.join(self.path, "filler"))

    def remount(self, how):
        self.mount("-o", f"remount,{how}", self.path)

    def release(self):
        subprocess.run(["umount", "-l", self.path], capture_output=True, check=False)


def bad_disk(tap, site):
    """The state directory's disk fills up, is read-only at the start, and works again."""
    options = ["--no-bpf", "--kmsg", site.path("kmsg")]
    sent = 0

    def send(count):
        nonlocal sent
        for _ in range(count):
            write(warning(sent))
            sent += 1

    def all_stored():
        wait_until(f"all {sent} events to be stored", lambda: len(stored(site, "h2")) >= sent, 30)
        equal(stored(site, "h2"), {f"warn_{n:05d}": 1 for n in range(sent)},
              "stored warnings and how often each stands")

    site.start_collector(quotas=QUOTAS)
    write = kmsg_fifo(site.path("kmsg"))
    disk = None
    try:
        with tap.case("a disk that fills up is said, and what cannot be written is told all the same"):
            disk = Disk(site, "h2")
            sensor = site.start_sensor("h2", options=options)
            sensor.wait_for(r"event=connected")
            send(3)
            all_stored()
            disk.fill()
            send(20)
            sensor.wait_for(r'event=spool_in_memory reason="the disk is full')
            sensor.wait_for(r"event=greeting_anew .*spool=memory")
            all_stored()

        with tap.case("when there is room again the sensor goes back to the disk"):
            if disk is None:
                raise Skip("no disk")
            disk.give_back()
            sensor.wait_for(r"event=spool_on_disk")
            send(20)
            all_stored()
            assert spooled(sensor, sent - 1) and sensor.find(r"event=spooled .*where=disk")

        with tap.case("a disk full of events: they are told first, then what came after them"):
            if disk is None:
                raise Skip("no disk")
            site.collector.kill()
            disk.fill()
            os.truncate(os.path.join(disk.path, "filler"),
                        os.path.getsize(os.path.join(disk.path, "filler")) - 16 * 4096)
            known = len([line for line in sensor.lines() if "event=spool_in_memory" in line])
            while len([line for line in sensor.lines() if "event=spool_in_memory" in line]) == known:
                send(10)
                wait_until("the sensor to see them",
                           lambda: sensor.find(rf"event=seen .*warn_{sent - 1:05d}"), 20)
            send(20)
            wait_until("the last to be seen",
                       lambda: sensor.find(rf"event=seen .*warn_{sent - 1:05d}"), 20)
            site.start_collector(quotas=QUOTAS)
            all_stored()
            disk.give_back()

        with tap.case("a sensor on a read-only disk begins in memory, and goes to the disk later"):
            if disk is None:
                raise Skip("no disk")
            equal(sensor.stop(), 0, "exit status")
            disk.remount("ro")
            sensor = site.start_sensor("h2", options=options)
            sensor.wait_for(r"event=state .*Read-only file system")
            sensor.wait_for(r"event=connected")
            send(5)
            all_stored()
            disk.remount("rw")
            sensor.wait_for(r"event=spool_on_disk")
            send(5)
            all_stored()
            equal(sensor.stop(), 0, "exit status")

        with tap.case("with a full disk the sensor still stops in good order"):
            if disk is None:
                raise Skip("no disk")
            sensor = site.start_sensor("h2", options=options)
            sensor.wait_for(r"event=connected")
            disk.fill()
            send(2)
            all_stored()
            equal(sensor.stop(), 0, "exit status")
            wait_until("the host to be planned", lambda: site.hosts_in("planned"), 5)
    finally:
        if disk is not None:
            disk.release()


def main():
    tap = Tap()
    chance = random.Random(SEED)
    print(f"# SEED={SEED}")

    with Site(tap) as site:
        site.start_collector(quotas=QUOTAS)
        options = ["--no-bpf", "--kmsg", site.path("kmsg")]
        write = kmsg_fifo(site.path("kmsg"))

        with tap.case("sensor and collector killed at random points lose and double nothing"):
            sensor = site.start_sensor("h1", options=options)
            sensor.wait_for(r"event=connected")
            sent = 0
            for turn in range(40):
                for _ in range(chance.randint(1, 12)):
                    write(warning(sent))
                    sent += 1
                # What the sensor has read but not yet spooled dies with it, as in a
                # machine that loses power; so it is killed once the records are down.
                wait_until("the spool to hold what was written",
                           lambda: spooled(sensor, sent - 1), 20)
                victim = chance.choice(["sensor", "collector", "both"])
                if victim != "collector":
                    sensor.kill()
                if victim != "sensor":
                    site.collector.kill()
                    site.start_collector(quotas=QUOTAS)
                if victim != "collector":
                    sensor = site.start_sensor("h1", options=options)
            expected = {f"warn_{n:05d}": 1 for n in range(sent)}
            wait_until(f"all {sent} events to be stored",
                       lambda: len(stored(site, "h1")) >= sent, 30)
            equal(stored(site, "h1"), expected, "stored warnings and how often each stands")

        with tap.case("a spool that was lost and made anew loses no new event"):
            sensor.kill()
            lost = glob.glob(site.path("state-h1", "spool*"))
            assert lost, "the sensor keeps its spool under state_dir/spool*"
            for path in lost:
                if os.path.isdir(path):
                    for inner in os.listdir(path):
                        os.unlink(os.path.join(path, inner))
                else:
                    os.unlink(path)
            sensor = site.start_sensor("h1", options=options)
            for n in range(sent, sent + 5):
                write(warning(n))
            sent += 5
            wait_until("the five new events", lambda: len(stored(site, "h1")) >= sent, 20)
            equal(stored(site, "h1"), {f"warn_{n:05d}": 1 for n in range(sent)}, "stored warnings")

        with tap.case("with the collector gone the sensor keeps spooling and says so once"):
            site.collector.kill()
            wait_until("the sensor to notice", lambda: sensor.find(r"event=(disconnected|unreachable)"))
            for n in range(sent, sent + 20):
                write(warning(n))
            sent += 20
            wait_until("twenty more in the spool",
                       lambda: spooled(sensor, sent - 1), 20)
            site.start_collector(quotas=QUOTAS)
            wait_until("the rest to arrive", lambda: len(stored(site, "h1")) >= sent, 40)
            said = [line for line in sensor.lines() if "event=unreachable" in line]
            assert len(said) <= 1, said

        with tap.case("SIGTERM: goodbye, exit 0, and the host is planned"):
            equal(sensor.stop(), 0, "exit status")
            wait_until("the host to be planned", lambda: site.hosts_in("planned"), 5)

    tap.on_failure.clear()  # the first site's logs are gone with it
    with Site(tap) as site:
        bad_disk(tap, site)

    tap.finish()


if __name__ == "__main__":
    main()
