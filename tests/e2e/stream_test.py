#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The stream over a real socket: what is told, resumed, refused and ended."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Site, Tap, equal, wait_until  # noqa: E402


class Stream:
    """Reads messages in a thread of its own, as a list of (name, data, id)."""

    def __init__(self, site, last_id=None, token="read"):
        self.connection = http.client.HTTPConnection("127.0.0.1", site.http_port, timeout=30)
        headers = {"Authorization": f"Bearer {site.tokens.get(token, token)}"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        self.connection.request("GET", "/v1/stream", headers=headers)
        self.socket = self.connection.sock  # which the answer may take away
        self.answer = self.connection.getresponse()
        self.messages, self.ended, self.alive, self.last_id = [], False, 0, last_id
        if self.answer.status == 200:
            self.thread = threading.Thread(target=self.read, daemon=True)
            self.thread.start()

    def read(self):
        name = data = None
        try:
            for line in self.answer:
                text = line.decode().rstrip("\n")
                if text.startswith("id: "):
                    self.last_id = text[4:]
                elif text.startswith("event: "):
                    name = text[7:]
                elif text.startswith("data: "):
                    data = json.loads(text[6:])
                elif text == ": alive":
                    self.alive += 1
                elif text == "" and name is not None:
                    self.messages.append((name, data, self.last_id))
                    name = data = None
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # the end, in its midst
        self.ended = True

    def of(self, name, **fields):
        return [data for what, data, _ in list(self.messages)
                if what == name and all(data.get(k) == v for k, v in fields.items())]

    def wait(self, name, **fields):
        return wait_until(f"{name} {fields}", lambda: self.of(name, **fields))[-1]

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # else the reader's thread keeps it until the next message
        self.connection.close()


def join(site, token="read"):
    """A listener; who has left may keep its place until the next word to it."""
    return wait_until("a place", lambda: next(
        (s for s in [Stream(site, token=token)] if s.answer.status == 200), None), every=0.2)


def events_of(stream):
    return [data["event"] for data in stream.of("event")]


def what_happens(site, tap):
    with tap.case("who comes is told how things stand"):
        stream = Stream(site)
        equal(stream.answer.headers["Content-Type"], "text/event-stream", "type")
        hello = stream.wait("hello")
        equal((hello["resumed"], hello["reason"]), (False, ""), "hello")
        equal(stream.wait("ring", ring="canary")["hosts"]["online"], 3, "online hosts")
    with tap.case("a verdict, an event and a transition are told as they come"):
        site.deploy("d1")
        stream.wait("verdict", deployment="d1", verdict="hold")
        site.start_fleet("--prefix", "bad", "--fate", "1:oops@0s", hosts=1, log="bad.log")
        stream.wait("event", host="bad-00001", kind="oops")
        stream.wait("transition", host="bad-00001", to="online")
    with tap.case("a crash is told with the abort that it makes"):
        victim = site.victim
        victim.kill()
        verdict = stream.wait("verdict", deployment="d1", verdict="abort")
        equal(verdict["breaker"], "open", "breaker")
        stream.wait("transition", host="victim-00001", to="offline")
    return stream


def resumes(site, tap, stream):
    with tap.case("a restart of the collector ends the stream within its drain"):
        site.collector.signal(signal.SIGTERM)
        equal(site.collector.wait(), 0, "exit status")
        wait_until("the end", lambda: stream.ended)
        last_id, before = stream.last_id, events_of(stream)
    with tap.case("who comes again is told what was missed, each once"):
        site.start_collector()
        site.start_fleet("--prefix", "next", "--fate", "2:oops@0s", hosts=2, log="next.log")
        wait_until("two events", lambda: len(site.get("/v1/events?kind=oops")["events"]) == len(before) + 2)
        again = Stream(site, last_id)
        equal(again.wait("hello")["resumed"], True, "resumed")
        wait_until("both", lambda: len(events_of(again)) == 2)
        again.wait("verdict", deployment="d1", verdict="abort")
        told = before + events_of(again)
        equal(sorted(told), sorted(e["event"] for e in site.get("/v1/events?kind=oops")["events"]), "events")
        again.close()


def refuses(site, tap):
    with tap.case("a wrong id, a missing token and one listener too many are refused"):
        for bad in ("x", "1", "-1-2", "1-2-3"):
            stream = Stream(site, bad)
            equal(stream.answer.status, 400, bad)
            assert b"Last-Event-ID" in stream.answer.read(), bad
        equal(site.http("GET", "/v1/stream", token=None).status, 401, "without a token")
        equal(site.http("GET", "/v1/stream?token=x").status, 400, "a token in the address")
        streams = [join(site) for _ in range(32)]
        equal(Stream(site).answer.status, 503, "one more")
        for stream in streams:
            stream.wait("hello")
            stream.close()
    with tap.case("a token that is taken away ends its streams and no other"):
        mine, other = join(site, "read"), join(site, "operator")
        mine.wait("hello"), other.wait("hello")
        path = site.path("tokens")
        with open(path, encoding="utf-8") as file:
            lines = file.readlines()
        kept = [line for line in lines if not re.match(r"\S+\s+read\s", line)]
        assert len(kept) == len(lines) - 1, lines
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(kept)
        site.collector.signal(signal.SIGHUP)
        equal(mine.wait("overflow")["reason"], "the token is good no more", "reason")
        wait_until("the end", lambda: mine.ended)
        assert not other.ended
        other.close()


def main():
    tap = Tap()
    with Site(tap, rings={"canary": {"bake": "1h"}}) as site:
        site.start_collector()
        site.start_fleet(hosts=2)
        site.victim = site.start_fleet("--prefix", "victim", hosts=1, log="victim.log")
        wait_until("three hosts", lambda: len(site.hosts_in("online")) == 3)
        wait_until("readiness", lambda: site.http("GET", "/readyz", token=None).status == 200)
        stream = what_happens(site, tap)
        resumes(site, tap, stream)
        refuses(site, tap)
    tap.finish()


main()
