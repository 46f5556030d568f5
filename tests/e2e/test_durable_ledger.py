"""The server's memory of ids when its file is damaged, cut short, gone, or has no room: nothing starts a second time, and what
is not known is called that."""

import os
import signal
import subprocess

import pytest

import support
from server_support import Server

pytestmark = pytest.mark.timeout(120)

TOKEN = os.path.join(support.BUILD, "tests", "token")


@pytest.fixture
def server(landline, monkeypatch):
    monkeypatch.setenv("LANDLINE_BROKER", "off")
    server = Server(landline)
    server.add()
    return server


def flip_the_middle(path):
    with open(path, "r+b") as f:
        data = bytearray(f.read())
        data[len(data) // 2] ^= 0xff
        f.seek(0)
        f.write(data)


def flip_the_beginning(path):
    with open(path, "r+b") as f:
        f.write(b"\xff" * 8)


def empty(path):
    os.truncate(path, 0)


@pytest.mark.parametrize("harm", [flip_the_middle, flip_the_beginning, empty, os.unlink])
def test_what_a_harmed_ledger_forgot_is_not_started_again(server, landline, harm):
    folder, marks, pid = (os.path.join(landline.scratch, name) for name in ("task", "marks", "pid"))
    os.mkdir(folder)
    for _ in range(4):  # so that the middle is before the one that counts
        assert landline("run", "box", "--", "true").returncode == 0
    words = [TOKEN, "box", folder, "sh", "-c", "echo x >> %s; echo $$ > %s; echo up; exec sleep 1000" % (marks, pid)]
    p = landline.spawn(words)
    support.eventually(lambda: os.path.exists(os.path.join(folder, "output")) and
                       os.path.getsize(os.path.join(folder, "output")) == 3, "it runs")
    p.signal(signal.SIGKILL)
    p.wait()
    listen = server.listen
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    with open(pid) as f:
        os.kill(int(f.read()), signal.SIGKILL)
    harm(os.path.join(server.home, "server", "runs", "ledger"))
    server.start("--listen", listen)
    done = landline.run(words)
    assert done.returncode == 100 and done.stderr.count(b"\n") == 1, done.stderr
    with open(marks) as f:
        assert f.read() == "x\n"
    assert landline("run", "box", "--", "echo", "new").stdout == b"new\n"


def test_a_full_disk_starts_nothing_and_says_so(landline, monkeypatch):
    monkeypatch.setenv("LANDLINE_BROKER", "off")
    home, marks = (os.path.join(landline.scratch, name) for name in ("server", "marks"))
    with support.small_disk(home, "size=256k,mode=0700"):
        server = Server(landline)
        server.add()
        filler = os.path.join(home, "filler")
        with open(filler, "wb", buffering=0) as f:
            with pytest.raises(OSError):
                while True:
                    f.write(bytes(4096))
        # What is left of the ledger's last page holds some records.
        done = support.eventually(lambda: next((d for d in [landline("run", "box", "--", "sh", "-c", "echo x >> " + marks)]
                                                if d.returncode != 0), None), "no room for a record")
        with open(marks) as f:
            ran = f.read().count("x")
        assert done.returncode == 125 and done.stderr.count(b"\n") == 1 and done.stdout == b"", done
        again = landline("run", "box", "--", "sh", "-c", "echo x >> " + marks)
        assert again.returncode == 125
        with open(marks) as f:
            assert f.read().count("x") == ran
        os.unlink(filler)
        assert landline("run", "box", "--", "echo", "new").stdout == b"new\n"
        server.process.stop()
