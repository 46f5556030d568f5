"""Every error that a public header lists is provoked by a test, and every public function says which errors it has.

A comment speaks for the functions that follow it, up to the next one; that of a section (`---- … ----`) for all of the
section, the head's table of common errors for all of the header. A code counts as provoked when one unit test names it and
one of these functions. Of what a function says, codes count, "errors as" another function, and that it cannot fail.
"""

import re

from .tree import line_of

CODE = re.compile(r"(?<!\w)-E[A-Z0-9]+\b|\b(?:LL_E[A-Z0-9]+|EAI_[A-Z]+)\b")
TABLE_OF_ERRORS = re.compile(r"^ \*   (?:-E|LL_E)[A-Z0-9]+", re.M)
SAYS = re.compile(r"\bcannot fail\b|\berrors\b[^.;]*\bll_\w+", re.I)
ITEM = re.compile(r"/\*.*?\*/|^LL_API\b[^;{]*;", re.S | re.M)
DECLARED = re.compile(r"^LL_API\s+(.*?)\b(ll_\w+)\s*\(", re.S)
CAN_FAIL = {"int", "ssize_t", "int64_t"}


class Part:
    """A comment and the functions that it speaks for: [(name, type, line)]."""

    def __init__(self, comment, line, section, head):
        self.comment, self.line, self.section, self.head = comment, line, section, head
        self.functions = []

    def codes(self):
        return sorted(set(CODE.findall(self.comment)))

    def says(self):
        return bool(self.codes() or SAYS.search(re.sub(r"\s*\n \*\s*", " ", self.comment)))


def parts(text):
    """A header's comments in their order. Those behind or inside of code are not of a function's."""
    found = []
    head = section = None
    own = []
    for match in ITEM.finditer(text):
        line = line_of(text, match.start())
        if match.group().startswith("/*"):
            if text[text.rfind("\n", 0, match.start()) + 1:match.start()]:
                continue
            part = Part(match.group(), line, match.group().startswith("/* ---- "), not found)
            found.append(part)
            if part.head:
                head = part
            elif part.section:
                section, own = part, []
            else:
                own = [part]
            continue
        declared = DECLARED.match(match.group())
        if declared:
            function = (declared.group(2), declared.group(1).strip(), line)
            for part in [head, section] + own:
                if part is not None:
                    part.functions.append(function)
    return found


def check_header(tree, path, tests):
    found = parts(tree.text(path))
    spoken = {f for part in found for f in part.functions
              if (TABLE_OF_ERRORS.search(part.comment) if part.head else part.says())}
    for part in found:
        for name, kind, line in part.functions if part.head else ():
            if kind in CAN_FAIL and (name, kind, line) not in spoken:
                yield path, line, "errors", "%s() says neither its errors nor that it cannot fail" % name, name
        names = {name for name, _, _ in part.functions}
        for code in part.codes():
            if names and not any(code.lstrip("-") in words and not names.isdisjoint(words) for words in tests):
                first = part.functions[0][0]
                yield path, part.line, "errors", "no unit test provokes %s of %s()" % (code, first), first + ":" + code


def check(tree):
    tests = [set(re.findall(r"\w+", tree.code(p))) for p in tree.c_files if p.startswith("tests/unit/")]
    for path in tree.c_files:
        if path.startswith("include/landline/"):
            yield from check_header(tree, path, tests)
