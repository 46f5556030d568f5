"""landline serve under a service manager: it says when it is ready, and takes over sockets that were opened for it."""

import os
import signal
import socket
import subprocess

import pytest

import support
from server_support import ME

pytestmark = pytest.mark.timeout(120)


class Manager:
    """What a service manager hears from a service."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(support.PATIENCE)
        self.socket.bind(name.replace("@", "\0", 1))
        self.name = name

    def hears(self):
        return self.socket.recv(4096).decode().split("\n")


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request, scratch):
    name = os.path.join(scratch, "notify") if request.param == "a path" else "@landline-%s" % os.path.basename(scratch)
    manager = Manager(name)
    yield manager
    manager.socket.close()


def pair_with(landline, home, address):
    root = ("--as", ME) if os.geteuid() == 0 else ()
    invite = landline("invite", "--address", address, *root, home=home)
    assert invite.returncode == 0, invite.stderr
    added = landline("add", "box", input=invite.stdout)
    assert added.returncode == 0, added.stderr


def test_ready_reloading_stopping(landline, scratch, manager):
    home = os.path.join(scratch, "server")
    server = landline.start("serve", "--listen", "127.0.0.1:0", home=home, env={"NOTIFY_SOCKET": manager.name})
    assert manager.hears() == ["READY=1"]
    address = server.listening()
    with socket.create_connection(address):
        pass  # ready is said when it listens, not before
    server.signal(signal.SIGHUP)
    words = manager.hears()
    assert words[0] == "RELOADING=1" and words[1].startswith("MONOTONIC_USEC=") and words[1][15:].isdigit()
    assert manager.hears() == ["READY=1"]
    pair_with(landline, home, "127.0.0.1:%d" % address[1])
    # What it runs has no business with the service manager.
    done = landline("run", "--no-broker", "box", "--", "sh", "-c", "echo [$NOTIFY_SOCKET$LISTEN_FDS$LISTEN_PID]")
    assert done.stdout == b"[]\n"
    server.signal(signal.SIGTERM)
    assert manager.hears() == ["STOPPING=1"]
    assert server.wait() == 0
    assert server.stderr.text().count("listening on") == 1


ADOPT = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid()) if sys.argv[2] == "mine" else "1"
os.environ["LISTEN_FDS"] = sys.argv[1]
os.execv(sys.argv[3], sys.argv[3:])
"""


def activated(landline, home, listeners, whose="mine", extra=()):
    """landline serve with these sockets as descriptors 3 and up, as a service manager starts it."""
    high = [os.dup(s.fileno()) for s in listeners]

    def place():
        for i, fd in enumerate(high):
            os.dup2(fd, 100 + i)
        for i in range(len(high)):
            os.dup2(100 + i, 3 + i)

    try:
        keep = tuple(range(3, 3 + len(high)))
        return landline.spawn(["/usr/bin/python3", "-c", ADOPT, str(len(high)), whose, support.LANDLINE, "serve", *extra],
                              home=home, stdin=subprocess.DEVNULL, preexec_fn=place, pass_fds=keep)
    finally:
        for fd in high:
            os.close(fd)


def test_sockets_of_the_service_manager(landline, scratch):
    home = os.path.join(scratch, "server")
    listeners = [socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.2", 0))]
    ports = [s.getsockname()[1] for s in listeners]
    # A client that comes before the server is there waits in the manager's socket.
    early = socket.create_connection(("127.0.0.1", ports[0]))
    server = activated(landline, home, listeners)
    try:
        for address in ("127.0.0.1:%d" % ports[0], "127.0.0.2:%d" % ports[1]):
            server.stderr.wait_for(b"listening on %s\n" % address.encode())
            pair_with(landline, home, address)
            assert landline("run", "--no-broker", "box", "--", "echo", "in").stdout == b"in\n"
        assert server.stderr.text().count("listening on") == 2, "no listener of its own"
        early.settimeout(support.PATIENCE)
        early.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            assert early.recv(1) == b""
        except ConnectionResetError:
            pass
        # The sockets stay the manager's: the next server finds them open.
        assert server.stop() == 0
        again = activated(landline, home, listeners)
        again.stderr.wait_for(b"listening on 127.0.0.2")
        assert landline("run", "--no-broker", "box", "--", "echo", "again").stdout == b"again\n"
    finally:
        early.close()
        for s in listeners:
            s.close()


def test_sockets_meant_for_another_process_are_left_alone(landline, scratch):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        server = activated(landline, os.path.join(scratch, "server"), [stranger], "another", ("--listen", "127.0.0.1:0"))
        assert server.listening()[1] != stranger.getsockname()[1]
        assert server.stderr.text().count("listening on") == 1


def test_a_socket_that_does_not_listen_is_refused(landline, scratch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong:
        wrong.bind(("127.0.0.1", 0))
        server = activated(landline, os.path.join(scratch, "server"), [wrong])
        assert server.wait() == 1
        assert server.stderr.text().count("\n") == 1 and "socket activation" in server.stderr.text()


def sleeps(pid):
    with open("/proc/%d/wchan" % pid) as f:
        return "nanosleep" in f.read()


@pytest.mark.parametrize("goes", [True, False])
def test_a_port_that_is_in_use(landline, goes):
    """The gate of a server that was killed has it for a moment longer; another program has it for good."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = landline.start("serve", "--listen", "127.0.0.1:%d" % taken.getsockname()[1])
        support.eventually(lambda: sleeps(server.pid), "it waits")
        if not goes:
            assert server.wait() == 1
            assert b"cannot listen on 127.0.0.1:" in server.stderr.data and b"in use" in server.stderr.data
            return
    server.listening()
