"""Machines imitated by network namespaces: one for the server, one for each client, joined by pairs of virtual cards.

Nothing has a name outside, and all of it goes with the processes that hold the namespaces.
"""

import os
import shutil
import socket
import subprocess
import sys

import support

WHY = "needs root, unshare, nsenter and ip"


def possible():
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("unshare", "nsenter", "ip")):
        return False
    return subprocess.run(["unshare", "-n", "ip", "link", "add", "x0", "type", "veth", "peer", "name", "x1"],
                          stderr=subprocess.DEVNULL).returncode == 0


class Machine:
    """A network namespace. `run` and `start` are those of the runner, inside of it."""

    def __init__(self, landline):
        self.landline = landline
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 1000"],
                                       stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"up\n"

    def inside(self, argv):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "--", *argv]

    def do(self, line):
        """A command line that must work."""
        done = subprocess.run(self.inside(line.split()), stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                              timeout=support.PATIENCE)
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout.decode()

    def run(self, *args, **options):
        return self.landline.run(self.inside([support.LANDLINE, *args]), **options)

    def start(self, *args, **options):
        return self.landline.spawn(self.inside([support.LANDLINE, *args]), **options)

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


class Nets:
    """A server's machine and `count` clients. Client i (from 1) has 10.77.i.2 and fd77:i::2, the server .1 and ::1 there."""

    def __init__(self, landline, count):
        self.landline = landline
        self.server = Machine(landline)
        self.clients = [Machine(landline) for _ in range(count)]
        for i, client in enumerate(self.clients, 1):
            self.server.do("ip link add c%d type veth peer name eth0 netns %d" % (i, client.holder.pid))
            for machine, card, host in ((self.server, "c%d" % i, 1), (client, "eth0", 2)):
                machine.do("ip addr add 10.77.%d.%d/24 dev %s" % (i, host, card))
                machine.do("ip addr add fd77:%d::%d/64 dev %s nodad" % (i, host, card))
                machine.do("ip link set %s up" % card)
        # Link-local addresses are checked for doubles first.
        for machine in [self.server, *self.clients]:
            support.eventually(lambda m=machine: "tentative" not in m.do("ip -6 addr show"), "addresses")

    def close(self):
        for machine in [*self.clients, self.server]:
            machine.close()


SILENT = """
import resource, socket, sys
count = int(sys.argv[3])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 100), hard))
held = [socket.create_connection((sys.argv[1], int(sys.argv[2]))) for _ in range(count)]
print("held", flush=True)
sys.stdin.read()
"""


def silent(machine, host, port, count):
    """A process on that machine with so many connections that say nothing."""
    process = machine.landline.spawn(machine.inside([sys.executable, "-c", SILENT, host, str(port), str(count)]),
                                     stdin=subprocess.PIPE)
    process.stdout.wait_for(b"held\n")
    return process


def link_local(machine, card):
    line = next(line for line in machine.do("ip -6 addr show dev %s scope link" % card).splitlines() if "inet6" in line)
    address = line.split()[1].partition("/")[0]
    socket.inet_pton(socket.AF_INET6, address)
    return address
