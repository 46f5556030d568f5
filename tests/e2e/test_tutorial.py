"""The tutorial tells the truth: its programs are the examples, and its pictures are what its commands print.

In docs/tutorial/*.md a block behind `<!-- file: PATH -->` is that file, and a block behind `<!-- run -->` is a terminal:
lines with `$ ` are run one after another in an empty folder with the examples and landline in PATH; one that ends in
` &` is a server, which is started on a port of its own choice that takes the place of the port in the text from there
on. What is printed must be the same but for numbers. `<!-- picture: FILE -->` names an SVG in docs/tutorial that the
block before it has written. LANDLINE_UPDATE_EXPECT=1 writes all blocks and pictures anew.
"""

import os
import re
import shlex
import shutil
import subprocess
import xml.dom.minidom

import pytest
import support
from test_trace import may_capture, shape

FOLDER = os.path.join(support.ROOT, "docs", "tutorial")
LANGUAGES = ("en", "zh")
UPDATE = bool(os.environ.get("LANDLINE_UPDATE_EXPECT"))
BLOCK = re.compile(r"<!-- (file: \S+|run|picture: \S+) -->\n(?:```(\w*)\n(.*?)```\n|!\[[^\]]*\]\((\S+)\)\n)", re.S)
# Whether an ACK travels alone or on the next segment is a matter of microseconds.
CHANCE = ("· received up to", "· 已收到", "· FIN received", "· 确认 FIN", "第二次挥手", "确认：字节", "says: everything before",
          "acknowledges the FIN (u+1)", "changes its receive window", "更新接收窗口", "· window is now", "· 窗口变为")


def blocks(language):
    with open(os.path.join(FOLDER, language + ".md"), encoding="utf-8") as file:
        return file.read()


class Terminal:
    def __init__(self, landline, build, scratch):
        self.landline, self.scratch, self.ports = landline, scratch, {}
        path = "%s:%s:%s" % (build, os.path.join(build, "examples"), os.environ["PATH"])
        self.environment = landline.environment(env={"PATH": path, "COLUMNS": "96"})

    def serve(self, command):
        words = shlex.split(command)
        if words[-1].isdigit():
            port = words.pop()
        else:
            port = {"file_server": "2222"}.get(words[0], "6969")
        words[0] = shutil.which(words[0], path=self.environment["PATH"])
        process = self.landline.spawn([*words, "0"], env={"PATH": self.environment["PATH"]}, cwd=self.scratch)
        self.ports[port] = process.stdout.wait_for(rb"listening on \S+:(\d+)").group(1).decode()
        return "listening on 127.0.0.1:%s\n" % port

    def run(self, command):
        if command.endswith(" &"):
            return self.serve(command[:-2])
        for port, real in self.ports.items():
            command = command.replace(":" + port, ":" + real)
        done = subprocess.run(["sh", "-c", command], cwd=self.scratch, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=support.PATIENCE)
        text = done.stdout.decode()
        for port, real in self.ports.items():
            text = text.replace(":" + real, ":" + port)
        return text

    def session(self, text):
        """The block as it must be: its commands, each with what it prints now."""
        out = ""
        for line in text.splitlines(keepends=True):
            if line.startswith("$ "):
                out += line + self.run(line[2:].rstrip("\n"))
                out += "" if out.endswith("\n") else "\n"
        return out


def plain(text):
    """The commands as they are, and the shape of what each printed, without the line breaks that numbers move."""
    parts = re.split(r"^(\$ .*\n)", text, flags=re.M)
    return "".join(part if part.startswith("$ ") else squeezed(shape(unbroken(part), CHANCE)) for part in parts)


def squeezed(text):
    return text.replace(" ", "")


def unbroken(text):
    return re.sub(r" *│\n {22}│   (?=\S)", " ", text)


def picture_shape(path):
    document = xml.dom.minidom.parse(path)
    words = " ".join(node.firstChild.data for node in document.getElementsByTagName("text") if node.firstChild)
    return re.sub(r"(?<![A-Z_])\d+(\.\d+)?( (us|ms|s)\b)?", "#", " ".join(words.split()))


@pytest.mark.parametrize("language", LANGUAGES)
def test_programs_are_the_examples(language):
    text = blocks(language)
    found = re.findall(r"<!-- file: (\S+) -->\n```c\n(.*?)```\n", text, re.S)
    assert len(found) >= 4
    for path, program in found:
        with open(os.path.join(support.ROOT, path), encoding="utf-8") as file:
            source = file.read()
        if UPDATE:
            text = text.replace("<!-- file: %s -->\n```c\n%s```\n" % (path, program),
                                "<!-- file: %s -->\n```c\n%s```\n" % (path, source))
        else:
            assert program == source, path
    if UPDATE:
        with open(os.path.join(FOLDER, language + ".md"), "w", encoding="utf-8") as file:
            file.write(text)


@pytest.mark.skipif(not may_capture(), reason="its pictures need CAP_NET_RAW")
@pytest.mark.parametrize("language", LANGUAGES)
def test_terminals_and_pictures(landline, build, scratch, language):
    text = blocks(language)
    found = BLOCK.findall(text)
    assert sum(kind == "run" for kind, *_ in found) >= 8
    terminal = Terminal(landline, build, scratch)
    for kind, _, body, picture in found:
        if kind == "run":
            last, now = body, terminal.session(body)
            if UPDATE:
                text = text.replace(body, now)
            else:
                assert plain(now) == plain(body)
        elif kind.startswith("picture: "):
            name = kind.split()[1]
            assert picture == name
            made, kept = os.path.join(scratch, name), os.path.join(FOLDER, name)
            if UPDATE:
                shutil.copyfile(made, kept)
                continue
            for _ in range(20):  # drawn again: what CHANCE leaves out of the text is in the picture
                if picture_shape(made) == picture_shape(kept):
                    break
                terminal.session(last)
            assert picture_shape(made) == picture_shape(kept)
    if UPDATE:
        with open(os.path.join(FOLDER, language + ".md"), "w", encoding="utf-8") as file:
            file.write(text)


def test_both_languages_tell_the_same():
    """The same programs, terminals and pictures in the same order; only the words differ."""
    def skeleton(language):
        kinds = [(kind.replace("-zh", ""), re.findall(r"^\$ .*", body, re.M)) for kind, _, body, _ in
                 BLOCK.findall(blocks(language))]
        return [(kind, [re.sub(r" --lang zh|-zh", "", line) for line in lines]) for kind, lines in kinds]

    assert skeleton("en") == skeleton("zh")
    assert len(re.findall(r"^## ", blocks("en"), re.M)) == len(re.findall(r"^## ", blocks("zh"), re.M))


def test_no_link_is_dead():
    for language in LANGUAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", blocks(language)):
            assert os.path.exists(os.path.normpath(os.path.join(FOLDER, target))), target
