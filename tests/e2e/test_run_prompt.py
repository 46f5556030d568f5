"""landline run -i as a person uses it: a prompt, command lines, what each came to."""

import os

import pytest

import relay
import support
from pair import pair
from test_shell import terminal

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def far(landline):
    with pair(landline, through_relay=True) as both:
        yield both


def ask(t, line):
    t.expect(rb"box> $")
    t.type(line + b"\r")


def test_lines_and_what_they_came_to(far):
    with terminal(far, "run", "-i", "box") as t:
        ask(t, b"echo hi")
        t.expect(rb"hi\r\n\[echo hi: 3 bytes, status 0\]\r\n")
        for empty in (b"", b"   ", b"\t"):
            ask(t, empty)
        ask(t, b"printf err >&2; exit 7")
        t.expect(rb"err\[printf err >&2; exit 7: 3 bytes, status 7\]\r\n")
        ask(t, b"kill -9 $$")
        t.expect(rb"0 bytes, status 137\]\r\n")
        for status in (122, 125):  # the command's own, not landline's
            ask(t, b"exit %d" % status)
            t.expect(rb"0 bytes, status %d\]\r\n" % status)
        ask(t, "echo grüße | tr g G".encode())
        t.expect("Grüße\r\n".encode())
        t.expect(rb"8 bytes, status 0\]\r\n")
        t.expect(rb"box> $")
        t.type(b"\x04")
        assert t.wait() == 0
        assert t.restored()


def first_and_second(far, t, meanwhile=None):
    """A command whose second half waits until something has happened meanwhile."""
    go = os.path.join(far.landline.scratch, "go")
    ask(t, b"echo first; while ! [ -e %s ]; do sleep 0.05; done; echo second" % os.fsencode(go))
    t.expect(rb"first\r\n")
    if meanwhile is not None:
        meanwhile()
    open(go, "w").close()
    t.expect(rb"second\r\n\[echo first; .*: 13 bytes, status 0\]")
    t.expect(rb"box> $")


def test_output_is_shown_as_it_comes(far):
    with terminal(far, "run", "-i", "box") as t:
        first_and_second(far, t)
        t.type(b"\x04")
        assert t.wait() == 0


def test_an_interrupt_ends_the_command_and_not_the_prompt(far):
    with terminal(far, "run", "-i", "box") as t:
        ask(t, b"echo up; exec sleep 1000")
        t.expect(rb"up\r\n")
        t.type(b"\x03")
        t.expect(rb"status 130\]\r\n")
        ask(t, b"trap 'echo not yet' INT; echo up; while :; do sleep 0.05; done")
        t.expect(rb"up\r\n")
        t.type(b"\x03")
        t.expect(rb"not yet\r\n")  # it has come: two that wait would be one
        t.type(b"\x03")  # the second is one that cannot be ignored
        t.expect(rb"status 137\]\r\n")
        # With no command it is the line that is given up.
        t.expect(rb"box> $")
        t.type(b"echo not this")
        t.expect(rb"not this")
        t.type(b"\x03")
        ask(t, b"echo but this; exit 9")
        t.expect(rb"but this\r\n\[echo but this; exit 9: 9 bytes, status 9\]\r\n")
        t.expect(rb"box> $")
        t.type(b"\x04")
        assert t.wait() == 9
    assert b"running" not in far.run("runs", "box").stdout


def test_a_link_that_is_lost_meanwhile(far):
    """The command is gone on with; one that comes later finds a new link by itself."""
    def cut_it():
        far.relay.cut_all(relay.RST)
        t.expect(rb"no link, trying again")
        t.expect(rb"the link is back")

    with terminal(far, "run", "-i", "box") as t:
        first_and_second(far, t, cut_it)
        far.relay.cut_all(relay.RST)
        t.type(b"echo third\r")
        t.expect(rb"third\r\n\[echo third: 6 bytes, status 0\]\r\nbox> $")
        t.type(b"\x04")
        assert t.wait() == 0


def test_a_line_that_comes_together_with_the_end_of_its_link(far):
    """It goes over the next one."""
    with terminal(far, "run", "-i", "box") as t:
        first_and_second(far, t)
        with support.stopped(t.process.pid):
            far.relay.cut_all(relay.RST)
            support.eventually(lambda: not far.relay.links, "the cut")
            t.type(b"echo third\r")
        t.expect(rb"third\r\n\[echo third: 6 bytes, status 0\]\r\nbox> $")
        t.type(b"\x04")
        assert t.wait() == 0


def test_leaving_without_a_link(far):
    with terminal(far, "run", "-i", "box") as t:
        ask(t, b"echo up; exec sleep 1000")
        t.expect(rb"up\r\n")
        far.relay.set_open(False)
        far.relay.cut_all(relay.RST)
        t.expect(rb"no link, trying again")
        t.type(b"\x03")
        t.expect(rb"left; the command goes on: landline attach box [a-z2-7]{26}")
        assert t.wait() == 122


def test_a_script_of_lines(far):
    """Nobody is asked; each line is run, also one without its end; the status is that of the last."""
    done = far.run("run", "-i", "box", input=b"echo one\n\nexit 3\ncat\necho two; exit 4")
    assert (done.returncode, done.stdout) == (4, b"one\ntwo\n"), done.stderr
    assert done.stderr == (b"[echo one: 4 bytes, status 0]\n[exit 3: 0 bytes, status 3]\n[cat: 0 bytes, status 0]\n"
                           b"[echo two; exit 4: 4 bytes, status 4]\n")


@pytest.mark.parametrize("line, why", [
    (b"echo " + 140000 * b"x" + b"; touch %s", b"longer than an argument may be"),
    (b"touch %s\0 now", b"NUL byte"),
], ids=["too long", "NUL"])
def test_a_line_that_is_no_command(far, line, why):
    """Nothing of it is run, neither its beginning nor its rest; nor what comes behind it."""
    marker = os.path.join(far.landline.scratch, "marker")
    done = far.run("run", "-i", "box", input=b"echo one\n" + line.replace(b"%s", os.fsencode(marker)) + b"\necho two\n")
    assert (done.returncode, done.stdout) == (125, b"one\n")
    assert done.stderr.startswith(b"[echo one: 4 bytes, status 0]\nlandline: box: the command cannot be sent: ") and why in done.stderr
    assert not os.path.exists(marker)


def test_a_host_that_cannot_be_reached(far):
    far.relay.set_open(False)
    with terminal(far, "run", "-i", "box") as t:
        assert t.wait() == 125
        t.expect(rb"landline: box: ")
