#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Webhooks against a real receiver: signed, tried again, never lost, never told twice as new.

The receiver is a plain HTTP server of ours, one folder a target: it keeps every request
that it is sent and answers as the case wants.
"""

import hashlib
import hmac
import http.server
import json
import os
import re
import ssl
import subprocess
import threading
import time

from harness import HANG_UP, Site, Tap, equal, program, to_yaml, wait_until

KEY = "a key that both know"


class Request:
    def __init__(self, handler, body):
        self.path, self.method = handler.path, handler.command
        self.headers, self.body = dict(handler.headers), body

    @property
    def id(self):
        return self.headers["Ringwatch-Delivery"]

    @property
    def json(self):
        return json.loads(self.body)


class Receiver:
    """A server on a port that stays: `answers[path]` is a list of (status, headers, text) to be
    given in turn, the last one for ever; "hang" instead keeps the request waiting."""

    def __init__(self, port=0, tls=None):
        self.requests, self.answers = [], {}
        self.lock, self.release = threading.Lock(), threading.Event()
        self.port, self.tls = port, tls
        self.start()

    def start(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                receiver.take(self, self.rfile.read(length))

            do_POST = do_GET = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.release.clear()

    def take(self, handler, body):
        with self.lock:
            self.requests.append(Request(handler, body))
            script = self.answers.get(handler.path, [(200, {}, "ok")])
            answer = script.pop(0) if len(script) > 1 else script[0]
        if answer == "hang":
            self.release.wait(60)
            return
        status, headers, text = answer
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())

    def at(self, path):
        with self.lock:
            return [r for r in self.requests if r.path == path]

    def wait(self, path, count=1, seconds=30.0):
        return wait_until(f"{count} requests to {path}, there are {len(self.at(path))}",
                          lambda: len(self.at(path)) >= count and self.at(path), seconds)

    def clear(self):
        with self.lock:
            self.requests.clear()
            self.answers.clear()


def check_signature(request, key=KEY):
    """As docs/webhooks.md tells a receiver to."""
    parts = dict(p.split("=", 1) for p in request.headers["Ringwatch-Signature"].split(","))
    expected = hmac.new(key.encode(), f"{parts['t']}.".encode() + request.body, hashlib.sha256)
    assert hmac.compare_digest(expected.hexdigest(), parts["v1"]), request.headers
    assert abs(time.time() - int(parts["t"])) < 60, parts


class Webhooks(Site):
    """A site with a file of webhooks."""

    def secret(self, name, text):
        path = self.write(name, text + "\n")
        os.chmod(path, 0o600)
        return name

    def target(self, name, receiver, **changes):
        return {"name": name, "url": f'"http://127.0.0.1:{receiver.port}/{name}"', "body": "generic",
                "signing_key_file": "none", "routing_key_file": "none", "authorization_file": "none",
                "ca": "none", "only_rings": "none", "on": ["verdict"], **changes}

    def write_webhooks(self, *targets):
        path = self.write("webhooks.yaml", "schema: 1\ntargets:\n" +
                          "".join(f"  - {to_yaml(t)}\n" for t in targets))
        os.chmod(path, 0o600)

    def start_collector(self, wait=True, **changes):
        return super().start_collector(wait, webhooks="webhooks.yaml", **changes)


def told(receiver, path, **fields):
    """The requests there whose JSON holds these fields."""
    return [r for r in receiver.at(path) if all(r.json.get(k) == v for k, v in fields.items())]


def wait_told(receiver, path, **fields):
    return wait_until(f"{fields} at {path}", lambda: told(receiver, path, **fields), 30.0)[0]


def deliveries(site, **filters):
    query = "&".join(f"{k}={v}" for k, v in filters.items())
    return site.get(f"/v1/webhooks/deliveries?limit=1000&{query}")["deliveries"]


def wait_delivery(site, **fields):
    def look():
        return [d for d in deliveries(site) if all(d[k] == v for k, v in fields.items())]
    return wait_until(f"a delivery {fields}", look, 30.0)[0]


def all_said(site, but):
    wait_until(f"nothing to wait but for {but}", lambda: not [
        d for d in deliveries(site, state="pending") if d["target"] != but])


def metric(site, series):
    for line in site.http("GET", "/metrics", token=None).body.decode().splitlines():
        if line.startswith(series + " "):
            return float(line.split()[-1])
    raise AssertionError(f"no series {series}")


def first_things(site, receiver, tap):
    with tap.case("the start of a ring is told, signed, with what the verdict says"):
        site.deploy("d1")
        first = receiver.wait("/plain")[0]
        check_signature(first)
        body = first.json
        equal(body["id"], first.id, "id")
        equal({k: body[k] for k in ("schema", "kind", "collector", "deployment", "ring", "verdict",
                                    "previous", "drill")},
              {"schema": 1, "kind": "verdict", "collector": "c1", "deployment": "d1",
               "ring": "canary", "verdict": "hold", "previous": None, "drill": False}, "body")
        equal(set(body["detail"]), set(site.verdict("d1")), "fields of the verdict")
        equal(first.headers["Content-Type"], "application/json", "type")
    with tap.case("the shell lines of the documentation check the signature, and refuse another key's"):
        docs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "webhooks.md")
        with open(docs, encoding="utf-8") as file:
            lines = re.search(r"```sh\n(.*?)```", file.read(), re.S)[1]
        site.write("body", first.body.decode())
        for key, status in ((KEY, 0), ("another", 1)):
            done = subprocess.run(["sh", "-c", lines], cwd=site.dir, check=False, capture_output=True,
                                  env=dict(os.environ, KEY=key,
                                           SIGNATURE=first.headers["Ringwatch-Signature"]))
            equal(done.returncode, status, f"with {key}: {done.stderr}")
    with tap.case("a receiver that answers 500 and 429 is asked again: same id, same body, until it takes it"):
        tries = receiver.wait("/flaky", 3)
        equal({r.id for r in tries}, {tries[0].id}, "ids")
        equal({r.body for r in tries}, {tries[0].body}, "bodies")
        row = wait_delivery(site, delivery=tries[0].id, state="delivered")
        equal((row["attempts"], row["error"]), (3, ""), "attempts and error")
        site.collector.wait_for("event=webhook_recovered target=flaky")
    with tap.case("neither a URL's path nor a key stands in an answer, whatever a receiver says"):
        gone = wait_delivery(site, target="gone", state="dead")
        for path in ("/v1/webhooks", "/v1/webhooks/deliveries"):
            text = site.http("GET", path, token="read").body.decode()
            for secret in (KEY, "/plain", "T000SECRET", "Basic abc"):
                assert secret not in text, (path, secret)
        equal(gone["error"], "HTTP 410", "what is shown of an answer that says the URL")


def drilled(site, receiver, tap):
    with tap.case("a drill goes all the way: told as an abort that was staged, paged as info, paused"):
        site.deploy("drill-45")
        wait_told(receiver, "/plain", deployment="drill-45")
        site.post("/v1/deployments/drill-45/rings/canary/drill", {"host": "", "seconds": 10}, 201)
        told_abort = wait_told(receiver, "/plain", deployment="drill-45", verdict="abort")
        check_signature(told_abort)
        body = told_abort.json
        equal((body["drill"], body["previous"], body["detail"]["reasons"]), (True, "hold", ["drill"]), "abort")
        event = wait_told(receiver, "/v2/enqueue", event_action="trigger").json
        equal((event["payload"]["severity"], event["payload"]["class"]), ("info", "drill"), "event")
        assert event["payload"]["summary"].startswith("[DRILL] "), event
        receiver.wait("/rest/v1/rollouts/45/pause")
        wait_until("it in the chat", lambda: [r for r in receiver.at("/chat") if "[DRILL]" in r.json["text"]])
        equal([r.json["deployment"] for r in receiver.at("/breakers")], [], "breakers")
    with tap.case("its end is told, too: as the hold that was, and the incident is over"):
        body = wait_told(receiver, "/plain", deployment="drill-45", verdict="hold", previous="abort").json
        equal(body["drill"], False, "drill")
        wait_told(receiver, "/v2/enqueue", event_action="resolve")
        equal(wait_delivery(site, target="updates", deployment="drill-45", told="hold")["state"], "skipped", "pause")
        site.post("/v1/deployments/drill-45/finish", {})
        all_said(site, but="nobody")
        receiver.requests[:] = [r for r in receiver.requests if r.path not in ("/v2/enqueue", "/chat")]


def dead_letters(site, receiver, tap):
    with tap.case("410 is a dead letter at once, and the command, the metrics and the log show it"):
        row = wait_delivery(site, target="gone", state="dead")
        equal((row["attempts"], row["told"], row["deployment"]), (1, "hold", "d1"), "dead letter")
        shown = site.ask("deliveries", "--state", "dead", token="read").stdout
        assert row["delivery"] in shown and "HTTP 410" in shown, shown
        shown = site.ask("webhooks", token="read").stdout
        assert "gone" in shown and f"127.0.0.1:{receiver.port}" in shown, shown
        wait_until("the gauge", lambda: metric(site, 'ringwatch_webhook_dead{target="gone"}') == 1)
        equal(metric(site, 'ringwatch_webhook_deliveries_total{target="gone",outcome="dead"}'), 1, "counter")
        site.collector.wait_for(f"event=webhook_dead target=gone delivery={row['delivery']}")
    with tap.case("an operator has it tried again, which is audited; what is not dead is refused"):
        receiver.answers["/gone/T000SECRET"] = [(200, {}, "ok")]
        done = site.ask("webhook", "retry", row["delivery"], token="read")
        equal(done.returncode, 1, f"as a reader: {done.stderr}")
        done = site.ask("webhook", "retry", row["delivery"])
        equal(done.returncode, 0, done.stderr)
        wait_delivery(site, delivery=row["delivery"], state="delivered")
        equal({r.id for r in receiver.at("/gone/T000SECRET")}, {row["delivery"]}, "ids")
        equal(site.http("POST", f"/v1/webhooks/deliveries/{row['delivery']}/retry", {}).error, "conflict",
              "again")
        trail = site.get("/v1/audit")["audit"]
        assert [r for r in trail if r["action"] == "webhook_retry" and row["delivery"] in r["subject"]], trail


def survives(site, receiver, away, tap):
    with tap.case("what was to be told while the receiver was down and the collector killed arrives, once"):
        away.stop()
        site.deploy("d2")
        row = wait_delivery(site, target="away", deployment="d2")
        wait_until("the first failure", lambda: deliveries(site, target="away")[0]["attempts"] > 0)
        receiver.wait("/plain", 2)
        # What is on disk as delivered is not sent again; what is not may be.
        all_said(site, but="away")
        site.collector.kill()
        before = len(receiver.at("/plain"))
        away.start()
        site.start_collector()
        wait_told(away, "/away", deployment="d2")
        wait_delivery(site, delivery=row["delivery"], state="delivered")
        equal([r.id for r in told(away, "/away", deployment="d2")], [row["delivery"]], "ids")
        wait_until("readiness", lambda: site.http("GET", "/readyz", token=None).status == 200)
        site.deploy("d3")
        wait_told(receiver, "/plain", deployment="d3")
        equal([r.json["deployment"] for r in receiver.at("/plain")[before:]], ["d3"],
              "told after the restart")


def breaks(site, receiver, away, tap):
    for deployment in ("fix-42", "fix-43", "fix-44"):
        site.deploy(deployment)
        wait_told(receiver, "/plain", deployment=deployment)
    receiver.answers["/hang"] = ["hang"]
    receiver.answers["/rest/v1/rollouts/42/pause"] = [(204, {}, "")]
    illegal = '{"errorCode":"hawkbit.server.error.rollout.illegalstate"}'
    for number, status in ((43, "paused"), (44, "starting")):
        receiver.answers[f"/rest/v1/rollouts/{number}/pause"] = [(400, {}, illegal)]
        receiver.answers[f"/rest/v1/rollouts/{number}"] = [(200, {}, json.dumps({"status": status}))]
    away.stop()
    site.victim.kill()
    site.wait_verdict("d1", "abort")
    with tap.case("an abort is told with what was before; a breaker's opening with its evidence"):
        abort = wait_told(receiver, "/plain", deployment="d1", verdict="abort").json
        equal((abort["kind"], abort["previous"], abort["drill"]), ("verdict", "hold", False), "abort")
        breaker = wait_told(receiver, "/breakers", deployment="d1").json
        equal((breaker["kind"], breaker["verdict"], breaker["previous"]), ("breaker", "abort", None), "kind")
        shown = breaker["detail"]["breaker"]
        equal((shown["state"], shown["rule"]), ("open", "offline"), "breaker")
        equal(shown["evidence"][0]["host"], "victim-00001", "evidence")
    with tap.case("a receiver that hangs delays neither the other ones nor the verdict"):
        assert receiver.wait("/hang"), "it was asked"
        for deployment in ("d1", "d2", "d3", "fix-42"):
            wait_told(receiver, "/plain", deployment=deployment, verdict="abort")
        equal(site.verdict("fix-42")["verdict"], "abort", "verdict")
        waits = [d for d in deliveries(site, target="hang") if d["state"] == "pending"]
        assert waits, "nothing waits for it"
    with tap.case("chat: one line in its markup, the signature of strangers none of it"):
        said = wait_until("an abort in the chat", lambda: [
            r.json for r in receiver.at("/chat") if "abort" in r.json["text"]])[0]
        equal(set(said), {"text"}, "fields")
        text = said["text"]
        assert text.startswith(":red_circle: abort: deployment "), text
        assert "1 of 6 hosts failed" in text and "`victim-00001` offline" in text, text
        assert "(was hold)" in text, text
    with tap.case("PagerDuty: an Events v2 trigger with its routing key, which the store does not hold"):
        event = wait_told(receiver, "/v2/enqueue", event_action="trigger").json
        equal(set(event), {"routing_key", "event_action", "dedup_key", "client", "payload"}, "fields")
        equal((event["routing_key"], event["client"]), ("R0UT1NG", "ringwatch"), "key and client")
        payload = event["payload"]
        assert event["dedup_key"] == f"ringwatch/c1/{payload['component']}/canary", event
        equal((payload["source"], payload["severity"], payload["group"], payload["class"]),
              ("c1", "critical", "canary", "offline"), "payload")
        assert payload["summary"].startswith("abort: deployment ") and len(payload["summary"]) <= 1024
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", payload["timestamp"])
        equal(payload["custom_details"]["verdict"], "abort", "details")
        done = subprocess.run(["sqlite3", "-readonly", site.path("collector.db"),
                               "SELECT count(*) FROM deliveries WHERE body LIKE '%R0UT1NG%'"],
                              capture_output=True, text=True, check=True)
        equal(done.stdout.strip(), "0", "rows with the key")
    with tap.case("hawkBit: the rollout is paused by its number; one that is paused already is well"):
        pause = receiver.wait("/rest/v1/rollouts/42/pause")[0]
        equal((pause.method, pause.body, pause.headers["Authorization"]), ("POST", b"", "Basic abc"), "pause")
        wait_delivery(site, target="updates", deployment="fix-42", state="delivered")
        wait_delivery(site, target="updates", deployment="fix-43", state="delivered")
        ask = receiver.wait("/rest/v1/rollouts/43")[0]
        equal((ask.method, ask.headers["Authorization"]), ("GET", "Basic abc"), "question")
        row = wait_delivery(site, target="updates", deployment="fix-44", state="dead")
        assert row["error"].startswith("HTTP 400: ") and "illegalstate" in row["error"], row
        wait_delivery(site, target="updates", deployment="d1", told="abort")  # its name ends in 1
        equal(len(receiver.at("/rest/v1/rollouts/42/pause")), 1, "pauses")


def after_a_break(site, receiver, away, tap):
    with tap.case("when it is abort no more, the incident is resolved and hawkBit is left alone"):
        site.start_fleet("--prefix", "victim", hosts=1, log="victim-again.log")
        wait_until("six hosts", lambda: len(site.hosts_in("online")) == 6)
        site.post("/v1/deployments/fix-42/rings/canary/reset", {"reason": "seen"})
        event = wait_told(receiver, "/v2/enqueue", event_action="resolve").json
        equal(event["dedup_key"], "ringwatch/c1/fix-42/canary", "key")
        wait_told(receiver, "/plain", deployment="fix-42", verdict="hold", previous="abort")
        wait_delivery(site, target="updates", deployment="fix-42", told="hold", state="skipped")
        equal(len(receiver.at("/rest/v1/rollouts/42/pause")), 1, "pauses")
    with tap.case("an incident ends with its deployment, too"):
        site.post("/v1/deployments/fix-43/withdraw", {"reason": "bad"})
        wait_until("the end", lambda: [
            r for r in told(receiver, "/v2/enqueue", event_action="resolve")
            if r.json["dedup_key"] == "ringwatch/c1/fix-43/canary"])
    with tap.case("of verdicts that nobody took, the newest alone arrives; openings all do"):
        away.start()
        wait_told(away, "/away", deployment="fix-42", kind="breaker")
        wait_told(away, "/away", deployment="fix-42", verdict="hold", previous="abort")
        equal(told(away, "/away", deployment="fix-42", kind="verdict", verdict="abort"), [], "aborts")
        row = [d for d in deliveries(site, target="away", state="skipped") if d["deployment"] == "fix-42"]
        equal([(d["told"], d["error"]) for d in row], [("abort", "a later verdict overtook it")], "skipped")
    with tap.case("after kill -9 an abort that stands is not told as new"):
        all_said(site, but="hang")
        count, incidents = len(receiver.at("/plain")), len(receiver.at("/v2/enqueue"))
        site.collector.kill()
        site.start_collector()
        wait_until("readiness", lambda: site.http("GET", "/readyz", token=None).status == 200)
        site.deploy("last", ring="wide")
        site.wait_verdict("last", "proceed", ring="wide")
        wait_told(receiver, "/plain", deployment="last", verdict="proceed", previous="hold")
        equal([(r.json["deployment"], r.json["verdict"]) for r in receiver.at("/plain")[count:]],
              [("last", "hold"), ("last", "proceed")], "told")
        equal(len(receiver.at("/v2/enqueue")), incidents, "incidents")


def reload(site, receiver, secure, tap):
    with tap.case("SIGHUP: a bad file keeps the old targets and says its line"):
        site.write_webhooks(site.target("plain", receiver, only_rings=["nowhere"]))
        site.collector.signal(HANG_UP)
        site.collector.wait_for(r"event=reload what=webhooks result=kept detail=.*webhooks.yaml:3: "
                                r"targets\[0\].only_rings\[0\]: 'nowhere' is no ring of the policy")
        assert len(site.get("/v1/webhooks")["webhooks"]) > 1
    with tap.case("SIGHUP: who is gone waits no more, and who is new learns where things stand, over its own CA"):
        site.write_webhooks(site.target("plain", receiver),
                            site.target("secure", secure, url=f'"https://localhost:{secure.port}/secure"',
                                        ca="secure.pem", only_rings=["wide"]),
                            site.target("untrusted", secure, ca="pki/ca.pem",
                                        url=f'"https://localhost:{secure.port}/untrusted"'))
        site.collector.signal(HANG_UP)
        site.collector.wait_for("event=reload what=webhooks result=done targets=3")
        row = wait_delivery(site, target="hang", state="dead")
        equal(row["error"], "the target is not in the configuration", "error")
        equal(wait_told(secure, "/secure", verdict="proceed").json["deployment"], "last", "where it stands")
        equal({r.json["ring"] for r in secure.at("/secure")}, {"wide"}, "rings")
        row = wait_delivery(site, target="untrusted", deployment="last")
        wait_until("its error", lambda: "certificate" in wait_delivery(site, delivery=row["delivery"])["error"])
        equal(secure.at("/untrusted"), [], "what went to a server that is not trusted")
    with tap.case("--check-config refuses a file that others may read"):
        os.chmod(site.path("webhooks.yaml"), 0o644)
        done = subprocess.run([program("ringwatch-collector"), "--check-config", "--config",
                               site.path("collector.yaml")], capture_output=True, text=True, check=False)
        equal(done.returncode, 2, "exit status")
        assert "webhooks.yaml: others may read it" in done.stderr, done


def make_certificate(site):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", site.path("secure.key"), "-out",
                    site.path("secure.pem")], check=True, capture_output=True)
    return site.path("secure.pem"), site.path("secure.key")


def write_all(site, receiver, away):
    both = {"on": ["verdict", "breaker"]}
    site.secret("signing.key", KEY)
    site.secret("routing.key", "R0UT1NG")
    site.secret("authorization", "Basic abc")
    at = f"http://127.0.0.1:{receiver.port}"
    site.write_webhooks(
        site.target("plain", receiver, signing_key_file="signing.key"),
        site.target("flaky", receiver, only_rings=["canary"]),
        site.target("gone", receiver, url=f'"{at}/gone/T000SECRET"'),
        site.target("away", away, **both),
        site.target("breakers", receiver, on=["breaker"]),
        site.target("hang", receiver),
        site.target("chat", receiver, body="slack"),
        site.target("pager", receiver, body="pagerduty", routing_key_file="routing.key",
                    url=f'"{at}/v2/enqueue"'),
        site.target("updates", receiver, body="hawkbit", authorization_file="authorization",
                    url=f'"{at}/rest/v1/rollouts/{{number}}/pause"'))


def main():
    tap = Tap()
    receiver, away = Receiver(), Receiver()
    with Webhooks(tap, rings={"canary": {"bake": "1h"}, "wide": {"bake": "1s"}}) as site:
        secure = Receiver(tls=make_certificate(site))
        receiver.answers["/flaky"] = [(500, {}, "not now"), (429, {"Retry-After": "1"}, ""), (200, {}, "ok")]
        receiver.answers["/gone/T000SECRET"] = [(410, {}, "T000SECRET is gone")]
        write_all(site, receiver, away)
        site.start_collector()
        site.start_fleet("--prefix", "c", hosts=5)
        site.start_fleet("--prefix", "w", ring="wide", hosts=5, log="wide.log")
        site.victim = site.start_fleet("--prefix", "victim", hosts=1, log="victim.log")
        wait_until("six hosts", lambda: len(site.hosts_in("online")) == 6)
        wait_until("readiness", lambda: site.http("GET", "/readyz", token=None).status == 200)
        first_things(site, receiver, tap)
        dead_letters(site, receiver, tap)
        drilled(site, receiver, tap)
        survives(site, receiver, away, tap)
        breaks(site, receiver, away, tap)
        after_a_break(site, receiver, away, tap)
        reload(site, receiver, secure, tap)
        with tap.case("SIGTERM ends it in order while a receiver hangs"):
            equal(site.collector.stop(), 0, "exit status")
    tap.finish()


main()
