"""Ctrl-C in a flood on a thin link: what still arrives after it is bounded by the link, not by buffers."""

import os
import re
import select
import shutil
import subprocess
import time

import pytest

import nets
import support
import test_shell
from server_support import ME

RATE = 64000 // 8  # bytes a second
SECONDS = 2        # that a key may be behind the flood


def thin():
    """Whether this kernel can make a link thin."""
    if not nets.possible() or not shutil.which("tc"):
        return False
    return subprocess.run(["unshare", "-n", "sh", "-c", "ip link add x0 type veth peer name x1 && "
                           "tc qdisc add dev x0 root tbf rate 64kbit burst 2k latency 10s"],
                          stderr=subprocess.DEVNULL).returncode == 0


pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(not thin(), reason=nets.WHY + " and tc with tbf")]


class Far:
    """What a test_shell.Terminal needs of a pair, on another machine."""

    def __init__(self, net, home):
        self.landline, self.client_home, self.env = net.landline, home, {}


def test_an_interrupt_is_not_behind_a_flood(landline):
    net = nets.Nets(landline, 1)
    try:
        home = os.path.join(landline.scratch, "server")
        server = net.server.start("serve", "--listen", "10.77.1.1:0", home=home)
        address = "10.77.1.1:%d" % server.listening()[1]
        invite = net.server.run("invite", "--address", address, "--as", ME, home=home)
        client = os.path.join(landline.scratch, "client")
        assert net.clients[0].run("add", "box", input=invite.stdout, home=client).returncode == 0
        flood(net, Far(net, client))
    finally:
        landline.close()
        landline.processes.clear()
        net.close()


def flood(net, far):
    t = test_shell.Terminal(far, *net.clients[0].inside([support.LANDLINE, "shell", "--no-broker", "box"]), program=())
    try:
        test_shell.at_prompt(t)
        t.type(b"stty -echoctl\r")
        # From here on 64 kbit/s, with a queue in front as patient as those of real modems.
        net.server.do("tc qdisc add dev c1 root tbf rate 64kbit burst 2k latency 10s")
        # A busy host can only add to what is under way: the smallest of three is what the link owes.
        behind = [interrupted(t) for _ in range(3)]
        print("%s bytes after the interrupt" % behind)
        assert min(behind) < SECONDS * RATE, behind
        t.type(b"exit\r")
        t.wait()
        assert t.restored()
    finally:
        t.close()


def interrupted(t):
    """How many bytes of a flood come between the key and the prompt."""
    t.type(b"yes 0123456789\r")
    took = 0
    while took < 3 * RATE:
        took += read(t)
    t.type(b"\x03")
    t.type(b"echo st=$?\r")
    shown, since = b"", time.monotonic()
    while not re.search(rb"st=130", shown):
        assert time.monotonic() < since + support.PATIENCE, shown[-200:]
        shown += take(t)
    return len(shown)


def take(t):
    if not select.select([t.master], [], [], 0.2)[0]:
        return b""
    return os.read(t.master, 65536)


def read(t):
    return len(take(t))
