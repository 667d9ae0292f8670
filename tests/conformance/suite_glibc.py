# SPDX-License-Identifier: MIT
"""suite_glibc.py - the C library's own tests of threads, signals, timers and message queues, with the libc that is here

Tests that need libc's internal headers or objects beside their own do not
compile here, and so pass in neither way.
"""

import glob
import os
import re
import subprocess
import tarfile

from common import failure, missing_package

SOURCES = "/usr/src/glibc/glibc-*.tar.xz"
COMPILER = "gcc"
TESTS = ("nptl", "sysdeps/pthread", "rt", "signal")
# What the tests and their support library include, and where they look for it.
HEADERS = {
    "test-skeleton.c": "test-skeleton.c",
    "include/array_length.h": "array_length.h",
    "include/intprops.h": "intprops.h",
    "include/libc-diag.h": "libc-diag.h",
    "include/libc-pointer-arith.h": "libc-pointer-arith.h",
    "include/scratch_buffer.h": "scratch_buffer.h",
    "include/verify.h": "verify.h",
    "sysdeps/unix/sysv/linux/tst-skeleton-thread-affinity.c": "tst-skeleton-thread-affinity.c",
    "sysdeps/x86_64/stackinfo.h": "stackinfo.h",
}
# Programs and fragments among the support library's sources.
NO_OBJECTS = re.compile(r"tst-|links-|README|test-driver|test-run|.*-(container|main)\.c|.*(blob|string)_main\.c")
FLAGS = "-std=gnu11 -O2 -w -D_GNU_SOURCE -DTIMEOUTFACTOR=1 -Dattribute_hidden= -Dlibc_hidden_proto(x)=".split()
FLAGS += ["-include", "limits.h", "-include", "stdlib.h"]
PATHS = {
    "BINDIR": "/usr/bin", "COMPLOCALEDIR": "/usr/lib/locale", "INSTDIR": "/usr", "LIBDIR": "/usr/lib", "OBJDIR": "/tmp",
    "OBJDIR_ELF_LDSO": "/lib64/ld-linux-x86-64.so.2", "ROOTDIR": "/", "ROOTSBINDIR": "/sbin", "SBINDIR": "/usr/sbin",
    "SLIBDIR": "/lib", "SRCDIR": "/tmp", "SYSCONFDIR": "/etc",
}
# Their makefile's flags: the tests with an x unwind through exceptions.
EXCEPTIONS = re.compile(r"tst-(cancel|cleanup|once)[xy]")
# This one sets the time of the whole machine.
LEFT_OUT = ("nptl/tst-clock2",)
COMPILE_LIMIT = 60
CASE_LIMIT = 120
FAST = (
    "nptl/tst-cond22 nptl/tst-mutexpi1 rt/tst-mqueue5 sysdeps/pthread/tst-atfork1 sysdeps/pthread/tst-barrier4 "
    "sysdeps/pthread/tst-cancel1 sysdeps/pthread/tst-cleanup3 sysdeps/pthread/tst-cnd-broadcast "
    "sysdeps/pthread/tst-cond8 sysdeps/pthread/tst-join5 sysdeps/pthread/tst-key3 sysdeps/pthread/tst-kill3 "
    "sysdeps/pthread/tst-mtx-basic sysdeps/pthread/tst-robust1 sysdeps/pthread/tst-rwlock14 "
    "sysdeps/pthread/tst-sem10 sysdeps/pthread/tst-signal2 sysdeps/pthread/tst-stack1 sysdeps/pthread/tst-tsd5"
).split()


# CK28: glibc's own tests
class Suite:
    name = "glibc"

    def needs(self):
        return None if glob.glob(SOURCES) else missing_package(SOURCES, "glibc-source")

    def run(self, mode, fast, context):
        root = unpack(context)
        make_support(root, context)
        cases = [case for case in (FAST if fast else all_cases(root)) if context.wants(case)]
        return dict(zip(cases, context.map(lambda case: run_case(root, case, mode, context), cases)))


def unpack(context):
    root = os.path.join(context.cache, "source")
    if not os.path.exists(root):
        archive, = glob.glob(SOURCES)
        partial = root + ".partial"
        with tarfile.open(archive) as tar:
            for member in tar:
                name = place_of(member.name.partition("/")[2])
                if name and member.isfile():
                    unpack_file(os.path.join(partial, name), tar.extractfile(member).read())
        unpack_file(os.path.join(partial, "include", "config.h"), b"")
        os.rename(partial, root)
    return root


def place_of(name):
    """Where a file of the archive goes; None if it is not wanted."""
    folder, base = os.path.split(name)
    if name in HEADERS:
        return os.path.join("include", HEADERS[name])
    if folder == "support" or (folder == "malloc" and base.startswith("dynarray")):
        return os.path.join("include", name)
    return name if folder in TESTS and base.startswith("tst-") else None


def unpack_file(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def compiled(root, path, arguments):
    """What the compiler says, if it fails; PATH is not made then."""
    include = os.path.join(root, "include")
    flags = FLAGS + [f'-D{name}_PATH="{value}"' for name, value in PATHS.items()]
    flags += [f"-I{include}", f"-I{include}/support", f"-iquote{root}/nptl", f"-iquote{root}/sysdeps/pthread"]
    command = [COMPILER, *flags, *arguments, "-o", path]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMPILE_LIMIT, check=False)
    return done.stderr.decode(errors="replace") if done.returncode else None


def make_support(root, context):
    """The library that most tests are linked with; a source that does not compile is not in it."""
    objects, library = os.path.join(root, "objects"), os.path.join(root, "libsupport.a")
    if os.path.exists(library):
        return
    os.makedirs(objects, exist_ok=True)
    sources = [os.path.basename(path) for path in glob.glob(f"{root}/include/support/*.c")]
    sources = [name for name in sources if not NO_OBJECTS.match(name)]
    context.map(lambda name: compiled(root, f"{objects}/{name}.o", ["-c", f"{root}/include/support/{name}"]), sources)
    subprocess.run(["ar", "rcs", library, *glob.glob(f"{objects}/*.o")], check=True)


def all_cases(root):
    names = (os.path.relpath(path, root)[:-2] for folder in TESTS for path in glob.glob(f"{root}/{folder}/tst-*.c"))
    return sorted(name for name in names if name not in LEFT_OUT)


def program(root, case, context):
    """The compiled test, made only once, and what the compiler said if there is none."""
    path = os.path.join(context.cache, "programs", case.replace("/", "."))
    if os.path.exists(path):
        return path, None
    os.makedirs(os.path.dirname(path), exist_ok=True)
    flags = ["-fexceptions"] if EXCEPTIONS.match(os.path.basename(case)) else []
    return path, compiled(root, path, [*flags, "-pthread", f"{root}/{case}.c", f"{root}/libsupport.a", "-lm"])


def run_case(root, case, mode, context):
    path, error = program(root, case, context)
    if error is not None:
        context.detail(case, error)
        return failure("it does not compile")
    directory = os.path.join(context.scratch, os.path.basename(path))
    os.makedirs(directory)
    # Some open the makefile of where libc is built.
    unpack_file(os.path.join(directory, "Makefile"), b"")
    run = context.run([path], mode, CASE_LIMIT, directory=directory)
    if run.hang or run.status not in (0, 77):
        context.detail(case, f"{run.text()}\n{run.hang or ''}")
        return failure(f"it hung for {CASE_LIMIT} s" if run.hang else f"status {run.status}")
    return "pass" if run.status == 0 else "skip"
