#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No acknowledged event is lost and none stands twice, whatever is killed when.

The sensor reads kernel log records from a FIFO here: /dev/kmsg takes no
records of the kernel from user space, and a kernel that really crashes cannot
be killed at a thousand points a minute. Real kernels crash in tests/vm.
"""

import glob
import os
import random

from harness import Site, Tap, equal, kmsg_fifo, wait_until

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


def main():
    tap = Tap()
    chance = random.Random(SEED)
    print(f"# SEED={SEED}")

    with Site(tap) as site:
        site.start_collector(quotas={"events_burst": 100000, "events_per_second": 100000,
                                     "sessions_max": 100, "hosts_max": 100})
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
                           lambda: sensor.find(rf"event=spooled .*warn_{sent - 1:05d}"), 20)
                victim = chance.choice(["sensor", "collector", "both"])
                if victim != "collector":
                    sensor.kill()
                if victim != "sensor":
                    site.collector.kill()
                    site.start_collector(quotas={"events_burst": 100000, "events_per_second": 100000,
                                                 "sessions_max": 100, "hosts_max": 100})
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
                       lambda: sensor.find(rf"event=spooled .*warn_{sent - 1:05d}"), 20)
            site.start_collector(quotas={"events_burst": 100000, "events_per_second": 100000,
                                         "sessions_max": 100, "hosts_max": 100})
            wait_until("the rest to arrive", lambda: len(stored(site, "h1")) >= sent, 40)
            said = [line for line in sensor.lines() if "event=unreachable" in line]
            assert len(said) <= 1, said

        with tap.case("SIGTERM: goodbye, exit 0, and the host is planned"):
            equal(sensor.stop(), 0, "exit status")
            wait_until("the host to be planned", lambda: site.hosts_in("planned"), 5)

    tap.finish()


if __name__ == "__main__":
    main()
