#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""daily.py - shells, make, git, compilers, archives and the like: the same under `green run` as natively?

Each job is a script, run natively and green in a directory of the same name: what it prints, its status and the files
that it leaves must be the same, its processes must have had the shim, and none may be left.
"""

import hashlib
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "preload"))

# pylint: disable=wrong-import-position
from harness import Case, Failure, Skip, check_stats, first_difference, main_with, read_proc, run  # noqa: E402

LIMIT = 200
MARK = "GREEN_TEST_DAILY_JOB"


class Job(Case):
    """NAME.sh in the folder daily; NEEDS are its programs, it has at least PROCESSES, THREADS the first one makes."""

    def __init__(self, name, needs=(), processes=1, shell="/bin/bash", in_check=True):
        super().__init__(name)
        self.needs, self.processes, self.shell, self.in_check = needs, processes, shell, in_check
        self.script = os.path.join(HERE, "daily", f"{name}.sh")

    def run(self, options):
        missing = [program for program in self.needs if not shutil.which(program)]
        if missing:
            raise Skip(f"there is no {', '.join(missing)}")
        with tempfile.TemporaryDirectory(prefix="daily-") as directory:
            native, files = self.once(options, directory, None)
            if native.hang or native.status < 0 or b"\nfine\n" not in native.stdout:
                raise Failure("does not work natively", native)
            if options.native_only:
                return
            for _ in range(options.repeat or 1):
                self.compare(native, files, *self.once(options, directory, options.green))

    def once(self, options, directory, green):
        """One run in a fresh directory, and what is in it afterwards."""
        work = os.path.join(directory, "work")
        shutil.rmtree(work, ignore_errors=True)
        os.mkdir(work)
        env = {name: value for name, value in os.environ.items() if not name.startswith(("GREEN_", "LD_", "MAKE"))}
        env.update(HOME=work, TMPDIR=work, LC_ALL="C", TZ="UTC", PATH="/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
                   WORK=work, SOURCE=os.path.dirname(os.path.dirname(HERE)), GREEN=options.green, **{MARK: directory})
        command = [self.shell, "-c", 'cd "$WORK" && . "$0" && echo && echo fine', self.script]
        result = run(command, limit=LIMIT, env=env, green=green)
        self.demand_nobody_left(directory, result)
        return result, tree_of(work)

    @staticmethod
    def demand_nobody_left(directory, result):
        # An agent looks every ten seconds whether the command that it is for is still there.
        deadline = time.monotonic() + 15
        while left := marked(directory):
            if time.monotonic() > deadline:
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
                raise Failure(f"processes are left: {[read_proc(f'/proc/{pid}/cmdline') for pid in left]}", result)
            time.sleep(0.02)

    def compare(self, native, files, result, seen):
        if result.hang:
            raise Failure("hangs", result)
        if result.stdout != native.stdout:
            raise Failure("other output", result, native.stdout)
        if without_numbers(result.stderr) != without_numbers(native.stderr):
            raise Failure(f"other errors: {first_difference(native.stderr, result.stderr)}", result, native.stdout)
        if result.status != native.status:
            raise Failure(f"status {result.status}, natively {native.status}", result)
        other = sorted(set(files.items()) ^ set(seen.items()))
        if other:
            raise Failure(f"other files: {other[:6]}", result)
        check_stats(result, 0)
        if len(result.stats) < self.processes:
            raise Failure(f"the shim was in {len(result.stats)} processes, at least {self.processes} expected", result)
        created = sum(stats["created"] for stats in result.stats.values())
        self.note = (f"{len(result.stats)} processes under the shim, {created} green pthreads; "
                     f"{native.seconds:.1f} -> {result.seconds:.1f} s")


def without_numbers(text):
    """Messages name processes by their numbers, in columns."""
    return re.sub(rb" *\d{3,}", b" N", text)


def tree_of(top):
    """Each file below TOP with its kind and what is in it, but for what is made of inodes and times."""
    found = {}
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and not path.endswith((".git/index", ".unlike")):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()[:12]
            else:
                content = os.readlink(path) if stat.S_ISLNK(mode) else ""
            found[os.path.relpath(path, top)] = (oct(mode), content)
    return found


def marked(directory):
    """Processes that have the job's mark in their environment."""
    mark = f"{MARK}={directory}".encode()
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if name.isdigit() and mark in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            pass
    return found


JOBS = (
    Job("shell_bash", processes=20),
    Job("shell_dash", processes=10, shell="/bin/dash"),
    Job("wrappers", ("setsid", "nohup", "timeout", "script", "flock", "xargs"), 30),
    Job("archives", ("tar", "gzip", "xz", "rsync", "sort"), 20),
    Job("make", ("make", "gcc"), 30),
    Job("compilers", ("gcc", "g++", "ar"), 15),
    Job("git", ("git",), 40),
    Job("apt", ("apt-get", "dpkg-deb"), 10),
    Job("tmux", ("tmux",), 5),
    Job("ssh_agent", ("ssh-agent", "ssh-add"), 3),
    Job("languages", ("perl", "python3"), 10),
    Job("children", ("gcc", "env"), 8),
    Job("go_child", ("fzf",), 2),
    Job("itself", ("make", "gcc", "autoreconf"), 500, in_check=False),
)


def cases(_options):
    return [job for job in JOBS if job.in_check or not FAST]


FAST = "--fast" in sys.argv


def main():
    if FAST:
        sys.argv.remove("--fast")
    return main_with(cases)


if __name__ == "__main__":
    sys.exit(main())
