"""The example programs do what their first lines say."""

import hashlib
import os
import re
import signal

import pytest

import support

raw_sockets = pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need CAP_NET_RAW")


def example(build, name):
    return os.path.join(build, "examples", name)


def serve(build, landline, name, **options):
    """Starts an example server on a port the system chooses: the process and HOST:PORT."""
    server = landline.spawn([example(build, name), "0"], **options)
    return server, server.stdout.wait_for(rb"listening on (127\.0\.0\.1:\d+)\n").group(1).decode()


def ask(build, landline, name, *arguments, input=b"", status=0):
    result = landline.run([example(build, name), *arguments], input=input)
    assert (result.returncode, result.stderr if status == 0 else b"") == (status, b"")
    return result


def test_sticky_shows_the_disease_and_the_cure(build, landline):
    result = landline.run([example(build, "sticky")])
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode().splitlines() == [
        'sent 3 messages; one receive gave: "firstthe second messagethird"',
        'message 1: "first"',
        'message 2: "the second message"',
        'message 3: "third"',
    ]


def test_upper_one_serves_one_and_ends(build, landline):
    server, where = serve(build, landline, "upper_one_server")
    assert ask(build, landline, "upper_one_client", where).stdout == "A SOCKET CARRIES BYTES: 字节\n".encode()
    assert server.wait() == 0
    assert b"refused" in ask(build, landline, "upper_one_client", where, status=1).stderr


def test_upper_serves_one_after_another(build, landline):
    _, where = serve(build, landline, "upper_server")
    for _ in range(3):
        result = ask(build, landline, "upper_client", where, input=b"one\n\ntwo words\n" + b"x" * 1000 + b"\n")
        assert result.stdout == b"ONE\nTWO WORDS\n" + b"X" * 1000 + b"\n"


def test_exec_answers_each_command_with_its_output_and_nothing_else(build, landline):
    _, where = serve(build, landline, "exec_server")
    for _ in range(2):  # one client after another
        result = ask(build, landline, "exec_client", where, input=b"echo hello\n\ntrue\nexpr 6 '*' 7\n")
        assert result.stdout == b"hello\n\n42\n"


def test_exec_cannot_tell_where_an_output_ends(build, landline):
    """The disease that ssh_server cures: the rest of a long output is taken for the next answer."""
    _, where = serve(build, landline, "exec_server")
    result = ask(build, landline, "exec_client", where, input=b"head -c 3000 /dev/zero\necho hello\n")
    assert 0 < len(result.stdout) <= 2048 and result.stdout.strip(b"\0") == b""


def test_exec_ends_a_command_whose_client_has_gone(build, landline):
    _, where = serve(build, landline, "exec_server")
    client = landline.spawn([example(build, "exec_client"), where], stdin=-1)
    client.stdin.write(b"yes\n")
    client.stdin.flush()
    client.stdout.wait_for(rb"y\ny\n")
    client.signal(signal.SIGKILL)
    client.wait()
    assert ask(build, landline, "exec_client", where, input=b"echo next\n").stdout == b"next\n"


def test_ssh_gives_whole_outputs_with_their_lengths(build, landline):
    _, where = serve(build, landline, "ssh_server")
    result = ask(build, landline, "ssh_client", where,
                 input=b"echo hello\ntrue\nno-such-command-here || echo failed\nseq 100000\n")
    numbers = b"".join(b"%d\n" % i for i in range(1, 100001))
    assert result.stdout.startswith(b"hello\n(6 bytes)\n(0 bytes)\n")
    assert b"failed\n" in result.stdout
    assert result.stdout.endswith(numbers + b"(%d bytes)\n" % len(numbers))


def test_ssh_serves_others_while_one_command_runs(build, landline, scratch):
    _, where = serve(build, landline, "ssh_server")
    fifo = os.path.join(scratch, "fifo")
    os.mkfifo(fifo)
    slow = landline.spawn([example(build, "ssh_client"), where], stdin=-1)
    slow.stdin.write(b"cat %s\n" % fifo.encode())
    slow.stdin.flush()
    assert ask(build, landline, "ssh_client", where, input=b"echo me too\n").stdout == b"me too\n(7 bytes)\n"
    with open(fifo, "wb") as f:
        f.write(b"at last\n")
    slow.stdout.wait_for(rb"at last\n\(8 bytes\)")
    slow.stdin.close()
    assert slow.wait() == 0


def test_exec_and_upper_understand_the_old_programs(build, landline):
    """The plain pairs speak as the programs they stand for: an old client to our server, ours to an old server."""
    peers = os.path.join(support.ROOT, "tests", "peer")
    for name, line, answer in (("exec", b"echo hello\n", b"hello\n"), ("upper", b"hello\n", b"HELLO\n")):
        old = ["/usr/bin/python3", os.path.join(peers, "seed_%s.py" % name)]
        _, where = serve(build, landline, name + "_server")
        result = landline.run([*old, "ask", *where.split(":")], input=line)
        assert (result.returncode, answer.strip() in result.stdout) == (0, True), result
        server = landline.spawn([*old, "serve", "0"])
        port = server.stdout.wait_for(rb"listening (\d+)\n").group(1).decode()
        assert ask(build, landline, name + "_client", "127.0.0.1:" + port, input=line).stdout == answer


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 5000000])
def test_file_arrives_whole(build, landline, scratch, size):
    data = bytes((i * 7 + i // 251) % 256 for i in range(min(size, 65536))) * (size // 65536 + 1)
    data = data[:size]
    folder = os.path.join(scratch, "served")
    os.mkdir(folder)
    with open(os.path.join(folder, "file"), "wb") as f:
        f.write(data)
    _, where = serve(build, landline, "file_server", cwd=folder)
    copy = os.path.join(scratch, "copy")
    ask(build, landline, "file_client", where, "file", copy)
    with open(copy, "rb") as f:
        assert hashlib.sha256(f.read()).digest() == hashlib.sha256(data).digest()


def test_file_that_is_not_served(build, landline, scratch):
    _, where = serve(build, landline, "file_server", cwd=scratch)
    for name in ("absent", ".", "../etc/passwd", "/etc/passwd"):
        copy = os.path.join(scratch, "copy")
        assert b"there is no" in ask(build, landline, "file_client", where, name, copy, status=1).stderr
        assert not os.path.exists(copy)


@raw_sockets
def test_ping_raw(build, landline):
    result = ask(build, landline, "ping_raw", "127.0.0.1")
    assert re.fullmatch(rb"16 bytes from 127\.0\.0\.1: ttl=\d+ time=\d+\.\d{3} ms\n", result.stdout)


@raw_sockets
def test_raw_ip(build, landline):
    result = ask(build, landline, "raw_ip")
    assert result.stdout == b"from 127.0.0.2:4242: this header was made by hand\n"


def test_a_server_survives_a_client_that_vanishes(build, landline):
    server, where = serve(build, landline, "upper_server")
    client = landline.spawn([example(build, "upper_client"), where], stdin=-1)
    client.stdin.write(b"hello\n")
    client.stdin.flush()
    client.stdout.wait_for(rb"HELLO")
    client.signal(signal.SIGKILL)
    client.wait()
    assert ask(build, landline, "upper_client", where, input=b"next\n").stdout == b"NEXT\n"
    assert server.popen.poll() is None
