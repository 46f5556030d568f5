"""A TCP relay that does to a connection what networks do: cuts it at a byte, freezes it, delays it, splits it."""

import collections
import random
import select
import socket
import struct
import threading
import time

RST, FIN, FREEZE, HALF = "rst", "fin", "freeze", "half"
UP, DOWN = 0, 1  # client to server, server to client


class Cut:
    """After `offset` bytes in `direction`, counted on one connection, `how` happens to it."""

    def __init__(self, how, direction, offset):
        self.how, self.direction, self.offset = how, direction, offset

    def __repr__(self):
        return "%s after %d bytes %s" % (self.how, self.offset, ("up", "down")[self.direction])


class Relay:
    """Listens on `port` of loopback and connects each client to `target`. Cuts are taken in order, one a connection; when
    there are none left, connections are left alone. All of it in one thread."""

    def __init__(self, target, cuts=(), split=0, delay=0.0, seed=0, lag=0.0, window=1 << 20, total=None):
        self.target = target
        self.cuts = list(cuts)
        self.split = split  # at most so many bytes are handed on at once; 0: as they come
        self.delay = delay  # bytes wait for up to so many seconds, and what comes meanwhile joins them
        self.lag = lag  # each byte is so many seconds on its way, and …
        self.window = window  # … no more than so many are, in each direction of a connection: window / lag a second
        self.total = total  # with a lag: all connections together carry no more bytes a second
        self.answers = None  # how often the server may answer on a connection; the rest of what it says is held back
        self.free_at = 0.0  # when the next ones may come
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.connections = 0
        self.passed = [0, 0]  # bytes in each direction, over all connections
        self.shares = []  # the same of each connection that has ended
        self.links = []
        self.open = True  # False: new connections are refused by resetting them
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.wake_r, self.wake_w = socket.socketpair()
        self.stopped = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def cut_all(self, how=RST):
        """Cuts every connection there is now."""
        with self.lock:
            for link in self.links:
                link.now = how
        self.wake_w.send(b"x")

    def set_open(self, is_open):
        self.open = is_open

    def close(self):
        self.stopped = True
        self.wake_w.send(b"x")
        self.thread.join(60)
        assert not self.thread.is_alive(), "a relay that goes on would use the descriptors of those that come after it"
        for s in (self.listener, self.wake_r, self.wake_w):
            s.close()

    # --- the thread ---

    def _serve(self):
        while not self.stopped:
            readers, writers = [self.listener, self.wake_r], []
            rest = max(0.0, self.free_at - time.monotonic()) or 1.0
            for link in self.links:
                link.interests(readers, writers)
            readable, _, _ = select.select(readers, writers, [], min([rest] + [link.wait() for link in self.links]))
            if self.wake_r in readable:
                self.wake_r.recv(100)
            if self.listener in readable:
                self._accept()
            for link in list(self.links):
                link.step(readable)
            self.shares += [link.count for link in self.links if link.dead]
            with self.lock:
                self.links = [link for link in self.links if not link.dead]
        for link in self.links:
            link.end(FIN)

    def _accept(self):
        try:
            client, _ = self.listener.accept()
        except BlockingIOError:
            return
        try:
            server = socket.create_connection(self.target, timeout=10) if self.open else None
        except OSError:
            server = None
        if server is None:
            reset(client)
            return
        self.connections += 1
        with self.lock:
            self.links.append(Link(self, client, server, self.cuts.pop(0) if self.cuts else None))


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class Link:
    HELD = 1 << 20  # bytes read and not yet handed on, each direction

    def __init__(self, relay, client, server, cut):
        self.relay, self.cut = relay, cut
        self.sockets = [client, server]
        for s in self.sockets:
            s.setblocking(False)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = [b"", b""]
        self.due = [0.0, 0.0]  # when what is held may go on
        self.flying = [collections.deque(), collections.deque()]  # with a lag: (when it arrives, bytes)
        self.aloft = [0, 0]  # bytes of these
        self.ended = [False, False]  # the reading end has seen the end of the stream
        self.told = [False, False]  # and has told the other
        self.count = [0, 0]
        self.turns, self.last = 0, DOWN  # how often the client has spoken, and who spoke last
        self.frozen = self.dead = False
        self.now = None

    def interests(self, readers, writers):
        if self.frozen:
            return
        for d in (UP, DOWN):
            over = self.ended[d] or self.relay.free_at > time.monotonic() or (self.flying[d] and not self.flying[d][-1][1])
            over = over or (d == DOWN and self.relay.answers is not None and self.turns > self.relay.answers)
            if not over and len(self.held[d]) < self.HELD and self.aloft[d] + len(self.held[d]) < self.relay.window:
                readers.append(self.sockets[d])
            if self.held[d] and self.due[d] <= time.monotonic():
                writers.append(self.sockets[1 - d])

    def wait(self):
        """Seconds until something that is held back may go on."""
        now = time.monotonic()
        waits = [self.due[d] - now for d in (UP, DOWN) if self.held[d] and self.due[d] > now]
        return min(waits + [max(0, self.flying[d][0][0] - now) for d in (UP, DOWN) if self.flying[d]] or [1.0])

    def step(self, readable):
        if self.now:
            self.end(self.now)
        for d in (UP, DOWN):
            if not self.dead and not self.frozen and self.sockets[d] in readable:
                self._read(d)
            self._land(d)
            if not self.dead and not self.frozen and self.held[d] and self.due[d] <= time.monotonic():
                self._write(d)
        if not self.dead and not self.frozen:
            for d in (UP, DOWN):
                if self.ended[d] and not self.held[d] and not self.told[d]:
                    self.told[d] = True
                    try:
                        self.sockets[1 - d].shutdown(socket.SHUT_WR)
                    except OSError:
                        self.end(RST)
                        return
            if all(self.told):
                self.end(FIN)

    def _land(self, d):
        while self.flying[d] and self.flying[d][0][0] <= time.monotonic():
            _, data = self.flying[d].popleft()
            self.aloft[d] -= len(data)
            self.held[d] += data
            self.ended[d] = self.ended[d] or not data

    def _read(self, d):
        try:
            data = self.sockets[d].recv(min(65536, self.relay.window - self.aloft[d] - len(self.held[d])))
        except BlockingIOError:
            return
        except OSError:
            self.end(RST)
            return
        self.turns += d == UP and self.last == DOWN
        self.last = d
        if self.relay.lag:
            self.flying[d].append((time.monotonic() + self.relay.lag, data))
            self.aloft[d] += len(data)
            if self.relay.total:
                self.relay.free_at = max(self.relay.free_at, time.monotonic()) + len(data) / self.relay.total
            return
        if not self.held[d] and self.relay.delay:
            self.due[d] = time.monotonic() + self.relay.random.random() * self.relay.delay
        self.held[d] += data
        self.ended[d] = not data

    def _write(self, d):
        data, cut = self.held[d], self.cut
        if self.relay.split:
            data = data[:self.relay.random.randint(1, self.relay.split)]
        if cut and cut.direction == d:
            data = data[:cut.offset - self.count[d]]
        try:
            n = self.sockets[1 - d].send(data) if data else 0
        except BlockingIOError:
            return
        except OSError:
            self.end(RST)
            return
        self.held[d] = self.held[d][n:]
        self.count[d] += n
        self.relay.passed[d] += n
        if cut and cut.direction == d and self.count[d] >= cut.offset:
            self.end(cut.how)

    def end(self, how):
        self.cut = self.now = None
        if how == FREEZE:
            self.frozen = True
            return
        if how == HALF:
            # One side hears that the other has ended; nothing more passes.
            self.frozen = True
            try:
                self.sockets[0].shutdown(socket.SHUT_WR)
            except OSError:
                pass
            return
        self.dead = True
        for s in self.sockets:
            reset(s) if how == RST else s.close()
