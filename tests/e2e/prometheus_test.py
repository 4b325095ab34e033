#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes a collector with a large fleet, and its alert fires.

HOSTS simulated hosts (2,000; RINGWATCH_HOSTS=N for another number): a canary ring of 20,
the others in a wide one. They send a heartbeat every 2 s, which is what two cores bear with
the sanitized collector.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

import yaml

from harness import Site, Skip, Tap, equal, wait_until

HOSTS = int(os.environ.get("RINGWATCH_HOSTS", "2000"))
CANARY = 20
DEPLOY = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy"))
RULES = [os.path.join(DEPLOY, "prometheus", name) for name in ("alerts.yaml", "recording.yaml")]


def promtool(*args, text=None, folder=None):
    if shutil.which("promtool") is None:
        raise Skip("no promtool; package prometheus")
    return subprocess.run(["promtool", *args], input=text, text=True, capture_output=True, check=False,
                          cwd=folder, timeout=120)


def fetch(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=15) as reply:
        return json.load(reply)


class Prometheus:
    def __init__(self, site):
        if shutil.which("prometheus") is None:
            raise Skip("no prometheus; package prometheus")
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        config = site.write("prometheus.yaml", f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: {json.dumps(RULES)}
scrape_configs:
  - job_name: ringwatch
    static_configs: [{{targets: ["127.0.0.1:{site.http_port}"]}}]
""")
        self.process = site.start("prometheus", [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={site.path('tsdb')}",
            f"--web.listen-address=127.0.0.1:{self.port}"])

    def query(self, text, port=None):
        url = f"http://127.0.0.1:{port or self.port}/api/v1/query?" + urllib.parse.urlencode({"query": text})
        answer = fetch(url)
        equal(answer["status"], "success", text)
        return answer["data"]["result"]

    def has(self, text):
        try:
            return self.query(text)
        except OSError:
            return []


def names_in(expression):
    """The series that an expression speaks of: strings, ranges and labels are not ours."""
    bare = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"\bringwatch[a-z0-9_:]*", bare))


def expressions(dashboard):
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    found += [note["expr"] for note in dashboard["annotations"]["list"]]
    for variable in dashboard["templating"]["list"]:
        asked = re.fullmatch(r"label_values\((\w+), \w+\)", variable.get("definition", ""))
        found += [asked[1]] if asked else []
    return found


def rules_of(path):
    with open(path, encoding="utf-8") as file:
        return [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]


def rules(tap):
    with tap.case("promtool: the rules are sound, and their tests pass"):
        done = promtool("check", "rules", *RULES)
        equal(done.returncode, 0, done.stdout + done.stderr)
        done = promtool("test", "rules", "alerts_test.yaml", "recording_test.yaml",
                        folder=os.path.join(DEPLOY, "prometheus"))
        equal(done.returncode, 0, done.stdout + done.stderr)
    with tap.case("each alert and each recording rule has a test"):
        for path in RULES:
            with open(path.replace(".yaml", "_test.yaml"), encoding="utf-8") as file:
                tests = file.read()
            for rule in rules_of(path):
                name = rule.get("alert") or rule["record"]
                assert re.search(rf"(alertname|expr): {re.escape(name)}\b", tests), f"{name} has none"


def series(tap, site):
    text = site.http("GET", "/metrics", token=None).body.decode()
    with tap.case("promtool check metrics: no complaint"):
        done = promtool("check", "metrics", text=text)
        equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool")
    exported = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    exported |= {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    recorded = {rule["record"] for rule in rules_of(RULES[1])}
    with tap.case("every series of the rules and of the Grafana dashboard is exported or recorded"):
        with open(os.path.join(DEPLOY, "grafana", "ringwatch.json"), encoding="utf-8") as file:
            asked = expressions(json.load(file))
        asked += [rule["expr"] for path in RULES for rule in rules_of(path)]
        assert len(asked) > 30, asked
        for expression in asked:
            equal(names_in(expression) - exported - recorded, set(), expression)
    with tap.case("no series is a host's: 2,000 hosts make no more of them than 5 would"):
        samples = [line for line in text.splitlines() if not line.startswith("#")]
        assert len(samples) < 600, len(samples)
        assert "host=" not in text and "canary-0" not in text, "a host's name"
    with tap.case("the alerts that the collector answers by itself have the names of the rules"):
        source = os.path.join(DEPLOY, "..", "collector", "api", "query.c")
        with open(source, encoding="utf-8") as file:
            own = set(re.findall(r'"(Ringwatch[A-Za-z]+)"', file.read()))
        equal(own, {"RingwatchBreakerOpen", "RingwatchBlind", "RingwatchStoreFailed"}, "names in the source")
        equal(own - {rule.get("alert") for rule in rules_of(RULES[0])}, set(), "without a rule")


def scraped(tap, site, canary):
    prometheus = None
    with tap.case(f"Prometheus scrapes the collector of {HOSTS} hosts"):
        prometheus = Prometheus(site)
        wait_until("a scrape", lambda: prometheus.has('up{job="ringwatch"} == 1'), 60)
        wait_until("the hosts", lambda: prometheus.has(
            f'sum(ringwatch_ring_hosts{{state="online"}}) == {HOSTS}'), 60)
        wait_until("a recorded share", lambda: prometheus.has("ringwatch:ring_hosts_online:ratio == 1"), 60)
    if prometheus is None or not prometheus.process.running():
        return
    with tap.case("the collector's own query answers as Prometheus does"):
        for text in ("vector(1)", 'ringwatch_exposed_hosts{deployment="d1",ring="canary"}',
                     'ringwatch_ring_hosts{ring="wide",state="online"}', 'ringwatch_verdict{ring="nowhere"}'):
            theirs, ours = prometheus.query(text), prometheus.query(text, site.http_port)
            for sample in theirs:
                sample["metric"].pop("instance", None)
                sample["metric"].pop("job", None)
            equal([(s["metric"], s["value"][1]) for s in ours], [(s["metric"], s["value"][1]) for s in theirs], text)
    with tap.case("every expression of the Grafana dashboard is one for Prometheus"):
        with open(os.path.join(DEPLOY, "grafana", "ringwatch.json"), encoding="utf-8") as file:
            for text in expressions(json.load(file)):
                prometheus.query(text.replace("$deployment", ".*").replace("$ring", ".*"))
    with tap.case("the canary ring dies: the alert fires in Prometheus, and in the collector"):
        fires = 'ALERTS{alertname="RingwatchBreakerOpen",alertstate="firing",deployment="d1",ring="canary"}'
        equal(prometheus.query(fires), [], "before")
        canary.kill()
        wait_until("the alert in Prometheus", lambda: prometheus.has(fires), 90)
        equal(len(prometheus.query(fires, site.http_port)), 1, "in the collector")
        equal(prometheus.query('ringwatch_verdict{deployment="d1",ring="canary"}')[0]["value"][1], "-1", "verdict")
        assert not prometheus.has('ALERTS{alertname="RingwatchBreakerOpen",ring="wide"}'), "another ring's"
    with tap.case("the collector dies: what is missing is an alert, too"):
        site.collector.kill()
        wait_until("the scrape to fail", lambda: prometheus.has('up{job="ringwatch"} == 0'), 30)
        wait_until("the pending alert", lambda: prometheus.has(
            'ALERTS{alertname="RingwatchDown"}'), 30)


def main():
    tap = Tap()
    rules(tap)
    timing = {"heartbeat_every": "2s", "suspect_after": "6s", "offline_after": "10s"}
    with Site(tap, rings={"canary": {"bake": "1h"}, "wide": {"bake": "1h"}}, timing=timing) as site:
        site.start_collector()
        canary = site.start_fleet("--prefix", "canary", hosts=CANARY, log="fleet-canary.log")
        site.start_fleet("--prefix", "wide", ring="wide", hosts=HOSTS - CANARY, log="fleet-wide.log")
        online = lambda ring: site.ring(ring)["hosts"]["online"]
        wait_until("all hosts", lambda: online("canary") + online("wide") == HOSTS, 120, every=0.5)
        site.deploy("d1")
        wait_until("hosts at risk", lambda: site.verdict("d1")["failed"]["hosts"] == CANARY)
        series(tap, site)
        scraped(tap, site, canary)
    tap.finish()


if __name__ == "__main__":
    main()
