"""A server of the landline protocol in Python, from docs/PROTOCOL.md alone: run (without a terminal), upper and enrolment, for
one client at a time. It shows that the document is enough, and it can lie: see `Server.hook`.

Python's ssl cannot accept a certificate that nobody has signed, so the verification callback is set through ctypes.
"""

import ctypes
import hashlib
import hmac
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import landline_peer as lp

VERIFY_PEER, FAIL_IF_NO_PEER_CERT = 1, 2
ACCEPT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)(lambda ok, store: 1)


def accept_any_certificate(context):
    """The client must show a certificate; its key is looked at afterwards. (The context's SSL_CTX follows its object head.)"""
    library = ctypes.CDLL("libssl.so.3")
    library.SSL_CTX_set_verify.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    library.SSL_CTX_set_verify.restype = None
    handle = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    library.SSL_CTX_set_verify(handle, VERIFY_PEER | FAIL_IF_NO_PEER_CERT, ctypes.cast(ACCEPT, ctypes.c_void_p))


class Server:
    """`hook(session, kind, payload, channel, stream)`, if set, is asked before each frame goes out: what it returns goes out
    instead, None nothing."""

    def __init__(self, identity, hook=None):
        self.identity, self.hook, self.token, self.keys = identity, hook, os.urandom(16), set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.num_tickets = 0
        self.context.set_alpn_protocols(["landline/1"])
        self.context.load_cert_chain(identity.certificate, identity.key)
        accept_any_certificate(self.context)
        self.services = {}  # more of them: {name: called with the session, the stream and the request}
        self.names, self.failures = [], []
        self.context.sni_callback = lambda sock, name, context: self.names.append(name)
        threading.Thread(target=self.serve, daemon=True).start()

    def invite(self):
        expiry = int(time.time() * 1000 + 600000).to_bytes(6, "big")
        code = lp.base64.urlsafe_b64encode(b"\1" + self.identity.pin + self.token + expiry).rstrip(b"=").decode()
        return "landline://127.0.0.1:%d#%s\n" % (self.port, code)

    def close(self):
        """A thread that still waited in accept() would go on, after a signal, with whatever has the descriptor's number then."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def knocks(self, name):
        """Section 1.1."""
        data = lp.base64.b32decode(name.split(".")[0].upper() + "=")
        return name.startswith(lp.knock(self.identity.pin, int.from_bytes(data[:8], "big")) + ".")

    def serve(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            self.one(raw)

    def one(self, raw):
        try:
            raw.settimeout(60)
            sock = self.context.wrap_socket(raw, server_side=True)
            assert self.knocks(self.names[-1]), "a wrong knock"
            Session(self, sock).talk()
        except (lp.Closed, OSError):
            pass
        except Exception as e:  # for the test to see
            self.failures.append(repr(e))
        finally:
            raw.close()


class Session(lp.Peer):
    def __init__(self, server, sock):
        super().__init__(sock)
        self.server = server
        self.pin = lp.pin_of(sock.getpeercert(binary_form=True))

    def send(self, kind, payload=b"", channel=0, stream=0, flags=0, length=None):
        if self.server.hook is not None:
            payload = self.server.hook(self, kind, payload, channel, stream)
            if payload is None:
                return
        super().send(kind, payload, channel, stream, flags, length)

    def turn_away(self, code):
        self.send(lp.CLOSE, struct.pack(">H", code) + lp.str16(b"no"))
        raise lp.Closed(code)

    def greeting(self):
        kind, _, _, payload = self.receive()
        assert kind == lp.HELLO
        flags, least, most, _ = struct.unpack(">BHHQ", payload[:13])
        assert least <= 1 <= most
        if flags & 1:
            kind, _, _, payload = self.receive()
            assert kind == lp.ENROL
            key = hashlib.sha256(b"landline enrol key 1" + self.server.token).digest()
            proof = hmac.digest(key, b"landline enrol 1" + self.server.identity.pin + self.pin, "sha256")
            if payload[:8] != hashlib.sha256(b"landline token id 1" + self.server.token).digest()[:8]:
                self.turn_away(4)
            if not hmac.compare_digest(payload[8:40], proof):
                self.turn_away(4)
            self.server.keys.add(self.pin)
        if self.pin not in self.server.keys:
            self.turn_away(2)
        self.send(lp.WELCOME, struct.pack(">HQ", 1, int(time.time() * 1000)) + b"i" * 16 +
                  struct.pack(">III", 1 | 16, 16, 3600) + lp.str8(b"peer/1") + lp.str8(b"python"))

    def talk(self):
        self.greeting()
        while True:
            kind, _, number, payload = self.next_frame()
            if kind == lp.OPEN:
                self.on_open(number, payload)

    def next_frame(self):
        """The next frame that is about a stream."""
        while True:
            frame = self.receive()
            if frame[0] == lp.PING:
                self.send(lp.PONG, frame[3] + struct.pack(">Q", lp.clock_ms()))
            elif frame[0] == lp.CLOSE:
                raise lp.Closed(0)
            else:
                return frame

    def on_open(self, number, payload):
        r = lp.Reader(payload)
        flags, window1, window2 = r.number(1), r.number(4), r.number(4)
        service, request = r.string(1), r.data[r.at:]
        self.limit = {1: window1, 2: window2}
        if service == b"upper":
            self.opened(number, b"")
            self.outputs(number, {1: self.input(number, False).upper(), 2: b""}, b"")
        elif service == b"run" and not flags:
            self.run_command(number, request)
        elif service in self.server.services:
            self.server.services[service](self, number, request)
        else:
            self.send(lp.REFUSED, struct.pack(">HI", 33, 0) + lp.str16(b"no such service"), 0, number)

    def opened(self, number, response):
        self.send(lp.OPENED, struct.pack(">QQQQ", 0, 65536, 0, 0) + response, 0, number)

    def input(self, number, empty):
        """All of channel 0."""
        data = b""
        while not empty:
            kind, channel, stream, payload = self.next_frame()
            if stream != number:
                continue
            if kind == lp.DATA:
                assert channel == 0 and int.from_bytes(payload[:8], "big") == len(data)
                data += payload[8:]
                self.send(lp.CREDIT, struct.pack(">QQ", len(data), len(data) + 65536), 0, number)
            elif kind == lp.END:
                assert int.from_bytes(payload, "big") == len(data)
                return data
            elif kind == lp.DONE:
                raise lp.Closed(0)
        return data

    def run_command(self, number, request):
        r = lp.Reader(request)
        run_id, flags = r.take(16), r.number(1)
        r.take(struct.calcsize(">QQBIBQQQIHB"))
        cwd = r.string(2)
        argv = [r.string(4) for _ in range(r.number(4))]
        if flags & lp.SHELL:
            argv = [b"/bin/sh", b"-c"] + argv
        started = int(time.time() * 1000)
        self.opened(number, struct.pack(">BQIQQ", 1, started, os.getpid(), 0, 0) + run_id)
        data = self.input(number, flags & lp.NO_STDIN)
        try:
            done = subprocess.run(argv, input=data, capture_output=True, cwd=cwd or None, timeout=60)
            kind, code, errno = (1, done.returncode, 0) if done.returncode >= 0 else (2, -done.returncode, 0)
            out, err = done.stdout, done.stderr
        except OSError as e:
            kind, code, errno, out, err = 4, 127 if e.errno == 2 else 126, e.errno, b"", b""
        result = struct.pack(">BIBI", kind, code, 0, errno) + struct.pack(
            ">12Q", started, int(time.time() * 1000), len(data), len(out), len(err), lp.xxh64(out), lp.xxh64(err), 0, 0, 0, 0,
            0) + lp.str16(b"")
        self.outputs(number, {1: out, 2: err}, result)

    def outputs(self, number, outputs, result):
        """Both channels as credit allows, END of each, RESULT; then DONE comes."""
        for channel, data in outputs.items():
            at = 0
            while at < len(data):
                n = min(16364, len(data) - at, self.limit[channel] - at)
                if n > 0:
                    self.send(lp.DATA, struct.pack(">Q", at) + data[at:at + n], channel, number)
                    at += n
                    continue
                kind, where, stream, payload = self.next_frame()
                if kind == lp.CREDIT and stream == number:
                    self.limit[where] = int.from_bytes(payload[8:], "big")
                elif kind == lp.DONE and stream == number:
                    return
            self.send(lp.END, struct.pack(">Q", len(data)), channel, number)
        self.send(lp.RESULT, result, 0, number)
