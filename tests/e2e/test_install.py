"""meson install: a program outside the tree builds against what was installed, in C and in C++, and runs."""

import os
import re
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


def facts(path):
    return subprocess.run(["readelf", "-dhlW", path], capture_output=True, text=True, check=True).stdout


def exported(path):
    out = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    return [line.split()[-1] for line in out.splitlines()]


def assert_hardened(said):
    assert "BIND_NOW" in said and "GNU_RELRO" in said
    assert not [line for line in said.splitlines() if "GNU_STACK" in line and "E" in line.split()[-2]]
    assert "TEXTREL" not in said


def test_the_library_has_a_versioned_name_and_is_hardened(build):
    said = facts(os.path.join(build, "liblandline.so"))
    assert "soname: [liblandline.so.0]" in said
    assert_hardened(said)


def test_the_program_is_hardened(build):
    said = facts(os.path.join(build, "landline"))
    assert "DYN (Position-Independent" in said
    assert_hardened(said)


@pytest.fixture
def module(build):
    path = os.path.join(build, "landline-tls.so")
    if not os.path.exists(path):
        pytest.skip("a build without the module")
    return path


def test_the_module_is_hardened_and_exports_one_symbol(module):
    assert_hardened(facts(module))
    assert exported(module) == ["landline_tls"]


def test_the_program_starts_without_what_it_carries(build, module):
    """OpenSSL is in the module alone, and neither of the two loads more than the C library."""
    program = os.path.join(build, "landline")
    for path in (program, module):
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", facts(path))
        assert [name for name in needed if not name.startswith(("libc.so.", "ld-linux"))] == []
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    assert " T main\n" in symbols
    assert not re.findall(r" (?:OPENSSL|CRYPTO|EVP|SSL|SHA256)_\w+$", symbols, re.M)
