#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rollout controllers against a real collector, each by its own rules, from the recipes.

The rules are those of the controllers' sources: how Argo Rollouts counts measurements, what
Flagger takes for a yes and when it asks which hook, how Spinnaker maps a status, what a
FleetLock client and kured send and conclude. Ansible and the shell run for real. What each
does is read from deploy/recipes, so that a recipe that is wrong fails here.
"""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tomllib
import urllib.error
import urllib.parse
import urllib.request

import yaml

from harness import BUILD, VARIANT, Site, Skip, Tap, equal, program, wait_until

RECIPES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "recipes")


def recipe(name):
    with open(os.path.join(RECIPES, name), encoding="utf-8") as file:
        text = file.read()
    if name.endswith(".json"):
        return json.loads(text)
    return tomllib.loads(text) if name.endswith(".toml") else yaml.safe_load(text)


def closed_port():
    """A port of this machine where nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def ask(method, url, port, data=None, headers=None):
    """(status, body) of a recipe's address, asked at `port` of this machine; raises OSError."""
    parts = urllib.parse.urlsplit(url)
    target = urllib.parse.urlunsplit(("http", f"127.0.0.1:{port}", parts.path, parts.query, ""))
    request = urllib.request.Request(target, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=15) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as reply:
        with reply:
            return reply.code, reply.read().decode()


# ---- Argo Rollouts ---------------------------------------------------------------------


class Argo:
    """An AnalysisRun of one web metric: webmetric.go's measurement, analysis.go's counting."""

    def __init__(self, port, token, deployment, ring, **changes):
        self.metric = dict(recipe("argo-rollouts.yaml")["spec"]["metrics"][0], **changes)
        self.args = {"deployment": deployment, "ring": ring, "token": token}
        self.port = port
        self.failed = self.inconclusive = self.errors = self.successes = 0

    def fill(self, text):
        return re.sub(r"\{\{args\.(\w+)\}\}", lambda found: self.args[found[1]], text)

    def holds(self, condition, result):
        field = re.fullmatch(r'result == "(\w+)"', condition)
        return result == field[1]

    def measure(self):
        web = self.metric["provider"]["web"]
        headers = {h["key"]: self.fill(h["value"]) for h in web["headers"]}
        try:
            status, body = ask(web.get("method", "GET"), self.fill(web["url"]), self.port, headers=headers)
            if not 200 <= status < 300:
                return "Error"
            field = re.fullmatch(r"\{\$\.(\w+)\}", web["jsonPath"])
            result = json.loads(body)[field[1]]
        except (OSError, ValueError, KeyError):
            return "Error"
        if self.holds(self.metric["failureCondition"], result):
            return "Failed"
        return "Successful" if self.holds(self.metric["successCondition"], result) else "Inconclusive"

    def step(self):
        """One measurement; the run's phase after it."""
        phase = self.measure()
        self.errors = self.errors + 1 if phase == "Error" else 0
        self.failed += phase == "Failed"
        self.inconclusive += phase == "Inconclusive"
        self.successes = self.successes + 1 if phase == "Successful" else 0
        if self.failed > self.metric["failureLimit"] >= 0:
            return "Failed"
        if self.inconclusive > self.metric["inconclusiveLimit"]:
            return "Inconclusive"
        if self.errors > self.metric["consecutiveErrorLimit"]:
            return "Error"
        wanted = self.metric.get("consecutiveSuccessLimit", 0)
        if wanted and self.successes >= wanted:
            return "Successful"
        return "Running"


def argo(tap, site, token):
    with tap.case("Argo Rollouts: proceed succeeds, hold waits on, abort fails"):
        equal(Argo(site.http_port, token, "good", "canary").step(), "Successful", "proceed")
        equal({Argo(site.http_port, token, "slow", "slow").step() for _ in range(20)}, {"Running"}, "hold")
        equal(Argo(site.http_port, token, "bad", "bad").step(), "Failed", "abort")
        equal(Argo(site.http_port, token, "unheard-of", "canary").step(), "Running", "a deployment not there yet")
    with tap.case("Argo Rollouts: no answer, or a refusal, neither advances nor aborts, for hours"):
        for port, word in ((closed_port(), token), (site.http_port, "no-such-token")):
            run = Argo(port, word, "good", "canary")
            equal({run.step() for _ in range(300)}, {"Running"}, "phase")
        minutes = run.metric["consecutiveErrorLimit"] * 10 / 60
        assert minutes >= 12 * 60, f"an outage of {minutes} minutes aborts"
        run.port, run.args["token"] = site.http_port, token
        equal(run.step(), "Successful", "when it answers again")
    with tap.case("Argo Rollouts: with its own limits an outage would have aborted, and a count would pass errors"):
        run = Argo(closed_port(), token, "good", "canary", consecutiveErrorLimit=4)
        equal([run.step() for _ in range(5)][-1], "Error", "the default")
        assert "count" not in run.metric, "a metric that reaches its count by errors is Successful"


# ---- Flagger ------------------------------------------------------------------------------


class Flagger:
    """The canary's phases, as scheduler.go goes through them, one tick at a time."""

    def __init__(self, port, token, deployment, ring):
        self.port, self.fill = port, {"token": token, "deployment": deployment, "ring": ring}
        self.hooks = recipe("flagger.yaml")["spec"]["analysis"]["webhooks"]
        self.weights = recipe("flagger.yaml")["spec"]["analysis"]
        self.phase, self.weight, self.events = "Initialized", 0, []

    def call(self, hook):
        metadata = {key: self.fill.get(key, value) for key, value in hook["metadata"].items()}
        body = {"name": "acme", "namespace": "prod", "phase": self.phase, "checksum": "1",
                "metadata": metadata}
        try:
            status, text = ask("POST", hook["url"], self.port, json.dumps(body).encode(),
                               {"Content-Type": "application/json"})
        except OSError:
            return False
        if status > 202:
            self.events.append(text.strip())
        return status <= 202

    def run(self, kind, empty=True):
        """All hooks of the type say yes; `empty`: what none at all means."""
        said = [self.call(hook) for hook in self.hooks if hook["type"] == kind]
        return all(said) if said else empty

    def tick(self):
        if self.phase in ("Initialized", "Waiting"):
            self.phase = "Progressing" if self.run("confirm-rollout") else "Waiting"
            if self.phase == "Waiting" and self.run("rollback", empty=False):
                self.phase = "Failed"
        elif self.phase in ("Progressing", "WaitingPromotion", "WaitingTrafficIncrease"):
            # Not asked while it waits for a traffic increase.
            if self.phase != "WaitingTrafficIncrease" and self.run("rollback", empty=False):
                self.phase = "Failed"
            elif self.weight < self.weights["maxWeight"]:
                if self.run("confirm-traffic-increase"):
                    self.weight += self.weights["stepWeight"]
                    self.phase = "Progressing"
                else:
                    self.phase = "WaitingTrafficIncrease"
            else:
                self.phase = "Succeeded" if self.run("confirm-promotion") else "WaitingPromotion"
        return self.phase


def flagger(tap, site, token):
    with tap.case("Flagger: a ring that has baked is promoted"):
        canary = Flagger(site.http_port, token, "good", "canary")
        equal([canary.tick() for _ in range(8)][-1], "Succeeded", f"phase; {canary.events}")
    with tap.case("Flagger: while the ring bakes nothing is promoted, and nothing rolled back"):
        canary = Flagger(site.http_port, token, "slow", "slow")
        phases = {canary.tick() for _ in range(20)}
        assert not phases & {"Succeeded", "Failed"}, phases
        assert any("hold: deployment slow in ring slow" in text for text in canary.events), canary.events
    with tap.case("Flagger: an open breaker rolls back, before and at the promotion"):
        for phase, weight in (("Progressing", 10), ("WaitingPromotion", 50), ("Waiting", 0)):
            canary = Flagger(site.http_port, token, "bad", "bad")
            canary.phase, canary.weight = phase, weight
            equal(canary.tick(), "Failed", f"from {phase}")
        canary.phase, canary.weight = "WaitingTrafficIncrease", 20
        equal((canary.tick(), canary.weight), ("WaitingTrafficIncrease", 20), "from where rollback is not asked")
    with tap.case("Flagger: no answer, or a refused token, advances nothing and rolls nothing back"):
        for port, word in ((closed_port(), token), (site.http_port, "no-such-token")):
            for phase, weight in (("Initialized", 0), ("Progressing", 10), ("WaitingPromotion", 50)):
                canary = Flagger(port, word, "good", "canary")
                canary.phase, canary.weight = phase, weight
                after = {canary.tick() for _ in range(5)}
                assert not after & {"Succeeded", "Failed"} and canary.weight == weight, (phase, after)
        kinds = {hook["type"] for hook in canary.hooks}
        assert not kinds & {"rollout", "pre-rollout"}, "hooks whose silence rolls back"
    with tap.case("Flagger: only the rollback hook may hit the rollback path, as a yes there rolls back"):
        for hook in canary.hooks:
            equal(hook["url"].endswith("/flagger/rollback"), hook["type"] == "rollback", hook["name"])


# ---- Spinnaker ------------------------------------------------------------------------------


def spinnaker_status(stage, port, token):
    """WebhookResponseProcessor and MonitorWebhookTask: what the stage is after one look."""
    headers = {key: value[0].replace("${parameters.ringwatch_token}", token)
               for key, value in stage["customHeaders"].items()}
    url = stage["url"].replace("acme-2.1", stage["test_deployment"]).replace("ring=canary", f"ring={stage['test_ring']}")
    try:
        status, body = ask(stage["method"], url, port, headers=headers)
    except ConnectionRefusedError:
        return "TERMINAL"
    except urllib.error.URLError as error:
        return "TERMINAL" if isinstance(error.reason, ConnectionRefusedError) else "RUNNING"
    if status == 429 or status >= 500:
        return "RUNNING"
    if status >= 400:
        return "TERMINAL"
    value = json.loads(body)[re.fullmatch(r"\$\.(\w+)", stage["statusJsonPath"])[1]].upper()
    for key, result in (("successStatuses", "SUCCEEDED"), ("canceledStatuses", "CANCELED"),
                        ("terminalStatuses", "TERMINAL")):
        if value in [word.strip() for word in stage[key].split(",") if word.strip()]:
            return result
    return "RUNNING"


def spinnaker(tap, site, token):
    stage = recipe("spinnaker.json")
    with tap.case("Spinnaker: proceed succeeds, hold runs on, abort and no answer end the pipeline"):
        for deployment, ring, expected in (("good", "canary", "SUCCEEDED"), ("slow", "slow", "RUNNING"),
                                           ("bad", "bad", "TERMINAL")):
            looked = dict(stage, test_deployment=deployment, test_ring=ring)
            equal(spinnaker_status(looked, site.http_port, token), expected, deployment)
        looked = dict(stage, test_deployment="good", test_ring="canary")
        equal(spinnaker_status(looked, closed_port(), token), "TERMINAL", "refused")
        equal(spinnaker_status(looked, site.http_port, "no-such-token"), "TERMINAL", "a refused token")
        assert stage["failPipeline"] and not stage["continuePipeline"], "what TERMINAL does"
        assert stage["overrideTimeout"] and stage["stageTimeoutMs"] >= 48 * 3600 * 1000, "a bake of 48 h"


# ---- FleetLock -------------------------------------------------------------------------------


class Zincati:
    """FleetLock's client: both requests, and 200 as the only yes."""

    def __init__(self, port, machine, group, token=None):
        config = recipe("zincati.toml")
        equal(config["updates"]["strategy"], "fleet_lock", "strategy")
        self.base = urllib.parse.urlsplit(config["updates"]["fleet_lock"]["base_url"])
        self.port, self.machine, self.group, self.token = port, machine, group, token
        self.kind = ""

    def ask(self, path):
        body = json.dumps({"client_params": {"id": self.machine, "group": self.group}}).encode()
        headers = {"fleet-lock-protocol": "true", "Content-Type": ""}
        if self.token:
            secret = f"{self.base.username}:{self.token}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(secret).decode()
        try:
            status, text = ask("POST", self.base._replace(path=self.base.path + path).geturl(), self.port,
                               body, headers)
        except OSError:
            return False
        self.kind = json.loads(text)["kind"]
        return status == 200


def fleetlock(tap, site):
    port = site.http_port
    with tap.case("FleetLock: as many hosts reboot as the ring's step lets in, each gives its slot back"):
        a, b, c = (Zincati(port, name, "steps", site.tokens["rollout"]) for name in ("a", "b", "c"))
        equal([a.ask("v1/pre-reboot"), a.ask("v1/pre-reboot"), b.ask("v1/pre-reboot")], [True] * 3, "two slots")
        equal((c.ask("v1/pre-reboot"), c.kind), (False, "no_slot"), "the third")
        equal([a.ask("v1/steady-state"), c.ask("v1/pre-reboot")], [True, True], "after the first came back")
        for zincati in (b, c):
            assert zincati.ask("v1/steady-state")
    with tap.case("FleetLock: no slot in a ring that aborts, nor for a wrong token, nor when nobody answers"):
        bad = Zincati(port, "a", "bad")
        equal((bad.ask("v1/pre-reboot"), bad.kind), (False, "breaker_open"), "an open breaker")
        equal(bad.ask("v1/steady-state"), True, "steady-state")
        wrong = Zincati(port, "a", "steps", "no-such-token")
        equal((wrong.ask("v1/pre-reboot"), wrong.kind), (False, "unauthorized"), "a wrong token")
        equal(Zincati(closed_port(), "a", "steps").ask("v1/pre-reboot"), False, "no answer")


# ---- kured -----------------------------------------------------------------------------------


def kured_blocks(port, ring):
    """prometheus.go: the alerts that stand in the way, or the error, which blocks too."""
    container = recipe("kured.yaml")["spec"]["template"]["spec"]["containers"][0]
    flags = dict(arg.lstrip("-").split("=", 1) for arg in container["args"])
    pattern = re.compile(flags["alert-filter-regexp"].replace("Hold_canary", f"Hold_{ring}"))
    only_matching = flags["alert-filter-match-only"] == "true"
    form = urllib.parse.urlencode({"query": "ALERTS", "time": ""}).replace("&time=", "").encode()
    try:
        status, text = ask("POST", flags["prometheus-url"] + "/api/v1/query", port, form,
                           {"Content-Type": "application/x-www-form-urlencoded"})
    except OSError:
        return ["no answer"]
    if status != 200:
        return [f"status {status}"]
    data = json.loads(text)["data"]
    equal(data["resultType"], "vector", "type of the result")
    found = [sample["metric"] for sample in data["result"]]
    if flags["alert-firing-only"] == "true":
        found = [alert for alert in found if alert["alertstate"] == "firing"]
    return sorted(alert["alertname"] for alert in found
                  if bool(pattern.search(alert["alertname"])) == only_matching)


def kured(tap, site):
    with tap.case("kured: blocked by an open breaker anywhere and by a hold of its own ring, and without an answer"):
        names = kured_blocks(site.http_port, "canary")
        equal(names, ["RingwatchBreakerOpen"], "a ring that may go on")
        equal(kured_blocks(site.http_port, "bad"), ["RingwatchBreakerOpen", "RingwatchHold_bad"], "the bad ring")
        equal(kured_blocks(closed_port(), "canary"), ["no answer"], "nobody there")


# ---- the shell, Salt, Actions ---------------------------------------------------------------------


def run_gate(site, port, deployment, ring, tries="2"):
    env = {"PATH": os.path.join(BUILD, VARIANT) + ":" + os.environ["PATH"], "GATE_EVERY": "0", "GATE_TRIES": tries,
           "RINGWATCH_URL": f"http://127.0.0.1:{port}", "RINGWATCH_TOKEN": site.tokens["read"]}
    gate = os.path.join(RECIPES, "gate.sh")
    return subprocess.run([gate, deployment, ring], env=env, capture_output=True, check=False,
                          timeout=60).returncode


def shell(tap, site):
    with tap.case("gate.sh: 0 on proceed alone, 20 on abort at once, 10 on hold and without an answer"):
        equal(run_gate(site, site.http_port, "good", "canary"), 0, "proceed")
        equal(run_gate(site, site.http_port, "bad", "bad", tries="1000000"), 20, "abort")
        equal(run_gate(site, site.http_port, "slow", "slow"), 10, "hold")
        equal(run_gate(site, closed_port(), "good", "canary"), 10, "no answer")
        gate = os.path.join(RECIPES, "gate.sh")
        equal(subprocess.run([gate], capture_output=True, check=False).returncode, 2, "no arguments")
    with tap.case("GitHub Actions: the next ring needs the gate, which is gate.sh and may not fail softly"):
        jobs = recipe("github-actions.yaml")["jobs"]
        equal((jobs["gate"]["needs"], jobs["wide"]["needs"]), ("canary", "gate"), "needs")
        step, = jobs["gate"]["steps"]
        equal(step["run"].split()[0], "deploy/recipes/gate.sh", "what it runs")
        for part in (jobs["gate"], jobs["wide"], step):
            assert not {"continue-on-error", "if"} & set(part), part
        assert jobs["gate"]["timeout-minutes"] > 48 * 60, "a bake of 48 h"
    with tap.case("Salt: the gate's text stands in a proceed alone, and the next ring requires the gate"):
        states = recipe("salt-orchestrate.sls")
        gate = {key: value for item in states["gate_before_wide"]["http.wait_for_successful_query"]
                for key, value in item.items()}
        wide = {key: value for item in states["install_on_wide"]["salt.state"] for key, value in item.items()}
        assert {"http": "gate_before_wide"} in wide["require"], wide
        equal(gate["status"], 200, "status")
        for deployment, ring, expected in (("good", "canary", True), ("slow", "slow", False), ("bad", "bad", False)):
            url = gate["name"].replace("acme-2.1", deployment).replace("ring=canary", f"ring={ring}")
            status, body = ask("GET", url, site.http_port,
                               headers={"Authorization": f"Bearer {site.tokens['read']}"})
            equal((status, gate["match"] in body), (200, expected), deployment)
    with tap.case("each recipe says at its head what happens when ringwatch does not answer"):
        names = sorted(os.listdir(RECIPES))
        equal(len(names), 9, f"recipes: {names}")
        with open(os.path.join(RECIPES, "..", "..", "docs", "recipes.md"), encoding="utf-8") as file:
            index = file.read()
        for name in names:
            with open(os.path.join(RECIPES, name), encoding="utf-8") as file:
                assert "hen ringwatch does not answer" in "".join(file.readlines()[:16]), name
            assert f"recipes/{name}" in index, f"{name} is not in docs/recipes.md"


# ---- Ansible --------------------------------------------------------------------------------------

INSTALL = """#!/usr/bin/env python3
# Installs "version 2" on one simulated host: it comes back and reports it. The bad host
# reports it, and dies.
import os, signal, subprocess, sys, time, urllib.request, json
folder, argv, url, token, bad = json.load(open(os.path.join(os.path.dirname(__file__), "install.json")))
host = sys.argv[1]
def has_reported():
    request = urllib.request.Request(url + host + "-00001", headers={"Authorization": "Bearer " + token})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    told = json.load(opener.open(request, timeout=15))
    return told["state"] == "online" and {"subject": "marker:driver", "value": "2"} in told["versions"]
pid_file = os.path.join(folder, host + ".pid")
pid = int(open(pid_file).read())
os.kill(pid, signal.SIGTERM)
while os.path.exists(f"/proc/{pid}") and open(f"/proc/{pid}/stat").read().split()[2] != "Z":
    time.sleep(0.05)
child = subprocess.Popen([word.replace("HOST", host) for word in argv] + ["--report", "marker:driver=2"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         start_new_session=True)
open(pid_file, "w").write(str(child.pid))
end = time.monotonic() + 20
while not has_reported() and time.monotonic() < end:
    time.sleep(0.05)
if host == bad:
    os.kill(child.pid, signal.SIGKILL)
open(os.path.join(folder, host + ".installed"), "w").write("2")
"""


def play(site, folder, port, **changes):
    values = {"deployment": "driver-2", "ring": "ansible", "ringwatch_url": f"http://127.0.0.1:{port}",
              "ringwatch_token_file": site.path("rollout.token"), "gate_retries": 2, "gate_delay": 1,
              "soak_seconds": 6, "install": os.path.join(folder, "install"), "batches": [1, 2, 2], **changes}
    env = {"PATH": os.environ["PATH"], "HOME": folder, "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1",
           "ANSIBLE_LOCAL_TEMP": os.path.join(folder, "tmp"), "ANSIBLE_LOCALHOST_WARNING": "False"}
    return subprocess.run(["ansible-playbook", "-i", os.path.join(folder, "inventory"), "-e", json.dumps(values),
                           os.path.join(RECIPES, "ansible.yaml")],
                          env=env, text=True, capture_output=True, check=False, timeout=240)


def installed(folder):
    return sorted(name.split(".")[0] for name in os.listdir(folder) if name.endswith(".installed"))


def ansible(tap, site):
    """Five hosts in batches of 1, 2, 2; the second batch's first host dies of the version."""
    hosts = [f"h{i}" for i in range(1, 6)]
    folder = site.path("ansible")
    os.makedirs(folder)
    argv = [program("ringwatch-fleet"), "--collector", f"127.0.0.1:{site.sensors_port}",
            "--ca-certificate", site.path("pki", "ca.pem"), "--ca-key", site.path("pki", "ca.key"),
            "--trust-domain", site.DOMAIN, "--ring", "ansible", "--hosts", "1", "--prefix", "HOST",
            "--state", os.path.join(folder, "HOST.state")]
    url = f"{site.url}/v1/hosts/"
    site.write("ansible/install.json", json.dumps([folder, argv, url, site.tokens["read"], "h2"]))
    os.chmod(site.write("ansible/install", INSTALL), 0o755)
    site.write("ansible/inventory", "[ansible]\n" + "".join(f"{h} ansible_connection=local\n" for h in hosts))
    for host in hosts:
        process = site.start(f"fleet-{host}", [word.replace("HOST", host) for word in argv])
        site.write(f"ansible/{host}.pid", str(process.pid))
    try:
        with tap.case("Ansible: the playbook stops at the bad batch, and the batch after is not touched"):
            if shutil.which("ansible-playbook") is None:
                raise Skip("no ansible-playbook; package ansible-core")
            wait_until("five hosts", lambda: len(site.hosts_in("online", "ansible")) == 5)
            site.post("/v1/deployments", {"deployment": "driver-2", "component": "driver", "version": "2",
                                          "exposure": "reported", "match": "marker:driver",
                                          "rings": ["ansible"]}, 201)
            done = play(site, folder, closed_port())
            assert done.returncode != 0, done.stdout
            equal(installed(folder), [], "installed without an answer")
            done = play(site, folder, site.http_port)
            equal(installed(folder), [], f"installed before the ring's start: {done.stdout[-600:]}")
            site.post("/v1/deployments/driver-2/rings/ansible/start", {"step": 1})
            done = play(site, folder, site.http_port)
            assert done.returncode != 0, done.stdout
            equal(installed(folder), ["h1", "h2", "h3"], f"installed: {done.stdout[-1500:]}")
            equal(site.verdict("driver-2", "ansible")["verdict"], "abort", "verdict")
    finally:
        for host in hosts:
            with open(os.path.join(folder, f"{host}.pid"), encoding="ascii") as file:
                try:
                    os.kill(int(file.read()), signal.SIGKILL)
                except ProcessLookupError:
                    pass


def main():
    tap = Tap()
    rings = {"canary": {"bake": "1s"}, "slow": {"bake": "48h"}, "bad": {"bake": "48h"},
             "steps": {"bake": "48h", "steps": ["50%", "100%"]}, "ansible": {"bake": "48h"}}
    with Site(tap, rings=rings) as site:
        site.start_collector()
        victim = None
        for ring, hosts in (("canary", 3), ("slow", 3), ("bad", 3), ("steps", 4)):
            fleet = site.start_fleet("--prefix", ring, ring=ring, hosts=hosts, log=f"fleet-{ring}.log")
            victim = fleet if ring == "bad" else victim
        for ring, hosts in (("canary", 3), ("slow", 3), ("bad", 3), ("steps", 4)):
            wait_until(f"the hosts of {ring}", lambda r=ring, n=hosts: len(site.hosts_in("online", r)) == n)
        for deployment, ring in (("good", "canary"), ("slow", "slow"), ("bad", "bad")):
            site.deploy(deployment, ring)
        site.post("/v1/deployments", {"deployment": "kernel-2", "component": "kernel", "version": "6.1.0-99",
                                      "exposure": "reported", "match": "kernel", "rings": ["steps"]}, 201)
        site.post("/v1/deployments/kernel-2/rings/steps/start", {"step": 1})
        wait_until("hosts at risk", lambda: site.verdict("bad", "bad")["failed"]["hosts"] == 3)
        site.wait_verdict("good", "proceed")
        victim.kill()
        site.wait_verdict("bad", "abort", ring="bad")
        token = site.tokens["read"]
        argo(tap, site, token)
        flagger(tap, site, token)
        spinnaker(tap, site, token)
        fleetlock(tap, site)
        kured(tap, site)
        shell(tap, site)
        ansible(tap, site)
    tap.finish()


if __name__ == "__main__":
    main()
