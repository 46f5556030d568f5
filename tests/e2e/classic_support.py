"""What the tests of the classic protocols share: our ends, the seed-like ends, and raw sockets between them."""

import os
import socket
import struct
import subprocess

import support

PYTHON = "/usr/bin/python3"
PEERS = os.path.join(support.ROOT, "tests", "peer")


def serve(landline, protocol, *options, **how):
    """Our server on a free loopback port: (process, port)."""
    process = landline.start("classic", "serve", protocol, "--listen", "127.0.0.1:0", *options, **how)
    return process, process.listening()[1]


def seed_server(landline, protocol, mode="serve", **how):
    """The seed-like server: (process, port)."""
    process = landline.spawn([PYTHON, os.path.join(PEERS, "seed_%s.py" % protocol), mode, "0"], **how)
    return process, int(process.stdout.wait_for(rb"listening (\d+)\n").group(1))


def seed_client(landline, protocol, port, lines, **how):
    """The seed-like client, with these lines typed: what it printed."""
    script = os.path.join(PEERS, "seed_%s.py" % protocol)
    done = landline.run([PYTHON, script, "ask", "127.0.0.1", str(port)], input=text(lines), **how)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def client(landline, protocol, port, lines=(), *words, **how):
    """Our client, with these lines typed: the finished process."""
    return landline("classic", protocol, "127.0.0.1:%d" % port, *words, input=text(lines), **how)


def text(lines):
    return "".join(line + "\n" for line in lines).encode()


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=support.PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def receive(connection, size):
    """Exactly so many bytes."""
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(min(size - len(data), 1 << 20))
        assert piece, "closed after %d of %d bytes" % (len(data), size)
        data += piece
    return bytes(data)


def receive_to_end(connection):
    data = bytearray()
    while True:
        piece = connection.recv(1 << 20)
        if not piece:
            return bytes(data)
        data += piece


def vanish(connection):
    """Goes with a reset, as a machine does that was switched off and on again."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def at_rest(process, before):
    """Waits until the server has the descriptors it had before, and no child."""
    support.no_new_descriptors(process.pid, before)
    support.eventually(lambda: not support.children(process.pid), "the end of the server's children")


def unprivileged(argv):
    """The command as a user whom file permissions bind."""
    if os.geteuid() != 0:
        return argv
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]


def sha256(path):
    done = subprocess.run(["sha256sum", path], stdout=subprocess.PIPE, check=True)
    return done.stdout.split()[0]


def write_file(path, size):
    """A file of this size without a pattern, a line end every 64 KiB; it does not begin with a digit."""
    with open(path, "wb") as file:
        block = os.urandom(min(size, 1 << 20)).replace(b"\n", b"-")
        left = size
        while left > 0:
            numbered = (b"block at %d\n" % left + block)[: len(block)]
            piece = b"".join(numbered[i : i + 65535] + b"\n" for i in range(0, len(numbered), 65535))
            left -= file.write(piece[:left])
    assert os.path.getsize(path) == size
    return path
