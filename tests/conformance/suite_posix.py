# SPDX-License-Identifier: MIT
"""suite_posix.py - libc's thread functions, one behaviour a case: what a case says must be the same natively and green

A case passes natively if it comes to its end and says the same in every run;
green, if its output, its errors and its end are those of the native run.
"""

import os

from common import failure
from harness import Failure, check_stats, collect_stats, first_difference, run

PROGRAMS = (
    "attributes barrier c11 cancel_points cancel_state clocks cond create cxx defaults exits fork join keys kill "
    "mutex once rwlock sched semaphore spin"
).split()
TIME_LIMIT = 12


def facts(result):
    return result.status, result.stdout, result.stderr


def difference(expected, result):
    text = ""
    if expected.status != result.status:
        text += f"status {result.status}, natively {expected.status}\n"
    text += first_difference(expected.stdout, result.stdout)
    return text + first_difference(expected.stderr, result.stderr)


class Suite:
    """Every case of every program, by the name PROGRAM.CASE."""

    name = "posix"

    def __init__(self):
        self.native = {}

    @staticmethod
    def needs():
        return None

    @staticmethod
    def cases(context):
        """Name, command and least number of threads of each case."""
        for program in PROGRAMS:
            path = os.path.join(context.build, "tests", "conformance", "posix", program)
            listed = run([path, "--list"], limit=10)
            if listed.status != 0:
                raise Failure(f"{path} --list: status {listed.status}")
            for line in listed.stdout.decode().splitlines():
                case, threads = line.split()
                yield f"{program}.{case}", [path, case], int(threads)

    def run(self, mode, _fast, context):
        chosen = [case for case in self.cases(context) if context.wants(case[0])]
        return dict(context.map(lambda case: (case[0], self.run_case(mode, context, *case)), chosen))

    def run_case(self, mode, context, name, command, threads):
        scratch = os.path.join(context.scratch, f"{name}.{mode}")
        os.makedirs(scratch, exist_ok=True)
        env = dict(context.environment(mode), TMPDIR=scratch)
        result = run(context.command(command, mode), limit=TIME_LIMIT, env=env)
        try:
            if mode == "native":
                self.judge_native(name, result)
            else:
                result.stats = collect_stats(env["GREEN_STATS"])
                self.judge_green(name, result, threads)
        except Failure as reason:
            context.detail(name, self.explain(name, result))
            return failure(str(reason))
        return "pass"

    def judge_native(self, name, result):
        if result.hang:
            raise Failure("hangs natively")
        if b"cannot go on" in result.stdout:
            raise Failure("cannot go on natively")
        if facts(self.native.setdefault(name, result)) != facts(result):
            raise Failure("another native run said something else")

    def judge_green(self, name, result, threads):
        if result.hang:
            raise Failure("hangs")
        if name in self.native and facts(self.native[name]) != facts(result):
            raise Failure("is not as natively")
        check_stats(result, threads)

    def explain(self, name, result):
        text = difference(self.native[name], result) if name in self.native else ""
        return text + (result.hang or "")
