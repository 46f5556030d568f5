"""examples/server_upper.c: a server inside a program, with a service of its own."""

import os

import pytest

import support

pytestmark = pytest.mark.timeout(120)


def test_a_service_of_ones_own(build, landline):
    folder = os.path.join(landline.scratch, "upper")
    server = landline.spawn([os.path.join(build, "examples", "server_upper"), folder])
    invite = server.stdout.wait_for(rb"landline://\S+\n").group(0)
    done = landline("add", "it", input=invite)
    assert done.returncode == 0, done.stderr
    for word in ("hello", "x" * 100000, "ÄÖ b"):
        done = landline("upper", "it", word)
        assert done.returncode == 0, done.stderr
        assert done.stdout.decode() == "".join(c.upper() if c.isascii() else c for c in word) + "\n"
    server.stdout.wait_for(rb"5 letters\n")
    done = landline("run", "it", "--", "true")
    assert done.returncode == 125 and b"grant" in done.stderr
    assert support.exists(server.pid)
