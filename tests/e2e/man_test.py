#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The man pages say what --help says, of every command and option, and nothing that is not there."""

import glob
import os
import re
import shutil
import subprocess

from harness import Skip, Tap, equal, program

PAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "man")
# Of other programs, in examples and explanations.
FOREIGN = {"ringwatch.1": {"dmesg", "boot"}, "ringwatch-collector.8": {"runtime"}}
# Told once for all commands of `ringwatch`.
COMMON = {"url", "token-file", "ca", "cert", "key", "json", "output", "help", "limit", "cursor"}


def say(*argv):
    return subprocess.run([program(argv[0]), *argv[1:]], text=True, capture_output=True, check=True).stdout


def source(page):
    with open(os.path.join(PAGES, page), encoding="utf-8") as file:
        return re.sub(r'(?m)^\.\\".*\n', "", file.read()).replace(r"\-", "-")


def options_of_help(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text))


def options_of_page(text):
    """Both forms of writing: `Fl -name`, also in a row, and --name."""
    rows = "\n".join(line for line in text.splitlines() if re.match(r"\.(It|Fl|Op|Oo|Nm)\b", line))
    return set(re.findall(r"(?:Fl|,|\|) -([a-z][a-z-]*)", rows)) | options_of_help(text)


def check_same(page, said, told):
    equal(sorted(told - said), [], f"{page} tells of options that --help does not know")
    equal(sorted(said - told), [], f"{page} does not tell of")


def blocks(text):
    """(words, text) of each `.It Cm words` of an outermost list."""
    depth, found = 0, []
    for line in text.splitlines():
        depth += line.startswith(".Bl") - line.startswith(".El")
        if depth == 1 and line.startswith(".It Cm "):
            words = re.match(r"\.It Cm ([a-z |-]+?)(?= [A-Z]|$)", line)[1].strip()
            found.append([words, ""])
        elif depth == 1 and line.startswith(".It "):
            found.append(["", ""])
        if found and depth >= 1:
            found[-1][1] += line + "\n"
        if depth == 0:
            found.append(["", ""])
    return [(words, body) for words, body in found if words]


def lint(page, argv, said_by):
    if not shutil.which(argv[0]):
        raise Skip(f"there is no {argv[0]}")
    done = subprocess.run([*argv, os.path.join(PAGES, page)], text=True, capture_output=True, check=False)
    equal((done.returncode, getattr(done, said_by)), (0, ""), f"{argv[0]} on {page}")


def main():
    tap = Tap()
    pages = sorted(os.path.basename(path) for path in glob.glob(os.path.join(PAGES, "*")))
    with tap.case("every program and the files' format have a page"):
        equal(pages, ["ringwatch-collector.8", "ringwatch-fleet.1", "ringwatch-sensor.8", "ringwatch.1",
                      "ringwatch.yaml.5"], "pages")
    for page in ("ringwatch-sensor.8", "ringwatch-collector.8", "ringwatch-fleet.1"):
        with tap.case(f"{page} tells of each option of --help and of no other"):
            check_same(page, options_of_help(say(page.rsplit(".", 1)[0], "--help")),
                       options_of_page(source(page)) - FOREIGN.get(page, set()))
    text = source("ringwatch.1")
    commands = re.findall(r"(?m)^  ([a-z]+(?: [a-z]+)*)  ", say("ringwatch", "--help"))
    helps = {c: set(re.findall(r"(?m)^  --([a-z-]+)", say("ringwatch", *c.split(), "--help")))
             for c in commands}
    told = {}
    for words, body in blocks(text):
        # `completion bash | zsh` is one command with its operand.
        command = next((c for c in sorted(commands, key=len, reverse=True)
                        if words == c or words.startswith(c + " ")), words)
        told[command] = told.get(command, set()) | options_of_page(body)
    with tap.case("ringwatch.1 tells of each command of --help and of no other"):
        equal(sorted(told), sorted(commands), "commands")
    with tap.case("ringwatch.1 tells of each option of each command and of no other"):
        check_same("ringwatch.1", set().union(*helps.values()) | {"version"},
                   options_of_page(text) - FOREIGN["ringwatch.1"])
        for command in commands:
            # Text may speak of another command's option: in `host retire` of that of `deploy`, say.
            missing = helps[command] - told[command] - COMMON
            equal(sorted(missing), [], f"ringwatch.1 does not tell, of `{command}`")
        for words, body in blocks(text):
            tag = body.splitlines()[0]
            if words in helps:
                wrong = options_of_page(tag) - helps[words]
                equal(sorted(wrong), [], f"ringwatch.1 gives `{words}`")
    for page in pages:
        with tap.case(f"{page} is well formed"):
            lint(page, ["mandoc", "-T", "lint", "-W", "warning"], "stdout")
            lint(page, ["groff", "-man" if page.endswith((".8", ".5")) else "-mdoc", "-Tascii", "-ww", "-z"],
                 "stderr")
    tap.finish()


if __name__ == "__main__":
    main()
