"""Keys, pins, invites, grants: every failure is one sentence that says what, where, why and what next, with a stable name.
All failures of a run are in test_run_failures.py; here is what more has to be true of some."""

import json
import os
import shutil
import stat
import time

import pytest

import support
from pair import Pair, pair

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


def refused(box, name, *words, **options):
    """The sentence of a run that landline could not do, whose error has this name."""
    path = os.path.join(box.landline.scratch, "status")
    marker = os.path.join(box.landline.scratch, "marker")
    done = box.run("run", "--status", path, "box", "touch", marker, **options)
    assert done.returncode == 125, done
    assert done.stdout == b"" and done.stderr.count(b"\n") == 1
    told = json.load(open(path))
    assert (told["error"], told["status"], told["ending"]) == (name, 125, "failed")
    assert not os.path.exists(marker)
    sentence = done.stderr.decode()
    assert sentence == "landline: %s\n" % told["text"]
    for word in words:
        assert word in sentence, (word, sentence)
    as_json = box.run("run", "--json", "box", "true", **options)
    assert as_json.returncode == 125
    return sentence


def pin_of(home, landline):
    return landline("key", home=home).stdout.decode().split()[0]


def test_the_paste_pairs_and_shows(box):
    assert box.run("hosts").stdout.decode().startswith("box\t127.0.0.1:")
    key = os.path.join(box.client_home, "key")
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
    shown = box.run("key").stdout.decode().split()
    assert shown[0].startswith("SHA256:") and len(shown[0]) == 50 and shown[1].startswith("ed25519:")


def test_rename_and_remove(box):
    assert box.run("hosts", "rename", "box", "crate").returncode == 0
    assert box.run("run", "crate", "echo", "hi").stdout == b"hi\n"
    assert box.run("hosts", "rename", "nobody", "x").returncode == 1
    assert box.run("hosts", "rename", "crate", "a b").returncode == 1
    assert box.run("hosts", "remove", "crate").returncode == 0
    assert box.run("hosts").stdout == b""
    assert b"no host 'crate' is known" in box.run("hosts", "remove", "crate").stderr


def test_a_key_that_is_not_enrolled(box):
    os.remove(os.path.join(box.client_home, "key"))
    refused(box, "LL_ENOTENROLLED", "does not know this key", pin_of(box.client_home, box.landline), "landline invite",
            "landline add box")


def test_a_server_with_another_key(landline, box):
    """The same address, another server: a stranger's knock is not answered, and nothing of the request leaves."""
    port = box.server.listening()[1]
    box.server.stop()
    shutil.rmtree(box.server_home)
    other = landline.start("serve", "--listen", "127.0.0.1:%d" % port, home=box.server_home)
    other.listening()
    refused(box, "LL_ESILENT", "closed the connection without a word", "another key", "clocks", "doctor")


def test_a_host_whose_key_was_swapped_in_the_list(box):
    """Only the pin differs: the knock fails first, and the request stays here."""
    path = os.path.join(box.client_home, "hosts")
    text = open(path).read()
    pin = next(word for word in text.split() if word.startswith("SHA256:"))
    with open(path, "w") as f:
        f.write(text.replace(pin, pin_of(box.client_home, box.landline)))
    refused(box, "LL_ESILENT", "without a word")


def test_a_key_file_that_is_no_key(box):
    path = os.path.join(box.client_home, "key")
    with open(path, "w") as f:
        f.write("nonsense\n")
    refused(box, "LL_EKEYFILE", "the key file", path)


def test_a_list_of_hosts_that_is_broken(box):
    path = os.path.join(box.client_home, "hosts")
    with open(path, "a") as f:
        f.write("what is this\n")
    refused(box, "LL_EFORMAT", path + ":3")
    assert box.run("hosts").returncode == 1


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not there")
def test_a_server_that_answers_any_knock_with_another_key(box):
    """What a machine in the middle would do: the pin does not match, both keys are shown, nothing is sent."""
    text = open(os.path.join(box.client_home, "hosts")).read()
    pin = next(word for word in text.split() if word.startswith("SHA256:"))
    box.put_a_machine_in_the_middle()
    sentence = refused(box, "LL_EPIN", "another key than the pinned one", pin, "nothing was sent",
                       "landline hosts remove box", "landline add box")
    assert sentence.count("SHA256:") == 2


# --- invites ---


def add_fails(box, invite, *words, name="other", home=None):
    done = box.add(invite, name=name, home=home)
    assert done.returncode in (1, 2) and done.stdout == b"" and done.stderr.count(b"\n") == 1, done
    for word in words:
        assert word in done.stderr.decode(), (word, done.stderr)
    hosts = box.run("hosts", home=home).stdout.decode()
    assert name + "\t" not in hosts
    return done


@pytest.mark.parametrize("line", [b"", b"\n", b"hello\n", b"landline://127.0.0.1:1#AAAA\n", b"landline://127.0.0.1#x\n",
                                  b"\xff\xfe\n", b"landline://" + b"x" * 10000 + b"\n"])
def test_no_invite(box, line):
    add_fails(box, line, "invite")


def test_a_used_invite(box, landline):
    invite = box.invite()
    assert box.add(invite, name="again").returncode == 0
    thief = os.path.join(landline.scratch, "thief")
    add_fails(box, invite, "used before", "landline invite", home=thief)


def test_an_expired_invite(box):
    invite = box.invite(None, "--for", "1s")
    made = time.time()
    support.eventually(lambda: time.time() > made + 1, "the invite's end")
    add_fails(box, invite, "expired", "landline invite")


def test_an_invite_with_another_token(box):
    """One character in the middle of the code: the pin or the token is another one."""
    invite = box.invite().strip()
    code = invite.partition(b"#")[2]
    for place in (10, 55):
        wrong = b"A" if code[place:place + 1] != b"A" else b"B"
        changed = invite.replace(code, code[:place] + wrong + code[place + 1:])
        add_fails(box, changed + b"\n")


def test_an_invite_on_the_command_line_is_turned_away(box):
    done = box.run("add", box.invite().decode().strip())
    assert done.returncode == 2 and b"secret" in done.stderr and b"#" not in done.stderr


def test_a_name_that_is_another_server(box, landline):
    other = Pair(landline_with(landline, "two"))
    try:
        done = box.add(other.invite(), name="box")
        assert done.returncode == 1 and b"another server already" in done.stderr
        assert box.run("run", "box", "echo", "hi").stdout == b"hi\n"
    finally:
        other.close()


def landline_with(landline, name):
    """The same runner with another folder for its homes."""
    runner = support.Runner(os.path.join(landline.scratch, name))
    runner.mark, runner.processes = landline.mark, landline.processes
    return runner


def test_enrolling_again_keeps_the_name(box):
    assert box.add(box.invite()).returncode == 0
    assert box.run("hosts").stdout.count(b"box\t") == 1
    assert box.run("run", "box", "echo", "hi").stdout == b"hi\n"
