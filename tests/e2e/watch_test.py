#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ringwatch watch` on a terminal and elsewhere, and the ways in which it ends."""

import json
import os
import re
import signal
import subprocess

from harness import Site, Tap, equal, program, wait_until
from terminal import Terminal


def environment(site, token="read", **changes):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("RINGWATCH_") and k not in ("NO_COLOR", "LC_ALL", "LC_CTYPE")}
    return {**env, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "RINGWATCH_URL": site.url,
            "RINGWATCH_TOKEN": site.tokens.get(token, token), **changes}


def watch(site, *options, columns=100, rows=40, **changes):
    return Terminal([program("ringwatch"), "watch", *options], environment(site, **changes),
                    columns, rows)


def given_back(terminal):
    """The terminal is as it was before."""
    equal(terminal.alternate, False, "alternate screen")
    equal(terminal.hidden_cursor, False, "hidden cursor")
    equal(terminal.modes(), terminal.modes_before, "modes")


def quits(terminal):
    terminal.type("q")
    equal(terminal.wait_end(), 0, "exit status")
    given_back(terminal)
    terminal.close()


def lines_of(site, *options, **changes):
    done = subprocess.run([program("ringwatch"), "watch", *options], env=environment(site, **changes),
                          text=True, capture_output=True, timeout=60, check=False)
    return done, done.stdout.splitlines()


def main():
    tap = Tap()
    with Site(tap, rings={"canary": {}, "ring1": {}}) as site:
        site.start_collector()
        doomed = site.start_fleet("--prefix", "a", hosts=5, log="fleet-a.log")
        site.start_fleet("--prefix", "b", ring="ring1", hosts=5, log="fleet-b.log")
        for ring in ("canary", "ring1"):
            wait_until(f"5 hosts online in {ring}",
                       lambda ring=ring: site.ring(ring)["hosts"]["online"] == 5)
        site.post("/v1/deployments", {"deployment": "acme-2", "component": "driver", "version": "2",
                                      "exposure": "fixed", "match": "none",
                                      "rings": ["canary", "ring1"]}, 201)
        site.post("/v1/deployments/acme-2/rings/canary/start", {"step": 1})
        site.wait_verdict("acme-2", "proceed")

        with tap.case("the rings stand in rollout order, with figures, on a terminal"):
            terminal = watch(site)
            terminal.wait_for(r"(?s)> PROCEED +canary +acme-2.*HOLD +ring1 +acme-2")
            equal(terminal.alternate, True, "alternate screen")
            for said in (r"failed +0 of 5 at risk = 0%, limit 0.1%", r"bake +\[█+\] 1s of 1s, complete",
                         r"hosts +\[█+\] 5 enrolled, 5 online; 5 exposed",
                         r"why +the ring has not been started \(not_started\)",
                         r"\A\S+ \S+Z +1 hold, 1 proceed"):
                assert re.search(said, terminal.text()), f"it does not show /{said}/:\n{terminal.text()}"
            assert "1;32" in terminal.styles, "no colour"

        with tap.case("keys choose a ring, open it, and tell the keys"):
            terminal.type("\x1b[B")
            terminal.wait_for(r"(?m)^> HOLD +ring1")
            terminal.type("k")
            terminal.wait_for(r"(?m)^> PROCEED +canary")
            terminal.type("\r")
            terminal.wait_for(r"Hosts that are not online: none")
            assert "ring1" not in terminal.text(), terminal.text()
            terminal.type("?")
            terminal.wait_for(r"q, Ctrl-C +quit")
            terminal.type("\x1b")
            terminal.wait_for(r"(?m)^  HOLD +ring1")

        with tap.case("it follows the size of the terminal"):
            terminal.resize(40, 16)
            terminal.wait_for(r"(?m)^q quit  r refresh  ↑↓ choose  enter open$")
            terminal.wait_for(r"(?m)^> PROCEED +canary")
            terminal.resize(100, 40)
            terminal.wait_for(r"(?m)^q quit .* help$")

        with tap.case("while the collector hangs nothing is green, and afterwards it is again"):
            site.collector.signal(signal.SIGSTOP)
            try:
                terminal.wait_for(r"no answer since \S+ \S+Z \(.*ago\): treat as hold")
                terminal.wait_for(r"(?m)^> HOLD\? +canary")
                assert "PROCEED" not in terminal.text(), terminal.text()
            finally:
                site.collector.signal(signal.SIGCONT)
            terminal.wait_for(r"(?m)^> PROCEED +canary")
            assert "no answer" not in terminal.text(), terminal.text()

        with tap.case("q gives the terminal back"):
            quits(terminal)

        with tap.case("so does every signal that ends it"):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
                terminal = watch(site)
                terminal.wait_for("PROCEED")
                os.kill(terminal.pid, number)
                equal(terminal.wait_end(), -number, f"end by {number.name}")
                given_back(terminal)
                terminal.close()

        with tap.case("stopped it gives the terminal back, and continued it goes on"):
            terminal = watch(site)
            terminal.wait_for("PROCEED")
            os.kill(terminal.pid, signal.SIGTSTP)
            equal(os.WIFSTOPPED(os.waitpid(terminal.pid, os.WUNTRACED)[1]), True, "stopped")
            terminal.read()
            given_back(terminal)
            os.kill(terminal.pid, signal.SIGCONT)
            terminal.wait_for(r"(?m)^> PROCEED +canary")
            equal(terminal.alternate, True, "alternate screen")
            quits(terminal)

        with tap.case("NO_COLOR and an ASCII terminal are minded"):
            terminal = watch(site, "--ring", "canary", NO_COLOR="1", LC_ALL="C")
            terminal.wait_for(r"bake +\[#+\]")
            equal(terminal.styles - {"0"}, set(), "styles")
            assert terminal.text().isascii() and "ring1" not in terminal.text(), terminal.text()
            quits(terminal)

        with tap.case("tables are coloured on a terminal, and not with NO_COLOR, TERM=dumb or in a pipe"):
            for coloured, changes in ((True, {}), (False, {"NO_COLOR": "1"}), (False, {"TERM": "dumb"})):
                terminal = Terminal([program("ringwatch"), "hosts", "--output", "wide"],
                                    environment(site, **changes), columns=200)
                equal(terminal.wait_end(), 0, "exit status")
                assert re.search(r"(?m)^a-00001 +canary +online ", terminal.text()), terminal.text()
                equal(bool(terminal.styles), coloured, f"colour with {changes}")
                terminal.close()
            assert "\x1b" not in site.ask("hosts").stdout

        with tap.case("--output json is --json, of each list"):
            for what in ("status", "rings", "hosts", "events", "signatures", "deployments", "audit"):
                said = [site.ask(what, *options) for options in (["--json"], ["--output", "json"])]
                equal([s.returncode for s in said], [0, 0], what)
                keys = [sorted(json.loads(s.stdout)) for s in said]
                equal(keys[0], keys[1], what)
                expected = {"status": ["deployments", "ready", "rings"], "rings": ["rings"]}.get(
                    what, sorted([what, "next_cursor"]))
                equal(keys[0], expected, what)

        with tap.case("elsewhere, and on TERM=dumb, there is a line for each change, up to --count"):
            done, lines = lines_of(site, "--count", "2")
            equal(done.returncode, 0, "exit status")
            equal(len(lines), 2, "lines")
            assert re.fullmatch(r"\S+Z  verdict proceed, acme-2 on canary; bake complete; 0 of 5 failed, "
                                r"limit 0.1%; 5 online", lines[0]), lines
            assert re.match(r"\S+Z  verdict hold, acme-2 on ring1: not_started", lines[1]), lines
            terminal = watch(site, "--ring", "canary", "--count", "1", columns=300, TERM="dumb")
            equal(terminal.wait_end(), 0, "exit status")
            assert re.search(r"(?m)Z  verdict proceed, acme-2 on canary", terminal.text()), terminal.text()
            equal(terminal.styles, set(), "styles")
            terminal.close()

        with tap.case("a wrong token, ring, deployment or rhythm is said at once"):
            for rows in (None, 40):
                if rows is None:
                    done, _ = lines_of(site, token="nonsense")
                    status, text = done.returncode, done.stderr
                else:
                    terminal = watch(site, token="nonsense")
                    status, text = terminal.wait_end(), terminal.text()
                    given_back(terminal)
                    terminal.close()
                equal(status, 1, "exit status")
                assert "unauthorized" in text, text
            assert "no such ring or deployment" in lines_of(site, "--count", "1", "--deployment", "x")[1][0]
            for wrong in ("999ms", "61s"):
                equal(lines_of(site, "--every", wrong)[0].returncode, 2, f"--every {wrong}")

        with tap.case("newest events and signatures stand below the rings"):
            terminal = watch(site)
            site.start_fleet("--prefix", "c", "--fate", "1:oops", ring="ring1", hosts=1, log="fleet-c.log")
            terminal.wait_for(r"(?m)^Newest events\n  \S+ \S+Z  c-00001  oops  ")
            terminal.wait_for(r"(?m)^Signatures\n  \S+ \S+Z  1 host  \S+.*new since acme-2$")
            quits(terminal)

        with tap.case("a ring that fails turns to abort, with evidence and the hosts that are away"):
            terminal = watch(site)
            terminal.wait_for("PROCEED")
            doomed.kill()
            terminal.wait_for(r"(?m)^> ABORT +canary")
            terminal.wait_for(r"breaker +OPEN since \S+ \S+Z, by rule \w+; stays open")
            terminal.type("\r")
            terminal.wait_for(r"(?m)^Evidence")
            terminal.wait_for(r"(?m)^  offline  a-0000\d  since \S+ \S+Z, last heard")

        with tap.case("a collector that is gone is said, and one that came back is asked again"):
            site.collector.kill()
            terminal.wait_for(r"no answer since")
            terminal.wait_for(r"cannot reach http")
            terminal.wait_for(r"ABORT\?")
            done, lines = lines_of(site, "--count", "2")
            equal(done.returncode, 1, "exit status")
            equal(len(lines), 1, "lines")
            assert "no answer since the beginning: treat as hold (cannot reach" in lines[0], lines
            site.start_collector()
            terminal.wait_for(r"(?m)^> ABORT +canary")
            quits(terminal)
    tap.finish()


if __name__ == "__main__":
    main()
