# SPDX-License-Identifier: Apache-2.0
"""The API over HTTPS: certificates of server and clients, their renewal, and the command."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import warnings

sys.path.insert(0, os.path.dirname(__file__))
from harness import Site, Skip, Tap, equal, program, wait_until  # noqa: E402

NAME = "ringwatch.example.net"


def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(args)}: {done.stderr}")


def make_ca(site, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN={name}", "-keyout", site.path(f"{name}.key"),
            "-out", site.path(f"{name}.pem"))


def issue(site, ca, name, purpose, names="DNS:localhost"):
    """NAME.pem and NAME.key of the authority `ca`, for serverAuth or clientAuth."""
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={name}", "-keyout", site.path(f"{name}.key"),
            "-out", site.path(f"{name}.csr"))
    site.write(f"{name}.ext", f"subjectAltName={names}\nextendedKeyUsage={purpose}\n")
    openssl("x509", "-req", "-days", "1", "-in", site.path(f"{name}.csr"),
            "-CA", site.path(f"{ca}.pem"), "-CAkey", site.path(f"{ca}.key"), "-CAcreateserial",
            "-extfile", site.path(f"{name}.ext"), "-out", site.path(f"{name}.pem"))


def http_with(site_tls="none", hosts=()):
    return {"tls": site_tls, "hosts": list(hosts)}


def context(site, ca="api-ca", client=None):
    made = ssl.create_default_context(cafile=site.path(f"{ca}.pem"))
    if client:
        made.load_cert_chain(site.path(f"{client}.pem"), site.path(f"{client}.key"))
    return made


def ask(site, tls, path="/v1/rings", host="localhost"):
    """One GET; returns the status. ssl.SSLError or OSError when there is no session."""
    connection = http.client.HTTPSConnection("127.0.0.1", site.http_port, context=tls, timeout=15)
    connection.sock = tls.wrap_socket(socket.create_connection(("127.0.0.1", site.http_port), 15),
                                      server_hostname=host)
    try:
        connection.request("GET", path, headers={
            "Host": host, "Authorization": f"Bearer {site.tokens['read']}"})
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()


def is_refused(site, tls):
    try:
        status = ask(site, tls)
    except (ssl.SSLError, OSError, http.client.HTTPException):
        return
    raise AssertionError(f"let in, with status {status}")


def shown(site):
    """The certificate that a new connection is shown."""
    return ssl.get_server_certificate(("127.0.0.1", site.http_port))


def restart(site, tls, hosts=()):
    if site.collector:
        equal(site.collector.stop(), 0, "exit of the collector")
    site.start_collector(http=http_with(tls, hosts))


def check_config(site, tls):
    path = site.write("checked.yaml", site.collector_config(http=http_with(tls)))
    done = subprocess.run([program("ringwatch-collector"), "--config", path, "--check-config"],
                          capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


def files_are_checked(site, tap):
    good = {"certificate": "api.pem", "key": "api.key", "client_ca": "client-ca.pem"}
    site.write("empty.pem", "")
    wrong = [({"certificate": "nowhere.pem"}, "nowhere.pem"),
             ({"certificate": "api.key"}, "api.key"),
             ({"key": "empty.pem"}, "empty.pem"),
             ({"key": "client.key"}, "client.key: is not the key"),
             ({"client_ca": "empty.pem"}, "empty.pem"),
             ({"client_ca": "nowhere.pem"}, "nowhere.pem")]
    with tap.case("--check-config takes good files and names a bad one"):
        equal(check_config(site, good), (0, ""), "exit with good files")
        for change, named in wrong:
            code, said = check_config(site, {**good, **change})
            if code != 2 or named not in said or said.count("\n") != 1:
                raise AssertionError(f"{change}: exit {code}, {said!r}")
    with tap.case("a collector with a bad file does not start"):
        config = site.write("collector.yaml", site.collector_config(
            http=http_with({**good, "key": "client.key"})))
        collector = site.start("bad", [program("ringwatch-collector"), "--config", config])
        equal(collector.wait(), 2, "exit")
        assert collector.find(r"what=http .*client\.key: is not the key"), collector.lines()


def without_client_certificates(site, tap):
    restart(site, {"certificate": "api.pem", "key": "api.key", "client_ca": "none"}, [NAME])
    with tap.case("HTTPS answers to who trusts its authority, and plain HTTP is not spoken"):
        equal(ask(site, context(site)), 200, "status")
        is_refused(site, context(site, "client-ca"))
        with socket.create_connection(("127.0.0.1", site.http_port), 15) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            heard = b""
            try:
                while piece := plain.recv(4096):
                    heard += piece
            except ConnectionError:
                pass
        assert b"HTTP/1.1" not in heard, heard
    with tap.case("a further name in http.hosts is ours, others are not"):
        equal(ask(site, context(site), host=NAME), 200, "status by its name")
        other = context(site)
        other.check_hostname = False
        equal(ask(site, other, host="evil.example.net"), 421, "status by another name")
    with tap.case("TLS before 1.2 is not spoken"):
        old = context(site)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():  # they are deprecated, which is the point
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        is_refused(site, old)
        late = context(site)
        late.maximum_version = ssl.TLSVersion.TLSv1_2
        equal(ask(site, late), 200, "status over TLS 1.2")
    with tap.case("the command asks by --ca, and not without"):
        url = ["--url", f"https://localhost:{site.http_port}"]
        site.ask("rings", *url, "--ca", site.path("api-ca.pem")).check_returncode()
        for wrong in ([], ["--ca", site.path("client-ca.pem")]):
            done = site.ask("rings", *url, *wrong)
            equal(done.returncode, 1, f"exit with {wrong}")
        done = site.ask("rings", *url, "--ca", site.path("nowhere.pem"))
        assert done.returncode == 2 and "nowhere.pem: No such file" in done.stderr, done.stderr
        done = site.ask("rings", "--ca", site.path("api-ca.pem"))
        assert done.returncode == 2 and "needs an https:// URL" in done.stderr, done.stderr


def with_client_certificates(site, tap):
    restart(site, {"certificate": "api.pem", "key": "api.key", "client_ca": "client-ca.pem"})
    with tap.case("with client_ca a client must show a certificate of that authority"):
        equal(ask(site, context(site, client="client")), 200, "status")
        is_refused(site, context(site))
        is_refused(site, context(site, client="stranger"))
        is_refused(site, context(site, client="server-only"))
    with tap.case("the command shows --cert and --key"):
        url = ["--url", f"https://localhost:{site.http_port}", "--ca", site.path("api-ca.pem")]
        site.ask("rings", *url, "--cert", site.path("client.pem"), "--key",
                 site.path("client.key")).check_returncode()
        equal(site.ask("rings", *url).returncode, 1, "exit without a certificate")
        done = site.ask("rings", *url, "--cert", site.path("client.pem"))
        assert done.returncode == 2 and "go together" in done.stderr, done.stderr


def renewal(site, tap):
    tls = {"certificate": "live.pem", "key": "live.key", "client_ca": "none"}

    def install(name):
        for end in ("pem", "key"):
            shutil.copy(site.path(f"{name}.{end}"), site.path(f"live.{end}"))

    install("api")
    restart(site, tls)
    with tap.case("SIGHUP takes a new certificate for new connections, and keeps old ones"):
        before = shown(site)
        held = context(site).wrap_socket(
            socket.create_connection(("127.0.0.1", site.http_port), 15),
            server_hostname="localhost")
        install("renewed")
        site.collector.signal(signal.SIGHUP)
        site.collector.wait_for(r"event=reload what=http_tls result=done")
        wait_until("the new certificate", lambda: shown(site) != before)
        equal(ask(site, context(site)), 200, "status by the new certificate")
        held.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert held.recv(64).startswith(b"HTTP/1.1 200"), "the old connection is served"
        held.close()
    with tap.case("a bad file keeps the certificate that is used"):
        before = shown(site)
        shutil.copy(site.path("api.key"), site.path("live.key"))
        site.collector.signal(signal.SIGHUP)
        site.collector.wait_for(r"event=reload what=http_tls result=kept .*live\.key: is not")
        equal(shown(site), before, "certificate")
        equal(ask(site, context(site)), 200, "status")
    with tap.case("from HTTPS to HTTP takes a restart, and it says so"):
        site.write("collector.yaml", site.collector_config(http=http_with()))
        site.collector.signal(signal.SIGHUP)
        site.collector.wait_for(r"event=reload what=http_tls result=kept .*takes a restart")
        equal(ask(site, context(site)), 200, "status")


def local_address():
    """One of this machine that is no loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError as error:
            raise Skip("this machine has a loopback address only") from error
        return probe.getsockname()[0]


def lock(site, address, client, path="pre-reboot", group="canary", holder="a", token=None):
    """One FleetLock request with the certificate `client`; its status and kind."""
    tls = context(site, client=client)
    tls.check_hostname = False
    connection = http.client.HTTPSConnection(address, site.http_port, context=tls, timeout=15)
    headers = {"fleet-lock-protocol": "true"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request("POST", f"/fleetlock/v1/{path}", headers=headers,
                           body=json.dumps({"client_params": {"id": holder, "group": group}}))
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())["kind"]
    finally:
        connection.close()


def fleetlock_by_certificate(site, tap):
    for host, ring in (("edge-1", "canary"), ("edge-9", "canary"), ("far-1", "wide")):
        site.sensor_config(host, ring)  # issues its certificate
    site.write("both.pem", "".join(open(site.path(*at), encoding="ascii").read()
                                   for at in (("client-ca.pem",), ("pki", "ca.pem"))))
    if site.collector:
        equal(site.collector.stop(), 0, "exit of the collector")
    site.start_collector(http=http_with({"certificate": "api.pem", "key": "api.key", "client_ca": "both.pem"}),
                         listen={"sensors": f"127.0.0.1:{site.sensors_port}", "netconsole": "none",
                                 "http": f"0.0.0.0:{site.http_port}"})
    site.start_sensor("edge-1")
    granted, steady, no = (200, "granted"), (200, "steady"), (401, "unauthorized")
    for name in ("edge-1", "edge-9", "far-1"):
        for end in ("pem", "key"):
            shutil.copy(site.path("pki", f"host-{name}.{end}"), site.path(f"{name}.{end}"))
    issue(site, "client-ca", "two-names", "clientAuth",
          f"URI:spiffe://{site.DOMAIN}/ringwatch/ring/canary/host/edge-1,"
          f"URI:spiffe://{site.DOMAIN}/ringwatch/ring/wide/host/far-1")
    issue(site, "client-ca", "collector", "clientAuth", f"URI:spiffe://{site.DOMAIN}/ringwatch/collector/c1")
    wait_until("the host, and a collector that sees", lambda: lock(site, "127.0.0.1", "edge-1") == granted, 30)
    with tap.case("FleetLock: a host's own certificate lets it in, for its ring, with no token"):
        here = local_address()
        equal(lock(site, here, "edge-1"), granted, "pre-reboot")
        equal(lock(site, here, "edge-1", "steady-state"), steady, "steady-state")
        equal(lock(site, here, "edge-1", group="wide"), (403, "forbidden"), "another ring")
        equal(lock(site, here, "edge-1", "steady-state", group="wide"), (403, "forbidden"), "another ring")
    with tap.case("FleetLock: nor a host that is not enrolled, nor a certificate that is no host's"):
        here = local_address()
        for host, group in (("edge-9", "canary"), ("far-1", "wide")):
            for path in ("pre-reboot", "steady-state"):
                equal(lock(site, here, host, path, group), (403, "forbidden"), f"{host}, never heard: {path}")
        for other in ("client", "two-names", "collector"):
            equal(lock(site, here, other), no, other)
        equal(lock(site, here, "client", token=site.tokens["rollout"]), granted, "with a token")
        equal(lock(site, here, "edge-1", token="wrong"), no, "a token that is wrong beside a good certificate")
        equal(lock(site, here, "edge-1", token=site.tokens["read"]), no, "a token of a lesser role")
    with tap.case("FleetLock: a host has one slot by its certificate, whatever id it names, and nobody else's"):
        url = ["--url", f"https://localhost:{site.http_port}", "--ca", site.path("api-ca.pem"),
               "--cert", site.path("client.pem"), "--key", site.path("client.key")]
        for words in (("create", "--component", "os", "--version", "2", "--exposure", "reported", "--match",
                       "marker:os"), ("start",)):
            done = site.ask("deploy", *words, "--deployment", "os-2", "--ring", "canary", *url)
            equal(done.returncode, 0, done.stderr)
        with_token = {"client": "client", "token": site.tokens["rollout"], "holder": "another"}
        equal(lock(site, "127.0.0.1", **with_token), granted, "the one slot of a ring with one host")
        equal(lock(site, "127.0.0.1", "edge-1"), (409, "no_slot"), "none is left")
        lock(site, "127.0.0.1", "edge-1", "steady-state", holder="another")
        equal(lock(site, "127.0.0.1", "edge-1"), (409, "no_slot"), "after giving back what is not its own")
        equal(lock(site, "127.0.0.1", path="steady-state", **with_token), steady, "given back by who holds it")
        equal(lock(site, "127.0.0.1", "edge-1", holder="a"), granted, "its own")
        equal(lock(site, "127.0.0.1", "edge-1", holder="b"), granted, "the same one, by another id")
        equal(lock(site, "127.0.0.1", **with_token), (409, "no_slot"), "it is taken")
        equal(lock(site, "127.0.0.1", "edge-1", "steady-state", holder="c"), steady, "given back")
        equal(lock(site, "127.0.0.1", **with_token), granted, "free again")
        lock(site, "127.0.0.1", path="steady-state", **with_token)
        done = site.ask("deploy", "withdraw", "--deployment", "os-2", "--reason", "seen", *url)
        equal(done.returncode, 0, done.stderr)
    with tap.case("FleetLock: a certificate binds over loopback, too; retired, the host is let in no more"):
        equal(lock(site, "127.0.0.1", "edge-1"), granted, "pre-reboot")
        equal(lock(site, "127.0.0.1", "edge-1", group="wide"), (403, "forbidden"), "another ring")
        url = ["--url", f"https://localhost:{site.http_port}", "--ca", site.path("api-ca.pem"),
               "--cert", site.path("client.pem"), "--key", site.path("client.key")]
        done = site.ask("host", "retire", "edge-1", "--reason", "sold", *url)
        equal(done.returncode, 0, done.stderr)
        equal(lock(site, "127.0.0.1", "edge-1"), (403, "forbidden"), "retired")


def main():
    tap = Tap()
    with Site(tap, rings={"canary": {}, "wide": {}}) as site:
        make_ca(site, "api-ca")
        make_ca(site, "client-ca")
        issue(site, "api-ca", "api", "serverAuth", f"DNS:localhost,DNS:{NAME}")
        issue(site, "api-ca", "renewed", "serverAuth")
        issue(site, "client-ca", "client", "clientAuth")
        issue(site, "client-ca", "server-only", "serverAuth")
        issue(site, "api-ca", "stranger", "clientAuth")
        files_are_checked(site, tap)
        without_client_certificates(site, tap)
        with_client_certificates(site, tap)
        fleetlock_by_certificate(site, tap)
        renewal(site, tap)
    tap.finish()


main()
