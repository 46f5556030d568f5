"""Programs that draw on the whole screen, in a landline shell in tmux, as a person would use them; and what ends a shell."""

import os
import shlex
import shutil
import signal
import subprocess

import pytest

import support
from pair import pair
from test_shell import at_prompt, terminal

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


class Screen:
    """A tmux whose only window is `landline shell box`."""

    def __init__(self, box):
        self.box = box
        self.env = box.landline.environment(box.client_home, {**box.env, "TERM": "xterm"})
        self.socket = os.path.join(box.landline.scratch, "tmux")
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", "%s shell box" % shlex.quote(support.LANDLINE))

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *words], env=self.env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=support.PATIENCE).stdout.decode()

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def shows(self, *texts):
        def all_there():
            screen = self.tmux("capture-pane", "-p")
            return screen if all(text in screen for text in texts) else None
        return support.eventually(all_there, "a screen with %r" % (texts,))

    def at_prompt(self):
        self.keys("PS1='ready> '; clear; echo do''ne", "Enter")
        self.shows("done", "ready>")


@pytest.fixture
def screen(box):
    if not shutil.which("tmux"):
        pytest.skip("tmux is not there")
    screen = Screen(box)
    screen.at_prompt()
    yield screen
    screen.tmux("kill-server")


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=program + " is not there")


@needs("vim")
def test_vim(screen, scratch):
    path = os.path.join(scratch, "text")
    screen.keys("vim -u NONE -i NONE %s" % path, "Enter")
    screen.shows("~", "text")
    screen.keys("i", "first line", "Enter", "grüße 你好", "Escape")
    screen.shows("first line", "grüße 你好")
    # The window grows: vim draws again, with more of its empty lines.
    screen.tmux("resize-window", "-x", "100", "-y", "40")
    support.eventually(lambda: screen.tmux("capture-pane", "-p").count("\n~") > 30, "a larger vim")
    screen.keys(":wq", "Enter")
    screen.shows("ready>")
    with open(path, encoding="utf-8") as f:
        assert f.read() == "first line\ngrüße 你好\n"


@needs("less")
def test_less(screen, scratch):
    path = os.path.join(scratch, "numbers")
    with open(path, "w") as f:
        f.write("".join("number %d\n" % i for i in range(1, 1001)))
    screen.keys("less %s" % path, "Enter")
    screen.shows("number 1\n", "number 20\n")
    screen.keys("G")
    screen.shows("number 1000\n", "(END)")
    screen.keys("?number 500", "Enter")
    screen.shows("number 500\n")
    screen.keys("q")
    screen.shows("ready>")


@needs("top")
def test_top(screen):
    screen.keys("top -d 1", "Enter")
    screen.shows("Tasks:", "PID", "COMMAND")
    screen.keys("q")
    screen.shows("ready>")


def test_tmux_inside(screen, scratch):
    inner = os.path.join(scratch, "inner")
    screen.keys("tmux -S %s -f /dev/null new-session 'PS1=inner\\> sh'" % inner, "Enter")
    screen.shows("inner>", "[0]")
    screen.keys("C-b", "d")
    screen.shows("[detached", "ready>")
    screen.keys("tmux -S %s kill-server" % inner, "Enter")
    screen.shows("ready>")


# Says which keys reached it as signals, and, when it goes on, that those that come now are its own.
LISTENS = """import os, signal
def go_on(*_):
    while os.tcgetpgrp(0) != os.getpgrp():
        os.sched_yield()
    os.write(1, b'in-front\\n')
signal.signal(signal.SIGCONT, go_on)
signal.signal(signal.SIGQUIT, lambda *_: os.write(1, b'quit-arrived\\n'))
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.write(1, b'go\\n')
while True:
    signal.pause()
"""


def test_keys_as_typed(box):
    with terminal(box, "shell", "box") as t:
        at_prompt(t)
        with open(os.path.join(box.landline.scratch, "listens"), "w") as f:
            f.write(LISTENS)
        t.type(b"/usr/bin/python3 %s\r" % os.fsencode(f.name))
        t.expect(rb"go\r\n")
        t.type(b"\x1c")
        t.expect(rb"quit-arrived")
        t.type(b"\x1a")
        t.expect(rb"Stopped")
        t.type(b"bg; fg\r")
        t.expect(rb"in-front")
        t.type(b"\x1c")
        t.expect(rb"quit-arrived")
        t.type(b"\x03")
        t.type(b"echo st=$?\r")
        t.expect(rb"st=130")
        # ^S holds what is shown, ^Q lets it go on: the word must not come between them.
        t.type(b"\x13")
        t.type(b"echo aft''er\r")
        t.type(b"\x11")
        t.expect(rb"after\r\n")
        t.type(b"exit\r")
        t.wait()
        assert t.restored()


@pytest.mark.parametrize("who", ["gate", "server"])
def test_a_crash_of_the_server_restores_the_terminal(box, who):
    with terminal(box, "shell", "box", "--give-up", "2s") as t:
        at_prompt(t)
        gate = support.gate_of(box.server.pid)
        os.kill(gate if who == "gate" else box.server.pid, signal.SIGKILL)
        if who == "gate":  # another takes its place and the shell goes on
            t.type(b"echo still he''re\r")
            t.expect(rb"still here")
            t.type(b"exit 5\r")
            assert t.wait() == 5
        else:
            assert t.wait() == 122
            t.expect(rb"landline: box: ")
        assert t.restored()
