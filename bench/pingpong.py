"""What bench/pingpong.c measures, with Python's socket module: the same arguments but the first."""

import os
import socket
import sys
import time


def make_pair(kind):
    if kind == "unix":
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        a = socket.create_connection(listener.getsockname())
        b, _ = listener.accept()
    for s in (a, b):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return a, b


def one_process(a, b, size, count):
    data = bytes(size)
    for _ in range(count):
        a.send(data)
        b.recv(size)
        b.send(data)
        a.recv(size)


def two_processes(a, b, size, count):
    data = bytes(size)
    if os.fork() == 0:
        os.sched_setaffinity(0, {0})
        for _ in range(count):
            b.recv(size)
            b.send(data)
        os._exit(0)
    os.sched_setaffinity(0, {os.cpu_count() - 1 and 1})
    for _ in range(count):
        a.send(data)
        a.recv(size)
    os.wait()


def connect(count):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    where = listener.getsockname()
    start = time.monotonic()
    for _ in range(count):
        client = socket.socket()
        client.connect(where)
        server, _ = listener.accept()
        client.close()
        server.close()
    return time.monotonic() - start


def main(arguments):
    if arguments[0] == "connect":
        return connect(int(arguments[1]))
    kind, processes, size, count = arguments
    a, b = make_pair(kind)
    start = time.monotonic()
    (two_processes if processes == "two" else one_process)(a, b, int(size), int(count))
    return time.monotonic() - start


print("%.6f" % main(sys.argv[1:]))
