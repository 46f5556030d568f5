#!/usr/bin/python3
"""A small virtual machine for what this host's kernel lacks: Debian's cloud kernel, busybox and one program.

    tests/vm/machine.py [--module NAME]... [--file PATH]... [--timeout SECONDS] PROGRAM [ARGUMENT]...

Boots in software emulation (no /dev/kvm, no network, no disk), loads the modules, runs the program and ends with its
exit code; its output comes out line by line. PROGRAM may be a script for #!/bin/sh, which is busybox there; what it
needs more is given with --file and found under the same path. Exit code 77: not possible on this host, and why.

The kernel and busybox are Debian packages, downloaded with apt (not installed) and unpacked into a folder that is kept:
$LANDLINE_VM_CACHE, or .cache/vm in the source tree. qemu-system-x86 has to be installed. Standard library only.
"""

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QEMU = "qemu-system-x86_64"
KERNEL, BUSYBOX = "linux-image-cloud-amd64", "busybox-static"
BOOTS = 3  # a kernel may find its emulated clocks unusable on a busy host; the program had no part in that
BEGIN, END, LATE = "@@ program begins", "@@ program ended with", "@@ the machine did not end in time"

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /run
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
# A tmpfs, but what came with the machine under /tmp stays to be seen.
cp -a /tmp /tmp.own
mount -t tmpfs tmp /tmp
cp -a /tmp.own/. /tmp
echo 0 > /proc/sys/kernel/printk
ip link set lo up
for module in {modules}; do
    insmod /modules/$module || echo "insmod $module failed"
done
echo "{begin}"
{command} </dev/null 2>&1
echo "{end} $?"
poweroff -f
"""


class Impossible(Exception):
    """This host cannot do it; the text says why."""


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options).stdout


def kernel_package():
    """The package that the cloud kernel's metapackage stands for today."""
    depends = run("apt-cache", "depends", KERNEL)
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        raise Impossible(f"apt knows no {KERNEL}: run apt-get update")
    return found.group(1)


def unpack(cache, package):
    """The folder with the package's files; downloaded once, and complete when it is there."""
    folder = cache / package
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=cache, prefix="new-") as new:
        run("apt-get", "download", "-q", package, cwd=new)
        [archive] = Path(new).glob("*.deb")
        run("dpkg-deb", "-x", str(archive), new + "/files")
        os.rename(new + "/files", folder)
    return folder


def obtain(cache):
    """Kernel image, folder of its modules, busybox."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = sorted(cache.glob("linux-image-*"))
        try:
            kernel = known[-1] if known else unpack(cache, kernel_package())
            busybox = unpack(cache, BUSYBOX)
        except FileNotFoundError as missing:
            raise Impossible(f"no {missing.filename} on this system") from None
        except subprocess.CalledProcessError as failed:
            last = (failed.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Impossible(f"{' '.join(failed.cmd)}: {last}") from None
    [image] = (kernel / "boot").glob("vmlinuz-*")
    [modules] = (kernel / "lib/modules").iterdir()
    return image, modules, busybox / "bin/busybox"


def with_needed(modules, names):
    """The modules' files in the order in which they have to be loaded."""
    files = {path.stem.replace("-", "_"): path for path in modules.rglob("*.ko")}
    order = []

    def add(name):
        name = name.replace("-", "_")
        if name not in files:
            return  # part of the kernel itself, or not there: the program will tell
        needed = re.search(rb"\0depends=([^\0]*)\0", files[name].read_bytes())
        for other in needed.group(1).decode().split(",") if needed else []:
            add(other)
        if files[name] not in order:
            order.append(files[name])

    for name in names:
        add(name)
    return order


def libraries(program):
    """The shared libraries of a program, the loader among them; none for a static one."""
    listed = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", listed)))


class Archive:
    """A cpio archive in the "newc" form that the kernel unpacks (Documentation/driver-api/early-userspace)."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.count = 0
        self.folders = set()

    def entry(self, name, mode, data=b""):
        self.count += 1
        raw = name.encode() + b"\0"
        fields = [self.count, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0]
        self.file.write(b"070701" + b"".join(b"%08x" % field for field in fields) + raw)
        self.pad()
        self.file.write(data)
        self.pad()

    def pad(self):
        self.file.write(b"\0" * (-self.file.tell() % 4))

    def add(self, name, data, mode=0o755):
        name = name.lstrip("/")
        for folder in reversed(Path(name).parents[:-1]):
            if str(folder) not in self.folders:
                self.folders.add(str(folder))
                self.entry(str(folder), 0o040755)
        self.entry(name, 0o100000 | mode, data)

    def close(self):
        self.entry("TRAILER!!!", 0)
        self.file.close()


def build_initramfs(path, busybox, modules, files, program, arguments):
    archive = Archive(path)
    archive.add("/bin/busybox", busybox.read_bytes())
    for module in modules:
        archive.add("/modules/" + module.name, module.read_bytes())
    needed = {library for file in [program, *files] for library in libraries(file)}
    for file in [*files, *sorted(needed - set(files))]:
        archive.add(file, Path(file).read_bytes())
    archive.add("/program", Path(program).read_bytes())
    quoted = " ".join("'" + argument.replace("'", "'\\''") + "'" for argument in arguments)
    names = " ".join(module.name for module in modules)
    archive.add("/init", INIT.format(modules=names, begin=BEGIN, end=END, command="/program " + quoted).encode())
    archive.close()


def boot(image, initramfs, timeout):
    """What came out of the serial console, until the machine ended or for so many seconds."""
    command = [QEMU, "-accel", "tcg", "-m", "512", "-smp", "1", "-nodefaults", "-display", "none", "-no-reboot",
               "-nic", "none", "-serial", "stdio", "-kernel", str(image), "-initrd", str(initramfs),
               "-append", "console=ttyS0 panic=-1 quiet loglevel=3 mitigations=off no_timer_check"]
    try:
        said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout).stdout
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"") + f"\n{LATE}\n".encode()
    return said.decode(errors="replace").replace("\r", "")


def run_in_machine(program, arguments=(), modules=(), timeout=300, files=()):
    """(exit code, output) of the program in the machine; raises Impossible.

    `files` are absolute paths; they, and the libraries they need, are there under the same names.
    """
    if shutil.which(QEMU) is None:
        raise Impossible(f"{QEMU} is not installed (Debian: qemu-system-x86)")
    cache = Path(os.environ.get("LANDLINE_VM_CACHE", ROOT / ".cache/vm"))
    image, folder, busybox = obtain(cache)
    with tempfile.TemporaryDirectory(prefix="landline-vm-") as scratch:
        initramfs = Path(scratch) / "initramfs"
        build_initramfs(initramfs, busybox, with_needed(folder, modules), files, program, arguments)
        for _ in range(BOOTS):
            console = boot(image, initramfs, timeout)
            if BEGIN in console or LATE in console:
                break
    found = re.search(f"{BEGIN}\n(.*?)^{END} (\\d+)$", console, re.DOTALL | re.MULTILINE)
    if not found:
        return 1, "the program did not end by itself; the console said:\n" + console
    return int(found.group(2)), found.group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--module", action="append", default=[])
    parser.add_argument("--file", action="append", default=[])
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        code, output = run_in_machine(options.program, options.arguments, options.module, options.timeout,
                                      [os.path.abspath(file) for file in options.file])
    except Impossible as why:
        print(f"skipped: {why}", file=sys.stderr)
        return 77
    sys.stdout.write(output)
    return code


if __name__ == "__main__":
    sys.exit(main())
