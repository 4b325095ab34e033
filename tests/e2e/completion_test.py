#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Completion in bash, zsh and fish: every command and option of --help, and the collector's names."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess

from harness import BUILD, Site, Skip, Tap, equal, program, wait_until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def say(*args):
    return subprocess.run([program("ringwatch"), *args], text=True, capture_output=True, check=True).stdout


def commands():
    """The words of each command, as --help lists them."""
    listed = re.findall(r"(?m)^  ([a-z]+(?: [a-z]+)*)  ", say("--help"))
    assert len(listed) > 20, listed
    return [command.split() for command in listed]


def options(command):
    return sorted(set(re.findall(r"(?m)^  (--[a-z-]+)", say(*command, "--help"))))


class Shell:
    """Each finds what may stand for the last of `words`, many lists in one run."""

    def __init__(self, site):
        self.env = {**os.environ, "PATH": os.path.dirname(program("ringwatch")) + ":" + os.environ["PATH"],
                    "RINGWATCH_URL": site.url, "RINGWATCH_TOKEN": site.tokens["read"], "HOME": site.dir}
        if not shutil.which(self.name):
            raise Skip(f"there is no {self.name}")
        self.script = site.write(f"completion.{self.name}", say("completion", self.name))

    def run(self, text, cwd):
        done = subprocess.run([self.name, *self.options, "-c", text], env=self.env, cwd=cwd, text=True,
                              capture_output=True, timeout=120, check=False)
        equal(done.stderr, "", f"what {self.name} complains of")
        return done.stdout

    def complete(self, lists, cwd="/"):
        """A list of what fits, for each list of words."""
        said = self.run(self.prologue() + "".join(self.ask(words) for words in lists), cwd)
        return [sorted(part.split()) for part in said.split("--next--\n")[:-1]]

    def one(self, *words, **options_of_run):
        return self.complete([list(words)], **options_of_run)[0]


def quoted(words):
    return " ".join("'" + word + "'" for word in words)


class Bash(Shell):
    name, options = "bash", ["--norc"]

    def prologue(self):
        return f"source {self.script}; complete -p ringwatch >/dev/null\n"

    def ask(self, words):
        # As readline splits them.
        split = [part for word in words for part in (re.findall(r"[=:]|[^=:]+", word) or [""])]
        return (f"COMP_WORDS=({quoted(['ringwatch', *split])}); COMP_CWORD={len(split)}; _ringwatch; "
                "printf '%s\\n' \"${COMPREPLY[@]}\"; echo --next--\n")


class Zsh(Shell):
    name, options = "zsh", ["-f"]

    def prologue(self):
        return ("compadd() { shift; print -l -- \"$@\"; }; compset() { :; }; compdef() { :; }\n"
                f"_files() {{ print -l -- *(N); }}\nsource {self.script}\n")

    def ask(self, words):
        current = words[-1].split("=", 1)[-1]
        # What does not begin with what was typed, compadd leaves off.
        return (f"words=({quoted(['ringwatch', *words])}); CURRENT={len(words) + 1}; "
                f"for w in $(_ringwatch); do [[ $w != '{current}'* ]] || print -- $w; done; "
                "print -- --next--\n")


class Fish(Shell):
    name, options = "fish", ["--no-config"]

    def prologue(self):
        return f"source {self.script}\n"

    def ask(self, words):
        last = "" if words[-1].startswith("-") else words[-1]
        strip = r"""string replace -r '\t.*' '' | string replace -r '^--[a-z-]+=' ''"""
        return (f"complete -C 'ringwatch {' '.join(words)}' | {strip} | string match -- '{last}*'; "
                "echo --next--\n")


def typed(argv, env, line, expected):
    """Whether a real shell on a terminal makes `expected` of a line and TAB."""
    pid, fd = pty.fork()
    if pid == 0:
        try:
            os.execvpe(argv[0], argv, env)
        finally:
            os._exit(127)
    said = b""

    def read():
        nonlocal said
        while select.select([fd], [], [], 0)[0]:
            said += os.read(fd, 4096)
        return said

    try:
        wait_until("the prompt", lambda: b"READY" in read())
        said = b""
        os.write(fd, line.encode() + b"\t")
        wait_until(f"{line!r} to become {expected!r}, not {said!r}", lambda: expected.encode() in read())
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)


def check_shell(site, kind, tap):
    name = kind.name
    with tap.case(f"{name}: every command, and every option of its --help"):
        shell = kind(site)
        known = commands()
        lists, wanted = [], []
        for words in known:
            for i in range(len(words)):
                same = {w[i] for w in known if w[:i] == words[:i] and len(w) > i}
                lists.append([*words[:i], ""])
                wanted.append(sorted(same))
            lists.append([*words, "--"])
            wanted.append(options(words))
        for words, got, expected in zip(lists, shell.complete(lists), wanted, strict=True):
            equal(got, expected, f"{name}, after {words}")
    with tap.case(f"{name}: values, operands, and options around the command"):
        shell = kind(site)
        equal(shell.one("hosts", "--state", "o"), ["offline", "online"], "choices")
        equal(shell.one("hosts", "--state=o"), ["offline", "online"], "choices behind =")
        equal(shell.one("--url", site.url, "deploy", "s"), ["start"], "command behind an option")
        equal(shell.one("verdict", "--for", "e"), ["enter"], "--for of verdict")
        equal(shell.one("host", "maintenance", "web-1", "--for", ""), [], "--for of host maintenance")
        equal(shell.one("completion", "f"), ["fish"], "operand")
        equal(shell.one("events", "--kind", ""), [], "free text")
        folder = site.path("only")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "file"), "w", encoding="ascii"):
            pass
        equal(shell.one("replay", "", cwd=folder), ["file"], "files")
        equal(shell.one("token", "add", "--file", "", cwd=folder), ["file"], "files behind an option")
    with tap.case(f"{name}: rings and deployments of the collector, none when it does not answer"):
        shell = kind(site)
        equal(shell.one("verdict", "--ring", ""), ["canary", "ring1"], "rings")
        equal(shell.one("hosts", "--ring=r"), ["ring1"], "rings behind =")
        equal(shell.one("verdict", "--deployment", "acme-"), ["acme-2"], "deployments")
        site.collector.signal(signal.SIGSTOP)
        try:
            equal(shell.one("verdict", "--ring", ""), [], "rings of a collector that hangs")
        finally:
            site.collector.signal(signal.SIGCONT)
        env = dict(shell.env)
        shell.env = {**env, "RINGWATCH_URL": "http://127.0.0.1:1"}
        equal(shell.one("verdict", "--ring", ""), [], "rings of no collector")
        equal(shell.one("--url", site.url, "verdict", "--ring", "c"), ["canary"], "rings of --url")
        equal(shell.one(f"--url={site.url}", "verdict", "--ring", "c"), ["canary"], "rings of --url=")


def main():
    tap = Tap()
    with Site(tap, rings={"canary": {}, "ring1": {}}) as site:
        site.start_collector()
        site.deploy("acme-2", start=False)
        for kind in (Bash, Zsh, Fish):
            check_shell(site, kind, tap)
        with tap.case("a bash on a terminal completes at TAB"):
            shell = Bash(site)
            rc = site.write("rc", f"bind 'set enable-bracketed-paste off'\nsource {shell.script}\nPS1=READY\n")
            typed(["bash", "--rcfile", rc, "-i"], {**shell.env, "TERM": "dumb"},
                  "ringwatch deploy wi", "thdraw")
        with tap.case("make install puts the scripts where shells look for them"):
            done = subprocess.run(["make", "-s", "install", f"BUILD={BUILD}", f"DESTDIR={site.path('root')}",
                                   "PREFIX=/usr"], cwd=ROOT, text=True, capture_output=True, check=False,
                                  env={k: v for k, v in os.environ.items() if k != "MAKEFLAGS"})
            equal(done.returncode, 0, f"exit status, after {done.stderr[-500:]}")
            for shell, path in (("bash", "bash-completion/completions/ringwatch"),
                                ("zsh", "zsh/site-functions/_ringwatch"),
                                ("fish", "fish/vendor_completions.d/ringwatch.fish")):
                with open(site.path("root/usr/share", path), encoding="utf-8") as file:
                    equal(file.read(), say("completion", shell), path)
    tap.finish()


if __name__ == "__main__":
    main()
