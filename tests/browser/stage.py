#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The collector and the hosts behind the browser test. Reads one command a line and
answers each with one line of JSON: `start`, `fail` (a kernel oops in the canary ring),
`kill`, `restart`, `quit`."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import Site, kmsg_fifo, wait_until  # noqa: E402

# What a host can make a reader see, had it been told to attack one.
HOSTILE = "<img src=x onerror=alert(1)>"
OOPS = f"""BUG: kernel NULL pointer dereference, address: 0000000000000008
#PF: supervisor write access in kernel mode
Oops: 0002 [#1] PREEMPT SMP NOPTI
CPU: 1 PID: 4242 Comm: <b onclick=x> Tainted: G           OE      6.1.0 #1
RIP: 0010:acme_complete+0x1f/0x90 [acme_storage]
{HOSTILE}<script>alert(2)</script>
Call Trace:
 <TASK>
 acme_poll+0x4e/0x80 [acme_storage]
 </TASK>
---[ end trace 0000000000000000 ]---"""


def main():
    rings = {"canary": {"bake": "1h"}, "early": {"order": 2, "bake": "1h"}, "broad": {"order": 3, "bake": "1h"}}
    with Site(rings=rings) as site:
        write = kmsg_fifo(site.path("kmsg"))
        site.start_collector()

        def start():
            site.start_sensor("edge-1", options=("--kmsg", site.path("kmsg")))
            for number, (ring, hosts) in enumerate((("canary", 60), ("early", 40), ("broad", 80))):
                site.start_fleet("--prefix", ring, "--seed", str(number + 1), ring=ring, hosts=hosts, log=f"{ring}.log")
            wait_until("all hosts", lambda: len(site.pages("/v1/hosts?state=online", "hosts")) == 181, 60)
            site.post("/v1/deployments", {"deployment": "acme-2.1", "component": "driver", "version": "2.1",
                                          "exposure": "fixed", "match": "none", "rings": list(rings)}, 201)
            site.post("/v1/deployments/acme-2.1/rings/canary/start", {"step": 1})
            wait_until("a bake", lambda: site.verdict("acme-2.1")["reasons"] == ["bake_incomplete"], 60)
            return {"url": site.url, "token": site.tokens["read"]}

        acts = {"start": start, "fail": lambda: write(OOPS), "kill": lambda: site.collector.kill(),
                "restart": lambda: site.start_collector() and None}
        for line in sys.stdin:
            if line.strip() == "quit":
                break
            print(json.dumps(acts[line.strip()]()), flush=True)


if __name__ == "__main__":
    main()
