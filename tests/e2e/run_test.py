#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, `make run`, on this very machine: coverage, a live ring, a verdict, exit 0."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import BUILD, Tap, equal, wait_until
from terminal import Terminal

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "run")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def may_be_interrupted():
    """A job in the background inherits an ignored SIGINT, which no shell can trap again."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def environment(folder, seconds):
    return dict(os.environ, BUILD=BUILD, RUN_DIR=folder, RUN_SECONDS=str(seconds),
                RUN_HTTP_PORT=free_port(), RUN_SENSORS_PORT=free_port(), TERM="xterm")


def left(folder):
    return subprocess.run(["pgrep", "-f", folder], text=True, capture_output=True, check=False).stdout


def start(folder, seconds):
    return subprocess.Popen([RUN], env=environment(folder, seconds), text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, start_new_session=True,
                            preexec_fn=may_be_interrupted)


def main():
    tap = Tap()
    folder = tempfile.mkdtemp(prefix="ringwatch-run-")
    with tap.case("RUN_SECONDS ends it with 0 after coverage, the ring and a verdict"):
        child = start(folder, 4)
        out = child.communicate(timeout=60)[0]
        tap.on_failure.append(out.splitlines)
        equal(child.returncode, 0, "exit status")
        for said in (r"(?m)^oops +\S", r"(?m)^unexpected_reboot +boot state file", r"/v1/verdict",
                     r"(?m)^ +dev +1 +1 ", r"(?m)^(HOLD|PROCEED) +dev on dev"):
            assert re.search(said, out), f"it does not say /{said}/"
        equal(os.stat(os.path.join(folder, "operator.token")).st_mode & 0o777, 0o600, "token's mode")
    with tap.case("Ctrl-C ends it with 0 and leaves no program behind"):
        child = start(folder, 0)
        wait_until("the verdict", lambda: "verdict" in child.stdout.readline(), 30)
        os.killpg(child.pid, signal.SIGINT)
        out = child.communicate(timeout=30)[0]
        equal(child.returncode, 0, f"exit status, after {out[-1500:]!r}")
        equal(left(folder), "", "programs left")
    for keys, what in (("q", "q"), ("\x03", "Ctrl-C")):
        with tap.case(f"on a terminal it is the live view, and {what} ends it with 0"):
            terminal = Terminal([RUN], environment(folder, 0))
            terminal.wait_for(r"(?m)^> (HOLD|PROCEED) +dev +dev", 30)
            terminal.type(keys)
            equal(terminal.wait_end(30), 0, "exit status")
            equal(terminal.alternate, False, "alternate screen")
            equal(terminal.modes(), terminal.modes_before, "modes")
            terminal.close()
            equal(left(folder), "", "programs left")
    shutil.rmtree(folder, ignore_errors=True)
    tap.finish()


if __name__ == "__main__":
    main()
