"""landline trace: pictures of real connections and of made ones, against expectations in which only numbers vary."""

import contextlib
import ctypes
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading

import pytest
import support
from pcapgen import FIN

HERE = os.path.dirname(os.path.abspath(__file__))
SO_ATTACH_FILTER, SO_DETACH_FILTER, TCP_REPAIR = 26, 27, 19


def may_capture():
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        return True
    except OSError:
        return False


live = pytest.mark.skipif(not may_capture(), reason="capturing needs CAP_NET_RAW")


def expect(name, text):
    """Compares with tests/e2e/expect/NAME.txt; LANDLINE_UPDATE_EXPECT=1 writes it anew."""
    path = os.path.join(HERE, "expect", name + ".txt")
    if os.environ.get("LANDLINE_UPDATE_EXPECT"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        assert text == file.read()


def shape(text, without=()):
    """What must be the same on every machine: numbers become #, fill and padding one character, the kernel's lines go.

    Steps whose line has one of the words in `without` are left out: how often a segment is sent again is chance.
    """
    text = re.split("\n(?:The kernel says:|内核的说法：)", text)[0]
    blocks = re.split(r"\n(?= *\d+\.\d{3} )", text)
    picture, _, words = "\n".join(b for b in blocks if not any(word in b for word in without)).partition("\n\n")
    text = picture + "\n\n" + " ".join(words.split()) + "\n"
    text = re.sub(r"(?<![A-Z_])\d+(\.\d+)?( (us|ms|s)\b)?", "#", text)
    return re.sub(r"[─ ]{2,}", " ", text)


# ---- A server that does what the test says ----


class Server:
    """Listens on a port of its own and runs `serve(connection)` in a thread for each connection."""

    def __init__(self, serve, family=socket.AF_INET, prepare=None):
        self.listener = socket.socket(family)
        self.listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        if prepare:
            prepare(self.listener)
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.serve, self.failed, self.threads = serve, [], []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._one, args=(connection,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def _one(self, connection):
        try:
            with connection:
                self.serve(connection)
        except Exception as error:  # noqa: BLE001: shown by close()
            self.failed.append(error)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(support.PATIENCE)
        assert not self.failed, self.failed


ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSING = "01", "04", "05", "0B"


def kernel_row(connection):
    """The other end of the connection in /proc/net/tcp, or None."""
    peer = ":%04X" % connection.getpeername()[1]
    here = ":%04X" % connection.getsockname()[1]
    with open("/proc/net/tcp") as file:
        for row in file:
            fields = row.split()
            if fields[1].endswith(peer) and fields[2].endswith(here):
                return fields
    return None


def wait_for_state(connection, *states):
    support.eventually(lambda: (kernel_row(connection) or [""] * 4)[3] in states, "state %s" % (states,))


def read_all(connection):
    while connection.recv(65536):
        pass


def close_politely(connection):
    """Reads to the end, and closes once the other end knows that this was understood: four segments, not three."""
    read_all(connection)
    wait_for_state(connection, FIN_WAIT_2)


def attach(sock, *program):
    """A classic BPF filter on a TCP socket: it sees segments from the TCP header on, and what it drops was lost."""
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("HL", len(program), ctypes.addressof(buffer)))


def detach(sock):
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def drop_everything(sock):
    attach(sock, (0x06, 0, 0, 0))


def drop_payload(sock):
    attach(sock, (0x30, 0, 0, 12), (0x74, 0, 0, 4), (0x64, 0, 0, 2), (0x07, 0, 0, 0),  # X = 4 * data offset
           (0x80, 0, 0, 0), (0x1C, 0, 0, 0), (0x15, 0, 1, 0),  # length - X == 0 ?
           (0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0))


def drop_fin(sock):
    attach(sock, (0x30, 0, 0, 13), (0x45, 0, 1, FIN), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


def trace(landline, *args, status=0, **more):
    result = landline("trace", *args, **more)
    assert result.returncode == status, result.stderr.decode()
    return result.stdout.decode()


def trace_json(landline, *args, **more):
    return json.loads(trace(landline, "--json", *args, **more))


def events(connection):
    return [step["event"] for step in connection["steps"]]


# ---- Real connections ----


@live
def test_normal(landline):
    with Server(close_politely) as server:
        text = trace(landline, "127.0.0.1:%d" % server.port)
    expect("trace-normal", shape(text))
    assert re.search(r"after close: 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:%d TIME_WAIT" % server.port,
                     re.sub(r"\s+", " ", text))


@live
def test_refused(landline):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and nobody listens
        text = trace(landline, "127.0.0.1:%d" % closed.getsockname()[1], status=1)
    expect("trace-refused", shape(text))


@live
def test_reset(landline):
    def serve(connection):
        with pytest.raises(ConnectionResetError):
            read_all(connection)

    with Server(serve) as server:
        text = trace(landline, "--reset", "127.0.0.1:%d" % server.port)
    expect("trace-reset", shape(text))


@live
def test_timeout(landline):
    with Server(read_all, prepare=drop_everything) as server:
        text = trace(landline, "--timeout", "1.5s", "127.0.0.1:%d" % server.port, status=1)
    expect("trace-timeout", shape(text))


@live
def test_retransmission(landline):
    def serve(connection):
        support.eventually(lambda: int(kernel_row(connection)[6], 16) > 0, "a retransmission")
        detach(connection)
        connection.sendall(connection.recv(100).upper())
        close_politely(connection)

    with Server(serve, prepare=drop_payload) as server:
        target = "127.0.0.1:%d" % server.port
        text = trace(landline, "--send", "lost?", "--timeout", "50s", target)
        expect("trace-retransmission", shape(text, without=["retransmission: "]))
        result = trace_json(landline, "--send", "lost?", "--timeout", "50s", target)
    connection, = result["connections"]
    assert connection["verdict"] == "closed"
    assert connection["client_bytes"] == 5
    assert connection["client_retransmissions"] == events(connection).count("retransmission") > 0
    lost = [step for step in connection["steps"] if step["lost"]]
    assert lost and all(step["length"] == 5 for step in lost)
    counted = re.search(r"after the exchange: .* retransmitted (\d+), bytes acknowledged (\d+), received (\d+)",
                        "\n".join(result["kernel"]))
    assert int(counted.group(1)) == connection["client_retransmissions"]
    assert int(counted.group(2)) == connection["client_bytes"] + 1  # its SYN counts
    assert int(counted.group(3)) == connection["server_bytes"]


@live
def test_simultaneous_close(landline):
    states = []

    def serve(connection):
        wait_for_state(connection, FIN_WAIT_1)
        connection.shutdown(socket.SHUT_WR)
        wait_for_state(connection, CLOSING)
        states.append(CLOSING)
        detach(connection)
        read_all(connection)

    with Server(serve, prepare=drop_fin) as server:
        text = trace(landline, "--timeout", "50s", "127.0.0.1:%d" % server.port)
    assert states == [CLOSING]
    expect("trace-simultaneous", shape(text, without=["FIN again"]))


@live
def test_half_open(landline):
    def vanish(connection):
        detach(server.listener)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)  # closed in this mode, it goes without a word
        except PermissionError:
            pytest.skip("TCP_REPAIR needs CAP_NET_ADMIN")

    with Server(vanish, prepare=drop_payload) as server:
        connection, = trace_json(landline, "--send", "anybody?", "--timeout", "20s",
                                 "127.0.0.1:%d" % server.port)["connections"]
    assert connection["verdict"] == "half-open"
    assert connection["closer"] == "server"
    assert events(connection)[-1] == "half-open"
    assert [connection["steps"][-1][end] for end in ("client_state", "server_state")] == ["CLOSED", "CLOSED"]


@live
def test_keepalive(landline):
    with Server(read_all) as server:
        connection, = trace_json(landline, "--keepalive", "1s", "--hold", "1.7s",
                                 "127.0.0.1:%d" % server.port)["connections"]
    found = events(connection)
    at = found.index("keepalive")
    assert found[at + 1] == "keepalive-ack"
    assert connection["steps"][at]["seq_relative"] == 0
    assert connection["verdict"] == "closed"


@live
def test_zero_window(landline):
    opened = threading.Event()

    def serve(connection):
        assert opened.wait(support.PATIENCE)
        read_all(connection)

    def small(listener):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)

    with Server(serve, prepare=small) as server:
        process = landline.start("trace", "--json", "--send", "x" * 60000, "--timeout", "2s",
                                 "127.0.0.1:%d" % server.port)
        process.wait()
        opened.set()
    found = events(json.loads(process.stdout.text())["connections"][0])
    assert "zero-window" in found
    assert "window-probe" in found[found.index("zero-window"):]


@live
def test_facts_agree_with_the_kernel(landline):
    """While the connection is held, ss(8) must say what the packets said."""
    if not shutil.which("ss"):
        pytest.skip("no ss")
    with Server(lambda connection: (connection.sendall(b"banner"), read_all(connection))) as server:
        process = landline.start("trace", "--json", "--hold", "3s", "127.0.0.1:%d" % server.port)

        def ask():
            out = subprocess.run(["ss", "-tinH", "state", "established", "dport = :%d" % server.port],
                                 stdout=subprocess.PIPE, check=True).stdout.decode()
            return out if "bytes_received:6" in out else None

        said = support.eventually(ask, "the connection in ss")
        process.wait()
    connection, = json.loads(process.stdout.text())["connections"]
    port = int(connection["client"].rpartition(":")[2])
    assert ":%d " % port in said
    syn, syn_ack = connection["steps"][0]["options"], connection["steps"][1]["options"]
    assert "wscale:%d,%d" % (syn_ack["window_scale"], syn["window_scale"]) in said
    assert "advmss:%d" % (syn["mss"] - 12) in said  # less the timestamps that every segment carries
    assert "bytes_received:%d" % connection["server_bytes"] in said
    assert connection["steps"][2]["client_state"] == "ESTABLISHED"


@live
def test_hostile_payload_is_escaped(landline):
    with Server(lambda connection: (connection.sendall(b"\x1b]0;owned\x07\xff\x9b\n"), close_politely(connection))) as server:
        result = landline("trace", "--hold", "200ms", "127.0.0.1:%d" % server.port)
    assert b"\x1b" not in result.stdout and b"\x07" not in result.stdout
    assert rb'"\x1b]0;owned\x07\xff\x9b\n"' in result.stdout


@live
def test_ipv6_and_names(landline):
    with Server(read_all, family=socket.AF_INET6) as server:
        connection, = trace_json(landline, "[::1]:%d" % server.port)["connections"]
        assert connection["server"] == "[::1]:%d" % server.port
        named = trace_json(landline, "-6", "localhost:%d" % server.port, status=0) if has_name_of("::1") else None
    assert named is None or named["connections"][0]["server"] == "[::1]:%d" % server.port


def has_name_of(address):
    with contextlib.suppress(OSError):
        return any(found[4][0] == address for found in socket.getaddrinfo("localhost", 1))
    return False


@live
def test_every_address_is_tried(landline):
    """A name with an address that refuses and one that answers: both attempts are in the picture."""
    found = {item[4][0] for item in socket.getaddrinfo("localhost", 1, type=socket.SOCK_STREAM)}
    if found != {"::1", "127.0.0.1"}:
        pytest.skip("localhost has one address here")
    with Server(read_all) as server:
        result = trace_json(landline, "localhost:%d" % server.port)
    assert [c["verdict"] for c in result["connections"]][-1] == "closed"
    assert {c["verdict"] for c in result["connections"]} <= {"closed", "refused"}


@live
def test_kept_packets_read_back_the_same(landline, scratch):
    kept, copy = os.path.join(scratch, "a.pcap"), os.path.join(scratch, "b.pcap")
    with Server(read_all) as server:
        text = trace(landline, "--send", "hi", "--timeout", "500ms", "--pcap", kept, "127.0.0.1:%d" % server.port)
    again = trace(landline, "--read", kept, "--pcap", copy)
    assert again.strip() == text.split("\nThe kernel says:")[0].strip()
    assert trace(landline, "--read", copy) == again


@live
def test_watch(landline):
    with Server(close_politely) as server:
        process = landline.start("trace", "--watch", str(server.port), "--count", "1")
        process.stderr.wait_for(rb"watching port")
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"seen")
        assert process.wait() == 0
    text = process.stdout.text()
    assert '"seen"' in text and "Closed in order" in text


@live
def test_watch_ends_on_interrupt(landline):
    with Server(lambda connection: support.eventually(lambda: process.popen.poll() is not None)) as server:
        process = landline.start("trace", "--watch", str(server.port))
        process.stderr.wait_for(rb"watching port")
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"half way")
            support.eventually(lambda: kernel_row_of(client))
            process.signal(2)
            assert process.wait() == 0
    assert '"half way"' in process.stdout.text()
    assert "still open when the trace ended" in re.sub(r"\s+", " ", process.stdout.text())


def kernel_row_of(client):
    """True once the kernel of the other end has acknowledged all that was sent."""
    info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("I", info, 24)[0] == 0


COMMAND = """
import socket, subprocess, sys, threading
def one(count):
    for _ in range(count):
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
thread = threading.Thread(target=one, args=(3,)); thread.start(); thread.join()
if len(sys.argv) == 2:
    subprocess.run([sys.executable, "-c", open("/proc/self/cmdline").read().split(chr(0))[2], sys.argv[1], "child"])
    sys.exit(7)
"""


@live
def test_command(landline):
    """Short connections of threads and children are all seen, those of others are not; the exit status comes back."""
    with Server(read_all) as server:
        process = landline.start("trace", "--json", "--", sys.executable, "-c", COMMAND, str(server.port))
        for _ in range(50):
            socket.create_connection(("127.0.0.1", server.port)).close()
        assert process.wait() == 7, process.stderr.text()
    found = json.loads(process.stdout.text())["connections"]
    assert len(found) == 6
    assert all(c["whole"] and c["server"] == "127.0.0.1:%d" % server.port for c in found)


@live
def test_command_that_listens(landline):
    program = ("import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
               "s.accept()[0].recv(1)")
    process = landline.start("trace", "--", sys.executable, "-c", program)
    port = int(process.stdout.wait_for(rb"(\d+)\n").group(1))
    socket.create_connection(("127.0.0.1", port)).close()
    assert process.wait() == 0
    assert "127.0.0.1:%d server" % port in process.stdout.text()


@live
def test_command_that_is_not_there(landline):
    result = landline("trace", "--", "no-such-program-anywhere")
    assert result.returncode == 127
    assert b"no-such-program-anywhere" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to drop what root may")
def test_without_privilege(landline):
    """No picture, but what the kernel tells everybody; and it says why."""
    bare = ["setpriv", "--bounding-set=-net_raw,-net_admin,-sys_admin", "--inh-caps=-net_raw,-net_admin,-sys_admin"]
    with Server(close_politely) as server:
        result = landline.run([*bare, support.LANDLINE, "trace", "127.0.0.1:%d" % server.port])
        text = re.sub(r"\s+", " ", result.stdout.decode())
        assert result.returncode == 0
        assert b"CAP_NET_RAW" in result.stderr
        assert re.search(r"after connect: ESTABLISHED, round trip .* congestion window \d+", text)
        assert re.search(r"after close: .* TIME_WAIT, [\d.]+ s left", text)
        process = landline.spawn([*bare, support.LANDLINE, "trace", "--watch", str(server.port), "--duration", "2s"])
        process.stdout.wait_for(rb"LISTEN")
        with socket.create_connection(("127.0.0.1", server.port)):
            process.stdout.wait_for(rb"ESTABLISHED")
        assert process.wait() == 0
        result = landline.run([*bare, support.LANDLINE, "trace", "--", sys.executable, "-c", COMMAND, str(server.port)])
        assert result.returncode == 7
        # Whether the other end has closed yet is chance.
        assert len(re.findall(rb"TIME_WAIT|FIN_WAIT_2", result.stdout)) >= 6


@pytest.mark.parametrize("args, words", [
    ((), b"HOST"), (("a:b:c:1", "x"), b"HOST"), (("--watch", "0"), b"port"), (("--watch", "65536"), b"port"),
    (("--lang", "fr", "x"), b"en or zh"), (("--send", "\\q", "x"), b"escape"), (("127.0.0.1:99999",), b"127.0.0.1:99999"),
    (("--read",), b"--read"),
])
def test_wrong_command_lines(landline, args, words):
    result = landline("trace", *args)
    assert result.returncode == 2
    assert words in result.stderr and result.stderr.startswith(b"landline: ")


def test_what_is_sent_has_a_limit(landline):
    for size, status in ((65535, 1), (65536, 1), (65537, 2)):  # 1: nobody listens there
        assert landline("trace", "--send", "x" * size, "127.0.0.1:1").returncode == status


def test_unknown_name(landline):
    result = landline("trace", "no-such-host.invalid:1", "--timeout", "20s")
    assert result.returncode == 1 and b"no-such-host.invalid" in result.stderr
