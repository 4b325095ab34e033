# SPDX-License-Identifier: Apache-2.0
"""Real answers against the description that the collector itself serves.

Every described operation is asked, and each of its answers must have the schema of
its status. That routes and description are the same is a unit test's part.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Site, Tap, equal, to_yaml, wait_until  # noqa: E402

# Streams have no end; the stream's own test reads it.
NOT_ASKED = {("get", "/v1/stream")}  # it does not end: stream_test.py
# In the forms of other programs, which controllers_test.py speaks.
FOREIGN = ("/v1/flagger/", "/fleetlock/", "/api/v1/")


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
         "number": (int, float)}
# What the checker knows of JSON Schema; another word in the description fails the test.
KNOWN = {"type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "items",
         "properties", "required", "additionalProperties", "description", "default", "format", "$ref"}


class Description:
    def __init__(self, document):
        self.document = document
        self.asked = {}  # (method, path) -> statuses that were checked

    def follow(self, part):
        while "$ref" in part:
            at = self.document
            for word in part["$ref"].removeprefix("#/").split("/"):
                at = at[word]
            part = at
        return part

    def validate(self, value, schema, where="answer"):
        """Raises unless `value` is as the schema, which may use the words of KNOWN alone."""
        schema = self.follow(schema)
        assert set(schema) <= KNOWN, f"{where}: {set(schema) - KNOWN} is not checked"
        fits = isinstance(value, TYPES[schema["type"]])
        assert fits and isinstance(value, bool) == (schema["type"] == "boolean"), \
            f"{where} is {value!r}, expected {schema['type']}"
        assert value in schema.get("enum", [value]), f"{where} is {value!r}, expected {schema['enum']}"
        if isinstance(value, str):
            assert re.search(schema.get("pattern", ""), value), f"{where} is {value!r}"
            assert len(value) >= schema.get("minLength", 0), f"{where} is {value!r}"
        elif isinstance(value, (int, float)):
            assert schema.get("minimum", value) <= value <= schema.get("maximum", value), \
                f"{where} is {value!r}"
        elif isinstance(value, list):
            for number, item in enumerate(value):
                self.validate(item, schema["items"], f"{where}[{number}]")
        else:
            self.validate_object(value, schema, where)

    def validate_object(self, value, schema, where):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        missing = set(schema.get("required", [])) - set(value)
        assert not missing, f"{where}: {missing} missing"
        for key, inner in value.items():
            if key in known:
                self.validate(inner, known[key], f"{where}.{key}")
            elif isinstance(others, dict):
                self.validate(inner, others, f"{where}.{key}")
            else:
                assert others, f"{where}.{key} is not described"

    def response(self, method, path, status):
        responses = self.document["paths"][path][method]["responses"]
        for key in (str(status), f"{status // 100}XX"):
            if key in responses:
                return self.follow(responses[key])
        raise AssertionError(f"{method} {path}: no answer {status} is described")

    def check(self, method, path, answer):
        described = self.response(method, path, answer.status)
        self.asked.setdefault((method, path), set()).add(answer.status)
        if "content" not in described:
            equal(answer.body, b"", f"body of {answer.status}")
            return None
        kind = answer.headers["Content-Type"].split(";")[0]
        schema = described["content"][kind]["schema"]
        value = answer.json if kind == "application/json" else answer.body.decode()
        self.validate(value, schema, f"{method} {path}")
        return value


def ask(site, described, method, path, query="", body=None, status=200, token="operator",
        headers=None, **names):
    """One request of the path with its names filled in; returns the checked value."""
    answer = site.http(method.upper(), path.format(**names) + query, body, token=token,
                       headers=headers)
    value = described.check(method, path, answer)
    equal(answer.status, status, f"{method} {path}{query}: {answer.body[:200]!r}")
    return answer if status == 304 else value


def deployments(site, described, tap, victim):
    one = "/v1/deployments/{deployment}"
    create = {"deployment": "d1", "component": "driver", "version": "1.0", "exposure": "fixed",
              "match": "none", "rings": ["canary", "wide"]}
    with tap.case("acts on deployments answer as described"):
        ask(site, described, "post", "/v1/deployments", body=create, status=201)
        ask(site, described, "post", "/v1/deployments", body=create)
        ask(site, described, "post", "/v1/deployments", body=dict(create, version="2"), status=409)
        ask(site, described, "post", "/v1/deployments", body={}, status=400)
        started = f"{one}/rings/{{ring}}/start"
        ask(site, described, "post", started, body={"step": 1}, deployment="d1", ring="wide", status=409)
        ask(site, described, "post", started, body={"step": 1}, deployment="d1", ring="canary")
        ask(site, described, "post", started, body={"step": 1}, deployment="d1", ring="canary",
            token="read", status=403)
    with tap.case("verdicts answer as described, with and without evidence"):
        ask(site, described, "get", "/v1/verdict", "?deployment=none&ring=nowhere")
        ask(site, described, "get", "/v1/verdict", "?deployment=d1&ring=canary&for=enter")
        wait_until("all to be heard", lambda: site.verdict("d1")["hosts"]["unheard"] == 0)
        victim.kill()
        aborts = site.wait_verdict("d1", "abort")
        assert aborts["breaker"]["evidence"], aborts["breaker"]
        ask(site, described, "get", "/v1/verdict", "?deployment=d1&ring=canary")
        ask(site, described, "get", "/v1/verdict", "?ring=canary", status=400)
    with tap.case("deployments, rings and signatures answer as described while a breaker is open"):
        for path, query in (("/v1/deployments", ""), ("/v1/deployments", "?limit=1"), ("/v1/rings", "")):
            ask(site, described, "get", path, query)
        ask(site, described, "get", one, deployment="d1")
        ask(site, described, "get", one, deployment="none", status=404)
        ask(site, described, "get", "/v1/rings/{ring}", ring="canary")
        timeline = f"{one}/rings/{{ring}}/timeline"
        points = wait_until("the failure's sample", lambda: [
            point for point in site.get("/v1/deployments/d1/rings/canary/timeline")["points"]
            if point["verdict"] == "abort" and point["failed"] >= 1])
        assert points[0]["breaker"] == "open", points
        ask(site, described, "get", timeline, "?points=2", deployment="d1", ring="canary")
        ask(site, described, "get", timeline, "?points=1", deployment="d1", ring="canary", status=400)
        ask(site, described, "get", timeline, deployment="d1", ring="none", status=404)
        rows = ask(site, described, "get", "/v1/signatures", "?ring=canary")["signatures"]
        assert rows and rows[0]["hosts"] >= 1, rows
        ask(site, described, "get", "/v1/signatures", "?cursor=x", status=400)
        ask(site, described, "post", f"{one}/rings/{{ring}}/reset", body={"reason": "seen"},
            deployment="d1", ring="canary")
        drill = f"{one}/rings/{{ring}}/drill"
        begun = ask(site, described, "post", drill, body={"host": "", "seconds": 10}, deployment="d1",
                    ring="canary", status=201)
        ask(site, described, "post", drill, body={"host": "", "seconds": 9}, deployment="d1", ring="canary",
            status=400)
        wait_until("the drill's proof", lambda: site.get(f"/v1/drills/{begun['drill']}")["proved_at"])
        ask(site, described, "get", "/v1/verdict", "?deployment=d1&ring=canary")
        ask(site, described, "get", "/v1/drills", "?limit=1&ring=canary")
        ask(site, described, "get", "/v1/drills/{drill}", drill=begun["drill"])
        ask(site, described, "post", f"{one}/withdraw", body={"reason": "bad"}, deployment="d1")
        ask(site, described, "post", f"{one}/finish", body={}, deployment="d1", status=409)
        site.post("/v1/deployments", dict(create, deployment="d2"), 201)
        ask(site, described, "post", f"{one}/finish", body={}, deployment="d2")


def hosts_and_events(site, described, tap):
    with tap.case("hosts answer as described, and the acts on them"):
        host = site.hosts_in("online")[0]["host"]
        ask(site, described, "get", "/v1/hosts", "?limit=2")
        ask(site, described, "get", "/v1/hosts", "?state=dead", status=400)
        ask(site, described, "get", "/v1/hosts/{host}", host=host)
        for act, body in (("maintenance", {"seconds": 60, "reason": "x"}), ("exclude", {"reason": "x"}),
                          ("retire", {"reason": "x"}), ("enrol", {"reason": "x"})):
            ask(site, described, "post", f"/v1/hosts/{{host}}/{act}", body=body, host=host)
            ask(site, described, "post", f"/v1/hosts/{{host}}/{act}", body=body, host="nobody", status=404)
    with tap.case("events answer as described, one with its log too"):
        rows = ask(site, described, "get", "/v1/events", "?limit=5")["events"]
        for row in rows:
            host, spool, sequence = row["event"].split("/")
            ask(site, described, "get", "/v1/events/{host}/{spool}/{sequence}", host=host, spool=spool,
                sequence=sequence)
        ask(site, described, "get", "/v1/events/{host}/{spool}/{sequence}", host="h", spool="s",
            sequence="1", status=404)
        ask(site, described, "get", "/v1/gasps")
        ask(site, described, "get", "/v1/audit", "?limit=3")
    with tap.case("webhooks and what they were told answer as described, a dead letter tried again"):
        deliveries, retry = "/v1/webhooks/deliveries", "/v1/webhooks/deliveries/{delivery}/retry"
        dead = wait_until("a dead letter", lambda: site.get(f"{deliveries}?state=dead")["deliveries"])
        ask(site, described, "get", "/v1/webhooks")
        ask(site, described, "get", deliveries, "?limit=1&target=nobody")
        ask(site, described, "get", deliveries, "?state=late", status=400)
        ask(site, described, "post", retry, body={}, delivery=dead[0]["delivery"])
        ask(site, described, "post", retry, body={}, delivery="none", status=404)


def the_rest(site, described, tap):
    with tap.case("what needs no token answers as described"):
        for path in ("/", "/healthz", "/metrics", "/dashboard/app.js", "/dashboard/style.css"):
            ask(site, described, "get", path, token=None)
        wait_until("readiness", lambda: site.http("GET", "/readyz", token=None).status == 200)
        ask(site, described, "get", "/readyz", token=None)
    with tap.case("what the client has is answered by 304 without a body"):
        for path in ("/v1/openapi.json", "/v1/rings", "/v1/audit"):
            tag = site.http("GET", path).headers["ETag"]
            answer = site.http("GET", path, headers={"If-None-Match": tag})
            # a host's heartbeat may lie between the two
            if answer.status == 304 or path != "/v1/rings":
                equal(answer.status, 304, path)
                described.check("get", path, answer)
    with tap.case("refusals of every kind are errors as described"):
        for path, options, status in (
                ("/v1/rings", {"token": None}, 401), ("/v1/rings", {"token": "wrong"}, 401),
                ("/v1/rings", {"headers": {"Host": "evil.example"}}, 421)):
            answer = site.http("GET", path, **options)
            equal(answer.status, status, path)
            described.check("get", path, answer)
    with tap.case("each described operation was asked and has answered well"):
        for path, operations in described.document["paths"].items():
            for method in operations:
                if (method, path) not in NOT_ASKED and not path.startswith(FOREIGN):
                    statuses = described.asked.get((method, path), set())
                    assert statuses & {200, 201}, f"{method} {path}: {statuses}"


def main():
    tap = Tap()
    with Site(tap, rings={"canary": {"bake": "1h"}, "wide": {"bake": "1h"}}) as site:
        # A path of the collector's own that refuses it: each delivery is a dead letter at once.
        site.start_collector()
        site.write("webhooks.yaml", "schema: 1\ntargets:\n  - " + to_yaml({
            "name": "refused", "url": f'"{site.url}/refused"', "body": "generic",
            "signing_key_file": "none", "routing_key_file": "none", "authorization_file": "none",
            "ca": "none", "only_rings": "none", "on": ["verdict"]}) + "\n")
        os.chmod(site.path("webhooks.yaml"), 0o600)
        site.collector.stop()
        site.start_collector(webhooks="webhooks.yaml")
        site.start_fleet("--fate", "1:oops@0s", hosts=4)
        victim = site.start_fleet("--prefix", "victim", hosts=1, log="victim.log")
        wait_until("five hosts", lambda: len(site.hosts_in("online")) == 5)
        wait_until("readiness", lambda: site.http("GET", "/readyz", token=None).status == 200)
        described = Description(site.get("/v1/openapi.json"))
        with tap.case("the description is served whole, as OpenAPI 3.1"):
            equal(described.document["openapi"], "3.1.0", "version")
            ask(site, described, "get", "/v1/openapi.json")
            equal(site.http("GET", "/v1/openapi.json", token=None).status, 401, "without a token")
        deployments(site, described, tap, victim)
        hosts_and_events(site, described, tap)
        the_rest(site, described, tap)
    tap.finish()


main()
