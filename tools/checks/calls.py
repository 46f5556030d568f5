"""Calls that nothing here may make, and calls that only the tool may make."""

import re

from .tree import line_of, room_of

BANNED = {
    "strcpy": "snprintf, or memcpy with a checked length",
    "strcat": "snprintf",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "strtok": "a loop over the text",
    "atoi": "lib/base/number.h",
    "atol": "lib/base/number.h",
    "atoll": "lib/base/number.h",
    "atof": "strtod with a checked end",
    "alloca": "an array of fixed size, or malloc",
    "system": "lib/os/spawn.h",
    "popen": "lib/os/spawn.h",
    "rand": "getrandom",
    "srand": "getrandom",
    "signal": "sigaction, or a signal of landline/loop.h",
    "tmpnam": "mkstemp",
    "mktemp": "mkstemp",
}
# Only in tests: they wait for a condition, never for time.
BANNED_IN_TESTS = {"sleep": "poll a condition", "usleep": "poll a condition"}
# What prints or ends the process is for these rooms only.
TALKERS = {"landline/cli", "examples", "tests", "bench", "fuzz"}
TALKING = ["printf", "fprintf", "vprintf", "vfprintf", "dprintf", "puts", "fputs", "putchar", "putc", "fputc", "perror",
           "exit", "_exit", "_Exit", "quick_exit", "abort", "err", "errx", "warn", "warnx", "psignal"]


def pattern(names):
    # A call, not a member of a struct, not a declaration (`void signal(`) and not the tail of a longer name.
    return re.compile(r"(?<![\w.])(?<!->)(%s)\s*\(" % "|".join(names))


DECLARED = re.compile(r"^[a-z][\w\s*]*[\s*]$")
ANY_BANNED = pattern(BANNED)
ANY_BANNED_IN_TESTS = pattern(BANNED_IN_TESTS)
ANY_TALKING = pattern(TALKING)
PYTHON_SLEEP = re.compile(r"\btime\.sleep\(")


def calls(code, regex):
    for match in regex.finditer(code):
        before = code[code.rfind("\n", 0, match.start()) + 1:match.start()]
        if DECLARED.match(before) and not before.strip().endswith(("return", "else", "do")):
            continue
        yield match.group(1), line_of(code, match.start())


def check(tree):
    for path in tree.c_files:
        code, room = tree.code(path), room_of(path)
        for name, line in calls(code, ANY_BANNED):
            yield path, line, "calls", "%s() is banned: use %s" % (name, BANNED[name]), name
        if room == "tests":
            for name, line in calls(code, ANY_BANNED_IN_TESTS):
                yield path, line, "calls", "%s() in a test: %s" % (name, BANNED_IN_TESTS[name]), name
        if room not in TALKERS:
            for name, line in calls(code, ANY_TALKING):
                yield path, line, "calls", "%s(): only landline/cli prints or exits" % name, name
    for path in tree.files:
        if path.startswith("tests/") and path.endswith(".py"):
            for match in PYTHON_SLEEP.finditer(tree.text(path)):
                yield path, line_of(tree.text(path), match.start()), "calls", \
                    "time.sleep() in a test: use support.eventually()", "sleep"
