"""The library's sockets and Python's own do the same: each scenario runs on both and must give the same story.

The library is called through ctypes, so this is also a client of the shared object that knows nothing but the headers.
What Python raises and what the library returns are brought to common words: an errno's name, TIMEOUT, RANGE, LIMIT, an
EAI name. A closed socket is EBADF in Python and LL_ECLOSED here."""

import ctypes
import errno
import fcntl
import os
import socket

import pytest

AF_INET, AF_UNIX = socket.AF_INET, socket.AF_UNIX
STREAM, DGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
FOREVER = float("inf")


class Address(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint32), ("bytes", ctypes.c_uint64 * 16)]


class Failure(Exception):
    """Carries the common word."""


# ---- The library ----

WORDS = {"LL_ETIMEOUT": "TIMEOUT", "ERANGE": "RANGE", "EOVERFLOW": "RANGE", "LL_ELIMIT": "LIMIT", "LL_ECLOSED": "EBADF"}


class Library:
    def __init__(self, build):
        self.lib = ctypes.CDLL(os.path.join(build, "liblandline.so"))
        self.lib.ll_error_name.restype = ctypes.c_char_p
        for name in ("recv", "recvfrom", "send", "sendto"):
            getattr(self.lib, "ll_socket_" + name).restype = ctypes.c_ssize_t

    def word(self, code):
        name = self.lib.ll_error_name(ctypes.c_int(code)).decode()
        return WORDS.get(name, name)

    def check(self, code):
        if code < 0:
            raise Failure(self.word(code))
        return code

    def address(self, family, where):
        a = Address()
        if family == AF_UNIX:
            self.check(self.lib.ll_address_unix_bytes(ctypes.byref(a), where, ctypes.c_size_t(len(where))))
        else:
            self.check(self.lib.ll_address_ipv4(ctypes.byref(a), where[0].encode(), where[1]))
        return a

    def place(self, a):
        if a.length == 0:
            return None
        path, size = ctypes.c_void_p(), ctypes.c_size_t()
        if self.lib.ll_address_unix_path(ctypes.byref(a), ctypes.byref(path), ctypes.byref(size)) == 0:
            return ctypes.string_at(path, size.value)
        host = ctypes.create_string_buffer(100)
        self.check(self.lib.ll_address_host(ctypes.byref(a), host, ctypes.c_size_t(100)))
        return host.value.decode(), self.lib.ll_address_port(ctypes.byref(a))

    def socket(self, family=AF_INET, kind=STREAM):
        s = ctypes.c_void_p()
        self.check(self.lib.ll_socket_open(family, kind, 0, ctypes.byref(s)))
        return LibrarySocket(self, s, family)

    def pair(self, kind=STREAM):
        both = (ctypes.c_void_p * 2)()
        self.check(self.lib.ll_socket_pair(AF_UNIX, kind, 0, both))
        return [LibrarySocket(self, ctypes.c_void_p(p), AF_UNIX) for p in both]


class LibrarySocket:
    def __init__(self, library, pointer, family):
        self.library, self.lib, self.pointer, self.family = library, library.lib, pointer, family

    def __del__(self):
        self.lib.ll_socket_free(self.pointer)

    def call(self, name, *arguments):
        return self.library.check(getattr(self.lib, "ll_socket_" + name)(self.pointer, *arguments))

    def named(self, name):
        a = Address()
        self.call(name, ctypes.byref(a))
        return self.library.place(a)

    def bind(self, where):
        self.call("bind", ctypes.byref(self.library.address(self.family, where)))

    def connect(self, where):
        self.call("connect", ctypes.byref(self.library.address(self.family, where)))

    def connect_ex(self, where):
        return self.call("connect_ex", ctypes.byref(self.library.address(self.family, where)))

    def connect_host(self, host, port):
        self.call("connect_host", host.encode(), port)

    def accept(self):
        s = ctypes.c_void_p()
        self.call("accept", ctypes.byref(s), None)
        return LibrarySocket(self.library, s, self.family)

    def recv(self, size, flags=0):
        room = ctypes.create_string_buffer(size + 1)
        n = self.call("recv", room, ctypes.c_size_t(size), flags)
        return room.raw[:n]

    def recvfrom(self, size):
        room, a = ctypes.create_string_buffer(size + 1), Address()
        n = self.call("recvfrom", room, ctypes.c_size_t(size), 0, ctypes.byref(a))
        return room.raw[:n], self.library.place(a)

    def send(self, data, flags=0):
        return self.call("send", data, ctypes.c_size_t(len(data)), flags)

    def sendall(self, data):
        self.call("sendall", data, ctypes.c_size_t(len(data)), 0, None)

    def sendto(self, data, where):
        a = self.library.address(self.family, where)
        return self.call("sendto", data, ctypes.c_size_t(len(data)), 0, ctypes.byref(a))

    def settimeout(self, seconds):
        self.call("settimeout", ctypes.c_double(FOREVER if seconds is None else seconds))

    def gettimeout(self):
        seconds = ctypes.c_double()
        self.call("gettimeout", ctypes.byref(seconds))
        return None if seconds.value == FOREVER else seconds.value

    def getblocking(self):
        return bool(self.call("getblocking"))

    def setblocking(self, on):
        self.call("setblocking", ctypes.c_bool(on))

    def listen(self, backlog):
        self.call("listen", backlog)

    def shutdown(self, how):
        self.call("shutdown", how)

    def close(self):
        self.lib.ll_socket_close(self.pointer)

    def fileno(self):
        return self.call("fileno")

    def dup(self):
        s = ctypes.c_void_p()
        self.call("dup", ctypes.byref(s))
        return LibrarySocket(self.library, s, self.family)

    def option(self, level, name):
        value = ctypes.c_int()
        self.call("getsockopt_int", level, name, ctypes.byref(value))
        return value.value

    def getsockname(self):
        return self.named("getsockname")

    def getpeername(self):
        return self.named("getpeername")


# ---- Python ----

def python_word(error):
    if isinstance(error, socket.gaierror):
        return {getattr(socket, n): n for n in dir(socket) if n.startswith("EAI_")}[error.errno]
    if isinstance(error, ValueError):
        return "EINVAL"
    if isinstance(error, OverflowError):
        return "RANGE"
    if isinstance(error, TimeoutError) and error.errno is None:
        return "TIMEOUT"
    if error.errno is None:
        return "LIMIT"
    return {"ENOTSUP": "EOPNOTSUPP"}.get(errno.errorcode[error.errno], errno.errorcode[error.errno])


class PythonSocket:
    def __init__(self, s):
        self.s = s

    def __getattr__(self, name):
        attribute = getattr(self.s, name)

        def call(*arguments):
            try:
                return attribute(*arguments)
            except (OSError, ValueError, OverflowError) as error:
                raise Failure(python_word(error)) from None
        return call

    def accept(self):
        return PythonSocket(self.__getattr__("accept")()[0])

    def connect_host(self, host, port):
        self.__getattr__("connect")((host, port))

    def dup(self):
        return PythonSocket(self.s.dup())

    def option(self, level, name):
        return self.s.getsockopt(level, name)

    def place(self, where):
        return where.encode() if isinstance(where, str) else where

    def getsockname(self):
        return self.place(self.__getattr__("getsockname")())

    def getpeername(self):
        return self.place(self.__getattr__("getpeername")())


class Python:
    def socket(self, family=AF_INET, kind=STREAM):
        return PythonSocket(socket.socket(family, kind))

    def pair(self, kind=STREAM):
        return [PythonSocket(s) for s in socket.socketpair(AF_UNIX, kind)]


# ---- The scenarios: each is told `api` and returns its story; attempt() is what a call gave or the word of its failure ----

def attempt(call, *arguments):
    try:
        return call(*arguments)
    except Failure as failure:
        return str(failure)


def listening(api):
    s = api.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(5)
    return s, s.getsockname()


def connected(api):
    listener, where = listening(api)
    client = api.socket()
    client.connect(where)
    return client, listener.accept()


def flags(s):
    return bool(fcntl.fcntl(s.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK), os.get_inheritable(s.fileno())


def deaf(api):
    """A listener whose queue is full, and what keeps it so."""
    s = api.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(0)
    fill = [api.socket() for _ in range(4)]
    for f in fill:
        f.setblocking(False)
        attempt(f.connect, s.getsockname())
    return s, fill


def new_sockets(api):
    s = api.socket()
    return (s.gettimeout(), s.getblocking(), flags(s), s.getsockname(), attempt(s.getpeername),
            s.option(socket.SOL_SOCKET, socket.SO_REUSEADDR))


def settimeout_values(api):
    story = []
    for seconds in (None, 0, 0.5, 1e-12, 3, -1, -0.001, float("nan"), 1e10, 0.0, None):
        s = api.socket()
        story.append((attempt(s.settimeout, seconds), s.gettimeout(), s.getblocking(), flags(s)))
    return story


def setblocking_values(api):
    s = api.socket()
    story = []
    for on in (False, True, False):
        s.setblocking(on)
        story.append((s.gettimeout(), flags(s)))
    return story


def accepted_modes(api):
    story = []
    for seconds in (None, 20, 0):
        listener, where = listening(api)
        client = api.socket()
        client.connect(where)
        listener.settimeout(seconds)
        s = listener.accept()
        story.append((s.gettimeout(), flags(s), s.getpeername() == client.getsockname()))
    return story


def waiting_for_nothing(api):
    client, server = connected(api)
    listener, _ = listening(api)
    story = []
    for seconds in (0, 0.02):
        client.settimeout(seconds)
        listener.settimeout(seconds)
        story += [attempt(client.recv, 1), attempt(listener.accept), attempt(client.recvfrom, 1)]
    return story


def receiving_nothing(api):
    client, server = connected(api)
    story = [client.recv(0)]
    server.send(b"x")
    return story + [client.recv(0), client.recvfrom(9), server.send(b""), attempt(server.sendall, b"")]


def ends_and_halves(api):
    client, server = connected(api)
    client.sendall(b"ask")
    client.shutdown(socket.SHUT_WR)
    story = [server.recv(9), server.recv(9), server.recv(9), server.send(b"answer"), client.recv(9)]
    story.append(attempt(client.send, b"x"))
    story.append(attempt(client.shutdown, 77))
    server.close()
    story += [client.recv(9), attempt(server.recv, 1), attempt(server.send, b"x"), attempt(server.getsockname)]
    return story


def unconnected(api):
    s = api.socket()
    d = api.socket(AF_INET, DGRAM)
    return [attempt(s.recv, 1), attempt(s.send, b"x"), attempt(s.shutdown, socket.SHUT_RD), attempt(s.getpeername),
            attempt(s.accept), attempt(d.listen, 1), attempt(d.accept), attempt(d.send, b"x"),
            attempt(d.sendto, b"x", ("255.255.255.255", 9)), attempt(d.sendto, b"x" * 70000, ("127.0.0.1", 9))]


def connecting(api):
    listener, where = listening(api)
    s = api.socket()
    story = [s.connect_ex(where), s.connect_ex(where), attempt(s.connect, where)]
    listener.close()
    s = api.socket()
    story += [s.connect_ex(where), attempt(api.socket().connect, where)]
    s = api.socket()
    s.settimeout(30)
    story.append(attempt(s.connect, where))
    s.close()
    story.append(s.connect_ex(where))
    silent, fill = deaf(api)
    s = api.socket()
    s.setblocking(False)
    story += [s.connect_ex(silent.getsockname()), s.connect_ex(silent.getsockname())]
    s = api.socket()
    s.settimeout(0.02)
    story += [s.connect_ex(silent.getsockname()), attempt(s.connect, silent.getsockname())]
    s = api.socket()
    s.settimeout(0.02)
    story.append(attempt(s.connect, silent.getsockname()))
    return story


def by_name(api):
    listener, where = listening(api)
    s = api.socket()
    s.settimeout(60)
    return [attempt(s.connect_host, "no.such.host.invalid", 1), attempt(s.connect_host, "127.0.0.1", 65536),
            attempt(s.connect_host, "127.0.0.1", -1), attempt(s.connect_host, "localhost", where[1])]


def ports_out_of_range(api):
    return [attempt(api.socket().bind, ("127.0.0.1", port)) for port in (-1, 65536, 1 << 20)]


def binding(api):
    s, where = listening(api)
    return [attempt(api.socket().bind, where), attempt(s.bind, where), attempt(api.socket().bind, ("192.0.2.1", 0)),
            attempt(api.socket().bind, ("", 0)), attempt(api.socket(AF_INET, DGRAM).bind, ("<broadcast>", 0))]


def datagrams(api):
    a, b = api.socket(AF_INET, DGRAM), api.socket(AF_INET, DGRAM)
    a.bind(("127.0.0.1", 0))
    b.bind(("127.0.0.1", 0))
    where = b.getsockname()
    story = []
    for data in (b"hello", b"", b"0123456789"):
        story.append(a.sendto(data, where))
        got, sender = b.recvfrom(5)
        story.append((got, sender == a.getsockname()))
    a.sendto(b"x", where)
    story.append(b.recv(1, socket.MSG_PEEK))
    return story + [b.recv(1)]


def unix_names(api):
    name = b"\0parity-%d-%s\0x\0" % (os.getpid(), type(api).__name__.encode())
    s = api.socket(AF_UNIX)
    story = [s.getsockname()]
    s.bind(name)
    s.listen(1)
    story.append(s.getsockname() == name)
    c = api.socket(AF_UNIX)
    story.append(attempt(c.connect, name[:-1]))
    c.connect(name)
    story += [c.getpeername() == name, s.accept().getpeername()]
    for size in (107, 108, 109, 200):
        story.append(attempt(api.socket(AF_UNIX).connect, b"p" * size))
        story.append(attempt(api.socket(AF_UNIX).connect, b"\0" + b"p" * (size - 1)))
    auto = api.socket(AF_UNIX, DGRAM)
    auto.bind(b"")
    return story + [len(auto.getsockname())]


def duplicates(api):
    a, b = api.pair()
    a.settimeout(7)
    c = a.dup()
    a.close()
    return [c.send(b"x"), b.recv(9), flags(c), c.gettimeout(), attempt(a.send, b"x")]


def packets(api):
    a, b = api.pair(socket.SOCK_SEQPACKET)
    return [a.send(b"abc"), a.send(b"de"), b.recv(9), b.recv(9), a.close(), b.recv(9), attempt(b.send, b"x")]


def full_buffers(api):
    a, b = api.pair()
    a.settimeout(0.02)
    story = [attempt(a.sendall, b"x" * (8 << 20))]
    a.setblocking(False)
    return story + [attempt(a.send, b"x"), attempt(a.sendall, b"x")]


SCENARIOS = [new_sockets, settimeout_values, setblocking_values, accepted_modes, waiting_for_nothing, receiving_nothing,
             ends_and_halves, unconnected, connecting, by_name, ports_out_of_range, binding, datagrams, unix_names,
             duplicates, packets, full_buffers]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda f: f.__name__)
def test_the_same_story(scenario, build):
    ours, theirs = scenario(Library(build)), scenario(Python())
    assert ours == theirs
