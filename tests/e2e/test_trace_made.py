"""landline trace on connections that no live system has on demand, from capture files: exact to the byte."""

import os
import xml.dom.minidom

import pytest
from pcapgen import ACK, FIN, PSH, RST, SYN, Capture, ipv4, options
from test_trace import events, expect, trace, trace_json


def make_loss():
    c = Capture()
    c.handshake()
    c.send(0.002, 0, PSH | ACK, 1, 1, b"GET / HTTP/1.0\r\n\r\n", window=502)
    c.send(0.205, 0, PSH | ACK, 1, 1, b"GET / HTTP/1.0\r\n\r\n", window=502)
    c.send(0.206, 1, ACK, 1, 19, window=509)
    c.send(0.207, 1, ACK, 1448 + 1, 19, b"b" * 1448, window=509)
    c.send(0.208, 0, ACK, 19, 1, window=501, opts=options(sack=[(2001449, 2002897)]))
    c.send(0.210, 1, ACK, 1, 19, b"a" * 1448, window=509)
    c.send(0.211, 0, ACK, 19, 2897, window=480)
    return c


def make_crossed():
    c = Capture()
    c.handshake()
    c.send(0.5, 0, FIN | ACK, 1, 1, window=502)
    c.send(0.5004, 1, FIN | ACK, 1, 1, window=509)
    c.send(0.5008, 0, ACK, 2, 2, window=502)
    c.send(0.5011, 1, ACK, 2, 2, window=509)
    return c


def make_half_open():
    c = Capture(client=("2001:db8::1", 50000), server=("2001:db8::2", 22))
    c.handshake()
    c.send(7200.0, 0, ACK, 0, 1, window=502)
    c.send(7200.001, 1, RST, 1)
    return c


def make_unreachable():
    c = Capture()
    c.send(0, 0, SYN, 0, opts=options(mss=1460))
    c.raw(0.03, ipv4("198.51.100.7", "192.0.2.1", 1, bytes([3, 1, 0, 0, 0, 0, 0, 0]) + c.packets[0][1][:28]))
    return c


def make_black_hole():
    c = Capture()
    for time in (0, 1.02, 3.05, 7.1):
        c.send(time, 0, SYN, 0, opts=options(mss=1460, sack_ok=True, scale=7), window=64240)
    return c


def make_silent():
    c = Capture()
    c.handshake()
    for time in (0.1, 0.31, 0.75, 1.6):
        c.send(time, 0, PSH | ACK, 1, 1, b"\x1b[2Jhello?\n", window=502)
    return c


MADE = {"loss": make_loss, "crossed": make_crossed, "half-open": make_half_open, "unreachable": make_unreachable,
        "black-hole": make_black_hole, "silent": make_silent}


@pytest.mark.parametrize("name", sorted(MADE))
@pytest.mark.parametrize("style", [("en",), ("zh", "--lang", "zh", "--explain"), ("narrow", "--columns", "60", "--ascii")],
                         ids=lambda style: style[0])
def test_made(landline, scratch, name, style):
    path = MADE[name]().write(os.path.join(scratch, "a.pcap"))
    expect("made-%s-%s" % (name, style[0]), trace(landline, "--read", path, *style[1:]))


def test_svg(landline, scratch):
    path, svg = make_silent().write(os.path.join(scratch, "a.pcap")), os.path.join(scratch, "a.svg")
    for language in ("en", "zh"):
        trace(landline, "--read", path, "--svg", svg, "--lang", language)
        document = xml.dom.minidom.parse(svg)
        words = [node.firstChild.data for node in document.getElementsByTagName("text") if node.firstChild]
        assert "SYN_SENT" in words and "ESTABLISHED" in words
        assert any(r'"\x1b[2Jhello?\n"' in word for word in words)
        assert document.documentElement.getAttribute("xml:lang") == language
    result = landline("trace", "--read", path, "--svg", os.path.join(scratch, "no", "such.svg"))
    assert result.returncode == 1 and b"No such file" in result.stderr


def test_json_of_made(landline, scratch):
    path = make_loss().write(os.path.join(scratch, "a.pcap"))
    connection, = trace_json(landline, "--read", path)["connections"]
    assert events(connection)[3:] == ["data", "retransmission", "ack", "gap", "duplicate-ack", "out-of-order", "ack"]
    assert connection["steps"][3]["lost"]
    assert connection["server_bytes"] == 2896
    assert connection["handshake"] == pytest.approx(0.001)


def test_broken_packets_are_counted(landline, scratch):
    c = make_crossed()
    c.packets.insert(3, (0.1, bytes([0x4F]) + c.packets[0][1][1:25]))
    c.packets.insert(4, (0.1, b""))
    result = landline("trace", "--read", c.write(os.path.join(scratch, "a.pcap")))
    assert result.returncode == 0
    assert b"1 were broken" in result.stderr


def test_files_that_are_none(landline, scratch):
    junk = os.path.join(scratch, "junk")
    with open(junk, "wb") as file:
        file.write(os.urandom(400))
    for path in (junk, os.path.join(scratch, "absent")):
        result = landline("trace", "--read", path)
        assert result.returncode == 1 and b"open" in result.stderr
    good = make_loss().write(os.path.join(scratch, "a.pcap"))
    with open(good, "r+b") as file:
        file.truncate(os.path.getsize(good) - 5)
    result = landline("trace", "--read", good)
    assert result.returncode == 1 and b"malformed" in result.stderr and b"SYN_SENT" in result.stdout
