"""Every header compiles on its own: public ones in C and C++, the others in C."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

STRICT = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
C = [["gcc", "-x", "c", "-std=gnu17", *STRICT], ["clang", "-x", "c", "-std=gnu17", *STRICT]]
CXX = [["g++", "-x", "c++", "-std=c++11", *STRICT], ["clang++", "-x", "c++", "-std=c++11", *STRICT]]


def jobs(tree):
    """[(header, command)] of what is to be compiled, with the compilers that are there."""
    for path in tree.c_files:
        if not path.endswith(".h") or not path.startswith(("include/", "lib/", "landline/")):
            continue
        for command in C + CXX if path.startswith("include/") else C[:1]:
            if shutil.which(command[0]):
                yield path, command


def compile_header(tree, path, command):
    name = path[len("include/"):] if path.startswith("include/") else path
    result = subprocess.run([*command, "-I", "include", "-I", ".", "-"], cwd=tree.root,
                            input=('#include "%s"\n' % name).encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return "" if result.returncode == 0 else result.stdout.decode("utf-8", "replace")


def check(tree):
    # A header's result may change with any header that it includes; all of them together are one key.
    text = b"".join(tree.bytes(p) for p in tree.c_files if p.endswith(".h"))
    everything = tree.cache.key("headers", text)
    todo = [(p, c, tree.cache.key("header", everything, p, " ".join(c))) for p, c in jobs(tree)]
    todo = [job for job in todo if not tree.cache.knows(job[2])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda job: compile_header(tree, job[0], job[1]), todo))
    for (path, command, key), output in zip(todo, results):
        if output:
            reason = next((l for l in output.splitlines() if "error" in l), output.splitlines()[0])
            yield path, 1, "headers", "does not compile on its own with %s: %s" % (command[0], reason), command[0]
        else:
            tree.cache.learn(key)
