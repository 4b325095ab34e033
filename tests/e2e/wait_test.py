#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ringwatch verdict --wait`: the step of a pipeline that stands until it is decided."""

import http.server
import os
import signal
import subprocess
import threading
import time
import urllib.request

from harness import Site, Tap, equal, program, wait_until
from terminal import Terminal


def environment(site):
    return {**{k: v for k, v in os.environ.items() if not k.startswith("RINGWATCH_")}, "TERM": "xterm",
            "RINGWATCH_URL": site.url, "RINGWATCH_TOKEN": site.tokens["rollout"]}


def arguments(deployment, *options):
    return [program("ringwatch"), "verdict", "--deployment", deployment, "--ring", "canary", "--wait",
            *options]


class Waiting:
    """A verdict that is being waited for, with what it says in files."""

    def __init__(self, site, deployment, *options):
        self.out, self.err = site.path(f"{deployment}.out"), site.path(f"{deployment}.err")
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.child = subprocess.Popen(arguments(deployment, *options), env=environment(site),
                                          stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def said(self, path=None):
        with open(path or self.err, encoding="utf-8") as file:
            return file.read()

    def wait_for(self, text):
        def look():
            assert self.child.poll() is None or text in self.said(), \
                f"it ended with {self.child.returncode}: {self.said()}"
            return text in self.said()
        wait_until(f"it to say {text!r}", look)

    def ends_with(self, status):
        equal(self.child.wait(30), status, f"exit status, after {self.said()!r}")


class FarAway(http.server.ThreadingHTTPServer):
    """The site's collector behind a line that takes 0.3 s for an answer."""

    def __init__(self, site):
        class Line(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                headers = {name: self.headers[name] for name in ("Authorization",) if name in self.headers}
                with urllib.request.urlopen(urllib.request.Request(site.url + self.path, headers=headers),
                                            timeout=10) as answer:
                    body = answer.read()
                time.sleep(0.3)
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # who asked did not wait

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Line)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


def main():
    tap = Tap()
    with Site(tap, rings={"canary": {"bake": "6s"}}) as site:
        site.start_collector()
        fleet = site.start_fleet(hosts=3)
        wait_until("3 hosts online", lambda: site.ring()["hosts"]["online"] == 3)

        with tap.case("it says what it waits for, survives a collector that is killed, ends with proceed"):
            waiting = Waiting(site, "one", "--timeout", "2m")
            waiting.wait_for("waiting: unknown_deployment\n")
            site.deploy("one")
            waiting.wait_for("waiting: bake_incomplete; baked ")
            site.collector.kill()
            waiting.wait_for("waiting: cannot reach http")
            equal(waiting.child.poll(), None, "end")
            site.start_collector()
            waiting.ends_with(0)
            assert waiting.said(waiting.out).startswith("PROCEED  one on canary"), waiting.said(waiting.out)
            # A line for each change, not for each question.
            lines = waiting.said().splitlines()
            equal([a for a, b in zip(lines, lines[1:]) if a.split(";")[0] == b.split(";")[0]], [], "repeated")

        with tap.case("it is no longer than --timeout, with 10 while holding and 1 without an answer"):
            site.deploy("two", start=False)
            Waiting(site, "two", "--timeout", "4s").ends_with(10)
            site.collector.signal(signal.SIGSTOP)
            try:
                waiting = Waiting(site, "two", "--timeout", "1s")
                waiting.ends_with(1)
                assert "no answer in time" in waiting.said(), waiting.said()
            finally:
                site.collector.signal(signal.SIGCONT)

        with tap.case("the last question has time for its answer, too"):
            with FarAway(site) as far:
                done = subprocess.run(arguments("two", "--timeout", "1s"), text=True, capture_output=True,
                                      env={**environment(site), "RINGWATCH_URL": far.url}, timeout=30, check=False)
                far.shutdown()
            equal(done.returncode, 10, f"exit status, after {done.stderr!r}")

        with tap.case("on a terminal there is one line, which goes at the end"):
            terminal = Terminal(arguments("two", "--timeout", "2s"), environment(site), columns=60)
            terminal.wait_for(r"(?m)^ringwatch: waiting: (?=.*not_started).{39}$")
            equal(terminal.wait_end(), 10, "exit status")
            assert "waiting" not in terminal.text() and "HOLD" in terminal.text(), terminal.text()
            terminal.close()

        with tap.case("what is withdrawn is not waited for"):
            site.post("/v1/deployments/two/withdraw", {"reason": "taken back"})
            Waiting(site, "two").ends_with(10)

        with tap.case("a refusal ends it at once"):
            done = subprocess.run(arguments("one"), env={**environment(site), "RINGWATCH_TOKEN": "nonsense"},
                                  text=True, capture_output=True, timeout=30, check=False)
            equal(done.returncode, 1, "exit status")
            assert "unauthorized" in done.stderr, done.stderr

        with tap.case("abort ends it"):
            site.deploy("three")
            waiting = Waiting(site, "three")
            waiting.wait_for("waiting: bake_incomplete")
            fleet.kill()
            waiting.ends_with(20)
            assert waiting.said(waiting.out).startswith("ABORT  three on canary"), waiting.said(waiting.out)
    tap.finish()


if __name__ == "__main__":
    main()
