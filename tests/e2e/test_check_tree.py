"""tools/check-tree finds each kind of violation in a small tree, and nothing in the tree as it should be."""

import os
import shutil
import subprocess

import pytest

import support

CHECK = os.path.join(support.ROOT, "tools", "check-tree")

GOOD = {
    "include/landline/error.h": """/* landline/error.h: errors. */
#ifndef LANDLINE_ERROR_H
#define LANDLINE_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LL_API __attribute__((visibility("default")))

/* One. Cannot fail. */
LL_API int ll_one(size_t n);

#ifdef __cplusplus
}
#endif
#endif
""",
    "lib/base/one.h": """#ifndef LIB_BASE_ONE_H
#define LIB_BASE_ONE_H

int one(void);

#endif
""",
    "lib/base/one.c": """#include "lib/base/one.h"

#include <stddef.h>

#include "landline/error.h"

/* Comments may speak of system() and of "lib/net/two.h". */
int one(void) {
    return (int)sizeof "exit()";
}

int ll_one(size_t n) {
    return (int)n;
}
""",
    "lib/net/two.h": "int two(void);\n",
    "lib/base/meson.build": "sources += files('one.c')\n",
    "README.md": "See [the error list](include/landline/error.h).\n",
}


def write(root, files):
    for name, text in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)


@pytest.fixture
def tree(scratch):
    write(scratch, GOOD)
    shutil.copy(os.path.join(support.ROOT, ".clang-format"), scratch)
    return scratch


def check(tree, *args):
    result = subprocess.run([CHECK, "--root", tree, *args], capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def body(lines):
    return "int one(void) {\n" + "    one();\n" * (lines - 3) + "    return 0;\n}\n"


def header(comment, head="errors."):
    """A public header with the comment in the place of ll_one()'s."""
    text = GOOD[ERRORS].replace("/* One. Cannot fail. */", comment)
    return text.replace("landline/error.h: errors.", "landline/error.h: " + head)


ERRORS = "include/landline/error.h"
TABLE = "errors.\n *\n * Common errors:\n *   -EINVAL  a NULL\n"
HEAD = '#include "lib/base/one.h"\n\n'
ONE = "lib/base/one.c"

# name of the case: (file, its new text, what must be said)
BAD = {
    "upward": (ONE, '#include "lib/net/two.h"\n', 'lib/base may not include "lib/net/two.h"'),
    "short path": (ONE, '#include "one.h"\n', "not a full path"),
    "reserved openssl": (ONE, "#include <openssl/ssl.h>\n", "belongs to lib/tls"),
    "reserved pcap": (ONE, "#include <pcap/pcap.h>\n", "belongs to landline/observe"),
    "reserved epoll": (ONE, "#include <sys/epoll.h>\n", "belongs to lib/os"),
    "platform": (ONE, "#ifdef __linux__\nint x;\n#endif\n", "platform conditionals belong to lib/os"),
    "raw call": (ONE, HEAD + "int one(void) {\n    return (int)syscall(1);\n}\n", "raw system calls belong"),
    "order": (ONE, HEAD + '#include "landline/error.h"\n#include <stddef.h>\n', "stands behind a header"),
    "own first": (ONE, '#include <stddef.h>\n#include "lib/base/one.h"\n', "comes first"),
    "new room": ("lib/attic/old.h", "int old(void);\n", "lib/attic is no room"),
    "cycle": ("lib/base/one.h", '#include "lib/base/one.h"\n', "a cycle"),
    "long function": (ONE, HEAD + body(71), "one() has 71 lines, 70 are allowed"),
    "long file": (ONE, HEAD + "int x;\n" * 599, "the file has 601 lines, 600 are allowed"),
    "banned": (ONE, HEAD + "int one(void) {\n    return atoi(\"1\");\n}\n", "atoi() is banned"),
    "prints": (ONE, HEAD + "int one(void) {\n    printf(\"1\");\n}\n", "printf(): only landline/cli"),
    "exits": (ONE, HEAD + "int one(void) {\n    exit(1);\n}\n", "exit(): only landline/cli"),
    "sleep in C": ("tests/unit/x.c", "int main(void) {\n    sleep(1);\n}\n", "sleep() in a test"),
    "sleep in Python": ("tests/e2e/test_x.py", "import time\ntime." + "sleep(1)\n", "in a test: use support.eventually()"),
    "blanks": ("README.md", "blank \n", "blanks at the end"),
    "unfinished": ("README.md", "TO" + "DO: more\n", "finish it"),
    "newline": ("README.md", "cut", "no newline"),
    "dead link": ("README.md", "[x](docs/none.md)\n", "leads nowhere"),
    "unlisted": ("lib/base/three.c", '#include "lib/base/one.h"\n', "no meson.build lists it"),
    "format": (ONE, HEAD + "int one( void ) { return 0; }\n", "not formatted"),
    "no C": ("include/landline/bad.h", "size_t bad;\n", "does not compile on its own with gcc"),
    "no C++": ("include/landline/bad.h", "int bad(int class);\n", "does not compile on its own with g++"),
    "no own header": ("lib/base/one.h", "size_t bad(void);\n", "does not compile on its own with gcc"),
    "silent": (ERRORS, header("/* One. */"), "ll_one() says neither its errors nor that it cannot fail"),
    "silent behind": (ERRORS, header("/* Fails with -EINVAL. */\nLL_API void ll_two(void);\n/* One. */"), "ll_one() says"),
    "unprovoked": (ERRORS, header("/* -EINVAL for 0; LL_EOF. */"), "no unit test provokes -EINVAL of ll_one()"),
    "unprovoked resolving": (ERRORS, header("/* LL_EGAI(EAI_AGAIN). */"), "no unit test provokes EAI_AGAIN of ll_one()"),
    "unprovoked in a section": (ERRORS, header("/* ---- all: LL_EOF ---- */\n\n/* One. */"), "provokes LL_EOF of ll_one()"),
    "unprovoked everywhere": (ERRORS, header("/* One. */", TABLE), "no unit test provokes -EINVAL of ll_one()"),
    "exception form": ("tools/exceptions.txt", "sizes lib/base/one.c one\n", "not `RULE PATH KEY -- REASON`"),
    "exception without reason": ("tools/exceptions.txt", "sizes lib/base/one.c one -- because\n", "not `RULE"),
    "exception unused": ("tools/exceptions.txt", "sizes lib/base/one.c one -- a table of all the rows\n", "nothing needs"),
}


def test_a_good_tree_is_good(tree):
    assert check(tree) == (0, "check-tree: 7 files, all rules hold\n")
    assert check(tree)[0] == 0  # also from its own cache


@pytest.mark.parametrize("case", BAD)
def test_a_violation_is_found(tree, case):
    name, text, message = BAD[case]
    write(tree, {name: text})
    status, output = check(tree)
    assert status == 1
    assert any(line.startswith(name + ":") and message in line for line in output.splitlines()), output


@pytest.mark.parametrize("lines, good", [(69, True), (70, True), (71, False)])
def test_the_limit_of_functions(tree, lines, good):
    write(tree, {ONE: HEAD + body(lines)})
    assert check(tree, "sizes")[0] == (0 if good else 1)


@pytest.mark.parametrize("lines, good", [(599, True), (600, True), (601, False)])
def test_the_limit_of_files(tree, lines, good):
    write(tree, {ONE: "int x;\n" * lines})
    assert check(tree, "sizes")[0] == (0 if good else 1)


def test_an_exception_with_a_reason_counts(tree):
    write(tree, {ONE: HEAD + body(80), "tools/exceptions.txt": "sizes %s one -- one row for each of 77 cases\n" % ONE})
    assert check(tree) == (0, "check-tree: 8 files, all rules hold\n")


@pytest.mark.parametrize("comment, head", [
    ("/* -EINVAL for 0. */", "errors."),
    ("/* Errors as\n * ll_two(); what else is said is no code: EINVAL, -1, ELLE. */", "errors."),
    ("/* ---- all of them: -EINVAL ---- */\n\n/* One. */", "errors."),
    ("/* One. */", TABLE),
])
@pytest.mark.parametrize("test, good", [
    ("int x = ll_one(EINVAL);\n", True),
    ("int x = ll_one(0);\n", False),
    ("int x = EINVAL;\n", False),
    ("int x = ll_one(0); /* EINVAL */\n", False),
])
def test_an_error_is_provoked_where_one_test_names_it_and_its_function(tree, comment, head, test, good):
    write(tree, {ERRORS: header(comment, head), "tests/unit/x.c": test})
    status, output = check(tree, "errors")
    assert status == (0 if good or "ll_two" in comment else 1), output


def test_tests_may_include_anything(tree):
    write(tree, {"tests/unit/x.c": '#include "lib/net/two.h"\n\n#include <openssl/ssl.h>\n',
                 "tests/unit/meson.build": "unit_tests = ['x']\n"})
    assert check(tree)[0] == 0


def test_an_unknown_rule_is_refused(tree):
    assert check(tree, "taste")[0] == 2


@pytest.mark.parametrize("exported, message", [
    ("int ll_one(int n) { return n; }", None),
    ("int ll_two(int n) { return n; }", "ll_one is declared and not in the library"),
    ("int ll_one(int n) { return n; } int stray;", "stray is in the library and in no public header"),
    (None, "build first"),
])
def test_exports(tree, exported, message):
    if exported is not None:
        subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", os.path.join(tree, "liblandline.so")],
                       input=exported.encode(), check=True)
    status, output = check(tree, "exports", "--build", tree)
    assert (status, message is None or message in output) == (0 if message is None else 1, True), output


def test_this_tree_holds(build):
    status, output = check(support.ROOT)
    assert status == 0, output
