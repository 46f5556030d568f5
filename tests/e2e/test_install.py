"""meson install: a program outside the tree builds against what was installed, in C and in C++, and runs."""

import os
import shutil
import subprocess

import pytest

import support

PROGRAM = """
#include <landline/error.h>
#include <landline/frame.h>
#include <landline/loop.h>
#include <landline/stream.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    ll_loop *loop;
    ll_stream *a, *b;
    char got[8] = "";
    if (ll_loop_new(&loop) != 0 || ll_loop_run(loop) != 0 || ll_stream_pair(64, &a, &b) != 0)
        return 1;
    if (ll_stream_write(a, "hello", 5) != 5 || ll_stream_read(b, got, 8) != 5)
        return 2;
    ll_stream_close(a);
    ll_stream_close(b);
    ll_loop_free(loop);
    return printf("%s, %s\\n", got, ll_error_name(LL_EOF)) > 0 ? 0 : 3;
}
"""


@pytest.fixture(scope="module")
def installed(build):
    with support.scratch_folder() as folder:
        subprocess.run(["/usr/bin/meson", "install", "--no-rebuild", "-C", build, "--destdir", folder], check=True,
                       capture_output=True)
        yield folder


def find(root, name):
    for folder, _, files in os.walk(root):
        if name in files:
            return os.path.join(folder, name)
    raise AssertionError("%s was not installed" % name)


@pytest.mark.parametrize("compiler, name", [("gcc", "outside.c"), ("g++", "outside.cpp")])
def test_a_program_outside_the_tree(installed, scratch, compiler, name):
    if shutil.which(compiler) is None:
        pytest.skip("no %s" % compiler)
    source, program = os.path.join(scratch, name), os.path.join(scratch, "outside")
    with open(source, "w") as f:
        f.write(PROGRAM)
    # The .pc file speaks of the prefix; PKG_CONFIG_SYSROOT_DIR puts the staging folder in front of it.
    env = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": installed,
           "PKG_CONFIG_PATH": os.path.dirname(find(installed, "landline.pc"))}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "landline"], env=env, check=True, capture_output=True,
                           text=True).stdout.split()
    subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", source, "-o", program, *flags], check=True)
    library = os.path.dirname(find(installed, "liblandline.so.0"))
    result = subprocess.run([program], env={**os.environ, "LD_LIBRARY_PATH": library}, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "hello, LL_EOF\n"), result.stderr


def test_the_tool_runs_from_where_it_was_installed(installed, landline):
    result = landline.run([find(installed, "landline"), "--version"])
    assert result.returncode == 0 and result.stdout.startswith(b"landline "), result


def test_every_public_header_is_installed(installed):
    folder = os.path.dirname(find(installed, "error.h"))
    assert sorted(os.listdir(folder)) == sorted(os.listdir(os.path.join(support.ROOT, "include", "landline")))


def test_the_library_has_a_versioned_name_and_is_hardened(build):
    library = os.path.join(build, "liblandline.so")
    facts = subprocess.run(["readelf", "-dlW", library], capture_output=True, text=True, check=True).stdout
    assert "soname: [liblandline.so.0]" in facts
    assert "BIND_NOW" in facts and "GNU_RELRO" in facts
    tool = subprocess.run(["readelf", "-hlW", os.path.join(build, "landline")], capture_output=True, text=True,
                          check=True).stdout
    assert "DYN (Position-Independent" in tool
    assert not [line for line in tool.splitlines() if "GNU_STACK" in line and "E" in line.split()[-2]]
