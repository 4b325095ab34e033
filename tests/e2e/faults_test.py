#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input and broken surroundings: one clear line, the right exit code, others unharmed."""

import os
import re
import socket
import sqlite3
import ssl
import struct
import subprocess

from harness import HANG_UP, Site, Tap, equal, kmsg_fifo, program, wait_until


def run(*argv):
    return subprocess.run(argv, text=True, capture_output=True, check=False, timeout=60)


def one_line(done, status, pattern):
    """Exactly one line on stderr, matching, with this exit status."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    equal(done.returncode, status, f"exit status ({done.stderr.strip()[-300:]})")
    equal(len(lines), 1, f"lines on stderr: {lines}")
    assert re.search(pattern, lines[0]), f"{lines[0]!r} does not match /{pattern}/"


def configuration(tap, site):
    sensor = program("ringwatch-sensor")
    collector = program("ringwatch-collector")
    good = open(site.sensor_config("cfg"), encoding="utf-8").read()

    def check(text, pattern, prog=sensor):
        path = site.write("bad.yaml", text)
        one_line(run(prog, "--check-config", "--config", path), 2, pattern)

    with tap.case("a good configuration passes --check-config"):
        done = run(sensor, "--check-config", "--config", site.write("good.yaml", good))
        equal(done.returncode, 0, done.stderr)
    with tap.case("a wrong schema number: exit 2, FILE:LINE: schema"):
        check(good.replace("schema: 1", "schema: 2"), r"bad\.yaml:1: schema: ")
    with tap.case("an unknown key: exit 2 and its name and line"):
        check(good + "colour: red\n", rf"bad\.yaml:{good.count(chr(10)) + 1}: colour: ")
    with tap.case("a missing key: exit 2 and its name"):
        check(re.sub(r"^netconsole:.*\n", "", good, flags=re.M), r"bad\.yaml.*netconsole: ")
    with tap.case("a wildcard is no name"):
        check(re.sub(r"^host_id:.*$", "host_id: '*'", good, flags=re.M), r"bad\.yaml:2: host_id: ")
    with tap.case("a size without a unit is refused"):
        check(good.replace("16MiB", "16"), r"spool\.max_bytes: ")
    text = site.collector_config()
    with tap.case("the collector refuses a missing key by its name"):
        check(re.sub(r"^retention:.*\n", "", text, flags=re.M), r"retention: ", collector)
    with tap.case("the collector refuses timing that would let a ring die before it is suspect"):
        changed = site.collector_config(timing=dict(site.timing, offline_after="2s"))
        check(changed, r"offline_after", collector)
    with tap.case("no such file: exit 2 and its name"):
        one_line(run(collector, "--config", site.path("none.yaml")), 2, r"none\.yaml")
    with tap.case("unknown option: exit 2"):
        equal(run(collector, "--frobnicate").returncode, 2, "collector")
        equal(run(sensor, "--frobnicate").returncode, 2, "sensor")


def surroundings(tap, site):
    collector = program("ringwatch-collector")
    with tap.case("port in use: one line, exit 69"):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            path = site.write("taken.yaml", site.collector_config(
                listen={"sensors": f"127.0.0.1:{port}", "http": "127.0.0.1:0", "netconsole": "none"},
                store="taken.db"))
            done = run(collector, "--config", path, "--log-level", "error")
            one_line(done, 69, rf"127\.0\.0\.1:{port}")
    with tap.case("a second collector on one store is refused: exit 73"):
        path = site.write("second.yaml", site.collector_config(
            listen={"sensors": "127.0.0.1:0", "http": "127.0.0.1:0", "netconsole": "none"}))
        one_line(run(collector, "--config", path, "--log-level", "error"), 73, r"collector\.db")
    with tap.case("a store that cannot be made: one line, exit 73"):
        path = site.write("nowhere.yaml", site.collector_config(
            listen={"sensors": "127.0.0.1:0", "http": "127.0.0.1:0", "netconsole": "none"},
            store="/proc/ringwatch/collector.db"))
        one_line(run(collector, "--config", path, "--log-level", "error"), 73, r"/proc/ringwatch")
    with tap.case("a damaged store is refused, kept, and named"):
        broken = site.path("broken.db")
        with open(broken, "wb") as file:
            file.write(b"SQLite format 3\0" + os.urandom(8192))
        kept = open(broken, "rb").read()
        path = site.write("broken.yaml", site.collector_config(
            listen={"sensors": "127.0.0.1:0", "http": "127.0.0.1:0", "netconsole": "none"},
            store="broken.db"))
        command = rf"ringwatch-collector --config {re.escape(path)} --set-aside-damaged-store"
        one_line(run(collector, "--config", path, "--log-level", "error"), 73, rf"broken\.db.*{command}")
        equal(open(broken, "rb").read(), kept, "the damaged file")
    with tap.case("the command that it names sets the store aside, starts empty, and is audited"):
        started = site.start("aside", [collector, "--config", path, "--set-aside-damaged-store"])
        aside = started.wait_for(r"event=store_set_aside .*moved_to=(\S+) .*starts empty")[1]
        started.wait_for(r"event=ready .*hosts=0 deployments=0")
        equal(started.stop(), 0, "exit status")
        assert re.fullmatch(re.escape(broken) + r"\.damaged-\d{8}T\d{6}Z", aside), aside
        equal(open(aside, "rb").read(), kept, "the damaged file")
        with sqlite3.connect(broken) as store:
            equal(store.execute("SELECT actor, action, subject FROM audit").fetchall(),
                  [("collector", "store_set_aside", aside)], "audit")
    with tap.case("a store that is not damaged is kept by it"):
        started = site.start("kept", [collector, "--config", path, "--set-aside-damaged-store"])
        started.wait_for(r"event=store_set_aside .*result=kept")
        started.wait_for(r"event=ready ")
        equal(started.stop(), 0, "exit status")
        with sqlite3.connect(broken) as store:
            equal(store.execute("SELECT count(*) FROM audit").fetchone(), (1,), "audit rows")
    with tap.case("the sensor's state directory cannot be made: one line, exit 73"):
        path = site.sensor_config("nostate", state_dir="/proc/ringwatch")
        done = run(program("ringwatch-sensor"), "--config", path, "--no-bpf", "--log-level", "error")
        one_line(done, 73, r"/proc/ringwatch")
    with tap.case("neither BPF nor kernel log: one line, exit 77"):
        path = site.sensor_config("norights")
        done = run(program("ringwatch-sensor"), "--config", path, "--no-bpf", "--kmsg",
                   site.path("no-such-log"), "--log-level", "error")
        one_line(done, 77, r"no-such-log")


def identities(tap, site):
    write = kmsg_fifo(site.path("kmsg"))
    options = ["--no-bpf", "--kmsg", site.path("kmsg")]
    other = Site()  # a foreign CA of the same trust domain

    def refused(host, sensor_says, collector_says, **changes):
        sensor = site.start_sensor(host, options=options, **changes)
        try:
            sensor.wait_for(sensor_says)
            site.collector.wait_for(collector_says)
        finally:
            sensor.kill()

    def tls(certificate, ca=None):
        return {"certificate": certificate + ".pem", "key": certificate + ".key",
                "ca": ca or "pki/ca.pem", "crl": "none"}

    with tap.case("a host certificate of a foreign CA is refused, with the reason on both sides"):
        other.command("pki", "issue", "--dir", other.path("pki"), "host", "--ring", "canary",
                      "--host", "foreign")
        refused("foreign", r"(?i)unknown ca|certificate|alert",
                r"(?i)reason=.*(self.signed|issuer|verify|unable to get|certificate)",
                tls=tls(other.path("pki", "host-foreign")))
    with tap.case("an expired certificate is refused, with the reason on both sides"):
        site.command("pki", "issue", "--dir", site.path("pki"), "host", "--ring", "canary",
                     "--host", "late", "--valid", "1s")
        wait_until("the certificate to expire", lambda: run(
            "openssl", "x509", "-checkend", "0", "-noout", "-in",
            site.path("pki", "host-late.pem")).returncode == 1, 10)
        refused("late", r"(?i)expired", r"(?i)expired")
    with tap.case("a certificate of a ring that the policy has not is refused: unknown_ring"):
        refused_host = site.start_sensor("lost", ring="nowhere", options=options)
        refused_host.wait_for(r"unknown_ring")
        site.collector.wait_for(r"unknown_ring")
        refused_host.kill()
    with tap.case("a host certificate posing as a collector is refused by the sensor"):
        site.command("pki", "issue", "--dir", site.path("pki"), "host", "--ring", "canary",
                     "--host", "impostor")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(site.path("pki", "host-impostor.pem"), site.path("pki", "host-impostor.key"))
        context.set_alpn_protocols(["ringwatch/1"])
        with socket.create_server(("127.0.0.1", 0)) as server:
            sensor = site.start_sensor("victim", options=options,
                                       collectors=[f"127.0.0.1:{server.getsockname()[1]}"])
            server.settimeout(10)
            conn, _ = server.accept()
            try:
                with context.wrap_socket(conn, server_side=True) as session:
                    session.recv(1)
            except (ssl.SSLError, ConnectionError, OSError):
                pass
            sensor.wait_for(r"(?i)purpose|not a collector|certificate")
            sensor.kill()
    with tap.case("an unreachable collector is said once, not every second"):
        # A listener that hangs up at once, so that the attempts can be counted.
        with socket.create_server(("127.0.0.1", 0)) as closed:
            closed.settimeout(20)
            sensor = site.start_sensor("patient", options=options,
                                       collectors=[f"127.0.0.1:{closed.getsockname()[1]}"])
            for _ in range(5):
                closed.accept()[0].close()
            sensor.wait_for(r"event=unreachable")
            equal(len([line for line in sensor.lines() if "event=unreachable" in line]), 1, "lines")
            sensor.kill()
    other.close()
    del write


def frames(tap, site):
    """Garbage after a good handshake ends that session, by name, and no other."""
    site.command("pki", "issue", "--dir", site.path("pki"), "host", "--ring", "canary", "--host", "raw")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(site.path("pki", "ca.pem"))
    context.load_cert_chain(site.path("pki", "host-raw.pem"), site.path("pki", "host-raw.key"))
    context.set_alpn_protocols(["ringwatch/1"])

    def session():
        plain = socket.create_connection(("127.0.0.1", site.sensors_port), timeout=20)
        return context.wrap_socket(plain, server_hostname="c1")

    def ends(conn, seconds=15):
        conn.settimeout(seconds)
        received = b""
        try:
            while piece := conn.recv(65536):
                received += piece
        except (ssl.SSLError, ConnectionError):
            pass
        return received

    bystander = site.start_fleet("--prefix", "by", hosts=5, log="bystanders.log")
    wait_until("bystanders online", lambda: len(site.hosts_in("online")) >= 5)

    for name, data, reason in (
            ("a length of zero", struct.pack(">I", 0), "empty_frame"),
            ("a length of 4 GiB", struct.pack(">I", 0xFFFFFFFF), "oversized_frame"),
            ("random bytes", struct.pack(">I", 64) + bytes(range(64)), None),
            ("a truncated message", struct.pack(">I", 3) + b"\x0a\x7f\x08", "truncated"),
            ("an unknown field", struct.pack(">I", 3) + b"\xfa\x01\x00", "unknown_field"),
            ("a message that only a collector sends", struct.pack(">I", 4) + b"\x3a\x02\x08\x01",
             "wrong_direction")):
        with tap.case(f"{name}: that session ends with a counted reason"):
            with session() as conn:
                conn.sendall(data)
                ends(conn)
            if reason:
                wait_until(f"{reason} to be counted", lambda r=reason: re.search(
                    rf'ringwatch_frames_rejected_total{{reason="{r}"}} [1-9]',
                    site.http("GET", "/metrics").body.decode()), 5)
    with tap.case("a peer that speaks no TLS is dropped"):
        with socket.create_connection(("127.0.0.1", site.sensors_port), timeout=20) as conn:
            conn.sendall(b"GET / HTTP/1.1\r\n\r\n")
            ends(conn)
    with tap.case("a peer that never finishes its Hello is dropped"):
        with session() as conn:
            conn.sendall(struct.pack(">I", 100) + b"\x0a")
            ends(conn, 20)
    with tap.case("the bystanders did not notice"):
        equal(len([r for r in site.hosts_in("online") if r["host"].startswith("by")]), 5, "online")
        for row in site.hosts_in("online"):
            changes = [c["to"] for c in site.get(f"/v1/hosts/{row['host']}")["transitions"]]
            assert "suspect" not in changes, (row["host"], changes)
    bystander.stop()


def reload(tap, site):
    with tap.case("SIGHUP with a bad tokens file keeps the old tokens and says so"):
        with open(site.path("tokens"), "a", encoding="ascii") as file:
            file.write("who knows\n")
        site.collector.signal(HANG_UP)
        site.collector.wait_for(r"tokens:\d+")
        equal(site.http("GET", "/v1/rings").status, 200, "the old token still works")


def main():
    tap = Tap()
    with Site(tap) as site:
        site.start_collector()
        configuration(tap, site)
        surroundings(tap, site)
        identities(tap, site)
        frames(tap, site)
        reload(tap, site)
    tap.finish()


if __name__ == "__main__":
    main()
