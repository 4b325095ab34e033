# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: real programs, real sockets, a real store.

A test makes a `Site` (a temporary folder with PKI, tokens and configuration),
starts the programs it needs from it, and reports TAP through `Tap`. Programs
write their logs into the folder; a failed test shows the ends of them.

The build folder comes from RINGWATCH_BUILD (default `build`); with
RINGWATCH_VARIANT=asan the sanitized programs run. Nothing sleeps for a fixed
time: `wait_until` polls with a deadline and says what it waited for.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request

BUILD = os.path.abspath(os.environ.get("RINGWATCH_BUILD", "build"))
VARIANT = os.environ.get("RINGWATCH_VARIANT", "")


def program(name):
    """Path of a built program, of the sanitized variant when that is asked for."""
    return os.path.join(BUILD, VARIANT, name)


class Skip(Exception):
    """The case cannot run here; the message names the cause."""


class Timeout(Exception):
    pass


def wait_until(what, condition, seconds=15.0, every=0.02):
    """Polls `condition` until it returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout(f"waited {seconds:g} s for: {what}")
        time.sleep(every)


class Tap:
    """Prints one TAP line a case; `with tap.case("…"):` fails on any exception."""

    def __init__(self, out=None):
        self.out = out or sys.stdout
        self.number = 0
        self.failures = 0
        self.on_failure = []

    def say(self, line):
        print(line, file=self.out, flush=True)

    @contextlib.contextmanager
    def case(self, name):
        self.number += 1
        try:
            yield
        except Skip as cause:
            self.say(f"ok {self.number} - {name} # SKIP {cause}")
        except Exception:  # a test that breaks has failed, whatever broke
            self.failures += 1
            self.say(f"not ok {self.number} - {name}")
            for line in traceback.format_exc().splitlines():
                self.say(f"#   {line}")
            for tell in self.on_failure:
                for line in tell():
                    self.say(f"#   {line}")
        else:
            self.say(f"ok {self.number} - {name}")

    def finish(self):
        self.say(f"1..{self.number}")
        sys.exit(1 if self.failures else 0)


def equal(got, expected, what="value"):
    if got != expected:
        raise AssertionError(f"{what}: got {got!r}, expected {expected!r}")


class Process:
    """A program of ours with its log in a file."""

    def __init__(self, name, argv, log, env=None, stdin=None):
        self.name, self.argv, self.log = name, argv, log
        self.offset = os.path.getsize(log) if os.path.exists(log) else 0
        with open(log, "ab") as out:
            # The programs log to stderr; what they print lies beside it.
            with open(log + ".out", "ab") as printed:
                self.child = subprocess.Popen(argv, stdout=printed, stderr=out, env=env,
                                              stdin=stdin or subprocess.DEVNULL)

    @property
    def pid(self):
        return self.child.pid

    def lines(self):
        """What it logged since this start."""
        with open(self.log, "rb") as file:
            file.seek(self.offset)
            return file.read().decode(errors="replace").splitlines()

    def find(self, pattern):
        for line in self.lines():
            match = re.search(pattern, line)
            if match:
                return match
        return None

    def wait_for(self, pattern, seconds=15.0):
        def look():
            match = self.find(pattern)
            if not match and self.child.poll() is not None and not self.find(pattern):
                raise AssertionError(f"{self.name} ended with {self.child.returncode} before "
                                     f"/{pattern}/: " + " | ".join(self.lines()[-3:]))
            return match
        return wait_until(f"{self.name} to log /{pattern}/", look, seconds)

    def running(self):
        return self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        """kill -9: no goodbye, no flush."""
        if self.running():
            self.child.kill()
        return self.child.wait(30)

    def stop(self, seconds=10.0):
        """SIGTERM; returns the exit status."""
        if self.running():
            self.child.terminate()
        return self.wait(seconds)

    def wait(self, seconds=15.0):
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise Timeout(f"{self.name} did not end within {seconds:g} s") from late


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]["code"]


RING = {
    "order": 1, "bake": "1s", "steps": "none", "fleet_share": "none", "heartbeat_every": "none",
    "limits": {"offline": "0.1%", "crashed": "0.1%", "module_failed": "none", "failed": "0.1%"},
    "least_hosts": 1, "min_coverage": "95%", "min_exposed": "90%", "open_on": "limit",
    "crash_kinds": ["panic", "oops", "hard_lockup", "unexpected_reboot"],
}

# Quick, but as sound as the shipped timing: offline_after >= suspect_after + 2 heartbeats.
TIMING = {"heartbeat_every": "500ms", "suspect_after": "2s", "offline_after": "4s",
          "max_planned": "10m", "power_off_grace": "24h", "retire_after": "none"}


class Site:
    """A folder with keys, tokens and configuration for one collector and its hosts."""

    DOMAIN = "test.ringwatch"

    def __init__(self, tap=None, rings=None, timing=None):
        self.dir = tempfile.mkdtemp(prefix="ringwatch-e2e-")
        self.processes = []
        self.http_port = self.sensors_port = 0
        self.collector = None
        self.rings = rings or {"canary": {}}
        self.timing = dict(TIMING, **(timing or {}))
        self.tokens = {}
        self.keep = False
        if tap:
            tap.on_failure.append(self.show_logs)
        self.command("pki", "init", "--dir", self.path("pki"), "--trust-domain", self.DOMAIN)
        self.command("pki", "issue", "--dir", self.path("pki"), "collector", "--name", "c1")
        for role in ("read", "rollout", "operator"):
            out = self.path(f"{role}.token")
            self.command("token", "add", "--name", role, "--role", role, "--file", self.path("tokens"),
                         "--out", out)
            with open(out, encoding="ascii") as file:
                self.tokens[role] = file.read().strip()
        self.write_policy()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def command(self, *args, check=True, url=False, token="operator", input_text=None):
        """Runs the `ringwatch` command; returns the finished process."""
        argv = [program("ringwatch"), *args]
        env = {k: v for k, v in os.environ.items() if not k.startswith("RINGWATCH_")}
        if url:
            env["RINGWATCH_URL"] = self.url
            if token:
                env["RINGWATCH_TOKEN"] = self.tokens[token]
        done = subprocess.run(argv, env=env, text=True, capture_output=True, check=False,
                              input=input_text, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(args)}: exit {done.returncode}: {done.stderr.strip()}")
        return done

    def ask(self, *args, token="operator"):
        """The `ringwatch` command against this site's collector, any exit status."""
        return self.command(*args, check=False, url=True, token=token)

    # ---- configuration ----

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def write_policy(self):
        rings = []
        for order, (name, changes) in enumerate(self.rings.items(), 1):
            rings.append({"name": name, **RING, "order": order, **changes})
        # JSON is YAML: one line a ring.
        self.write("policy.yaml", "schema: 1\nrings:\n" +
                   "".join(f"  - {to_yaml(ring)}\n" for ring in rings))

    def collector_config(self, **changes):
        """The collector's file as text; keyword arguments replace top-level keys."""
        config = {
            "schema": 1, "name": "c1",
            "listen": {"sensors": f"127.0.0.1:{self.sensors_port}",
                       "http": f"127.0.0.1:{self.http_port}", "netconsole": "none"},
            "tls": {"certificate": "pki/collector-c1.pem", "key": "pki/collector-c1.key",
                    "ca": "pki/ca.pem", "crl": "none"},
            "store": "collector.db", "tokens_file": "tokens", "inventory": "none", "webhooks": "none",
            "witness": "none",
            "timing": self.timing, "retention": "none",
            "quotas": {"events_burst": 100, "events_per_second": 1, "sessions_max": 16000,
                       "hosts_max": 100000},
            "http": {"tls": "none", "hosts": []},
            "policy": "policy.yaml",
        }
        config.update(changes)
        return "".join(f"{key}: {to_yaml(value)}\n" for key, value in config.items())

    def sensor_config(self, host, ring="canary", **changes):
        """Writes a sensor's file (and issues its certificate); returns its path."""
        if not os.path.exists(self.path("pki", f"host-{host}.pem")):
            self.command("pki", "issue", "--dir", self.path("pki"), "host", "--ring", ring,
                         "--host", host)
        config = {
            "schema": 1, "host_id": host, "collectors": [f"127.0.0.1:{self.sensors_port}"],
            "tls": {"certificate": f"pki/host-{host}.pem", "key": f"pki/host-{host}.key",
                    "ca": "pki/ca.pem", "crl": "none"},
            "state_dir": f"state-{host}",
            "spool": {"max_bytes": "16MiB", "max_age": "none"},
            "markers_dir": "none", "netconsole": "none",
        }
        config.update(changes)
        os.makedirs(self.path(f"state-{host}"), exist_ok=True)
        return self.write(f"sensor-{host}.yaml",
                          "".join(f"{key}: {to_yaml(value)}\n" for key, value in config.items()))

    # ---- programs ----

    def start(self, name, argv, log=None, **options):
        process = Process(name, argv, self.path(log or f"{name}.log"), **options)
        self.processes.append(process)
        return process

    def start_collector(self, wait=True, **changes):
        """Starts (or restarts) the collector; later starts use the same ports."""
        config = self.write("collector.yaml", self.collector_config(**changes))
        self.collector = self.start("collector", [program("ringwatch-collector"), "--config", config])
        if wait:
            self.sensors_port = int(self.collector.wait_for(
                r"event=listening what=sensors addr=\S+:(\d+)")[1])
            self.http_port = int(self.collector.wait_for(
                r"event=listening what=http addr=\S+:(\d+)")[1])
        return self.collector

    def start_sensor(self, host, ring="canary", options=(), **changes):
        config = self.sensor_config(host, ring, **changes)
        return self.start(f"sensor-{host}", [program("ringwatch-sensor"), "--config", config, *options])

    def start_fleet(self, *options, ring="canary", hosts=10, log="fleet.log"):
        return self.start("fleet", [
            program("ringwatch-fleet"), "--collector", f"127.0.0.1:{self.sensors_port}",
            "--ca-certificate", self.path("pki", "ca.pem"), "--ca-key", self.path("pki", "ca.key"),
            "--trust-domain", self.DOMAIN, "--ring", ring, "--hosts", str(hosts), *options], log=log)

    # ---- HTTP ----

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    def http(self, method, path, body=None, token="operator", headers=None, raw=None):
        """One request; any status comes back as an Answer."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {self.tokens.get(token, token)}")
        for key, value in (headers or {}).items():
            request.add_header(key, value)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=15) as reply:
                return Answer(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as reply:
            with reply:
                return Answer(reply.code, reply.headers, reply.read())

    def get(self, path, **options):
        answer = self.http("GET", path, **options)
        if answer.status != 200:
            raise AssertionError(f"GET {path}: {answer.status} {answer.body[:300]!r}")
        return answer.json

    def post(self, path, body, status=200, **options):
        answer = self.http("POST", path, body, **options)
        if answer.status != status:
            raise AssertionError(f"POST {path}: {answer.status} {answer.body[:300]!r}")
        return answer.json

    def verdict(self, deployment, ring="canary", question="advance"):
        return self.get(f"/v1/verdict?deployment={deployment}&ring={ring}&for={question}")

    def wait_verdict(self, deployment, verdict, ring="canary", seconds=30.0):
        def look():
            answer = self.verdict(deployment, ring)
            return answer if answer["verdict"] == verdict else None
        return wait_until(f"the verdict of {deployment} on {ring} to be {verdict}", look, seconds)

    def deploy(self, deployment, ring="canary", start=True):
        self.post("/v1/deployments", {"deployment": deployment, "component": "driver", "version": "1",
                                      "exposure": "fixed", "match": "none", "rings": [ring]}, 201)
        if start:
            self.post(f"/v1/deployments/{deployment}/rings/{ring}/start", {"step": 1})

    def pages(self, path, key):
        """All rows of a paged list, following its cursor."""
        rows, cursor = [], ""
        while True:
            mark = "&" if "?" in path else "?"
            page = self.get(f"{path}{mark}limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            rows += page[key]
            cursor = page["next_cursor"]
            if not cursor:
                return rows

    def hosts_in(self, state, ring="canary"):
        return self.pages(f"/v1/hosts?ring={ring}&state={state}", "hosts")

    def ring(self, name="canary"):
        return self.get(f"/v1/rings/{name}")

    # ---- the end ----

    def show_logs(self):
        """The ends of all logs, for a failed test."""
        told = []
        for process in self.processes:
            state = "running" if process.running() else process.child.returncode
            told.append(f"---- {process.name} (pid {process.pid}, {state})")
            told += process.lines()[-12:]
        return told

    def close(self):
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def to_yaml(value):
    """A value in YAML's flow form; plain scalars stay plain, as the loader wants them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {to_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(to_yaml(v) for v in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def kmsg_fifo(path):
    """Makes a FIFO that a sensor reads by --kmsg; returns a function that writes one record's text.

    It stands for /dev/kmsg, where user space cannot write as the kernel does. Opened
    for reading and writing, so that the sensor may come and go.
    """
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR)
    state = {"sequence": 0}

    def write(text, level=0):
        for line in text.splitlines():
            usec = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6)
            os.write(fd, f"{level},{state['sequence']},{usec},-;{line}\n".encode())
            state["sequence"] += 1
    return write


TERMINATE = signal.SIGTERM
HANG_UP = signal.SIGHUP
