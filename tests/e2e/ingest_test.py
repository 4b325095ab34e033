#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The collector's side of a session: who has a host's place, revocation, a disk that is full."""

import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import uuid

from harness import Site, Skip, Tap, equal, program, wait_until

WIRE_SCHEMA = int(re.search(r"wire schema (\d+)", subprocess.run(
    [program("ringwatch-collector"), "--version"], text=True, capture_output=True, check=True).stdout)[1])
WELCOME, REJECT, ACK, PROBE = 2, 3, 6, 7
IDENTITY, NOT_IN_INVENTORY, DUPLICATE_IDENTITY = 3, 5, 6
WARNING = 3


# ---- as much of the wire as is needed: varints, texts and messages in them ----

def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def pack(*fields):
    """Fields by number: integers as varints, texts, bytes and messages by their length."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def unpack(data):
    fields, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        value = number()
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        fields[tag >> 3] = value
    return fields


class Host:
    """One session of a host, spoken by hand."""

    def __init__(self, site, host, boot=None, ring="canary", answers=True, reads=True):
        pki = site.path("pki", f"host-{host}")
        if not os.path.exists(pki + ".pem"):
            site.command("pki", "issue", "--dir", site.path("pki"), "host", "--ring", ring,
                         "--host", host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(site.path("pki", "ca.pem"))
        context.load_cert_chain(pki + ".pem", pki + ".key")
        context.set_alpn_protocols(["ringwatch/1"])
        self.boot, self.spool = boot or str(uuid.uuid4()), os.urandom(16)
        self.answers, self.order = answers, int(time.time())
        self.data, self.seen, self.ended = b"", [], False
        plain = socket.create_connection(("127.0.0.1", site.sensors_port), timeout=20)
        self.conn = context.wrap_socket(plain, server_hostname="c1")
        if reads:
            self.hello()

    def send(self, kind, message):
        frame = pack((kind, message))
        self.conn.settimeout(20)
        self.conn.sendall(struct.pack(">I", len(frame)) + frame)

    def hello(self):
        self.send(1, pack((1, WIRE_SCHEMA), (2, "by hand"), (3, self.boot), (4, self.order), (5, 1000),
                          (6, 1000), (7, ""), (8, 1), (9, self.spool), (10, "6.1"), (11, "x86_64"),
                          (13, 1), (14, ""), (15, 0), (16, "none")))

    def heartbeat(self):
        self.send(4, pack((1, 2000), (2, 0), (3, 0)))

    def events(self, first, last, kind=WARNING):
        rows = [(5, pack((1, n), (2, kind), (3, 2), (4, 2), (5, self.boot), (6, self.order), (7, 1000),
                         (8, 1000), (9, 0), (10, 0), (11, ""), (12, "warning:f+0x1"), (13, "f+0x1"),
                         (14, ""), (15, 0), (16, f"number {n}"), (17, 1), (20, 0), (21, ""),
                         (22, 0)))
                for n in range(first, last + 1)]
        self.send(5, pack((1, self.spool), (2, self.boot), (3, 2000), (4, 2000), *rows))

    def look(self):
        """Takes in what has come; answers probes. Returns all messages as (kind, fields)."""
        self.conn.settimeout(0.02)
        try:
            while piece := self.conn.recv(65536):
                self.data += piece
            self.ended = True
        except (TimeoutError, ssl.SSLWantReadError):
            pass
        except (ssl.SSLError, OSError):
            self.ended = True
        while len(self.data) >= 4 and len(self.data) >= 4 + (n := struct.unpack(">I", self.data[:4])[0]):
            (kind, body), = unpack(self.data[4:4 + n]).items()
            self.data = self.data[4 + n:]
            self.seen.append((kind, unpack(body)))
            if kind == PROBE and self.answers and not self.ended:
                self.send(8, pack((1, self.seen[-1][1][1])))
        return self.seen

    def wait(self, kind, seconds=15, others=()):
        """The first message of that kind, while the others keep answering too."""
        def has():
            for other in others:
                other.look()
            return next((m for k, m in self.look() if k == kind), None)
        return wait_until(f"a message of kind {kind}", has, seconds)

    def saw(self, kind):
        return [m for k, m in self.look() if k == kind]

    def close(self):
        self.conn.close()


def metric(site, name):
    for line in site.http("GET", "/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


def audited(site, action):
    return [row for row in site.get("/v1/audit")["audit"] if row["action"] == action]


def duplicates(tap, site):
    with tap.case("a second machine with a host's identity is refused while the first one answers"):
        first = Host(site, "twin")
        first.wait(WELCOME)
        second = Host(site, "twin")
        refused = second.wait(REJECT, others=[first])
        equal(refused[1], DUPLICATE_IDENTITY, "code")
        assert b"is alive" in refused[2], refused
        equal(second.saw(WELCOME), [], "welcomes of the second")
        equal([row["subject"] for row in wait_until("an audit row", lambda: audited(
            site, "duplicate_identity"))], ["host=twin ring=canary"], "audit")
        first.heartbeat()
        assert not first.look() or not first.ended, "the first one was ended"
        first.close()
        second.close()
    with tap.case("two fleets with the same names: the second is refused, the first stays"):
        one = site.start_fleet("--prefix", "pair", hosts=3, log="one.log")
        wait_until("three online", lambda: len([h for h in site.hosts_in("online")
                                                if h["host"].startswith("pair")]) == 3)
        two = site.start_fleet("--prefix", "pair", hosts=3, log="two.log")
        wait_until("three refused", lambda: len({row["subject"] for row in audited(
            site, "duplicate_identity") if "host=pair" in row["subject"]}) == 3)
        two.kill()
        for row in site.hosts_in("online"):
            if row["host"].startswith("pair"):
                changes = [c["to"] for c in site.get(f"/v1/hosts/{row['host']}")["transitions"]]
                equal(changes, ["online"], row["host"])
        equal(one.stop(), 0, "exit status of the first")
    with tap.case("a host that has rebooted takes the place of its own dead session"):
        first = Host(site, "phoenix", answers=False)
        first.wait(WELCOME)
        second = Host(site, "phoenix")
        second.wait(WELCOME)
        wait_until("the first to be ended", lambda: first.look() is not None and first.ended)
        second.close()
    with tap.case("a contender asks whoever has the place by then: never two live sessions of a host"):
        before = wait_until("no session", lambda: metric(site, "ringwatch_sessions") == 0) and 0
        first = Host(site, "hydra", answers=False)
        first.wait(WELCOME)
        contender = Host(site, "hydra")
        first.wait(PROBE)
        # The first machine's connection breaks and comes back, within the same boot.
        again = Host(site, "hydra", boot=first.boot)
        again.wait(WELCOME)
        refused = contender.wait(REJECT, others=[again])
        equal(refused[1], DUPLICATE_IDENTITY, "code")
        equal(contender.saw(WELCOME), [], "welcomes of the contender")
        equal(metric(site, "ringwatch_sessions"), before + 1, "live sessions")
        for session in (first, contender, again):
            session.close()
        wait_until("none to be left", lambda: metric(site, "ringwatch_sessions") == before)


CA_CONFIG = """[ca]
default_ca = d
[d]
database = {0}/index.txt
crlnumber = {0}/crlnumber
default_md = sha256
default_crl_days = 30
"""


def revoke(site, *hosts):
    """A revocation list with these hosts' certificates, as an operator makes one."""
    folder = site.path("ca")
    if not os.path.exists(folder):
        os.mkdir(folder)
        site.write("ca/index.txt", "")
        site.write("ca/crlnumber", "01\n")
        site.write("ca/openssl.cnf", CA_CONFIG.format(folder))
    base = ["openssl", "ca", "-config", folder + "/openssl.cnf", "-cert", site.path("pki", "ca.pem"),
            "-keyfile", site.path("pki", "ca.key")]
    for host in hosts:
        subprocess.run([*base, "-revoke", site.path("pki", f"host-{host}.pem")], check=True,
                       capture_output=True)
    subprocess.run([*base, "-gencrl", "-out", site.path("crl.pem")], check=True, capture_output=True)


def reload(site):
    before = len([line for line in site.collector.lines() if "what=certificates" in line])
    site.collector.signal(signal.SIGHUP)
    wait_until("the certificates to be read again", lambda: len(
        [line for line in site.collector.lines() if "what=certificates" in line]) > before)
    return [line for line in site.collector.lines() if "what=certificates" in line][-1]


def revocation(tap, site):
    with tap.case("a revoked host's session ends at once on SIGHUP, with the reason; others stay"):
        bad, good = Host(site, "revoked"), Host(site, "kept")
        bad.wait(WELCOME)
        good.wait(WELCOME)
        half = Host(site, "revoked", reads=False)  # its handshake is done, its Hello is not sent
        revoke(site, "revoked")
        begun = time.monotonic()
        assert "result=done" in reload(site), site.collector.lines()[-3:]
        refused = bad.wait(REJECT, 3)
        equal(refused[1], IDENTITY, "code")
        assert b"revoked" in refused[2], refused
        equal(half.wait(REJECT, 3)[1], IDENTITY, "code of the one without Hello")
        assert time.monotonic() - begun < 3, "not at once"
        good.heartbeat()
        good.look()
        assert not good.ended and not good.saw(REJECT), good.seen
        site.collector.wait_for(r"host=revoked .*reason=identity.*revoked")
    with tap.case("it does not come back"):
        try:
            again = Host(site, "revoked")
            wait_until("its end", lambda: again.look() is not None and again.ended, 5)
            equal(again.saw(WELCOME), [], "welcomes")
        except (ssl.SSLError, OSError):
            pass
    with tap.case("a handshake that began before the reload is judged by the new list"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(site.path("pki", "ca.pem"))
        site.command("pki", "issue", "--dir", site.path("pki"), "host", "--ring", "canary",
                     "--host", "slow")
        context.load_cert_chain(site.path("pki", "host-slow.pem"), site.path("pki", "host-slow.key"))
        context.set_alpn_protocols(["ringwatch/1"])
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="c1")
        with socket.create_connection(("127.0.0.1", site.sensors_port), timeout=10) as plain:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    incoming.write(plain.recv(65536))
            # Our Finished is kept back until the list has been read.
            revoke(site, "slow")
            assert "result=done" in reload(site), site.collector.lines()[-3:]
            plain.sendall(outgoing.read())
            site.collector.wait_for(rf"peer=127.0.0.1:{plain.getsockname()[1]} .*revoked", 5)
    with tap.case("a damaged revocation list is refused as a whole, and the old one stays"):
        site.write("crl.pem", "-----BEGIN X509 CRL-----\nnot base64!\n-----END X509 CRL-----\n")
        line = reload(site)
        assert "result=kept" in line and "crl.pem" in line, line
        good.heartbeat()
        good.look()
        assert not good.ended, "a good session was ended"
        good.close()
    with tap.case("a certificate of another trust domain does not slip in by SIGHUP"):
        revoke(site)
        other = tempfile.mkdtemp(dir=site.dir)
        site.command("pki", "init", "--dir", other, "--trust-domain", "elsewhere.ringwatch")
        site.command("pki", "issue", "--dir", other, "collector", "--name", "c1")
        site.write("collector.yaml", site.collector_config(tls={
            "certificate": other + "/collector-c1.pem", "key": other + "/collector-c1.key",
            "ca": other + "/ca.pem", "crl": "none"}))
        line = reload(site)
        assert "result=kept" in line and "trust domain" in line, line


def mount(path):
    os.mkdir(path)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=False,
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"no tmpfs can be mounted: {done.stderr.strip()}")


def fill(path):
    """Takes all the room that is left."""
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                pass


def stored(site):
    return sorted(row["sequence"] for row in site.pages("/v1/events?kind=warning", "events")
                  if row["host"] == "writer")


def on_full_disk(tap, site, disk):
    quotas = {"events_burst": 10000, "events_per_second": 1000, "sessions_max": 16000,
              "hosts_max": 100000}
    site.start_collector(store="disk/collector.db", quotas=quotas)
    fleet = site.start_fleet(hosts=5)
    host = Host(site, "writer")
    host.wait(WELCOME)

    def acknowledged():
        host.heartbeat()
        return [m[2] for m in host.saw(ACK)]

    with tap.case("a full disk: nothing is acknowledged, verdicts hold, presence goes on"):
        wait_until("six online", lambda: len(site.hosts_in("online")) == 6)
        site.deploy("d")
        host.events(1, 10)
        equal(host.wait(ACK)[2], 10, "acknowledged")
        fill(disk + "/ballast")
        host.events(11, 60)
        site.collector.wait_for(r"event=store_failed")
        wait_until("the verdict to hold as store_failed", lambda: "store_failed" in
                   site.verdict("d")["reasons"])
        equal(site.verdict("d")["verdict"], "hold", "verdict")
        equal(site.http("GET", "/readyz").status, 503, "readyz")
        equal(len(site.hosts_in("online")), 6, "online")
        fleet.kill()
        wait_until("the killed ones to be seen offline", lambda: acknowledged() and
                   len(site.hosts_in("offline")) == 5)
        equal([row["host"] for row in site.hosts_in("online")], ["writer"], "online")
        equal(acknowledged(), [10], "acknowledged while the disk is full")
    with tap.case("with room again all of it is written and acknowledged"):
        os.unlink(disk + "/ballast")
        site.collector.wait_for(r"event=store_recovered")
        wait_until("the rest to be acknowledged", lambda: acknowledged()[-1] == 60)
        equal(stored(site), list(range(1, 61)), "stored")
        wait_until("store_failed to go", lambda: acknowledged() and "store_failed" not in
                   site.verdict("d")["reasons"])
        changes = site.get("/v1/hosts/host-00001")["transitions"]
        equal(len([c for c in changes if c["to"] == "offline"]), 1,
              "transitions to offline, from the time of the full disk")
    with tap.case("a stop on a full disk is quick, and loses nothing that was acknowledged"):
        host.events(61, 70)
        wait_until("its ack", lambda: acknowledged()[-1] == 70)
        fill(disk + "/ballast")
        host.events(71, 130)
        wait_until("a second failure", lambda: len([line for line in site.collector.lines()
                                                    if "event=store_failed" in line]) == 2)
        begun = time.monotonic()
        equal(site.collector.stop(), 0, "exit status")
        assert time.monotonic() - begun < 5, "it took 5 s or more"
        equal(host.saw(ACK)[-1][2], 70, "acknowledged")
        os.unlink(disk + "/ballast")
        site.start_collector(store="disk/collector.db", quotas=quotas)
        equal(stored(site), list(range(1, 71)), "stored")


def full_disk(tap):
    with Site(tap) as site:
        disk = site.path("disk")
        try:
            mount(disk)
        except Skip as cause:
            with tap.case("a full disk"):
                raise cause
            return
        try:
            on_full_disk(tap, site, disk)
        finally:
            for process in site.processes:
                process.kill()
            subprocess.run(["umount", "-l", disk], check=False, capture_output=True)


def reload_inventory(site, text):
    site.write("hosts", text)
    before = len([line for line in site.collector.lines() if "what=inventory" in line])
    site.collector.signal(signal.SIGHUP)
    wait_until("the inventory to be read again", lambda: len(
        [line for line in site.collector.lines() if "what=inventory" in line]) > before)
    return [line for line in site.collector.lines() if "what=inventory" in line][-1]


def rings_of_hosts(site):
    return {row["host"]: row["ring"] for row in site.get("/v1/hosts")["hosts"]}


def inventory(tap):
    with Site(tap, rings={"canary": {}, "wide": {}}) as site:
        site.write("hosts", "# HOST RING\nlisted wide\nmoving canary\n")
        site.start_collector(inventory="hosts")
        with tap.case("the inventory alone decides the ring; who is not in it is refused, and told so"):
            listed, moving, stranger = Host(site, "listed"), Host(site, "moving"), Host(site, "stranger")
            listed.wait(WELCOME)
            moving.wait(WELCOME)
            refused = stranger.wait(REJECT)
            equal(refused[1], NOT_IN_INVENTORY, "code")
            assert b"inventory" in refused[2], refused
            equal(rings_of_hosts(site), {"listed": "wide", "moving": "canary"}, "rings")
            equal(metric(site, 'ringwatch_rejects_sent_total{code="not_in_inventory"}'), 1, "counted")
        with tap.case("a bad inventory is refused by its line on SIGHUP, and the old one stays"):
            line = reload_inventory(site, "listed wide\nmoving canary\nlisted canary\n")
            assert "result=kept" in line and "hosts:3: host: 'listed'" in line, line
            line = reload_inventory(site, "")
            assert "result=kept" in line, line
            listed.heartbeat()
            listed.look()
            assert not listed.ended and not listed.saw(REJECT), listed.seen
            equal(Host(site, "stranger").wait(REJECT)[1], NOT_IN_INVENTORY, "code")
        with tap.case("a new inventory ends who left it, moves who changed, and leaves the rest"):
            stays = Host(site, "stays")
            equal(stays.wait(REJECT)[1], NOT_IN_INVENTORY, "before it is listed")
            line = reload_inventory(site, "moving wide\nstays canary\n")
            assert "result=done hosts=2" in line, line
            equal(listed.wait(REJECT, 5)[1], NOT_IN_INVENTORY, "code of the one that left")
            wait_until("the end of the moved host's session", lambda: moving.look() is not None and moving.ended, 5)
            equal(moving.saw(REJECT), [], "a move is no refusal")
            Host(site, "moving", boot=moving.boot).wait(WELCOME)
            stays = Host(site, "stays")
            stays.wait(WELCOME)
            equal(rings_of_hosts(site)["moving"], "wide", "ring")
            reload_inventory(site, "moving wide\nstays canary\nmore canary\n")
            stays.heartbeat()
            stays.look()
            assert not stays.ended, "a session that nothing changed for was ended"
        with tap.case("--check-config and the start refuse a bad inventory: exit 2 and its line"):
            site.write("hosts", "listed nowhere\n")
            path = site.write("second.yaml", site.collector_config(inventory="hosts"))
            for options in ([], ["--check-config"]):
                done = subprocess.run([program("ringwatch-collector"), "--config", path, *options],
                                      capture_output=True, text=True, timeout=60, check=False)
                equal(done.returncode, 2, "exit status")
                assert "hosts:1: ring: 'nowhere' is not in the policy" in done.stderr, done.stderr


def main():
    tap = Tap()
    inventory(tap)
    with Site(tap) as site:
        site.start_collector()
        duplicates(tap, site)
        site.collector.stop()
        revoke(site)
        site.start_collector(tls={"certificate": "pki/collector-c1.pem", "key": "pki/collector-c1.key",
                                  "ca": "pki/ca.pem", "crl": "crl.pem"})
        revocation(tap, site)
    full_disk(tap)
    tap.finish()


if __name__ == "__main__":
    main()
