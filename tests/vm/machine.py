# SPDX-License-Identifier: Apache-2.0
"""Boots stock Debian kernels in QEMU, with the sensor inside, and talks to them.

A machine runs the kernel that tests/vm/fetch-kernels unpacked, under software
emulation, with an initramfs made here: busybox, the sensor with its libraries,
a few kernel modules, the crash modules, and the machine's own files (keys and
configuration) as a second archive behind the first. Its network is QEMU's
user-mode one: the machine that runs the test is 10.0.2.2, and its loopback
services are reached there. A small disk holds the sensor's state across boots.

The first serial port is the kernel's console, kept as a log file. The second
takes commands: one line in, output and a status line out.
"""

import contextlib
import glob
import gzip
import hashlib
import lzma
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
from harness import BUILD, Timeout  # noqa: E402

CACHE = os.path.abspath(os.environ.get("RINGWATCH_VM_CACHE", os.path.join(BUILD, "vm")))
KERNELS = ("6.1", "6.12")
SBIN = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
MAKING = threading.Lock()

# No machine outlives this, whatever becomes of the program that started it.
LONGEST_SECONDS = 3600

# What the machine needs to have a disk and a network; their own needs follow from depmod.
DRIVERS = ("virtio_pci", "virtio_net", "virtio_blk", "ext4")

INIT = r"""#!/bin/busybox sh
# The machine's only user space. Mounts, network, state disk, sensor, commands.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /state /bin /sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t pstore pstore /sys/fs/pstore 2>/dev/null
for module in $(cat /modules/order); do insmod /modules/$module; done
[ -f /etc/drivers ] && sh /etc/drivers
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
hostname "$(cat /etc/hostname)"
mount -t ext4 /dev/vda /state || echo "init: no state disk"
[ -x /etc/boot ] && /etc/boot
stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
echo "@@ready $(cat /proc/sys/kernel/random/boot_id)@@" >&3
while read -r number command <&3; do
	sh -c "$command" </dev/null >/tmp/out 2>&1
	status=$?
	cat /tmp/out >&3
	echo "@@done $number $status@@" >&3
done
"""

# Started at boot when the machine has a sensor's configuration.
START_SENSOR = r"""#!/bin/sh
[ -f /etc/ringwatch/sensor.yaml ] && [ -x /sbin/ringwatch-sensor ] || exit 0
# As its unit has it: it must outlive what it is to report.
echo -900 >/proc/self/oom_score_adj
/sbin/ringwatch-sensor --config /etc/ringwatch/sensor.yaml $(cat /etc/ringwatch/options) \
	2>>/state/sensor.log &
echo $! >/run/sensor.pid
"""


class Archive:
    """A cpio archive of the "newc" form, as the kernel unpacks it."""

    def __init__(self):
        self.parts, self.inode, self.folders = [], 1, set()

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        raw = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        self.parts.append(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))

    def folder(self, name):
        name = name.strip("/")
        if not name or name in self.folders:
            return
        self.folder(os.path.dirname(name))
        self.folders.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def add(self, name, data, mode=0o644):
        name = name.strip("/")
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data.encode() if isinstance(data, str) else data)

    def add_file(self, name, path, mode=None):
        with open(path, "rb") as file:
            self.add(name, file.read(), mode or stat.S_IMODE(os.stat(path).st_mode))

    def add_program(self, name, path):
        """A program with the shared libraries that it names."""
        self.add_file(name, path, 0o755)
        listed = subprocess.run(["ldd", path], text=True, capture_output=True, check=False)
        for library in re.findall(r"(/\S+) \(0x", listed.stdout):
            if library.strip("/") not in self.folders:
                self.folders.add(library.strip("/"))  # once each
                self.folder(os.path.dirname(library))
                with open(library, "rb") as file:
                    self._entry(library.strip("/"), stat.S_IFREG | 0o755, file.read())

    def console(self):
        self.folder("dev")
        self._entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))

    def bytes(self):
        tail = Archive()
        tail._entry("TRAILER!!!", 0)
        return b"".join(self.parts) + tail.parts[0]


def kernel_folder(version):
    folder = os.path.join(CACHE, version)
    if not os.path.exists(os.path.join(folder, "ready")):
        raise RuntimeError(f"no kernel under {folder}: run tests/vm/fetch-kernels")
    with open(os.path.join(folder, "release"), encoding="ascii") as file:
        return folder, file.read().strip()


def driver_files(version, drivers=DRIVERS):
    """Paths of the drivers and what they need, in loading order."""
    folder, release = kernel_folder(version)
    files = []
    for driver in drivers:
        done = subprocess.run(["modprobe", "--show-depends", "-d", folder, "-S", release, driver],
                              text=True, capture_output=True, check=False, env=SBIN)
        if done.returncode != 0:
            raise RuntimeError(f"modprobe {driver} for {release}: {done.stderr.strip()[-300:]}")
        for line in done.stdout.splitlines():
            words = line.split()
            if words and words[0] == "insmod" and words[1] not in files:
                files.append(words[1])
    return files


def unpacked(path):
    with (lzma.open(path) if path.endswith(".xz") else open(path, "rb")) as file:
        return file.read()


def loadable_modules(version, drivers):
    """An archive with these modules where modprobe looks for them, and a modprobe."""
    _, release = kernel_folder(version)
    archive, before = Archive(), []
    lines = []
    for path in driver_files(version, drivers):
        name = os.path.basename(path).removesuffix(".xz")
        archive.add(f"lib/modules/{release}/{name}", unpacked(path))
        lines.append(f"{name}: {' '.join(reversed(before))}".rstrip())
        before.append(name)
    archive.add(f"lib/modules/{release}/modules.dep", "\n".join(lines) + "\n")
    archive.add("sbin/modprobe", "#!/bin/sh\nexec /bin/busybox modprobe \"$@\"\n", 0o755)
    return archive


def identity(path):
    at = os.stat(path)
    return f"{os.path.abspath(path)} {at.st_mtime_ns} {at.st_size}\n"


def base_initramfs(version, sensor):
    """The archive that all machines of one kernel share; made anew when what is in it changed."""
    folder, _ = kernel_folder(version)
    crash = os.path.join(folder, "crash")
    made_of = [os.path.abspath(__file__), os.path.join(crash, "ready")] + ([sensor] if sensor else [])
    key = hashlib.sha256("".join(identity(path) for path in made_of).encode()).hexdigest()[:16]
    path = os.path.join(folder, f"initramfs-{key}.gz")
    with MAKING:
        if not os.path.exists(path):
            make_base_initramfs(version, sensor, crash, path)
            for old in glob.glob(os.path.join(folder, "initramfs-*.gz")):
                if os.path.getmtime(old) < time.time() - 3600:
                    os.unlink(old)
    return path


def make_base_initramfs(version, sensor, crash, path):
    archive = Archive()
    archive.console()
    archive.add("init", INIT, 0o755)
    archive.add("etc/boot", START_SENSOR, 0o755)
    archive.add("etc/passwd", "root::0:0::/:/bin/sh\nnobody::65534:65534::/:/bin/sh\n")
    archive.add_file("bin/busybox", shutil.which("busybox") or "/bin/busybox", 0o755)
    if sensor:
        archive.add_program("sbin/ringwatch-sensor", sensor)
    order = []
    for file in driver_files(version):
        # Unpacked: insmod would first hand the compressed file to the kernel, which refuses it and says so.
        name = os.path.basename(file).removesuffix(".xz")
        order.append(name)
        archive.add(f"modules/{name}", unpacked(file))
    archive.add("modules/order", "\n".join(order) + "\n")
    for name in sorted(os.listdir(crash)):
        if name.endswith(".ko"):
            archive.add_file(f"crash/{name}", os.path.join(crash, name))
    temporary = f"{path}.{os.getpid()}.{threading.get_ident()}"
    with gzip.open(temporary, "wb", compresslevel=1) as file:
        file.write(archive.bytes())
    os.replace(temporary, path)


class Machine:
    """One virtual machine.

    `files` ({path: text or bytes}) and what is in `archive` are put into its initramfs. `sensor` is
    the built one unless told otherwise; "" for none. State disk, console log and QEMU's own log lie in
    FOLDER/NAME and are kept.
    """

    def __init__(self, name, kernel, folder, files=None, archive=None, append="", sensor=None, cpus=1,
                 memory=320):
        self.name, self.kernel, self.folder = name, kernel, os.path.join(folder, name)
        self.cpus, self.memory = cpus, memory
        self.append = append
        self.sensor = os.path.join(BUILD, "ringwatch-sensor") if sensor is None else sensor
        self.qemu = self.channel = self.control = None
        self.number = 0
        self.pending = b""
        os.makedirs(self.folder, exist_ok=True)
        self.console = os.path.join(self.folder, "console.log")
        self.disk = os.path.join(self.folder, "state.img")
        self.store = os.path.join(self.folder, "erst.img")
        if not os.path.exists(self.disk):
            with open(self.disk, "wb") as file:
                file.truncate(64 << 20)
            subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", self.disk], check=True, env=SBIN)
        own = archive or Archive()
        own.add("etc/hostname", name + "\n")
        for path, data in (files or {}).items():
            own.add(path, data, 0o600)
        self.own = os.path.join(self.folder, "own.gz")
        with gzip.open(self.own, "wb", compresslevel=1) as file:
            file.write(own.bytes())

    # ---- power ----

    def start(self, seconds=120):
        """Powers it on and waits until it takes commands; returns its boot id."""
        folder, release = kernel_folder(self.kernel)
        initrd = os.path.join(self.folder, "initrd.gz")
        with open(initrd, "wb") as out:
            for part in (base_initramfs(self.kernel, self.sensor), self.own):
                with open(part, "rb") as file:
                    data = file.read()
                out.write(data + bytes(-len(data) % 4))
        self.pending = b""
        self.channel, commands = socket.socketpair()
        self.control, monitor = socket.socketpair()
        argv = ["timeout", "-k", "5", str(LONGEST_SECONDS),
                "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
                "-m", str(self.memory), "-smp", str(self.cpus), "-display", "none", "-nodefaults",
                "-kernel", os.path.join(folder, "boot", f"vmlinuz-{release}"), "-initrd", initrd,
                "-append", f"console=ttyS0 panic=1 {self.append}".strip(),
                "-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console",
                "-chardev", f"socket,id=commands,fd={commands.fileno()}", "-serial", "chardev:commands",
                "-chardev", f"socket,id=monitor,fd={monitor.fileno()}", "-monitor", "chardev:monitor",
                "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,romfile=",
                "-drive", f"file={self.disk},format=raw,if=virtio,cache=writethrough",
                # where a dying kernel leaves its last words
                "-object", f"memory-backend-file,id=erst,mem-path={self.store},size=0x10000,share=on",
                "-device", "acpi-erst,memdev=erst",
                # asleep until its driver opens it
                "-device", "i6300esb", "-action", "watchdog=reset",
                "-rtc", "base=utc"]
        with open(os.path.join(self.folder, "qemu.log"), "wb") as log, commands, monitor:
            self.qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         pass_fds=(commands.fileno(), monitor.fileno()))
        return self.wait_boot(seconds)

    def wait_boot(self, seconds=120):
        """Waits for (the next) init to be ready; returns the boot id."""
        return self._read_until(rb"@@ready ([0-9a-f-]{36})@@", seconds)[1].decode()

    def monitor(self, command):
        """A line to QEMU's monitor: "system_reset", "quit", …"""
        self.control.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.control.recv(65536):  # what it said so far
                pass
        self.control.settimeout(10)
        self.control.sendall(command.encode() + b"\n")

    def stop(self):
        """Pulls the plug."""
        if not self.qemu:
            return
        if self.qemu.poll() is None:
            self.qemu.terminate()  # timeout(1) hands it on, and insists
            self.qemu.wait(30)
        self.channel.close()
        self.control.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- commands ----

    def _read_until(self, pattern, seconds):
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.pending)
            if match:
                self.before = self.pending[:match.start()]
                self.pending = self.pending[match.end():]
                return match
            left = end - time.monotonic()
            if left <= 0:
                raise Timeout(f"{self.name}: nothing like {pattern!r} within {seconds:g} s; "
                              f"console ends: {self.console_tail()}")
            self.channel.settimeout(left)
            try:
                data = self.channel.recv(65536)
            except socket.timeout:
                continue
            if not data:
                with open(os.path.join(self.folder, "qemu.log"), encoding="utf-8", errors="replace") as file:
                    said = file.read().strip()[-300:]
                raise RuntimeError(f"{self.name}: QEMU ended: {said or self.console_tail()}")
            self.pending += data

    def send(self, command):
        """Starts a command without waiting for its end (which a crash may prevent)."""
        self.number += 1
        self.channel.sendall(f"{self.number} {command}\n".encode())
        return self.number

    def ask(self, command, seconds=60):
        """Runs a shell line inside; returns its output and its status."""
        number = self.send(command)
        match = self._read_until(rb"@@done %d (\d+)@@\r?\n" % number, seconds)
        # A command that a crash cut short may have left its output before this one's.
        output = re.split(rb"@@done \d+ \d+@@\r?\n", self.before)[-1]
        return output.decode(errors="replace").replace("\r", "").lstrip("\n"), int(match[1])

    def run(self, command, seconds=60, check=True):
        """Runs a shell line inside; returns its output."""
        output, status = self.ask(command, seconds)
        if check and status != 0:
            raise AssertionError(f"{self.name}: `{command}` ended with {status}: {output[-500:]}")
        return output

    def console_text(self):
        with open(self.console, encoding="utf-8", errors="replace") as file:
            return file.read()

    def console_tail(self, lines=6):
        return " | ".join(self.console_text().splitlines()[-lines:])

    def sensor_log(self):
        return self.run("cat /state/sensor.log 2>/dev/null", check=False)

    def stop_sensor(self):
        """SIGTERM, and waits for its end (a zombie that nobody has waited for yet has no exe)."""
        self.run("sensor=/proc/$(cat /run/sensor.pid); kill ${sensor#/proc/} && "
                 "while [ -e $sensor/exe ]; do sleep 0.1; done")

    def start_sensor(self, options=""):
        self.run(f"echo '{options}' >/etc/ringwatch/options; /etc/boot")

    def crash(self, module, how="1"):
        """Loads a crash module when it is not there yet and sets it off; its victim is a shell."""
        self.run(f"[ -e /proc/{module} ] || insmod /crash/{module}.ko")
        self.run(f"echo {how} >/proc/{module}", check=False)

    def reboot_orderly(self):
        """As an init system does it: announce, stop what runs, sync, restart."""
        self.run("ringwatch-sensor --config /etc/ringwatch/sensor.yaml --announce reboot --back-in 120s")
        self.stop_sensor()
        self.send("sync; umount /state; reboot -f")
        return self.wait_boot()


def machine_files(site, host, ring="canary", options="", **changes):
    """Keys and configuration of a sensor whose collector is `site`'s, as a Machine takes them;
    keyword arguments replace keys of its configuration."""
    site.sensor_config(host, ring)
    config = site.sensor_config(
        host, ring, collectors=[f"10.0.2.2:{site.sensors_port}"], state_dir="/state/ringwatch",
        tls={"certificate": "/etc/ringwatch/host.pem", "key": "/etc/ringwatch/host.key",
             "ca": "/etc/ringwatch/ca.pem", "crl": "none"}, **changes)
    files = {"etc/ringwatch/options": options + "\n"}
    for name, path in (("sensor.yaml", config), ("host.pem", site.path("pki", f"host-{host}.pem")),
                       ("host.key", site.path("pki", f"host-{host}.key")),
                       ("ca.pem", site.path("pki", "ca.pem"))):
        with open(path, "rb") as file:
            files[f"etc/ringwatch/{name}"] = file.read()
    return files
