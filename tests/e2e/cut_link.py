"""One connection through the relay of cuts.py, which is cut at a byte in one of several ways."""

import collections
import contextlib
import select
import socket
import struct
import time

RST, FIN, FREEZE, HALF_UP, HALF_DOWN = KINDS = ("rst", "fin", "freeze", "half up", "half down")
UP, DOWN = 0, 1  # client to server, server to client
HEARD = {RST: (), FIN: (UP, DOWN), FREEZE: (), HALF_UP: (UP,), HALF_DOWN: (DOWN,)}  # who is told of an end

# `line`: which connection of an attempt it is, where there are several.
Cut = collections.namedtuple("Cut", "how direction offset line", defaults=[0])


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class Link:
    """One connection through a relay, and what becomes of it."""

    def __init__(self, slot, client, server, cut):
        self.slot, self.cut = slot, cut
        self.sockets = (client, server)
        self.passed, self.held, self.done = [0, 0], [b"", b""], [False, False]
        self.dead = False
        self.began = time.monotonic()
        self.moved = [self.began, self.began]  # when bytes were last handed on
        for direction, s in enumerate(self.sockets):
            s.setblocking(False)
            if slot.sweep.session.lines > 1:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            slot.sweep.watch(s.fileno(), lambda events, d=direction: self.step(d, events))

    def step(self, direction, events):
        """Something is to be read from this side, or there is room for what it is to get."""
        if self.dead:
            return
        try:
            if events & select.EPOLLOUT:
                self.write(1 - direction)
            if not self.dead and events & ~select.EPOLLOUT and not self.held[direction] and not self.done[direction]:
                self.held[direction] = self.sockets[direction].recv(65536)
                self.done[direction] = not self.held[direction]
                self.write(direction)
        except BlockingIOError:
            pass
        except OSError:
            self.end(RST)

    def write(self, direction):
        """Hands on what is held, up to the cut, and the end behind it."""
        data, cut = self.held[direction], self.cut
        if cut and cut.direction == direction:
            data = data[:cut.offset - self.passed[direction]]
        n = 0
        if data:
            with contextlib.suppress(BlockingIOError):
                n = self.sockets[1 - direction].send(data)
                self.moved[direction] = time.monotonic()
        self.passed[direction] += n
        self.held[direction] = self.held[direction][n:]
        if cut and cut.direction == direction and self.passed[direction] >= cut.offset:
            self.slot.sweep.made += 1
            self.end(cut.how)
        elif self.done[direction] and not self.held[direction]:
            self.sockets[1 - direction].shutdown(socket.SHUT_WR)
            if all(self.done) and not any(self.held):
                self.end(FIN)
                return
        if not self.dead:
            self.interests()
        if self.slot.sweep.session.lines > 1:
            self.slot.look_at_holds()

    def interests(self):
        for side, s in enumerate(self.sockets):
            waits = self.held[side] or self.done[side] or self.slot.sweep.session.holds(self.slot, self, side)
            events = select.EPOLLIN if not waits else 0
            self.slot.sweep.change(s.fileno(), events | (select.EPOLLOUT if self.held[1 - side] else 0))

    def __str__(self):
        now = time.monotonic()
        directions = ("%s: %d passed, the last %.1f s ago, %d held%s" % (
            ("up", "down")[d], self.passed[d], now - self.moved[d], len(self.held[d]), ", ended" if self.done[d] else "")
            for d in (UP, DOWN))
        return "%s, %.1f s old%s; %s" % (self.cut, now - self.began, ", over" if self.dead else "", "; ".join(directions))

    def end(self, how):
        """FREEZE and the halves leave the sockets open: who was not told finds out by silence."""
        self.dead = True
        for s in self.sockets:
            self.slot.sweep.forget(s.fileno())
        if how == RST:
            self.close()
        for direction in HEARD[how]:
            try:
                self.sockets[1 - direction].shutdown(socket.SHUT_WR)
            except OSError:
                pass
        if how == FIN:
            for s in self.sockets:
                s.close()

    def close(self):
        if not self.dead:
            self.end(RST)
        for s in self.sockets:
            if s.fileno() >= 0:
                reset(s)
