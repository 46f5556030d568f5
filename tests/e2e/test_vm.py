"""Programs that need more kernel than this host's, in a small virtual machine; and what the host says without it."""

import os
import re
import shutil
import socket
import subprocess
import sys

import pytest

import support

sys.path.insert(0, os.path.join(support.ROOT, "tests", "vm"))

import machine  # noqa: E402

BOOT_SECONDS = 600  # software emulation on a slow, busy host; 5 s when it is idle


def program(name):
    return os.path.join(support.BUILD, "tests", "vm", "vm-" + name)


def in_machine(path, modules, *arguments, files=()):
    try:
        code, output = machine.run_in_machine(path, arguments, modules, BOOT_SECONDS, files)
    except machine.Impossible as why:
        pytest.skip(str(why))
    assert code == 0, output
    return output


def host_has(*what):
    try:
        socket.socket(*what).close()
    except OSError:
        return False
    return True


@pytest.mark.timeout(700)
def test_rdm_over_tipc(build):
    assert ", 0 failed" in in_machine(program("rdm"), ["tipc"])


@pytest.mark.timeout(700)
def test_sctp_vsock_and_kernel_tls(build):
    assert ", 0 failed" in in_machine(program("rest"), ["sctp", "vsock_loopback", "tls", "gcm", "ctr", "ghash_generic"])


@pytest.mark.timeout(700)
def test_kernel_without_the_modules(build):
    """The same kernel without the modules: each is told as not supported, and which."""
    assert ", 0 failed" in in_machine(program("rdm"), [], "absent")
    assert ", 0 failed" in in_machine(program("rest"), [], "absent")


def test_rdm_on_this_host(build):
    argument = [] if host_has(socket.AF_TIPC, socket.SOCK_RDM) else ["absent"]
    done = subprocess.run([program("rdm"), *argument], stdout=subprocess.PIPE, timeout=support.PATIENCE)
    assert done.returncode == 0, done.stdout.decode()


def test_a_failure_in_the_machine_is_one(build, tmp_path):
    """The machine's verdict is the program's: a wrong expectation must come out as a failure."""
    try:
        code, output = machine.run_in_machine(program("rdm"), (), (), BOOT_SECONDS)
    except machine.Impossible as why:
        pytest.skip(str(why))
    assert code == 1
    assert "LL_ENOTSUP" in output


def over_netem(script, *words):
    """What a script of tests/vm says that makes its own line worse."""
    tc = shutil.which("tc", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if tc is None:
        pytest.skip("no tc on this host (Debian: iproute2)")
    script = os.path.join(support.ROOT, "tests", "vm", script)
    return in_machine(script, ["sch_netem"], support.LANDLINE, tc, *words, files=[support.LANDLINE, tc])


@pytest.mark.timeout(700)
def test_classic_protocols_over_a_lossy_link(build):
    assert "all came whole" in over_netem("lossy.sh")


@pytest.mark.timeout(700)
def test_files_over_a_long_and_lossy_link(build):
    """One connection carries little there, and `auto` finds out that more of them carry more."""
    output = over_netem("streams.sh", "24000003")
    used = dict(re.findall(r"^(\S+ with \S+): (\d+) connections$", output, re.M))
    for verb in ("get", "put"):
        assert int(used[verb + " with 1"]) == 1 and int(used[verb + " with 4"]) == 4, output
        assert int(used[verb + " with auto"]) >= 2, output


KERNEL_TLS = ["tls", "gcm", "ctr", "ghash_generic"]
FILE_SIZE = 8_000_003


def files_in_machine(modules):
    """{step: connections that the kernel has sealed until then} of a file's way there and back."""
    script = os.path.join(support.ROOT, "tests", "vm", "files.sh")
    output = in_machine(script, modules, support.LANDLINE, str(FILE_SIZE), files=[support.LANDLINE])
    return dict(line.removeprefix("after ").split(": ") for line in output.splitlines() if line.startswith("after "))


@pytest.mark.timeout(700)
def test_kernel_seals_bulk(build):
    """Of a get it seals what the gate sends, of a put what the client sends, and of a run what is much."""
    sealed = files_in_machine(KERNEL_TLS)
    assert int(sealed["get"]) == 1
    assert int(sealed["put"]) == 2
    assert int(sealed["cut"]) >= 3
    assert int(sealed["run"]) > int(sealed["cut"])


@pytest.mark.timeout(700)
def test_same_files_without_kernel_tls(build):
    assert files_in_machine([]) == dict.fromkeys(["get", "put", "cut", "run"], "none")


@pytest.mark.timeout(700)
def test_every_message_by_the_kernel(build):
    """Data, close, alerts and a change of keys, which this kernel cannot do."""
    output = in_machine(os.path.join(support.BUILD, "tests", "unit", "test-seal-seal"), KERNEL_TLS)
    assert "sealed by the kernel" in output
