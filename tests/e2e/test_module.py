"""OpenSSL in a module: its file where there is one of this very build, else the copy that the program carries. Whatever lies
where the file should be, two machines are paired and a command runs, and gate and client say where they have it from."""

import os
import shutil
import subprocess

import pytest

import support
from server_support import Server

FILE = "landline-tls.so"
MODULE = os.path.join(support.BUILD, FILE)
CARRIED = "/memfd:landline-tls.so (deleted)"

pytestmark = [pytest.mark.timeout(120),
              pytest.mark.skipif(not os.path.exists(MODULE), reason="a build without the module")]


def mapped(pid):
    """The names under which a process has the module."""
    try:
        with open("/proc/%d/maps" % pid) as f:
            return {line.split(None, 5)[5].rstrip("\n") for line in f if FILE in line}
    except PermissionError:
        pytest.skip("needs root, to see the memory of a gate, which is not dumpable")


def source(landline, program, monkeypatch):
    """Pairs and runs `true` with the program on both sides; where its server then has the module from."""
    monkeypatch.setattr(support, "LANDLINE", program)
    server = Server(landline)
    server.add()
    done = landline("run", "box", "--", "echo", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    names = mapped(server.pid)
    assert len(names) == 1
    if os.geteuid() == 0:
        assert mapped(server.gate()) == names
    return names.pop()


def copied(path, folder, name=None):
    """A copy that nobody else can write, whatever this machine's umask is."""
    to = os.path.join(folder, name or os.path.basename(path))
    shutil.copy(path, to)
    os.chmod(to, 0o755)
    return to


@pytest.fixture
def folder(scratch):
    """A folder whose name is the real one."""
    path = os.path.join(os.path.realpath(scratch), "bin")
    os.mkdir(path)
    return path


@pytest.fixture
def program(folder):
    """The program alone, as somebody copied it to another machine."""
    return copied(support.LANDLINE, folder)


def test_the_program_alone(landline, program, monkeypatch):
    assert source(landline, program, monkeypatch) == CARRIED


def test_beside_the_program(landline, program, folder, monkeypatch):
    module = copied(MODULE, folder)
    assert source(landline, program, monkeypatch) == module


def test_through_a_link(landline, program, folder, scratch, monkeypatch):
    module = copied(MODULE, folder)
    link = os.path.join(scratch, "link")
    os.symlink(program, link)
    assert source(landline, link, monkeypatch) == module


@pytest.mark.parametrize("options", [(), ("--strip",)], ids=["as it is", "stripped"])
def test_installed(build, landline, scratch, options, monkeypatch):
    root = os.path.join(os.path.realpath(scratch), "root")
    os.umask(os.umask(0o022) | 0o022)
    subprocess.run(["/usr/bin/meson", "install", "--no-rebuild", *options, "-C", build, "--destdir", root], check=True,
                   capture_output=True)
    found = {name: os.path.join(path, name) for path, _, names in os.walk(root) for name in names}
    assert source(landline, found["landline"], monkeypatch) == found[FILE]


def other_build(module):
    module[0x200:0x204] = b"else"


def cut(module):
    del module[len(module) // 2:]


def garbage(module):
    module[:] = b"This is no shared object.\n" * 1000


@pytest.mark.parametrize("change", [other_build, cut, garbage])
def test_what_is_not_this_build(landline, program, folder, change, monkeypatch):
    module = copied(MODULE, folder)
    with open(module, "rb") as f:
        changed = bytearray(f.read())
    change(changed)
    with open(module, "wb") as f:
        f.write(changed)
    assert source(landline, program, monkeypatch) == CARRIED


def test_what_others_can_write(landline, program, folder, monkeypatch):
    os.chmod(copied(MODULE, folder), 0o777)
    assert source(landline, program, monkeypatch) == CARRIED


def test_replaced_while_it_runs(landline, program, folder, monkeypatch):
    """A gate that is started after an upgrade of half the files takes what is its own."""
    module = copied(MODULE, folder)
    monkeypatch.setattr(support, "LANDLINE", program)
    server = Server(landline)
    server.add()
    os.unlink(module)
    with open(module, "wb") as f:
        f.write(b"the next version")
    old = server.gate()
    os.kill(old, 9)
    support.eventually(lambda: server.gate() not in (0, old), "another gate")
    assert landline("run", "box", "--", "true").returncode == 0
    if os.geteuid() == 0:
        assert mapped(server.gate()) == {CARRIED}


def test_without_proc(landline, program):
    """A sentence that says what to do."""
    script = "mount -t tmpfs none /proc && exec \"$0\" key"
    done = landline.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, program])
    if done.returncode == 1 and done.stderr.startswith((b"unshare:", b"mount:")):
        pytest.skip("no name spaces: %r" % done.stderr)
    assert done.returncode == 1
    assert done.stderr == b"landline: cannot load landline-tls.so: /proc must be mounted: not supported by this system\n"


def opened(landline, folder, *words):
    """Whether a call looks for the module's file."""
    trace = os.path.join(folder, "trace")
    done = landline.run(["strace", "-f", "-e", "trace=openat", "-o", trace, support.LANDLINE, "run", *words, "box", "--",
                         "true"], env={"LANDLINE_BROKER": "60s"})
    assert (done.returncode, done.stderr) == (0, b"")
    with open(trace) as f:
        said = f.read()
    assert "exited with 0" in said
    return FILE in said


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_call_through_the_broker_leaves_it_alone(landline, program, folder, monkeypatch):
    copied(MODULE, folder)
    monkeypatch.setattr(support, "LANDLINE", program)
    Server(landline).add()
    assert landline("run", "box", "--", "true", env={"LANDLINE_BROKER": "60s"}).returncode == 0
    support.eventually(lambda: b" by process " in landline("hosts").stdout, "a broker")
    assert not opened(landline, folder)
    assert opened(landline, folder, "--no-broker")
    assert landline("hosts", "remove", "box").returncode == 0
