# SPDX-License-Identifier: MIT
"""suite_libstdcxx.py - libstdc++'s testcases about threads, compiled as their dg- directives say"""

import glob
import os
import re
import subprocess
import tarfile

from common import failure, missing_package

SOURCES = "/usr/src/gcc-12/gcc-12.*.tar.xz"
TESTSUITE = "libstdc++-v3/testsuite/"
FOLDERS = ("30_threads/", "util/")
COMPILER = "g++-12"
FLAGS = "-g -O2 -D_GLIBCXX_ASSERT -fmessage-length=0".split()
COMPILE_LIMIT = 300
CASE_LIMIT = 60
# About the ways of waiting, one or two each; compiling is what takes the time.
FAST = (
    "29_atomics/atomic/wait_notify/generic.cc 30_threads/async/async.cc 30_threads/barrier/arrive_and_wait.cc "
    "30_threads/call_once/39909.cc 30_threads/condition_variable_any/stop_token/wait_on.cc "
    "30_threads/future/members/wait_until.cc 30_threads/jthread/jthread.cc 30_threads/lock/2.cc "
    "30_threads/semaphore/try_acquire_for.cc 30_threads/shared_timed_mutex/try_lock_until/1.cc "
    "30_threads/thread/native_handle/cancel.cc 30_threads/timed_mutex/try_lock_for/3.cc"
).split()

DIRECTIVE = re.compile(r"\{\s*(dg-[a-z-]+)\s+(.*?)\s*\}\s*(?:\*/)?\s*$", re.MULTILINE)
QUOTED = re.compile(r'"([^"]*)"')


class Suite:
    name = "libstdcxx"

    def needs(self):
        if not glob.glob(SOURCES):
            return missing_package(SOURCES, "gcc-12-source")
        return missing_package(f"/usr/bin/{COMPILER}", "g++-12")

    def run(self, mode, fast, context):
        root = unpack(context)
        cases = [case for case in (FAST if fast else all_cases(root)) if context.wants(case)]
        return dict(zip(cases, context.map(lambda case: run_case(root, case, mode, context), cases)))


def unpack(context):
    """The folder of the testcases; the archive is read only once."""
    root = os.path.join(context.cache, "testsuite")
    if not os.path.exists(root):
        archive, = glob.glob(SOURCES)
        partial = root + ".partial"
        with tarfile.open(archive) as tar:
            for member in tar:
                if TESTSUITE in member.name and member.isfile():
                    unpack_file(member.name.partition(TESTSUITE)[2], tar.extractfile(member).read(), partial)
        os.rename(partial, root)
    return root


def unpack_file(name, data, root):
    """Keeps what is about threads, or is linked with them, and what such files may include."""
    if not name.startswith(FOLDERS) and not name.endswith(".h") and b"-pthread" not in data:
        return
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def all_cases(root):
    for path in sorted(glob.glob(f"{root}/**/*.cc", recursive=True)):
        case = os.path.relpath(path, root)
        if not case.startswith("util/") and runs(directives(root, case)):
            yield case


def directives(root, case):
    with open(os.path.join(root, case), encoding="utf-8", errors="replace") as file:
        return DIRECTIVE.findall(file.read())


def runs(found):
    """True for programs that are to be run, and are not static: those no shim reaches, as `green run` says itself."""
    text = dict(reversed(found)).get("dg-do", "compile")
    return text.startswith("run") and "_only" not in text and not any("-static" in value for _, value in found)


def options(found):
    chosen, more = ["-std=gnu++17"], []
    for name, value in found:
        quoted = QUOTED.match(value)
        if name == "dg-options" and quoted:
            chosen += quoted[1].split()
        elif name == "dg-additional-options" and quoted:
            more += quoted[1].split()
        elif name == "dg-add-options" and value == "libatomic":
            more.append("-latomic")
    return chosen + more


def binary(root, case, context):
    """The compiled program, made only once; None if it does not compile."""
    path = os.path.join(context.cache, "programs", case.removesuffix(".cc").replace("/", "."))
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        flags = options(directives(root, case))
        command = [COMPILER, *FLAGS, f"-I{root}/util", os.path.join(root, case), *flags, "-o", path]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMPILE_LIMIT,
                              check=False)
        context.detail(case, done.stderr.decode(errors="replace"))
    return path if os.path.exists(path) else None


def run_case(root, case, mode, context):
    program = binary(root, case, context)
    if not program:
        return failure("it does not compile")
    directory = os.path.join(context.scratch, os.path.basename(program))
    os.makedirs(directory)
    run = context.run([program], mode, CASE_LIMIT, directory=directory)
    if run.hang or run.status:
        context.detail(case, f"{run.text()}\n{run.hang or ''}")
        return failure(f"it hung for {CASE_LIMIT} s" if run.hang else f"status {run.status}")
    return "pass"
