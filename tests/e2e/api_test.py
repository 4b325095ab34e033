#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: every field of its contract, and the right refusal for every bad request."""

import json
import socket

from harness import Site, Tap, equal, program, wait_until

NUMBER = (int, float)
# The verdict's shape: name -> type, or a nested shape; a list holds its element's shape.
VERDICT = {
    "deployment": str, "ring": str, "for": str, "verdict": str, "reasons": [str], "warnings": [str],
    "breaker": {"state": str, "grade": str, "rule": str, "proof": str, "opened_at": str,
                "evidence": [{"host": str, "event": str, "kind": str, "signature": str, "at": str}]},
    "bake": {"state": str, "step": int, "steps": int, "required_seconds": int, "observed_seconds": int,
             "remaining_seconds": int, "started_at": str},
    "hosts": {key: int for key in ("enrolled", "online", "suspect", "offline", "planned", "absent", "unknown",
                                   "exposed", "unheard", "looping")},
    "failed": {"hosts": int, "count": int, "ratio": NUMBER, "limit": NUMBER, "lower95": NUMBER,
               "upper95": NUMBER, "observed_full": int, "certified": bool, "offline": int, "crashed": int,
               "module_failed": int, "recovered": int},
    "control": {"hosts": int, "failed": int, "host_hours": NUMBER, "p": NUMBER},
    "noise": {"expected_natural": NUMBER, "false_trip_probability": NUMBER, "detection_power": NUMBER},
    "coverage": {"ratio": NUMBER, "minimum": NUMBER},
    "max_exposed_hosts": int, "last_proved_at": str, "evaluated_at": str,
}


def check_shape(value, shape, where="verdict"):
    """Exactly these fields, each of its type, never null."""
    if isinstance(shape, dict):
        equal(set(value), set(shape), f"fields of {where}")
        for key, inner in shape.items():
            check_shape(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{where} is {value!r}"
        for number, item in enumerate(value):
            check_shape(item, shape[0], f"{where}[{number}]")
    elif shape is int:
        assert isinstance(value, int) and not isinstance(value, bool), f"{where} is {value!r}"
    else:
        assert isinstance(value, shape), f"{where} is {value!r}"


def raw(site, text):
    """Bytes as they are; the status of the answer, or 0 when there was none."""
    with socket.create_connection(("127.0.0.1", site.http_port), timeout=15) as conn:
        conn.sendall(text)
        reply = conn.recv(4096)
    return int(reply.split()[1]) if reply.startswith(b"HTTP/") else 0


def good(tap, site):
    with tap.case("unknown deployment and ring: 200, hold, the reasons in order, the full shape"):
        answer = site.verdict("none", "nowhere")
        check_shape(answer, VERDICT)
        equal(answer["verdict"], "hold", "verdict")
        equal(answer["reasons"][:2], ["unknown_deployment", "unknown_ring"], "reasons")
        assert answer["evaluated_at"].endswith("Z"), answer["evaluated_at"]
    with tap.case("a deployment is created once, started once, and shown"):
        body = {"deployment": "d1", "component": "driver", "version": "1.0", "exposure": "fixed",
                "match": "none", "rings": ["canary", "wide"]}
        site.post("/v1/deployments", body, 201)
        site.post("/v1/deployments", body, 200)
        equal(site.http("POST", "/v1/deployments", dict(body, version="2")).error, "conflict", "other content")
        answer = site.verdict("d1")
        equal((answer["verdict"], "not_started" in answer["reasons"]), ("hold", True), "before the start")
        refused = site.http("POST", "/v1/deployments/d1/rings/wide/start", {"step": 1})
        equal(refused.status, 409, "the second ring first")
        assert "previous_ring_not_passed" in refused.json["error"]["reasons"], refused.json
        site.post("/v1/deployments/d1/rings/canary/start", {"step": 1})
        site.post("/v1/deployments/d1/rings/canary/start", {"step": 1})
        starts = [r for r in site.get("/v1/audit")["audit"] if r["action"] == "deploy_start"]
        equal(len(starts), 1, "starts in the audit")
        equal(starts[0]["actor"], "operator", "actor")
        check_shape(site.verdict("d1"), VERDICT)
        check_shape(site.verdict("d1", question="enter"), VERDICT)
        equal(site.get("/v1/deployments/d1")["rings"][0]["exposed"], 5, "exposed")
    with tap.case("lists page without loss or repetition"):
        seen, cursor = [], ""
        while True:
            page = site.get("/v1/hosts?limit=2" + (f"&cursor={cursor}" if cursor else ""))
            seen += [row["host"] for row in page["hosts"]]
            cursor = page["next_cursor"]
            if not cursor:
                break
        equal(len(seen), 5, "hosts")
        equal(len(set(seen)), 5, "distinct hosts")
    with tap.case("health, readiness and metrics answer without a token"):
        equal(site.http("GET", "/healthz", token=None).json, {"status": "ok"}, "healthz")
        wait_until("readiness", lambda: site.http("GET", "/readyz", token=None).status == 200)
        text = site.http("GET", "/metrics", token=None).body.decode()
        for line in text.splitlines():
            assert line.startswith("# ") or len(line.rsplit(" ", 1)) == 2, line
        typed = [line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE")]
        names = {name for name, _ in typed} | {
            name + part for name, kind in typed if kind == "histogram" for part in ("_bucket", "_sum", "_count")}
        used = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
        equal(used - names, set(), "series without a type")
        assert "ringwatch_verdict" in used and "ringwatch_ring_hosts" in used, used
        assert "host=" not in text, "a series per host"
    with tap.case("withdraw needs an operator and a reason, and holds from then on"):
        equal(site.http("POST", "/v1/deployments/d1/withdraw", {"reason": "x"}, token="rollout").status, 403,
              "rollout token")
        site.post("/v1/deployments/d1/withdraw", {"reason": "bad firmware"})
        answer = site.verdict("d1")
        equal((answer["verdict"], answer["reasons"][0]), ("hold", "withdrawn"), "verdict")
        equal(site.get("/v1/deployments/d1")["reason"], "bad firmware", "reason")


def bad(tap, site):
    create = {"deployment": "d2", "component": "driver", "version": "1", "exposure": "fixed",
              "match": "none", "rings": ["canary"]}
    refusals = [
        ("no token", "GET", "/v1/rings", None, {"token": None}, 401),
        ("a wrong token", "GET", "/v1/rings", None, {"token": "nonsense"}, 401),
        ("a read token that acts", "POST", "/v1/deployments", create, {"token": "read"}, 403),
        ("a token in the URL", "GET", "/v1/rings?token=abc", None, {}, 400),
        ("an unknown path", "GET", "/v2/rings", None, {}, 404),
        ("a path that is almost one", "GET", "/v1/rings/", None, {}, 404),
        ("a wildcard as a name", "GET", "/v1/rings/*", None, {}, 404),
        ("an unknown ring", "GET", "/v1/rings/nowhere", None, {}, 404),
        ("an unknown host", "GET", "/v1/hosts/nobody", None, {}, 404),
        ("an unknown deployment", "GET", "/v1/deployments/none", None, {}, 404),
        ("a wrong method", "DELETE", "/v1/rings", None, {}, 405),
        ("POST where only GET is", "POST", "/v1/rings", {}, {}, 405),
        ("an unknown parameter", "GET", "/v1/hosts?colour=red", None, {}, 400),
        ("a repeated parameter", "GET", "/v1/hosts?ring=a&ring=b", None, {}, 400),
        ("a missing parameter", "GET", "/v1/verdict?ring=canary", None, {}, 400),
        ("a wildcard parameter", "GET", "/v1/verdict?deployment=*&ring=canary", None, {}, 400),
        ("a question that is none", "GET", "/v1/verdict?deployment=d&ring=r&for=fun", None, {}, 400),
        ("a limit of zero", "GET", "/v1/hosts?limit=0", None, {}, 400),
        ("a limit beyond the most", "GET", "/v1/hosts?limit=1001", None, {}, 400),
        ("a cursor that is none", "GET", "/v1/events?cursor=abc", None, {}, 400),
        ("a state that is none", "GET", "/v1/hosts?state=dead", None, {}, 400),
        ("a kind that is none", "GET", "/v1/events?kind=sneeze", None, {}, 400),
        ("a time that is none", "GET", "/v1/events?since=yesterday", None, {}, 400),
        ("a body that is no JSON", "POST", "/v1/deployments", None, {"raw": b"{"}, 400),
        ("a body that is no object", "POST", "/v1/deployments", None, {"raw": b"[]"}, 400),
        ("a body with a field twice", "POST", "/v1/deployments/d1/finish", None, {"raw": b'{"a":1,"a":2}'}, 400),
        ("a missing field", "POST", "/v1/deployments", {k: v for k, v in create.items() if k != "version"}, {}, 400),
        ("an unknown field", "POST", "/v1/deployments", dict(create, colour="red"), {}, 400),
        ("a field of another type", "POST", "/v1/deployments", dict(create, rings="canary"), {}, 400),
        ("a null", "POST", "/v1/deployments", dict(create, version=None), {}, 400),
        ("a wildcard as a deployment", "POST", "/v1/deployments", dict(create, deployment="*"), {}, 400),
        ("an exposure that is none", "POST", "/v1/deployments", dict(create, exposure="most"), {}, 400),
        ("a match with fixed exposure", "POST", "/v1/deployments", dict(create, match="kernel"), {}, 400),
        ("reported exposure without a match", "POST", "/v1/deployments", dict(create, exposure="reported"), {}, 400),
        ("a match that is none", "POST", "/v1/deployments",
         dict(create, exposure="reported", match="package:acme"), {}, 400),
        ("a wildcard as a marker", "POST", "/v1/deployments",
         dict(create, exposure="reported", match="marker:*"), {}, 400),
        ("a module as no lsmod writes it", "POST", "/v1/deployments",
         dict(create, exposure="reported", match="module:acme-storage"), {}, 400),
        ("a ring that the policy has not", "POST", "/v1/deployments", dict(create, rings=["nowhere"]), {}, 400),
        ("one ring twice", "POST", "/v1/deployments", dict(create, rings=["canary", "canary"]), {}, 400),
        ("no ring", "POST", "/v1/deployments", dict(create, rings=[]), {}, 400),
        ("a step that is none", "POST", "/v1/deployments/d1/rings/canary/start", {"step": 0}, {}, 400),
        ("a step as text", "POST", "/v1/deployments/d1/rings/canary/start", {"step": "1"}, {}, 400),
        ("a start of nothing", "POST", "/v1/deployments/none/rings/canary/start", {"step": 1}, {}, 404),
        ("an empty reason", "POST", "/v1/deployments/d1/withdraw", {"reason": ""}, {}, 400),
        ("retiring nobody", "POST", "/v1/hosts/nobody/retire", {"reason": "x"}, {}, 404),
        ("enrolling nobody", "POST", "/v1/hosts/nobody/enrol", {"reason": "x"}, {}, 404),
        ("excluding nobody", "POST", "/v1/hosts/nobody/exclude", {"reason": "x"}, {}, 404),
        ("maintenance of nobody", "POST", "/v1/hosts/nobody/maintenance", {"seconds": 60, "reason": "x"}, {}, 404),
        ("a rollout token that retires", "POST", "/v1/hosts/nobody/retire", {"reason": "x"}, {"token": "rollout"}, 403),
        ("a retirement without a reason", "POST", "/v1/hosts/nobody/retire", {}, {}, 400),
        ("an exclusion for no reason", "POST", "/v1/hosts/nobody/exclude", {"reason": ""}, {}, 400),
        ("an endless reason", "POST", "/v1/hosts/nobody/enrol", {"reason": "x" * 201}, {}, 400),
        ("maintenance without an end", "POST", "/v1/hosts/nobody/maintenance", {"reason": "x"}, {}, 400),
        ("maintenance of more than a week", "POST", "/v1/hosts/nobody/maintenance",
         {"seconds": 604801, "reason": "x"}, {}, 400),
        ("maintenance in the past", "POST", "/v1/hosts/nobody/maintenance", {"seconds": -1, "reason": "x"}, {}, 400),
        ("a host that is no name", "POST", "/v1/hosts/../retire", {"reason": "x"}, {}, 404),
        ("a GET of an act", "GET", "/v1/hosts/nobody/retire", None, {}, 405),
        ("a body of another type", "POST", "/v1/deployments", create,
         {"headers": {"Content-Type": "text/plain"}}, 415),
        ("a body that is too large", "POST", "/v1/deployments", None, {"raw": b" " * 70000}, 413),
        ("a Host header of another server", "GET", "/v1/rings", None, {"headers": {"Host": "evil.example"}}, 421),
    ]
    for name, method, path, body, options, status in refusals:
        with tap.case(f"{name}: {status} in the error's shape"):
            answer = site.http(method, path, body, **options)
            equal(answer.status, status, answer.body[:200])
            error = answer.json["error"]
            assert error["code"] and error["message"] and "\n" not in error["message"], error
    with tap.case("an unknown field is refused by its name"):
        answer = site.http("POST", "/v1/deployments", dict(create, colour="red"))
        assert answer.json["error"]["message"].startswith("colour:"), answer.json
    with tap.case("a request that is no HTTP, and one with a huge head, hurt nobody"):
        assert raw(site, b"\x16\x03\x01 nonsense\r\n\r\n") in (0, 400), "nonsense"
        assert raw(site, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 60000 + b"\r\n\r\n") in (0, 400, 413, 431, 414), "head"
        equal(site.http("GET", "/healthz", token=None).status, 200, "healthz")
    with tap.case("one header that counts, twice, is refused"):
        equal(raw(site, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"), 400, "two hosts")
    with tap.case("a chunked body that is too large hears why"):
        equal(raw(site, b"POST /v1/deployments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Authorization: Bearer " + site.tokens["operator"].encode() +
                  b"\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" + b" " * 70000 + b"\r\n0\r\n\r\n"),
              413, "chunked")
    with tap.case("an escaped NUL does not cut a name short"):
        equal(site.http("GET", "/v1/rings/canary%00x").status, 404, "in the path")
        equal(site.http("GET", "/v1/hosts?ring=canary%00x").status, 400, "in a parameter")
    with tap.case("a second collector on the HTTP port is refused: exit 69"):
        path = site.write("second.yaml", site.collector_config(
            listen={"sensors": "127.0.0.1:0", "http": f"127.0.0.1:{site.http_port}", "netconsole": "none"},
            store="second.db"))
        second = site.start("second", [program("ringwatch-collector"), "--config", path])
        equal(second.wait(), 69, "exit status")
        second.wait_for(rf"127\.0\.0\.1:{site.http_port}")
    with tap.case("200 idle connections leave the others served"):
        idle = [socket.create_connection(("127.0.0.1", site.http_port)) for _ in range(200)]
        equal(site.http("GET", "/v1/rings").status, 200, "rings")
        for conn in idle:
            conn.close()
    with tap.case("nothing of all this was kept"):
        equal([d["deployment"] for d in site.get("/v1/deployments")["deployments"]], ["d1"], "deployments")


def main():
    tap = Tap()
    with Site(tap, rings={"canary": {"bake": "1h"}, "wide": {"bake": "1h"}}) as site:
        site.start_collector()
        site.start_fleet(hosts=5)
        wait_until("five hosts", lambda: len(site.hosts_in("online")) == 5)
        good(tap, site)
        bad(tap, site)
        with tap.case("the command refuses what it cannot mean: exit 2; what is not there: exit 1"):
            create = ("deploy", "create", "--deployment", "d3", "--component", "c", "--version", "1", "--ring", "canary")
            for words in ((*create, "--exposure", "reported"), (*create, "--exposure", "fixed", "--match", "kernel"),
                          ("host", "retire", "nobody"), ("host", "retire", "No*body", "--reason", "x"),
                          ("host", "maintenance", "nobody", "--for", "8d", "--reason", "x")):
                done = site.ask(*words)
                equal((done.returncode, len(done.stderr.splitlines())), (2, 1), f"{words}: {done.stderr}")
            for words in (("retire",), ("enrol",), ("exclude",), ("maintenance", "--for", "30m")):
                done = site.ask("host", words[0], "nobody", *words[1:], "--reason", "x")
                equal(done.returncode, 1, f"{words}: {done.stderr}")
                assert "nobody" in done.stderr, done.stderr
        with tap.case("a verdict for people tells its figures in words"):
            shown = site.ask("verdict", "--deployment", "d1", "--ring", "canary").stdout
            for label in ("bounds", "control", "noise"):
                assert f"\n  {label} " in shown, shown
        with tap.case("the command and the API say the same"):
            shown = json.loads(site.ask("verdict", "--deployment", "d1", "--ring", "canary", "--json").stdout)
            check_shape(shown, VERDICT)
    tap.finish()


if __name__ == "__main__":
    main()
