"""Sessions that are cut at a byte, and what must be true of each whatever was cut.

A session is one command of landline through a relay of its own, so many can be swept at once against one server. `check`
raises AssertionError where the history is wrong: output that is not a prefix of what was sent, a clean end that is not all of
it, more than one effect, "done" or "not started" that is false, a wrong exit status."""

import contextlib
import filecmp
import os
import pty
import random
import select
import shutil
import subprocess
import time

import relay
import support

KINDS = (relay.RST, relay.FIN, relay.FREEZE, relay.HALF)
# A frozen link is noticed by silence alone: sooner than anybody would want it, but not at once.
ENVIRONMENT = {"LANDLINE_BROKER": "off", "LANDLINE_SILENCE": "2s"}


class Session:
    """One client of `both` behind a relay: a home of its own that knows the server by the relay's port."""

    def __init__(self, both, number):
        self.both = both
        self.relay = relay.Relay(both.server.listening(), seed=number)
        self.folder = os.path.join(both.landline.scratch, "session-%d" % number)
        self.home = os.path.join(self.folder, "client")
        shutil.copytree(both.client_home, self.home)
        hosts = os.path.join(self.home, "hosts")
        with open(hosts) as f:
            text = f.read()
        with open(hosts, "w") as f:
            f.write(text.replace(both.address, "127.0.0.1:%d" % self.relay.port))
        self.marks = os.path.join(self.folder, "marks")
        self.prepare()

    def prepare(self):
        pass

    def environment(self):
        return self.both.landline.environment(self.home, ENVIRONMENT)

    def landline(self, *words, input=b""):
        return subprocess.run([support.LANDLINE, *words], input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=self.environment(), timeout=support.PATIENCE, start_new_session=True)

    def effects(self):
        with open(self.marks) as f:
            return f.read().count("x")

    def cut(self, cuts):
        """The session with these cuts, and the verdict."""
        self.relay.cuts[:] = cuts
        with open(self.marks, "w"):
            pass
        self.check(*self.act())
        self.relay.cut_all()  # what is frozen would stay for ever, and be too much for select(2) one day

    def record(self):
        """The bytes of an uncut session in each direction."""
        before = list(self.relay.passed)
        self.cut([])
        return [after - b for after, b in zip(self.relay.passed, before)]

    def close(self):
        self.relay.cut_all()
        self.relay.close()

    # A session that never came up may say so, and one that nobody can know of (PROTOCOL 7.3: the server is too young to
    # prove that it never saw the id); both only if it is true.
    def excused(self, status, output, complaint):
        if status == 125:
            assert self.effects() == 0 and output == b"" and complaint.count(b"\n") == 1, complaint
            return True
        if status == 122:
            assert self.effects() <= 1 and b"was not started again" in complaint, complaint
            return True
        return False


class Run(Session):
    def act(self):
        done = self.landline("run", "box", "sh", "-c", "echo x >> %s; cat; echo err >&2; exit 9" % self.marks,
                             input=b"some input\n")
        return done.returncode, done.stdout, done.stderr

    def check(self, status, output, complaint):
        if not self.excused(status, output, complaint):
            assert (status, output, complaint, self.effects()) == (9, b"some input\n", b"err\n", 1)


class Shell(Session):
    def act(self):
        master, slave = pty.openpty()
        client = subprocess.Popen([support.LANDLINE, "shell", "box"], stdin=slave, stdout=slave,
                                  stderr=subprocess.PIPE, env=self.environment(), start_new_session=True)
        os.close(slave)
        shown, typed = b"", False
        deadline = time.monotonic() + support.PATIENCE
        while client.poll() is None or select.select([master], [], [], 0)[0]:
            assert time.monotonic() < deadline, shown
            if not select.select([master], [], [], 0.02)[0]:
                continue
            try:
                shown += os.read(master, 65536)
            except OSError:
                break
            if not typed:
                os.write(master, b"echo x >> %s; printf 'all go''od\\n'; exit 9\r" % self.marks.encode())
                typed = True
        status = client.wait(support.PATIENCE)
        complaint = client.stderr.read()
        client.stderr.close()
        os.close(master)
        return status, shown, complaint

    def check(self, status, output, complaint):
        if not self.excused(status, output, complaint):
            assert (status, output.count(b"all good\r\n"), complaint, self.effects()) == (9, 1, b"", 1), output


class Files(Session):
    """A tree with an empty file, small ones, and one of several chunks."""

    def prepare(self):
        self.source, self.there = os.path.join(self.folder, "tree"), os.path.join(self.folder, "there")
        os.makedirs(os.path.join(self.source, "below"))
        os.mkdir(self.there)
        chance = random.Random(7)
        for name, size in (("empty", 0), ("small", 10), ("below/other", 3000), ("large", 70_000)):
            with open(os.path.join(self.source, name), "wb") as f:
                f.write(chance.randbytes(size))

    def act(self):
        target = os.path.join(self.there, "tree")
        shutil.rmtree(target, ignore_errors=True)
        done = self.transfer(target)
        return done.returncode, target, done.stderr

    def check(self, status, target, complaint):
        names = ("empty", "small", "below/other", "large")
        if status == 0:
            same = filecmp.cmpfiles(self.source, target, names, shallow=False)[0]
            assert sorted(same) == sorted(names), complaint
            return
        # What failed says so in a line, and what has its name is whole all the same.
        assert complaint.strip(), status
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                assert filecmp.cmp(os.path.join(self.source, name), os.path.join(target, name), shallow=False), name


class Get(Files):
    def transfer(self, target):
        return self.landline("get", "-q", "box:" + self.source, target)


class Put(Files):
    def transfer(self, target):
        return self.landline("put", "-q", self.source, "box:" + target)


SESSIONS = {"run": Run, "shell": Shell, "get": Get, "put": Put}
