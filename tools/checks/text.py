"""Blanks at the ends of lines, unfinished business, links that lead nowhere."""

import os
import re

from .tree import line_of

# Written in two pieces, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(%s)\b" % "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")))
TRAILING = re.compile(r"[ \t]+$", re.M)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def check(tree):
    for path in tree.files:
        if path.startswith("fuzz/corpus/"):  # inputs are what they are
            continue
        text = tree.text(path)
        for match in TRAILING.finditer(text):
            yield path, line_of(text, match.start()), "text", "blanks at the end of the line", "blanks"
        for match in UNFINISHED.finditer(text):
            yield path, line_of(text, match.start()), "text", "%s: finish it, or leave it out" % match.group(), \
                match.group()
        if text and not text.endswith("\n"):
            yield path, text.count("\n") + 1, "text", "no newline at the end of the file", "newline"
        if path.endswith(".md"):
            for match in LINK.finditer(text):
                target = os.path.join(os.path.dirname(tree.path(path)), match.group(1))
                if not os.path.exists(target):
                    yield path, line_of(text, match.start()), "text", "the link %s leads nowhere" % match.group(1), \
                        match.group(1)
