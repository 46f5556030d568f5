"""A peer of the landline protocol, written from docs/PROTOCOL.md alone, with nothing but Python's standard library (and the
openssl command, for an Ed25519 certificate). It is a client for tests, and a hostile one: any frame can be sent at any time.

    peer = Peer.dial(invite.host, invite.port, invite.pin, identity)
    peer.enrol(invite, "python")
    result = peer.run([b"uname", b"-a"])
"""

import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import subprocess
import time

# Section 5.
HELLO, WELCOME, ENROL, PING, PONG, BUSY, CLOSE = 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08
OPEN, OPENED, REFUSED, DATA, CREDIT, END, STOP = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16
RESULT, CONTROL, DONE, NOTICE = 0x17, 0x18, 0x19, 0x91

# Section 7.2: flags of a run request.
SHELL, TTY, DETACH, NO_STDIN, LOGIN = 2, 4, 8, 16, 32

WINDOW = 1 << 18


class Closed(Exception):
    """CLOSE or BUSY came, or the connection ended (code None)."""

    def __init__(self, code, text=b""):
        super().__init__("closed with %s: %s" % (code, text.decode("utf-8", "replace")))
        self.code = code


class Refused(Exception):
    def __init__(self, code, errno, text):
        super().__init__("refused with %d: %s" % (code, text.decode("utf-8", "replace")))
        self.code, self.errno = code, errno


# --- fields ---


def str8(b):
    return struct.pack(">B", len(b)) + b


def str16(b):
    return struct.pack(">H", len(b)) + b


def str32(b):
    return struct.pack(">I", len(b)) + b


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        piece = self.data[self.at:self.at + n]
        if len(piece) != n:
            raise ValueError("a message is cut short")
        self.at += n
        return piece

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def string(self, size):
        return self.take(self.number(size))

    def end(self):
        if self.at != len(self.data):
            raise ValueError("a message has bytes left over")


def xxh64(data):
    """XXH64 with seed 0, from its specification."""
    p1, p2, p3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
    p4, p5, mask = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5, (1 << 64) - 1

    def rotate(x, r):
        return ((x << r) | (x >> (64 - r))) & mask

    def one(acc, lane):
        return rotate((acc + lane * p2) & mask, 31) * p1 & mask

    n, at = len(data), 0
    if n >= 32:
        v = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        while at <= n - 32:
            for k, lane in enumerate(struct.unpack_from("<4Q", data, at)):
                v[k] = one(v[k], lane)
            at += 32
        h = (rotate(v[0], 1) + rotate(v[1], 7) + rotate(v[2], 12) + rotate(v[3], 18)) & mask
        for x in v:
            h = ((h ^ one(0, x)) * p1 + p4) & mask
    else:
        h = p5
    h = (h + n) & mask
    for size, a, b, r, c in ((8, None, p1, 27, p4), (4, p1, p2, 23, p3), (1, p5, p1, 11, 0)):
        while n - at >= size:
            lane = int.from_bytes(data[at:at + size], "little")
            h = rotate(h ^ (one(0, lane) if a is None else lane * a & mask), r) * b + c & mask
            at += size
    for shift, p in ((33, p2), (29, p3), (32, 1)):
        h = (h ^ h >> shift) * p & mask
    return h


# --- identity, invite, knock ---


class Identity:
    """An Ed25519 key with its self-signed certificate, in a folder."""

    def __init__(self, folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.key, self.certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
        if not os.path.exists(self.certificate):
            self.openssl("genpkey", "-algorithm", "ed25519", "-out", self.key)
            self.openssl("req", "-new", "-x509", "-key", self.key, "-subj", "/CN=peer", "-days", "36500", "-out",
                         self.certificate)
        self.pin = hashlib.sha256(self.openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")).digest()

    @staticmethod
    def openssl(*args):
        return subprocess.run(["openssl", *args], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=60).stdout


def der(data, at):
    """The DER element at `at`: where its contents begin and where it ends."""
    length, begin = data[at + 1], at + 2
    if length & 0x80:
        n = length & 0x7F
        length, begin = int.from_bytes(data[begin:begin + n], "big"), begin + n
    return begin, begin + length


def pin_of(certificate):
    """SHA-256 of the SubjectPublicKeyInfo of a certificate in DER (RFC 5280)."""
    tbs, _ = der(certificate, der(certificate, 0)[0])
    at = tbs
    if certificate[at] == 0xA0:  # version
        at = der(certificate, at)[1]
    for _ in range(5):  # serial, signature, issuer, validity, subject
        at = der(certificate, at)[1]
    return hashlib.sha256(certificate[at:der(certificate, at)[1]]).digest()


class Invite:
    """Section 5.1."""

    def __init__(self, line):
        if isinstance(line, bytes):
            line = line.decode()
        host, port, code = re.fullmatch(r"landline://(.*):(\d+)#([A-Za-z0-9_-]+)", line.strip()).groups()
        data = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4))
        assert len(data) == 55 and data[0] == 1
        self.host, self.port = host.strip("[]"), int(port)
        self.pin, self.token, self.expiry = data[1:33], data[33:49], int.from_bytes(data[49:], "big")

    def enrol(self, client_pin, name):
        token_id = hashlib.sha256(b"landline token id 1" + self.token).digest()[:8]
        key = hashlib.sha256(b"landline enrol key 1" + self.token).digest()
        proof = hmac.digest(key, b"landline enrol 1" + self.pin + client_pin, "sha256")
        return token_id + proof + str8(name.encode())


def knock(pin, seconds=None):
    """Section 1.1."""
    when = struct.pack(">Q", int(time.time()) if seconds is None else seconds)
    key = hashlib.sha256(b"landline knock key 1" + pin).digest()
    mac = hmac.digest(key, b"landline knock 1" + when, "sha256")[:16]
    return base64.b32encode(when + mac).decode().lower().rstrip("=")


def clock_ms():
    """The clock that nobody sets, of section 7.3."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000000


def new_id(unix_ms=None):
    return (int(time.time() * 1000) if unix_ms is None else unix_ms).to_bytes(6, "big") + os.urandom(10)


def print_id(run_id):
    return base64.b32encode(run_id).decode().lower().rstrip("=")


def run_request(run_id, argv, flags=NO_STDIN, age_ms=0, sent_ms=None, on_loss=0, keep_s=600, have=(0, 0), timeout_ms=0, cwd=b"",
                environment=(), limits=()):
    """Section 7.2; sent for the first time now, or as said."""
    sent_ms = clock_ms() if sent_ms is None else sent_ms
    return b"".join((
        run_id,
        struct.pack(">BQQBIBQQQIHB", flags, age_ms, sent_ms, on_loss, keep_s, 0, *have, timeout_ms, 1000, 0xFFFF, 0xFF),
        str16(cwd), struct.pack(">I", len(argv)), *(str32(a) for a in argv),
        struct.pack(">H", len(environment)), *(str16(n) + str32(v) for n, v in environment),
        struct.pack(">B", len(limits)), *(struct.pack(">BQQ", *limit) for limit in limits),
        str8(b""), bytes(8), str8(b"")))


class Result:
    NUMBERS = ("started", "ended", "total0", "total1", "total2", "digest1", "digest2", "dropped1", "dropped2", "user_us",
               "system_us", "maxrss_kib")

    def __init__(self, payload):
        r = Reader(payload)
        self.kind, self.code, self.flags, self.errno = r.number(1), r.number(4), r.number(1), r.number(4)
        for name in self.NUMBERS:
            setattr(self, name, r.number(8))
        self.text = r.string(2)
        r.end()


class Stream:
    """One request: what has come of it."""

    def __init__(self, number, have=(0, 0)):
        self.number = number
        self.output = {1: bytearray(), 2: bytearray()}
        self.start = {1: have[0], 2: have[1]}
        self.ended = {1: False, 2: False}
        self.sent, self.limit, self.told = 0, 65536, {1: have[0], 2: have[1]}
        self.opened = self.result = self.refused = None
        self.stopped, self.start0 = False, 0

    def reached(self, channel):
        return self.start[channel] + len(self.output[channel])


class Peer:
    """A client's end of one connection."""

    def __init__(self, sock):
        self.socket, self.buffer, self.last, self.streams, self.welcome = sock, b"", 0, {}, None
        self.asked = 0  # how often a PING came

    @classmethod
    def dial(cls, host, port, pin, identity, seconds=None, timeout=60, alpn="landline/1"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols([alpn])
        context.load_cert_chain(identity.certificate, identity.key)
        raw = socket.create_connection((host, port), timeout)
        try:
            sock = context.wrap_socket(raw, server_hostname=knock(pin, seconds) + ".landline")
        except (ssl.SSLError, OSError):
            raw.close()
            raise
        if pin_of(sock.getpeercert(binary_form=True)) != pin:
            sock.close()
            raise ssl.SSLError("not the pinned server")
        return cls(sock)

    def close(self):
        self.socket.close()

    # --- frames ---

    def send(self, kind, payload=b"", channel=0, stream=0, flags=0, length=None):
        """One frame; `length` lies about it."""
        n = len(payload) if length is None else length
        self.socket.sendall(struct.pack(">IBBHI", n, kind, channel, flags, stream) + payload)

    def receive(self):
        """The next frame as (type, channel, stream, payload)."""
        head = self.exactly(12)
        n, kind, channel, flags, stream = struct.unpack(">IBBHI", head)
        assert flags == 0
        return kind, channel, stream, self.exactly(n)

    def exactly(self, n):
        while len(self.buffer) < n:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise Closed(None)
            self.buffer += piece
        piece, self.buffer = self.buffer[:n], self.buffer[n:]
        return piece

    # --- the session ---

    def hello(self, flags=0, versions=(1, 1)):
        self.send(HELLO, struct.pack(">BHHQ", flags, *versions, clock_ms()) + str8(b"peer/1"))

    def greet(self, flags=0):
        self.hello(flags)
        return self.wait(lambda: self.welcome)

    def enrol(self, invite, name, pin):
        self.hello(1)
        self.send(ENROL, invite.enrol(pin, name))
        return self.wait(lambda: self.welcome)

    def wait(self, condition):
        while not condition():
            self.step()
        return condition()

    def step(self):
        """Takes one frame and does what the protocol asks for."""
        kind, channel, number, payload = self.receive()
        if kind & 0x80 and kind != NOTICE:
            return
        r = Reader(payload)
        if kind == WELCOME:
            names = ("version", "unix_ms", "instance", "verbs", "max_streams", "horizon_s", "agent", "name")
            self.welcome = dict(zip(names, (r.number(2), r.number(8), r.take(16), r.number(4), r.number(4), r.number(4),
                                            r.string(1), r.string(1))))
            r.end()
        elif kind == PING:
            self.asked += 1
            self.send(PONG, payload + struct.pack(">Q", clock_ms()))
        elif kind == BUSY:
            raise Closed("busy", payload[6:])
        elif kind == CLOSE:
            raise Closed(r.number(2), r.string(2))
        elif number in self.streams:
            self.on_stream(self.streams[number], kind, channel, r)
        else:
            assert kind == PONG or number <= self.last, "a frame for a stream that never was"

    def on_stream(self, s, kind, channel, r):
        assert s.result is None, "a frame after RESULT"
        if kind == OPENED:
            start0, limit0, start1, start2 = (r.number(8) for _ in range(4))
            s.start0 = start0
            s.sent, s.limit = start0 if start0 else s.sent, limit0
            assert start1 >= s.start[1] and start2 >= s.start[2]
            s.start, s.opened = {1: start1, 2: start2}, r.data[r.at:]
            s.told = dict(s.start)
        elif kind == REFUSED:
            s.refused = Refused(r.number(2), r.number(4), r.string(2))
            del self.streams[s.number]
        elif kind == DATA:
            assert not s.ended[channel] and r.number(8) == s.reached(channel), "not the offset that follows"
            s.output[channel] += r.data[8:]
            assert s.reached(channel) <= s.told[channel] + WINDOW, "more than the credit allows"
            if s.reached(channel) - s.told[channel] >= WINDOW // 2:
                s.told[channel] = s.reached(channel)
                self.send(CREDIT, struct.pack(">QQ", s.told[channel], s.told[channel] + WINDOW), channel, s.number)
        elif kind == END:
            assert r.number(8) == s.reached(channel)
            s.ended[channel] = True
        elif kind == CREDIT:
            consumed, limit = r.number(8), r.number(8)
            assert limit >= s.limit and consumed <= s.sent
            s.limit = limit
        elif kind == STOP:
            s.stopped = True
            self.send(END, struct.pack(">Q", s.sent), 0, s.number)
        elif kind == RESULT:
            assert s.ended[1] and s.ended[2], "RESULT before the outputs have ended"
            s.result = r.data
            self.send(DONE, b"", 0, s.number)

    # --- requests ---

    def open(self, service, request, resume=False, have=(0, 0)):
        self.last += 1
        stream = self.streams[self.last] = Stream(self.last, have)
        self.send(OPEN, struct.pack(">BII", resume, WINDOW, WINDOW) + str8(service) + request, 0, self.last)
        return stream

    def give(self, stream, data, end=True):
        """All of `data` on channel 0, then END; obeys credit and STOP."""
        at = 0
        while at < len(data) and not stream.stopped and stream.result is None and stream.refused is None:
            n = min(len(data) - at, 16364, stream.limit - stream.sent)
            if n == 0:
                self.step()
                continue
            self.send(DATA, struct.pack(">Q", stream.sent) + data[at:at + n], 0, stream.number)
            stream.sent += n
            at += n
        if end and not stream.stopped and stream.result is None:
            self.send(END, struct.pack(">Q", stream.sent), 0, stream.number)

    def finish(self, stream):
        """Waits for RESULT and gives its bytes."""
        self.wait(lambda: stream.result is not None or stream.refused)
        if stream.refused:
            raise stream.refused
        return stream.result

    def run(self, argv, data=None, run_id=None, flags=None, resume=False, **more):
        """Runs a command to its end: (Result, stdout, stderr), proved by totals and digests."""
        flags = (NO_STDIN if data is None else 0) if flags is None else flags
        request = run_request(run_id or new_id(), argv, flags, **more)
        stream = self.open(b"run", request, resume=resume)
        if data is not None:
            self.give(stream, data)
        return self.proved(stream)

    def attach(self, run_id, have=(0, 0), flags=0, call=None, age_ms=0):
        """`call` and its age: those of the attach that this one comes back for."""
        request = (run_id + str8(b"") + bytes([flags]) + (call or new_id()) + struct.pack(">QQQ", age_ms, *have) + bytes(8))
        return self.open(b"attach", request, True, have)

    def proved(self, stream):
        result = Result(self.finish(stream))
        for channel in (1, 2):
            if stream.start[channel] == 0:
                assert len(stream.output[channel]) == getattr(result, "total%d" % channel)
                assert xxh64(bytes(stream.output[channel])) == getattr(result, "digest%d" % channel)
        return result, bytes(stream.output[1]), bytes(stream.output[2])

    def upper(self, data):
        stream = self.open(b"upper", b"")
        self.give(stream, data)
        assert self.finish(stream) == b""
        return bytes(stream.output[1])

    def runs(self):
        """Ids and states of the runs that the server knows."""
        stream = self.open(b"runs", b"")
        self.finish(stream)
        r, records = Reader(bytes(stream.output[1])), []
        while r.at < len(r.data):
            record = Reader(r.string(4))
            records.append((record.take(16), record.number(1)))
        return records

    def kill(self, run_id, signal):
        return self.finish(self.open(b"kill", run_id + bytes([signal])))

    def result(self, run_id):
        return Result(self.finish(self.open(b"result", run_id)))
