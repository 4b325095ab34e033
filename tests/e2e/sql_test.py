#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ringwatch sql` on the store of a collector that runs, and every query that the docs show."""

import json
import os
import re
import signal
import sqlite3
import subprocess

from harness import Site, Tap, equal, program, wait_until

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
PAGES = ("sql.md", "bake-window.md")


def queries(page):
    """What stands in a page's ```sql blocks, statement by statement."""
    with open(os.path.join(DOCS, page), encoding="utf-8") as file:
        blocks = re.findall(r"(?ms)^```sql\n(.*?)^```", file.read())
    found = []
    for block in blocks:
        statement = ""
        for line in block.splitlines():
            # No statement of ours holds a semicolon but at its end.
            if not line.startswith("--"):
                statement += line + "\n"
            if line.endswith(";"):
                found.append(statement)
                statement = ""
        equal(statement.strip(), "", f"{page}: what follows the last semicolon of a block")
    return found


def main():
    tap = Tap()
    with Site(tap) as site:
        store = site.path("collector.db")

        def sql(query, check=True):
            done = site.command("sql", "--store", store, "--json", query, check=False)
            if check and done.returncode != 0:
                raise AssertionError(f"{query}: {done.returncode}: {done.stderr}")
            return [json.loads(line) for line in done.stdout.splitlines()] if check else done

        site.start_collector()
        fleet = site.start_fleet("--fate", "1:oops@100ms", hosts=20)
        with tap.case("the store of a running collector tells what the API tells"):
            wait_until("20 hosts", lambda: len(site.hosts_in("online")) == 20)
            wait_until("20 hosts in the store", lambda: sql("SELECT online FROM ring_health")[0]["online"] == 20)
            wait_until("the oops", lambda: site.get("/v1/events?kind=oops")["events"])
            event = site.get("/v1/events?kind=oops")["events"][0]
            rows = wait_until("it in the store", lambda: sql(
                f"SELECT signature, hosts, events FROM crash_signatures WHERE signature='{event['signature']}'"))
            equal(rows, [{"signature": event["signature"], "hosts": 1, "events": 1}])
        with tap.case("a bake is in its history, with its samples"):
            site.deploy("d1")
            rows = wait_until("the bake", lambda: sql(
                "SELECT ring, version, exposed, crashed, breaker FROM bake_history WHERE deployment='d1'"))
            equal(rows, [{"ring": "canary", "version": "1", "exposed": 20, "crashed": 0, "breaker": "closed"}])
            wait_until("a sample", lambda: sql("SELECT * FROM bake_samples WHERE deployment='d1'"))
        with tap.case("a collector that runs is not written to, and does not notice"):
            for query in ("DELETE FROM events", "PRAGMA wal_checkpoint(TRUNCATE)", "DROP VIEW ring_health"):
                done = sql(query, check=False)
                equal((done.returncode, done.stdout), (2, ""), query)
            equal(site.collector.find("store_failed"), None)
        for page in PAGES:
            with tap.case(f"every query of docs/{page} is one, with its columns"):
                asked = queries(page)
                assert len(asked) >= 4, f"only {len(asked)} queries found"
                for query in asked:
                    sql(query)
        with tap.case("--views needs no query, a query no --views"):
            listed = [json.loads(line) for line in
                      site.command("sql", "--store", store, "--views", "--json").stdout.splitlines()]
            for view in listed:
                sql(f"SELECT {', '.join(view['columns'])} FROM {view['view']}")
            equal(site.command("sql", "--store", store, check=False).returncode, 2)
            equal(site.command("sql", "--store", store, "--views", "SELECT 1", check=False).returncode, 2)
        with tap.case("more rows than a table shows are said, and none is silently left out"):
            done = site.command("sql", "--store", store, "--limit", "5", "SELECT host FROM host_timeline")
            equal(len(done.stdout.splitlines()), 6)
            assert "more than these 5 rows" in done.stderr, done.stderr
            equal(len(sql("SELECT host FROM host_timeline")) >= 20, True)
        with tap.case("who reads no further ends it, and it says so"):
            child = subprocess.Popen([program("ringwatch"), "sql", "--store", store, "--json",
                                      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n"],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN))
            equal(child.stdout.readline(), b'{"i":1}\n')
            child.stdout.close()
            said = child.stderr.read().decode()
            child.stderr.close()
            equal(child.wait(20), 1)
            assert "standard output: Broken pipe" in said, said
        fleet.stop()
        with tap.case("a store that lies still is read, and nothing is made beside it"):
            equal(site.collector.stop(), 0)
            before = sorted(os.listdir(site.dir))
            equal(sql("SELECT deployment, state FROM bake_history"), [{"deployment": "d1", "state": "active"}])
            equal(sorted(os.listdir(site.dir)), before)
        with tap.case("so is a copy, as the docs make it"):
            copy = site.path("copy.db")
            site.start_collector()
            with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as source, sqlite3.connect(copy) as target:
                source.backup(target)
            done = site.command("sql", "--store", copy, "SELECT ring, exposed FROM bake_history")
            equal(done.stdout, "ring    exposed\ncanary       20\n")
    tap.finish()


if __name__ == "__main__":
    main()
