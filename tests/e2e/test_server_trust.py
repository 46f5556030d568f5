"""Who is let in, and what they may do there."""

import os
import re

import pytest

import support
from server_support import ME, Server

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def server(landline):
    return Server(landline)


def test_an_invite_is_one_line(server):
    assert re.fullmatch(rb"landline://127\.0\.0\.1:%d#[\w-]{74}\n" % server.address[1], server.invite())


def test_an_invite_works_once(server, landline):
    line = server.invite()
    assert landline("add", "box", input=line).returncode == 0
    done = landline("add", "box", input=line, home=os.path.join(landline.scratch, "other"))
    assert done.returncode != 0 and b"used" in done.stderr


def test_an_invite_expires(server, landline):
    line = server.invite("--for", "1s")
    path = os.path.join(server.home, "server", "invites")
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(re.sub(r"expires \d+", "expires 1000", text))
    done = landline("add", "box", input=line)
    assert done.returncode != 0 and b"expired" in done.stderr


def test_an_invite_of_another_server(server, landline):
    line = server.invite()
    os.unlink(os.path.join(server.home, "server", "invites"))
    done = landline("add", "box", input=line)
    assert done.returncode != 0 and b"invite" in done.stderr


def test_an_unknown_key(server, landline):
    server.add()
    os.unlink(os.path.join(server.home, "server", "grants"))
    done = landline("run", "--no-broker", "box", "--", "true")
    assert done.returncode == 125 and b"box" in done.stderr


def test_revoking_ends_what_is_open(server, landline):
    server.add()
    client = landline.start("run", "--no-broker", "box", "--", "sh", "-c", "echo in; sleep 1000")
    client.stdout.wait_for(b"in\n")
    assert server.admin("grants", "revoke", server.admin("grants").stdout.split()[0].decode()).returncode == 0
    assert client.wait() in (122, 125)
    assert b"revoked" in client.stderr.data
    done = landline("run", "--no-broker", "box", "--", "true")
    assert done.returncode == 125 and b"revoked" in done.stderr


def test_verbs(server, landline):
    server.add("--grant", "upper")
    assert landline("upper", "box", "hello").stdout == b"HELLO\n"
    done = landline("run", "--no-broker", "box", "--", "true")
    assert done.returncode == 125 and b"grant" in done.stderr


def test_a_grant_changes_at_once(server, landline):
    server.add()
    name = server.admin("grants").stdout.split()[0].decode()
    assert landline("run", "--no-broker", "box", "--", "true").returncode == 0
    assert server.admin("grants", "change", name, "--grant", "upper").returncode == 0
    support.eventually(lambda: landline("run", "--no-broker", "box", "--", "true").returncode == 125, "the change")
    assert server.admin("grants", "change", name, "--grant", "run").returncode == 0
    support.eventually(lambda: landline("run", "--no-broker", "box", "--", "true").returncode == 0, "the change back")


def test_only_certain_commands(server, landline):
    server.add("--argv", "echo a%20b *", "--argv", "ls ...")
    assert landline("run", "box", "--", "echo", "a b", "c").stdout == b"a b c\n"
    assert landline("run", "box", "--", "ls", "-d", "/").stdout == b"/\n"
    for command in (["echo", "a b"], ["echo", "a", "b", "c"], ["echo", "a b", "c", "d"], ["cat", "/etc/passwd"]):
        assert landline("run", "box", "--", *command).returncode == 125, command
    assert landline("run", "--shell", "ls", "box").returncode == 125


def test_where_commands_start(server, landline):
    folder = os.path.join(landline.scratch, "root")
    os.mkdir(folder)
    server.add("--root", folder)
    assert landline("run", "box", "--", "pwd").stdout.decode().strip() == folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody")
def test_a_grant_names_the_user(server, landline):
    assert server.admin("invite").returncode == 2
    done = server.admin("invite", "--as", "nobody")
    assert landline("add", "box", input=done.stdout).returncode == 0
    done = landline("run", "--cwd", "/", "box", "--", "sh", "-c", "id -un; id -G")
    assert done.stdout.split()[0] == b"nobody" and b"0" not in done.stdout.split()[1:]


@pytest.mark.parametrize("text, why", [
    ("grant x\n", b"value"), ("label a\n", b"indentation"), ("  label a\n", b"record"), ("grant SHA256:" + "A" * 43 + "\n", b"lacks"),
    ("grant SHA256:" + "A" * 43 + "\n  label a\n  created 1\n  verbs run,fly\n", b"value"),
    ("grant SHA256:" + "A" * 43 + "\n  label a\n  label b\n", b"twice"), ("\0\n", b"zero byte"), ("x" * 2000, b"long")])
def test_a_broken_file_is_named_with_its_line(landline, text, why):
    home = os.path.join(landline.scratch, "server")
    os.makedirs(os.path.join(home, "server"), mode=0o700)
    with open(os.path.join(home, "server", "grants"), "w") as f:
        f.write(text)
    done = landline("grants", home=home)
    assert done.returncode == 1 and why in done.stderr and re.search(rb"grants:\d", done.stderr)
    assert done.stderr.count(b"\n") == 1


def test_usage(landline):
    for args in (["serve", "--listen", "nonsense:x"], ["serve", "--what"], ["invite", "--grant", "fly"], ["invite", "--for", "0"],
                 ["grants", "change"], ["grants", "revoke"], ["grants", "nonsense"], ["invite", "--root", "relative"]):
        done = landline(*args)
        assert done.returncode in (1, 2) and done.stderr.startswith(b"landline: ") and done.stdout == b"", args


def test_one_server_a_folder(server):
    done = server.admin("serve", "--listen", "127.0.0.1:0")
    assert done.returncode == 1 and b"another server" in done.stderr


def test_me_is_who_the_server_runs_as(server, landline):
    server.add()
    assert landline("run", "box", "--", "id", "-un").stdout.decode().strip() == ME
