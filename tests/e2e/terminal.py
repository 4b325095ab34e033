# SPDX-License-Identifier: Apache-2.0
"""A terminal for programs under test: a pty, and a screen that understands what they may write.

Anything else that they write fails the test: a byte that no screen was meant
to get is one that a host could have sent.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios

from harness import wait_until

SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Terminal:
    """Runs `argv` on a pty of `columns` by `rows`."""

    def __init__(self, argv, env, columns=100, rows=30):
        self.columns, self.rows = columns, rows
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                # Not before the parent has told the size.
                os.read(0, 1)
                # As a login shell has them, whatever this test was started from ignores.
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
                    signal.signal(number, signal.SIG_DFL)
                os.execvpe(argv[0], argv, env)
            finally:
                os._exit(127)
        self.resize(columns, rows)
        self.modes_before = termios.tcgetattr(self.fd)
        self.alternate = self.hidden_cursor = False
        self.styles = set()
        self.left = ""
        self.ended = None
        self.main = self.blank()
        self.lines = self.main
        self.row = self.column = 0
        os.write(self.fd, b"\n")

    def blank(self):
        return [[" "] * self.columns for _ in range(self.rows)]

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.main = self.lines = self.blank()

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def modes(self):
        return termios.tcgetattr(self.fd)

    # ---- what it writes ----

    def read(self):
        """Takes in what there is; False when the program's side is closed."""
        while select.select([self.fd], [], [], 0)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.left += data.decode(errors="surrogateescape")
            self.take_in()
        return True

    def take_in(self):
        while self.left:
            if self.left[0] == "\x1b":
                match = SEQUENCE.match(self.left)
                if not match:
                    if len(self.left) < 16:
                        return
                    raise AssertionError(f"unknown sequence {self.left[:16]!r}")
                self.left = self.left[match.end():]
                self.obey(*match.groups())
                continue
            self.put(self.left[0])
            self.left = self.left[1:]

    def obey(self, private, arguments, final):
        what = private + arguments + final
        if what in ("?1049h", "?1049l"):
            self.alternate = final == "h"
            self.lines = self.blank() if self.alternate else self.main
            self.row = self.column = 0
        elif what in ("?25h", "?25l"):
            self.hidden_cursor = final == "l"
        elif final == "m":
            self.styles.add(arguments)
        elif what == "H":
            self.row = self.column = 0
        elif what == "2J":
            self.lines[:] = self.blank()
        elif what == "K":
            self.lines[self.row][self.column:] = [" "] * (self.columns - self.column)
        elif what == "J":
            self.lines[self.row][self.column:] = [" "] * (self.columns - self.column)
            for row in range(self.row + 1, self.rows):
                self.lines[row] = [" "] * self.columns
        else:
            raise AssertionError(f"unexpected sequence ESC[{what}")

    def put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            if self.row + 1 < self.rows:
                self.row += 1
            elif self.alternate:
                raise AssertionError("the screen was scrolled")
            else:
                self.lines[:] = self.lines[1:] + [[" "] * self.columns]
        elif ord(character) < 0x20 or 0xdc80 <= ord(character) <= 0xdcff:
            raise AssertionError(f"unexpected byte {character!r}")
        elif self.column < self.columns:
            self.lines[self.row][self.column] = character
            self.column += 1
        elif self.alternate:
            raise AssertionError(f"wider than {self.columns} columns: {self.text()}")

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines).rstrip()

    # ---- waiting ----

    def wait_for(self, pattern, seconds=20.0):
        def look():
            open_still = self.read()
            match = re.search(pattern, self.text())
            if not match and not open_still:
                raise AssertionError(f"it ended before /{pattern}/: {self.text()}")
            return match
        try:
            return wait_until(f"the screen to show /{pattern}/", look, seconds)
        except AssertionError:
            raise
        except Exception as late:
            raise AssertionError(f"{late}; it shows:\n{self.text()}") from late

    def wait_end(self, seconds=15.0):
        """The exit status; negative when a signal ended it."""
        def look():
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (status,) if pid else None
        status = wait_until("the program to end", look, seconds)[0]
        self.read()
        self.ended = os.waitstatus_to_exitcode(status)
        return self.ended

    def close(self):
        if self.ended is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
