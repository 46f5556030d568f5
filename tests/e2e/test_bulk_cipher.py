"""The cipher of bulk (docs/ARCHITECTURE.md): whether there is one, and that all goes on where what has its name is none."""

import json
import os

import pytest

import support
from server_support import Server

pytestmark = pytest.mark.timeout(120)

LIBRARY, PACKAGE = "libIPSec_MB.so.1", "libipsec-mb1"
NEEDED = {"avx512bw", "vaes", "vpclmulqdq"}


def cipher(landline, **env):
    found = json.loads(landline("doctor", "--json", env=env).stdout)["findings"]
    return next(f["value"] for f in found if f["name"] == "encryption of bulk")


def able():
    with open("/proc/cpuinfo") as f:
        return any(NEEDED <= set(line.split()) for line in f if line.startswith("flags"))


def stranger(folder):
    """A library of that name that has nothing of it."""
    os.symlink(os.path.join(support.BUILD, "tests", "unit", "plugin.so"), os.path.join(folder, LIBRARY))


def garbage(folder):
    with open(os.path.join(folder, LIBRARY), "wb") as f:
        f.write(b"no library")


def test_what_is_said(landline):
    said = cipher(landline)
    assert said == "by OpenSSL" or (able() and ("AVX-512 (" in said or PACKAGE in said))


@pytest.mark.parametrize("make", [stranger, garbage])
def test_without_the_library(landline, scratch, make):
    make(scratch)
    env = {"LD_LIBRARY_PATH": scratch}
    assert cipher(landline, **env) == "by OpenSSL" or (able() and PACKAGE in cipher(landline, **env))
    server = Server(landline, **env)
    server.add()
    done = landline("run", "--no-broker", "box", "--", "sh", "-c", "cat; seq 1 1000000", input=bytes(8 << 20), env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == bytes(8 << 20) + b"".join(b"%d\n" % i for i in range(1, 1000001))
