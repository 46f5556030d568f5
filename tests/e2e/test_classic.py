"""landline classic against peers that behave as the programs of the old tutorial do, in both directions."""

import os
import signal
import socket
import subprocess
import threading

import pytest

import support
from classic_support import (PEERS, PYTHON, client, connect, receive, receive_to_end, seed_client, seed_server, serve, sha256,
                             unprivileged, write_file)

OLD_SIZES = [0, 1, 1023, 1024, 1025]
GIBIBYTE = 1 << 30


# ---- upper ----


def test_old_client_and_our_upper_server(landline):
    _, port = serve(landline, "upper")
    said = seed_client(landline, "upper", port, ["hello", "  ", "", "Grüße 1", "  padded "])
    assert said.splitlines() == ["received: b'HELLO'", "received: %r" % "GRüßE 1".encode(), "received: b'PADDED'"]


def test_our_upper_client_and_the_old_server(landline):
    _, port = seed_server(landline, "upper")
    done = client(landline, "upper", port, ["hello", "", "   ", "在python3中socket"])
    assert (done.returncode, done.stdout.decode()) == (0, "HELLO\n在PYTHON3中SOCKET\n"), done.stderr


def test_our_upper_client_and_the_server_for_one_message(landline):
    _, port = seed_server(landline, "upper", "serve-once")
    done = client(landline, "upper", port, ["one", "two"])
    assert done.stdout == b"ONE\n"
    assert done.returncode == 1
    assert b"closed the connection" in done.stderr or b"reset" in done.stderr.lower()


def test_upper_of_long_lines(landline):
    _, port = serve(landline, "upper")
    line = "some words and 数字 " * 1500
    done = client(landline, "upper", port, [line])
    assert done.stdout.decode() == "SOME WORDS AND 数字 " * 1499 + "SOME WORDS AND 数字\n"


def test_upper_keeps_every_byte_for_a_slow_client(landline):
    server, port = serve(landline, "upper")
    slow = connect(port)
    data = bytes(range(256)) * 40000  # 10 MB, more than the system's buffers hold
    writer = threading.Thread(target=slow.sendall, args=(data,))
    writer.start()
    with connect(port) as other:  # served while the slow one blocks
        for i in range(100):
            other.sendall(b"ping %d" % i)
            assert receive(other, len(b"ping %d" % i)) == b"PING %d" % i
    assert receive(slow, len(data)) == data.upper()
    writer.join()
    slow.close()
    with open("/proc/%d/status" % server.pid) as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert resident < 32 << 10  # KiB: what is not taken waits in the client, not here


@pytest.mark.parametrize("size", [1, (16 << 10) - 1, 16 << 10, (16 << 10) + 1, 64 << 10])
def test_upper_takes_all_that_came_at_once(landline, size):
    """Text with its end, and text with urgent data in it: a receive ends early there, and what follows must not be left."""
    server, port = serve(landline, "upper")
    with connect(port) as whole, connect(port) as urgent:
        server.signal(signal.SIGSTOP)
        whole.sendall(b"a" * size)
        whole.shutdown(socket.SHUT_WR)
        urgent.sendall(b"b" * size)
        urgent.send(b"!", socket.MSG_OOB)
        urgent.sendall(b"c" * size)
        server.signal(signal.SIGCONT)
        assert receive_to_end(whole) == b"A" * size
        assert receive(urgent, 2 * size) == b"B" * size + b"C" * size


# ---- exec ----


def test_old_client_and_our_exec_server(landline):
    _, port = serve(landline, "exec")
    said = seed_client(landline, "exec", port, ["echo one; echo two", "true", "no-such-command-at-all", "exit 3", "pwd"])
    assert said.split("result: ")[1:] == ["one\ntwo\n\n", "\n\n", "\n\n", "\n\n", os.getcwd() + "\n\n"]


def test_our_exec_client_and_the_old_server(landline):
    _, port = seed_server(landline, "exec")
    done = client(landline, "exec", port, ["echo one; echo two", "", "printf three", "seq 1 5000"])
    numbers = "".join("%d\n" % i for i in range(1, 5001))
    assert (done.returncode, done.stdout.decode()) == (0, "one\ntwo\nthree\n" + numbers), done.stderr


def test_exec_command_that_the_old_server_does_not_answer(landline):
    """It sends nothing where there is no output: our client gives up waiting and goes on."""
    _, port = seed_server(landline, "exec")
    done = client(landline, "exec", port, ["true", "echo next"], "--patience", "3s")
    assert done.stdout == b"(no answer within 3 s)\nnext\n", done.stderr


def test_exec_answer_that_comes_late(landline):
    """It is shown before the next command's answer, not as that answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = landline.start("classic", "exec", "127.0.0.1:%d" % listener.getsockname()[1], "--patience", "100ms",
                                 stdin=subprocess.PIPE, bufsize=0)
        connection, _ = listener.accept()
        with connection:
            process.stdin.write(b"first\n")
            assert connection.recv(1024) == b"first"
            process.stdout.wait_for(rb"no answer within 0.1 s")
            connection.sendall(b"late\n")
            process.stdin.write(b"second\n")
            assert connection.recv(1024) == b"second"
            process.stdout.wait_for(rb"late\n")
            connection.sendall(b"answer\n")
            process.stdout.wait_for(rb"answer\n")
            process.stdin.close()
            assert process.wait() == 0
    assert "late\nanswer\n" in process.stdout.text().replace("(no answer within 0.1 s)\n", "")


def test_exec_of_ten_megabytes(landline):
    _, port = serve(landline, "exec")
    done = client(landline, "exec", port, ["yes 0123456789abcde | head -c 10485760", "echo after"])
    assert done.stdout == b"0123456789abcde\n" * 655360 + b"after\n"


# ---- ssh ----


def test_old_client_and_our_ssh_server(landline):
    _, port = serve(landline, "ssh")
    said = seed_client(landline, "ssh", port, ["echo 你好", "", "true", "no-such-command-at-all", "printf x"])
    wrong = "length: 22\nreceived: 22\nThe command is wrong!!\n"
    assert said == "length: 7\nreceived: 7\n你好\n\n" + wrong + wrong + "length: 1\nreceived: 1\nx\n"


def test_our_ssh_client_and_the_old_server(landline):
    _, port = seed_server(landline, "ssh")
    done = client(landline, "ssh", port, ["echo 你好", "", "true", "printf x"])
    assert (done.returncode, done.stdout.decode()) == (
        0, "length: 7\n你好\nlength: 22\nThe command is wrong!!\nlength: 1\nx\n"), done.stderr


def test_ssh_of_ten_megabytes_with_the_old_client_and_ours(landline):
    _, port = serve(landline, "ssh")
    command = "yes 0123456789abcde | head -c 10485760"
    said = seed_client(landline, "ssh", port, [command])
    assert said == "length: 10485760\nreceived: 10485760\n" + "0123456789abcde\n" * 655360 + "\n"
    done = client(landline, "ssh", port, [command, "echo after"])
    assert done.stdout == b"length: 10485760\n" + b"0123456789abcde\n" * 655360 + b"length: 6\nafter\n"


def test_ssh_length_byte_by_byte(landline):
    """A server that sends everything in single bytes, with our client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                assert connection.recv(1024) == b"anything"
                for byte in b"1000":
                    connection.send(bytes([byte]))
                assert connection.recv(1024) == b"ok"
                for _ in range(1000):
                    connection.send(b"z")

        thread = threading.Thread(target=answer)
        thread.start()
        done = client(landline, "ssh", listener.getsockname()[1], ["anything"])
        thread.join()
    assert done.stdout == b"length: 1000\n" + b"z" * 1000 + b"\n", done.stderr


@pytest.mark.parametrize("length", [b"many", b"12x", b"9" * 19, b"-1"])
def test_ssh_length_that_is_none(landline, length):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(length)
                connection.recv(1024)

        thread = threading.Thread(target=answer)
        thread.start()
        done = client(landline, "ssh", listener.getsockname()[1], ["anything"])
        thread.join()
    assert done.returncode == 1
    assert b"landline: " in done.stderr and b"broke the protocol" in done.stderr


# ---- file ----


@pytest.mark.parametrize("size", OLD_SIZES)
def test_file_with_the_old_client(landline, scratch, size):
    path = write_file(scratch + "/file", size)
    _, port = serve(landline, "file")
    os.mkdir(scratch + "/here")
    said = seed_client(landline, "file", port, [path, path], cwd=scratch + "/here")
    assert said == "size: %d\nsize: %d\n" % (size, size)
    assert sha256(scratch + "/here/file.new") == sha256(path)


@pytest.mark.parametrize("size", OLD_SIZES)
@pytest.mark.parametrize("server", [serve, seed_server])
def test_file_with_our_client(landline, scratch, size, server):
    path = write_file(scratch + "/file", size)
    _, port = server(landline, "file")
    os.mkdir(scratch + "/here")
    done = client(landline, "get", port, [path, "", path], cwd=scratch + "/here")
    assert (done.returncode, done.stdout.decode()) == (0, 2 * ("size: %d\nsaved as: file.new\n" % size)), done.stderr
    assert sha256(scratch + "/here/file.new") == sha256(path)
    assert os.listdir(scratch + "/here") == ["file.new"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_file_of_a_gibibyte(landline, scratch):
    path = write_file(scratch + "/file", GIBIBYTE)
    digest = sha256(path)
    _, port = serve(landline, "file")
    done = client(landline, "get", port, (), path, scratch + "/ours", timeout=300)
    assert done.returncode == 0, done.stderr
    assert sha256(scratch + "/ours") == digest
    os.unlink(scratch + "/ours")
    seed_client(landline, "file", port, [path], cwd=scratch, timeout=300)
    assert sha256(scratch + "/file.new") == digest
    os.unlink(scratch + "/file.new")
    _, old_port = seed_server(landline, "file")
    done = client(landline, "get", old_port, (), path, scratch + "/ours", timeout=300)
    assert done.returncode == 0, done.stderr
    assert sha256(scratch + "/ours") == digest


@pytest.mark.parametrize("content", [b"2026-11-22 a log begins with a date\n", b"7", b"456", b"0", b"123456789" * 30],
                         ids=["date", "digit", "number", "zero", "digits"])
def test_file_that_begins_with_digits(landline, scratch, content):
    with open(scratch + "/file", "wb") as file:
        file.write(content)
    _, port = seed_server(landline, "file")
    done = client(landline, "get", port, (), scratch + "/file", scratch + "/got")
    assert done.returncode == 0, done.stderr
    with open(scratch + "/got", "rb") as file:
        assert file.read() == content


SEGMENTS = """
set -eu
ip link set lo up
echo $1 >/proc/sys/net/ipv4/tcp_timestamps
"$2" classic serve file --listen 127.0.0.1:2222 2>log &
until grep -q 'listening on' log; do :; done
"$3" "$4" 127.0.0.1 2222 "$5"
kill $!
wait $!
"""


@pytest.mark.parametrize("time_stamps", [1, 0])
def test_no_receive_of_a_file_ends_within_a_piece(landline, scratch, time_stamps):
    """However often the client has taken all there is: what it has then is a multiple of 1024, up to the end.

    In a network of its own, so that TCP's time stamps can be switched off, as they are on some systems.
    """
    if landline.run(["unshare", "--net", "true"]).returncode != 0:
        pytest.skip("may not make a network namespace")
    path = write_file(scratch + "/file", (50 << 20) + 5)
    reader = os.path.join(PEERS, "piecewise.py")
    done = landline.run(["unshare", "--net", "sh", "-c", SEGMENTS, "sh", str(time_stamps), support.LANDLINE, PYTHON,
                         reader, path], cwd=scratch)
    assert done.returncode == 0, done.stderr.decode()
    receives, torn, digest = done.stdout.split()
    assert int(receives) > 50
    assert int(torn) == 0
    assert digest == sha256(path)


def answer_with(pieces, then_close=False):
    """A server for one client: sends the pieces one by one as soon as a path has come. (port, thread)."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with listener, connection:
            connection.recv(1024)
            for piece in pieces:
                connection.send(piece)
            if not then_close:
                connection.recv(1024)

    thread = threading.Thread(target=answer)
    thread.start()
    return listener.getsockname()[1], thread


@pytest.mark.parametrize("size", OLD_SIZES + [5000])
def test_size_and_data_in_one_receive(landline, scratch, size):
    data = b"x" * size
    port, thread = answer_with([b"%d" % size + data])
    done = client(landline, "get", port, (), "name", scratch + "/got")
    thread.join()
    assert (done.returncode, done.stdout.decode()) == (0, "size: %d\nsaved as: %s/got\n" % (size, scratch)), done.stderr
    with open(scratch + "/got", "rb") as file:
        assert file.read() == data


@pytest.mark.parametrize("size", OLD_SIZES + [5000])
def test_size_and_data_byte_by_byte(landline, scratch, size):
    data = b"\n" * size
    port, thread = answer_with([bytes([byte]) for byte in b"%d" % size + data])
    done = client(landline, "get", port, (), "name", scratch + "/got")
    thread.join()
    assert done.returncode == 0, done.stderr
    with open(scratch + "/got", "rb") as file:
        assert file.read() == data


@pytest.mark.parametrize("stream, why", [
    ([b"1000", b"only this"], b"closed the connection"),
    ([b"1000"], b"closed the connection"),
    ([], b"may not exist there"),
    ([b"no such file"], b"broke the protocol"),
    ([b"3", b"four"], b"broke the protocol"),
])
def test_file_that_does_not_come_whole_is_not_kept(landline, scratch, stream, why):
    os.mkdir(scratch + "/here")
    with open(scratch + "/here/got", "w") as file:
        file.write("the old one")
    port, thread = answer_with(stream, then_close=True)
    done = client(landline, "get", port, (), "name", scratch + "/here/got")
    thread.join()
    assert done.returncode == 1
    assert why in done.stderr
    assert os.listdir(scratch + "/here") == ["got"]
    with open(scratch + "/here/got") as file:
        assert file.read() == "the old one"


def test_get_into_a_folder_and_into_no_folder(landline, scratch):
    path = write_file(scratch + "/file", 10)
    os.mkdir(scratch + "/here")
    _, port = serve(landline, "file")
    assert client(landline, "get", port, (), path, scratch + "/here").returncode == 0
    assert sha256(scratch + "/here/file") == sha256(path)
    done = client(landline, "get", port, (), path, scratch + "/nowhere/file")
    assert done.returncode == 1 and b"No such file or directory" in done.stderr
    done = client(landline, "get", port, (), "/ends/in/a/slash/")
    assert done.returncode == 1 and b"cannot make a name" in done.stderr


def test_get_dialog_passes_over_what_makes_no_name(landline, scratch):
    path = write_file(scratch + "/file", 10)
    _, port = serve(landline, "file")
    os.mkdir(scratch + "/here")
    done = client(landline, "get", port, [scratch + "/", "x" * 252, "x" * 5000, "a\0b", path], cwd=scratch + "/here")
    assert done.stdout.count(b"cannot make a name of that") == 4
    assert done.stdout.endswith(b"saved as: file.new\n") and done.returncode == 0


def test_get_dialog_ends_with_the_connection(landline, scratch):
    _, port = serve(landline, "file")
    done = client(landline, "get", port, [scratch + "/missing", scratch + "/missing"], cwd=scratch)
    assert done.returncode == 1 and b"closed the connection" in done.stderr
    assert os.listdir(scratch) == []


def refused_paths(scratch):
    os.mkfifo(scratch + "/fifo")
    with open(scratch + "/secret", "w") as file:
        file.write("secret")
    os.chmod(scratch + "/secret", 0)
    yield scratch + "/missing", "No such file"
    yield scratch, "Is a directory"
    yield scratch + "/secret", "Permission denied"
    yield scratch + "/fifo", "Invalid argument"
    yield "/dev/zero", "Invalid argument"
    yield "x" * 4096, "File name too long"
    yield "a\0b", "Invalid argument"


def test_files_that_cannot_be_sent(landline, scratch):
    os.chmod(scratch, 0o755)
    server = landline.spawn(unprivileged([support.LANDLINE, "classic", "serve", "file", "--listen", "127.0.0.1:0"]))
    port = server.listening()[1]
    before = support.descriptors(server.pid)
    for path, why in refused_paths(scratch):
        with connect(port) as connection:
            connection.sendall(path.encode())
            assert receive_to_end(connection) == b""
        server.stderr.wait_for(why.encode())
    support.no_new_descriptors(server.pid, before)
    good = write_file(scratch + "/good", 5)
    os.chmod(good, 0o644)
    done = client(landline, "get", port, (), good, scratch + "/got")
    assert done.returncode == 0, done.stderr


def test_a_file_that_shrinks_while_it_is_sent(landline, scratch):
    path = write_file(scratch + "/file", 8 << 20)
    server, port = serve(landline, "file")
    with connect(port) as connection:
        connection.sendall(path.encode())
        assert receive(connection, 7) == b"8388608"
        os.truncate(path, 1000)
        assert len(receive_to_end(connection)) < 8 << 20
    server.stderr.wait_for(b"shorter")


# ---- the command line, the beginning and the end ----


def test_listens_on_loopback_unless_told(landline):
    done = landline("classic", "serve", "upper", "--listen", "0.0.0.0:0")
    assert done.returncode == 2
    assert b"--insecure-listen" in done.stderr
    server = landline.start("classic", "serve", "upper", "--insecure-listen", "--listen", "0.0.0.0:0")
    assert server.listening()[0] == "0.0.0.0"
    server, port = serve(landline, "upper")
    assert b"no encryption, no identity" in server.stderr.data
    assert server.listening() == ("127.0.0.1", port)
    server = landline.start("classic", "serve", "upper", "--listen", ":0")
    assert server.listening()[0] == "127.0.0.1"


@pytest.mark.parametrize("listen, host", [
    ("localhost:0", None), ("0", "127.0.0.1"), ("127.0.0.2:0", "127.0.0.2"),
])
def test_forms_of_the_address(landline, listen, host):
    server = landline.start("classic", "serve", "upper", "--listen", listen)
    assert server.listening()[0] in ([host] if host else ["127.0.0.1", "::1"])


def test_name_that_does_not_resolve(landline):
    done = landline("classic", "serve", "upper", "--listen", "no-such-host.invalid:0")
    assert done.returncode == 2 and b"no-such-host.invalid" in done.stderr


def test_listens_on_ipv6(landline):
    server = landline.start("classic", "serve", "upper", "--listen", "[::1]:0")
    assert server.listening()[0] == "::1"
    done = landline("classic", "upper", "[::1]:%d" % server.listening()[1], input=b"six\n")
    assert done.stdout == b"SIX\n"


@pytest.mark.parametrize("words", [
    ["serve", "nothing"], ["nothing", "localhost"], ["serve"], ["upper"], ["upper", "localhost", "x"], [],
    ["serve", "upper", "--listen", "127.0.0.1:65536"], ["serve", "upper", "--listen", "127.0.0.1:x"],
    ["upper", "localhost", "--insecure-listen"], ["serve", "upper", "x"], ["upper", "host:x"],
])
def test_wrong_command_lines(landline, words):
    done = landline("classic", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(b"landline: ") and done.stderr.count(b"\n") == 1
    assert done.stdout == b""


def test_port_that_is_taken_and_server_that_is_not_there(landline):
    _, port = serve(landline, "upper")
    done = landline("classic", "serve", "ssh", "--listen", "127.0.0.1:%d" % port)
    assert done.returncode == 1 and b"in use" in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    done = client(landline, "upper", free, ["hello"])
    assert done.returncode == 1 and b"refused" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_server_ends_with_its_commands(landline, scratch, number):
    server, port = serve(landline, "exec")
    with connect(port) as connection:
        connection.sendall(b"echo $$ > %s/pid; sleep 1000 & sleep 1000" % scratch.encode())
        path = scratch + "/pid"
        support.eventually(lambda: os.path.exists(path) and open(path).read().strip(), "the command")
        server.signal(number)
        assert server.wait() == 0
        assert receive_to_end(connection) == b""
    pid = int(open(path).read())
    support.eventually(lambda: not support.exists(pid), "the end of the command")


@pytest.mark.parametrize("protocol", ["upper", "exec", "ssh", "get"])
def test_client_ends_when_the_server_goes(landline, protocol):
    server, port = serve(landline, "file" if protocol == "get" else protocol)
    waiting = landline.start("classic", protocol, "127.0.0.1:%d" % port, stdin=subprocess.PIPE)
    support.eventually(lambda: [f for f in support.descriptors(server.pid).values() if "socket" in f][1:], "a client")
    server.stop()
    assert waiting.wait() == 1
    assert "closed the connection" in waiting.stderr.text()


def test_a_terminal_gets_no_control_characters(landline):
    """With standard output on a terminal, what the peer sent is escaped; lines and tabs stay."""
    _, port = serve(landline, "ssh")
    master, slave = os.openpty()
    process = landline.spawn([PYTHON, "-c", "import os, sys; os.dup2(int(sys.argv[1]), 1); os.execv(sys.argv[2], "
                              "sys.argv[2:])", str(slave), support.LANDLINE, "classic", "ssh", "127.0.0.1:%d" % port],
                             stdin=subprocess.PIPE, pass_fds=[slave])
    os.close(slave)
    process.stdin.write(b"printf 'a\\033[31mb\\tc\\nd\\a'\n")
    process.stdin.close()
    shown = b""
    while True:
        try:
            piece = os.read(master, 1000)
        except OSError:  # how a terminal says that nobody is left
            break
        shown += piece
    os.close(master)
    assert process.wait() == 0
    assert shown == b"length: 12\r\na\\x1b[31mb\tc\r\nd\\x07\r\n"
