"""Runs a command in a network of its own, in which this program is every other machine: `tunpeer.py COMMAND...`.

Started under `unshare -n`. 192.0.2.1 and 2001:db8::1 are the command's; what the others do is in their last number:
  .2 answers echo requests    .3 answers twice      .4 answers with damaged payload
  .5 has a router (.9) say that it cannot be reached    .6 and above are silent
With --unprivileged first, echo sockets without privilege are allowed and CAP_NET_RAW is taken away.
"""
import fcntl
import os
import struct
import subprocess
import sys
import threading

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ipv4(source, target, protocol, body):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 57, protocol, 0, source, target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def icmp4(kind, code, body):
    message = bytes([kind, code, 0, 0]) + body
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def icmp6(source, target, kind, code, body):
    message = bytes([kind, code, 0, 0]) + body
    total = checksum(source + target + struct.pack("!II", len(message), 58) + message)
    message = message[:2] + struct.pack("!H", total) + message[4:]
    return struct.pack("!IHBB", 6 << 28, len(message), 58, 57) + source + target + message


def damaged(body):
    return body[:-1] + bytes([body[-1] ^ 1])


def answers_ipv4(packet):
    source, target, who = packet[12:16], packet[16:20], packet[19]
    payload = packet[(packet[0] & 15) * 4:]
    if who == 5:
        router = target[:3] + b"\x09"
        return [ipv4(router, source, 1, icmp4(3, 1, b"\0\0\0\0" + packet[:28]))]
    if packet[9] != 1 or payload[0] != 8:
        return []
    body = payload[4:]
    reply = ipv4(target, source, 1, icmp4(0, 0, damaged(body) if who == 4 else body))
    return {2: [reply], 3: [reply, reply], 4: [reply]}.get(who, [])


def answers_ipv6(packet):
    source, target, who, payload = packet[8:24], packet[24:40], packet[39], packet[40:]
    if packet[6] != 58 or payload[0] != 128:
        return []
    if who == 5:
        return [icmp6(target[:15] + b"\x09", source, 1, 3, b"\0\0\0\0" + packet[:48])]
    return [icmp6(target, source, 129, 0, payload[4:])] * {2: 1, 3: 2}.get(who, 0)


def serve(device):
    while True:
        packet = os.read(device, 65536)
        for answer in answers_ipv4(packet) if packet[0] >> 4 == 4 else answers_ipv6(packet):
            os.write(device, answer)


def main():
    command, drop = sys.argv[1:], []
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"tunpeer", IFF_TUN | IFF_NO_PI))
    for line in ("link set lo up", "addr add 192.0.2.1/24 dev tunpeer", "addr add 2001:db8::1/64 dev tunpeer nodad",
                 "link set tunpeer up"):
        subprocess.run(["ip", *line.split()], check=True)
    threading.Thread(target=serve, args=(device,), daemon=True).start()
    if command[0] == "--unprivileged":
        command = command[1:]
        with open("/proc/sys/net/ipv4/ping_group_range", "w") as file:
            file.write("0 2147483647")
        drop = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    sys.exit(subprocess.run([*drop, *command]).returncode)


if __name__ == "__main__":
    main()
