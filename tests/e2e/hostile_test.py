# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm, or know no better: each is refused, and nobody else notices."""

import contextlib
import json
import os
import re
import resource
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Site, Skip, Tap, equal, wait_until  # noqa: E402

IDLE = 10000
HOST = b"Host: localhost\r\n"


def connect(site):
    return socket.create_connection(("127.0.0.1", site.http_port), timeout=20)


def read_all(conn):
    """What the server sends until it closes."""
    heard = b""
    with contextlib.suppress(ConnectionError):
        while piece := conn.recv(65536):
            heard += piece
    return heard


def send(site, *pieces):
    """Sends the pieces and ends; all that comes back."""
    with connect(site) as conn:
        with contextlib.suppress(OSError):  # the server may have closed it
            for piece in pieces:
                conn.sendall(piece)
            conn.shutdown(socket.SHUT_WR)
        return read_all(conn)


class Patient(Site):
    """Asks faster than a token may, so it waits where that is told."""

    def http(self, method, path, body=None, token="operator", **options):
        def look():
            answer = super(Patient, self).http(method, path, body, token=token, **options)
            return answer if answer.status != 429 or token not in self.tokens else None
        return wait_until(f"room for {method} {path}", look)


def statuses(heard):
    return [int(s) for s in re.findall(rb"HTTP/1\.[01] (\d{3}) ", heard)]


def is_error(answer, status, what):
    equal(answer.status, status, f"{what}: {answer.body[:200]!r}")
    error = answer.json["error"]
    assert error["code"] and error["message"] and "\n" not in error["message"], (what, error)
    equal(answer.headers["Content-Type"], "application/json", what)


def resident_kib(site):
    with open(f"/proc/{site.collector.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])


def still_serves(site):
    assert site.collector.running(), "the collector has ended"
    equal(site.http("GET", "/v1/rings").status, 200, "rings")


def schema_example(description, schema):
    """A value as the schema wants it."""
    while "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if schema["type"] == "object":
        return {k: schema_example(description, v) for k, v in schema["properties"].items()}
    if schema["type"] == "array":
        return ["canary"]
    if schema["type"] == "integer":
        return 1
    return schema.get("enum", ["a"])[0]


def operations(description):
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            # The stream's answer does not end; the others refuse in the forms of other programs.
            if not path.endswith("/stream") and not path.startswith(("/v1/flagger/", "/fleetlock/", "/api/v1/")):
                yield re.sub(r"\{\w+\}", "absent", path), method.upper(), operation


def every_endpoint(site, tap):
    description = site.get("/v1/openapi.json")
    with tap.case("every path refuses methods that it has not, with Allow"):
        for path in {path for path, _, _ in operations(description)}:
            known = {m for p, m, _ in operations(description) if p == path}
            for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - known:
                answer = site.http(method, path)
                is_error(answer, 405, f"{method} {path}")
                assert known <= set(answer.headers["Allow"].split(", ")), answer.headers["Allow"]
    with tap.case("every path refuses parameters that it has not, or has twice, or that are malformed"):
        for path, method, operation in operations(description):
            body = {"raw": b"{}"} if method == "POST" else {}
            for query in ("nonsense=1", "limit=1&limit=2", "ring=%", "ring=%zz", "ring=%00", "ring=%ff",
                          "token=abc", "RING=a", "ring=" + "a" * 300):
                answer = site.http(method, f"{path}?{query}", **body)
                is_error(answer, 400, f"{method} {path}?{query}")
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query" and parameter["name"] != "signature":
                    query = f"{path}?{parameter['name']}=%3Cb%3E"
                    is_error(site.http(method, query), 400, query)
    with tap.case("every path under /v1 refuses no token, a wrong one, and one of a lesser role"):
        for path, method, operation in operations(description):
            if "x-role" not in operation:
                continue
            body = {"raw": b"{}"} if method == "POST" else {}
            # refused by the rate of an address without a good token is refused, too
            answer = site.http(method, path, token=None, **body)
            is_error(answer, answer.status if answer.status == 429 else 401, f"{method} {path}")
            if operation["x-role"] != "read":
                is_error(site.http(method, path, token="read", **body), 403, f"{method} {path}")
            if operation["x-role"] == "operator":
                is_error(site.http(method, path, token="rollout", **body), 403, f"{method} {path}")
    with tap.case("every act refuses bodies that are not its own"):
        for path, method, operation in operations(description):
            if method != "POST":
                answer = site.http(method, path, raw=b"{}")
                is_error(answer, 400, f"{method} {path} with a body")
                continue
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            good = schema_example(description, schema)
            wrong = [b"", b"{", b"[]", b"null", b"\xff\xfe{}", b'{"a":1}', b'{"reason":"\\u0000"}',
                     b'{"x":' * 3000, b"[" * 60000, b'{"\xc3":1}']
            wrong += [json.dumps({**good, key: value}).encode() for key in good
                      for value in (None, {}, [[]], 1.5, -1 if isinstance(good[key], int) else "\x1b[2J")]
            for raw in wrong:
                answer = site.http(method, path, raw=raw)
                is_error(answer, answer.status if answer.status == 404 else 400,
                         f"{method} {path} {raw[:60]!r}")
            equal(site.http(method, path, raw=b"{}", headers={"Content-Type": "text/html"}).status, 415, path)
            equal(site.http(method, path, raw=b" " * 65537).status, 413, path)
    with tap.case("nothing that came in stands in an answer as it came"):
        for path in ("/v1/rings/<script>", "/v1/rings?<script>=1", "/v1/hosts?ring=<script>"):
            answer = site.http("GET", path)
            assert b"<script" not in answer.body and answer.status in (400, 404), answer.body


def bytes_that_are_no_requests(site, tap):
    token = b"Authorization: Bearer " + site.tokens["operator"].encode() + b"\r\n"
    post = (b"POST /v1/deployments HTTP/1.1\r\n" + HOST + token +
            b"Content-Type: application/json\r\n")
    with tap.case("bad chunking and bad lengths are refused, and not taken for another request"):
        smuggled = b"GET /v1/rings HTTP/1.1\r\n" + HOST + token + b"\r\n"
        for what, head, body in (
                ("a size that is none", b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n{}\r\n0\r\n\r\n"),
                ("a negative size", b"Transfer-Encoding: chunked\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n"),
                ("a size beyond 64 bits", b"Transfer-Encoding: chunked\r\n\r\n", b"1" + b"0" * 20 + b"\r\n{}"),
                ("a chunk without its end", b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\n{}XX0\r\n\r\n"),
                ("a length that is none", b"Content-Length: two\r\n\r\n", b"{}"),
                ("a negative length", b"Content-Length: -2\r\n\r\n", b"{}"),
                ("a length beyond 64 bits", b"Content-Length: 99999999999999999999\r\n\r\n", b"{}"),
                ("a body that ends early", b"Content-Length: 2000\r\n\r\n", b"{}"),
                ("a head that never ends", b"X-Long: " + b"a" * 200000, b"")):
            heard = send(site, post + head, body, smuggled)
            assert all(s >= 400 for s in statuses(heard)), f"{what}: {heard[:300]!r}"
            still_serves(site)
    with tap.case("what is not HTTP is refused or dropped"):
        for nonsense in (b"\0" * 5000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + b"x" * 500, b"\r\n" * 5000,
                         b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET http://evil/ HTTP/1.1\r\n" + HOST + b"\r\n",
                         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                         b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
                         b"CONNECT evil:80 HTTP/1.1\r\n" + HOST + b"\r\n"):
            heard = send(site, nonsense)
            assert all(s >= 400 for s in statuses(heard)), f"{nonsense[:40]!r}: {heard[:200]!r}"
        still_serves(site)
    with tap.case("a giant body is refused without being kept"):
        before = resident_kib(site)
        heard = send(site, post + b"Content-Length: 1073741824\r\n\r\n", *[b" " * 65536] * 64)
        assert statuses(heard) in ([413], []), heard[:200]
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        heard = send(site, post + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 64)
        assert statuses(heard) in ([413], []), heard[:200]
        assert resident_kib(site) - before < 64 * 1024, "the collector has grown"
        still_serves(site)
    with tap.case("pipelined requests are answered one by one, each by its own right"):
        ask = b"GET /v1/rings HTTP/1.1\r\n" + HOST
        heard = send(site, (ask + token + b"\r\n" + ask + b"\r\n") * 5)
        equal(statuses(heard), [200, 401] * 5, "statuses")
    with tap.case("encodings that nobody asked for are not used"):
        for accepts in ("br", "gzip;q=0", "gzip;q=nonsense", "\u00e9", "," * 4000, "gzip;" * 1000):
            answer = site.http("GET", "/v1/openapi.json",
                               headers={"Accept-Encoding": accepts.encode("utf-8").decode("latin-1")})
            equal((answer.status, answer.headers["Content-Encoding"]), (200, None), accepts[:20])


def room_for(descriptors):
    """This process may hold so many more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = descriptors + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Skip(f"{wanted} descriptors are needed, and {hard} are the most")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def metric(site, name):
    text = site.http("GET", "/metrics", token=None).body.decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])


def gather(site, size):
    """Connections that none of us ends; every second one sends a head by the byte."""
    crowd = []
    for number in range(size):
        conn = connect(site)
        crowd.append(conn)
        if number % 2:
            with contextlib.suppress(ConnectionError):
                conn.sendall(b"GET /v1/rings HTTP/1.1\r\nX-Slow: ")
        if number % 500 == 499:
            still_serves(site)
            equal(site.verdict("none")["verdict"], "hold", f"verdict after {number + 1}")
    return crowd


def crowds(site, tap):
    with tap.case(f"{IDLE} idle connections and slow heads leave the others served, in bounded memory"):
        room_for(IDLE)
        before = resident_kib(site)
        crowd = gather(site, IDLE)
        for conn in crowd:
            with contextlib.suppress(OSError):
                conn.send(b"a")
        still_serves(site)
        equal(site.verdict("none")["verdict"], "hold", "verdict")
        grown = resident_kib(site) - before
        assert grown < 128 * 1024, f"grown by {grown} KiB"
        descriptors = len(os.listdir(f"/proc/{site.collector.pid}/fd"))
        assert descriptors < 900, f"{descriptors} descriptors"
        # All of them got in; the longest idle made room for those that came after.
        made_room = metric(site, 'ringwatch_http_connections_cut_total{reason="made_room"}')
        assert made_room >= IDLE - 768, f"{made_room} made room"
        now = metric(site, "ringwatch_http_connections")
        assert now <= 768, f"{now} connections"
        for conn in crowd:
            conn.close()
        wait_until("its descriptors to be given back",
                   lambda: len(os.listdir(f"/proc/{site.collector.pid}/fd")) < 150)
    with tap.case("who asks without a token too often hears 429, and a token is served meanwhile"):
        heard = set()
        while 429 not in heard:  # a burst may be 400, and goes on at 20 a second
            heard |= {site.http("GET", "/v1/rings", token=None).status for _ in range(100)}
        equal(heard, {401, 429}, "statuses")
        answer = site.http("GET", "/v1/rings", token="wrong")
        is_error(answer, 429, "a wrong token")
        assert int(answer.headers["Retry-After"]) >= 1, answer.headers["Retry-After"]
        still_serves(site)
        equal(site.http("GET", "/healthz", token=None).status, 200, "healthz")


def main():
    tap = Tap()
    with Patient(tap, rings={"canary": {"bake": "1h"}}) as site:
        site.start_collector()
        site.start_fleet(hosts=2)
        wait_until("two hosts", lambda: len(site.hosts_in("online")) == 2)
        every_endpoint(site, tap)
        bytes_that_are_no_requests(site, tap)
        crowds(site, tap)
        with tap.case("the hosts noticed nothing, nothing was kept, and the collector ends in order"):
            equal(len(site.hosts_in("online")), 2, "hosts online")
            equal(site.get("/v1/deployments")["deployments"], [], "deployments")
            equal(site.collector.stop(), 0, "exit")
    tap.finish()


main()
