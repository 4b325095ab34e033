#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`make demo` does what the README says: three machines, one crash, abort, exit 20."""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
from harness import Tap, equal  # noqa: E402


def main():
    tap = Tap()
    with tap.case("the demo ends in abort, with the host and the symbol"):
        done = subprocess.run([os.path.join(HERE, "..", "..", "deploy", "demo")], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=600)
        tap.on_failure.append(done.stdout.splitlines)
        equal(done.returncode, 0, "exit status")
        for said in (r"dashboard, while this runs: http://[\d.:]+/#token=\S+", r"verdict abort: drill;",
                     r"HOLD +acme-storage-2", r"ABORT +acme-storage-2",
                     r"canary-2 +oops .*oops:acme_complete_request\+0x[0-9a-f]+:acme_storage",
                     r"exit status 20", r"from the crash to abort: "):
            assert re.search(said, done.stdout), f"it does not say /{said}/"
    tap.finish()


if __name__ == "__main__":
    main()
