"""Every way in which landline itself can fail to run a command: the exit status, the stable names in --json and --status, and one
sentence that says what, where and what to do next. The table of landline-run(1) is this one."""

import collections
import json
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess

import pytest

import support
from pair import pair

pytestmark = pytest.mark.timeout(120)

PAGE = os.path.join(support.ROOT, "man", "landline-run.1.scd")
CAUSES = {}
Cause = collections.namedtuple("Cause", "status ending error words grant relay make needs")


def cause(status, ending, error, *words, grant=None, relay=False, needs=None):
    """Registers a cause: `make(box)` brings it about, and may give other words than `box touch MARKER` for the command line,
    and what is to be done when that runs."""
    def register(make):
        CAUSES[make.__name__] = Cause(status, ending, error, words, grant, relay, make, needs)
        return make
    return register


def edit_hosts(box, change):
    path = os.path.join(box.client_home, "hosts")
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(change(text))


def pin_of(home, landline):
    return landline("key", home=home).stdout.decode().split()[0]


def label(box):
    return next(word for word in box.landline("grants", home=box.server_home).stdout.decode().split() if "@" in word)


# --- it was not to be found, or not to be reached ---


@cause(125, "failed", "LL_EHOST", "no host 'nobody' is known", "landline hosts", "landline add nobody")
def a_host_that_is_not_known(box):
    return ["nobody", "true"]


def resolver():
    try:
        socket.getaddrinfo("no-such-host.invalid", 1)
    except socket.gaierror as error:
        return "EAI_NONAME" if error.errno == socket.EAI_NONAME else "EAI_AGAIN"


@cause(125, "failed", resolver() or "EAI_NONAME", "no-such-host.invalid", "name")
def a_name_that_does_not_resolve(box):
    edit_hosts(box, lambda text: text.replace(box.address, "no-such-host.invalid:1"))


@cause(125, "failed", "ECONNREFUSED", "box: cannot connect to 127.0.0.1:", "Connection refused", "landline serve")
def nobody_listens(box):
    box.server.stop()


@cause(125, "failed", "LL_ETIMEOUT", "box: the server at 127.0.0.1:", "does not answer", "is it landline that listens there?")
def nothing_answers(box):
    gate = support.gate_of(box.server.pid)
    os.kill(box.server.pid, signal.SIGSTOP)
    os.kill(gate, signal.SIGSTOP)

    def go_on(process):
        process.wait()
        os.kill(gate, signal.SIGCONT)
        os.kill(box.server.pid, signal.SIGCONT)
    return None, go_on, {"LANDLINE_SILENCE": "500ms"}


def stranger(box, says):
    """Something else at the server's address, that says something."""
    listener = box.stranger = socket.create_server(("127.0.0.1", 0))
    edit_hosts(box, lambda text: text.replace(box.address, "127.0.0.1:%d" % listener.getsockname()[1]))

    def answer(process):
        peer, _ = listener.accept()
        with peer:
            peer.sendall(says)
            process.wait()
        listener.close()
    return None, answer


@cause(125, "failed", "LL_ETLS", "no secure connection", "is it landline that listens there?")
def something_else_listens(box):
    return stranger(box, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")


@cause(125, "failed", "LL_EFORMAT", ":3")
def a_list_of_hosts_that_is_broken(box):
    edit_hosts(box, lambda text: text + "what is this\n")


@cause(125, "failed", "ENOENT", "nothing was started: cannot read /nonexistent")
def an_input_that_is_not_there(box):
    return ["--stdin", "/nonexistent", "box", "true"]


# --- one side does not know the other ---


@cause(125, "failed", "LL_ESILENT", "closed the connection without a word", "another key", "clocks", "doctor")
def a_server_with_another_key(box):
    """The same address, another server: a stranger's knock is not answered."""
    port = box.server.listening()[1]
    box.server.stop()
    shutil.rmtree(box.server_home)
    other = box.landline.start("serve", "--listen", "127.0.0.1:%d" % port, home=box.server_home)
    other.listening()


@cause(125, "failed", "LL_EPIN", "another key than the pinned one", "nothing was sent", "landline hosts remove box",
       "landline add box", needs="openssl")
def a_machine_in_the_middle(box):
    box.put_a_machine_in_the_middle()


@cause(125, "failed", "LL_ENOTENROLLED", "does not know this key", "landline invite", "landline add box")
def a_key_that_was_never_let_in(box):
    os.remove(os.path.join(box.client_home, "key"))


@cause(125, "failed", "LL_EREVOKED", "was revoked", "landline invite")
def a_key_that_was_revoked(box):
    assert box.landline("grants", "revoke", label(box), home=box.server_home).returncode == 0


@cause(125, "failed", "LL_EKEYFILE", "the key file", "not safe", "chmod 600")
def a_key_that_others_can_read(box):
    os.chmod(os.path.join(box.client_home, "key"), 0o644)


# --- it may not, or not now ---


@cause(125, "failed", "LL_ENOGRANT", "the grant of this key does not cover 'run'", "landline grants", grant="upper")
def a_grant_that_does_not_cover_it(box):
    pass


@cause(125, "failed", "LL_EBUSY", "box: nothing was started: this key runs as many commands as its grant allows", "try again")
def as_many_as_the_grant_allows(box):
    assert box.add(box.invite(None, "--runs", "1")).returncode == 0
    running = box.start("run", "box", "sh", "-c", "echo up; exec sleep 1000")
    running.stdout.wait_for(b"up")


@cause(125, "failed", "LL_EUSAGE", "the name is longer than 63 bytes")
def a_name_that_is_too_long(box):
    return ["shell", "--name", "x" * 64, "box"]


# --- it cannot be started ---


@cause(127, "not started", "ENOENT", "box: 'no-such-program' was not found there", "PATH")
def a_program_that_is_not_there(box):
    return ["box", "no-such-program"]


@cause(126, "not started", "EACCES", "box: '/etc/passwd' cannot be executed there", "execute")
def a_file_that_is_no_program(box):
    return ["box", "/etc/passwd"]


@cause(125, "not started", "ENOENT", "box: 'touch' was not started: chdir /nowhere", "folder on that machine")
def a_folder_that_is_not_there(box):
    return ["--cwd", "/nowhere", "box", "touch", marker(box)]


@cause(125, "not started", "EAGAIN", "box: 'touch' was not started", "try again later", needs="strace")
def no_room_for_a_process(box):
    """What fork says where a limit on processes is reached."""
    strace = box.landline.spawn(["strace", "-p", str(box.server.pid), "-e", "trace=clone,clone3", "-e",
                                 "inject=clone,clone3:error=EAGAIN"])
    seen = support.eventually(lambda: re.search(r"attached|not permitted", strace.stderr.text()), "strace")
    if seen.group() != "attached":
        pytest.skip("this machine does not let strace attach")


# --- what became of it is not known ---


@cause(122, "unknown", "LL_ELOST", "what became of the command is not known", "landline attach box", relay=True)
def a_link_that_does_not_come_back(box):
    def cut(process):
        process.stdout.wait_for(rb'"up')
        box.relay.set_open(False)
        box.relay.cut_all()
    return ["--give-up", "300ms", "box", "sh", "-c", "echo up; exec sleep 1000"], cut


def crash(box, process, meanwhile=lambda: None):
    """The server is killed when the command is up, and begins anew."""
    process.stdout.wait_for(rb'"up')
    port = box.server.listening()[1]
    os.kill(box.server.pid, signal.SIGKILL)
    box.server.wait()
    meanwhile()
    box.landline.start("serve", "--listen", "127.0.0.1:%d" % port, home=box.server_home).listening()


@cause(122, "lost", None, "the server stopped while the command ran", "look there before you start it again")
def a_server_that_crashes(box):
    return ["box", "sh", "-c", "echo up; exec sleep 1000"], lambda process: crash(box, process)


@cause(122, "unknown", "LL_EUNKNOWNRUN", "the server does not know the run", "it was not started again")
def a_server_that_has_forgotten_it(box):
    def forget():
        shutil.rmtree(os.path.join(box.server_home, "server", "runs"))
    # Nobody ends it then: it does so itself, when the test has gone.
    text = "echo up; while [ -d %s ]; do sleep 0.2; done" % box.server_home
    return ["box", "sh", "-c", text], lambda process: crash(box, process, forget)


# --- it was ended ---


@cause(124, "timed out", None, "ran longer than it may")
def a_time_out(box):
    return ["--timeout", "200ms", "box", "sleep", "1000"]


# --- all of them ---


def marker(box):
    return os.path.join(box.landline.scratch, "marker")


@pytest.mark.parametrize("name", CAUSES)
def test_a_failure(landline, name):
    c = CAUSES[name]
    if c.needs and not shutil.which(c.needs):
        pytest.skip(c.needs + " is not there")
    with pair(landline, through_relay=c.relay, grant=c.grant) as box:
        made = c.make(box)
        words, meanwhile, env = ((made if isinstance(made, tuple) else (made,)) + (None, None, None))[:3]
        fails(box, c, words or ["box", "touch", marker(box)], meanwhile, env)


def fails(box, c, words, meanwhile, env):
    path = os.path.join(box.landline.scratch, "status")
    shell = words[0] == "shell"
    process = box.start(*(words if shell else ["run", "--json", "--status", path, *words]), env=env or {})
    if meanwhile:
        meanwhile(process)
    assert process.wait() == c.status, process.stderr.text()
    said = process.stderr.text()
    assert said.startswith("landline: ") and said.count("\n") == 1, said
    for word in c.words:
        assert word in said, (word, said)
    assert not os.path.exists(marker(box))
    if shell:
        assert process.stdout.data == b""
        return
    with open(path) as f:
        told = json.load(f)
    assert json.loads(process.stdout.data.splitlines()[-1]) == told
    assert (told["event"], told["ending"], told["status"]) == ("result", c.ending, c.status)
    assert told.get("error") == c.error
    assert said == "landline: %s\n" % told["text"]


def test_the_manual_has_this_table():
    with open(PAGE) as f:
        rows = re.findall(r"^\|\[ \*(\d+)\*\n:\[ _([a-z ]+)_\n:\[ (\S+)\n:\[ (.+)$", f.read(), re.M)
    assert len(rows) == len(set(rows))
    shown = {(int(status), ending, None if error == "-" else error) for status, ending, error, _ in rows}
    proved = {(c.status, c.ending, c.error) for c in CAUSES.values()}
    either = {(125, "failed", "EAI_NONAME"), (125, "failed", "EAI_AGAIN")}  # as this machine's resolver has it
    assert shown - either == proved - either and either <= shown


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody, who may then start no more")
def test_a_limit_on_processes(landline):
    """Who has changed to a user that has as many as it may is told by execve(2)."""
    with pair(landline) as box:
        home = os.path.join(landline.scratch, "other")
        invite = landline("invite", "--as", "nobody", "--address", box.address, home=box.server_home)
        assert box.add(invite.stdout, name="nobody", home=home).returncode == 0
        done = box.run("run", "--json", "--cwd", "/", "--limit", "nproc=0", "nobody", "true", home=home)
        told = json.loads(done.stdout.splitlines()[-1])
        assert (done.returncode, told["ending"], told["error"]) == (125, "not started", "EAGAIN"), done
        assert b"try again later" in done.stderr
