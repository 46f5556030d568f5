"""Writes pcap files packet by packet, for connections that no live system can be made to have on demand."""
import socket
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def options(mss=None, scale=None, sack_ok=False, stamp=None, sack=()):
    out = b""
    if mss is not None:
        out += struct.pack("!BBH", 2, 4, mss)
    if sack_ok:
        out += b"\x04\x02"
    if stamp:
        out += struct.pack("!BBII", 8, 10, *stamp)
    if scale is not None:
        out += struct.pack("!BBB", 3, 3, scale)
    if sack:
        out += struct.pack("!BB", 5, 2 + 8 * len(sack)) + b"".join(struct.pack("!II", *block) for block in sack)
    return out + b"\x01" * (-len(out) % 4)


def tcp(source, target, flags, seq, ack=0, data=b"", window=65535, opts=b""):
    return struct.pack("!HHIIBBHHH", source, target, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                       (20 + len(opts)) // 4 << 4, flags, window, 0, 0) + opts + data


def ipv4(source, target, protocol, body, hops=64):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, hops, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(target)) + body


def ipv6(source, target, protocol, body, hops=64):
    return struct.pack("!IHBB16s16s", 6 << 28, len(body), protocol, hops, socket.inet_pton(socket.AF_INET6, source),
                       socket.inet_pton(socket.AF_INET6, target)) + body


class Capture:
    """Packets of one connection between a client and a server; times in seconds since its start."""

    def __init__(self, client=("192.0.2.1", 40000), server=("192.0.2.2", 80), x=1000000, y=2000000):
        self.ends, self.first, self.packets = (client, server), (x, y), []

    def raw(self, time, ip):
        self.packets.append((time, ip))

    def send(self, time, side, flags, seq, ack=0, data=b"", **more):
        """seq and ack are relative to the initial numbers of each side."""
        (source, sport), (target, dport) = self.ends[side], self.ends[1 - side]
        segment = tcp(sport, dport, flags, self.first[side] + seq, self.first[1 - side] + ack if flags & ACK else 0,
                      data, **more)
        self.raw(time, (ipv6 if ":" in source else ipv4)(source, target, 6, segment))

    def handshake(self, at=0.0):
        hello = options(mss=1460, sack_ok=True, scale=7)
        self.send(at, 0, SYN, 0, opts=hello, window=64240)
        self.send(at + 0.001, 1, SYN | ACK, 0, 1, opts=hello, window=65160)
        self.send(at + 0.0012, 0, ACK, 1, 1, window=502)

    def write(self, path):
        with open(path, "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101))
            for time, ip in self.packets:
                nanoseconds = round(time * 1e9) + 1_600_000_000 * 10**9
                file.write(struct.pack("<IIII", *divmod(nanoseconds, 10**9), len(ip), len(ip)) + ip)
        return path
