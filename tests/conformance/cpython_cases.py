# SPDX-License-Identifier: MIT
"""cpython_cases.py MODULE RESULTS [CASE...] - runs a module of CPython's suite, and writes a line per case to RESULTS

A case that RESULTS already names is left out, so that the module goes on
behind one that hung. Each line is JSON: a start, or a case with its outcome.
"""

import faulthandler
import json
import os
import sys
import unittest

from test import support

# What regrtest calls resources. These modules keep to the loopback, however they call it.
RESOURCES = ["cpu", "subprocess", "walltime"]
LOCAL = ("test_socketserver", "test_timeout")

# The first looks for hosts far away, the second hangs natively where the kernel has no loopback of that kind.
LEFT_OUT = ("test.test_timeout.TCPTimeoutTestCase", "test.test_socket.ThreadedVSOCKSocketStreamTest")


class Results(unittest.TestResult):
    """Writes down each case as it begins and ends."""

    def __init__(self, path):
        super().__init__()
        self.file = open(path, "a", encoding="utf-8", buffering=1)
        self.outcome, self.text = "pass", ""

    def write(self, **line):
        self.file.write(json.dumps(line) + "\n")

    def startTest(self, test):
        super().startTest(test)
        self.outcome, self.text = "pass", ""
        self.write(start=test.id())

    def stopTest(self, test):
        super().stopTest(test)
        self.write(case=test.id(), outcome=self.outcome, detail=self.text)

    def failed(self, test, error):
        self.outcome = "fail"
        self.text += self._exc_info_to_string(error, test)

    def addFailure(self, test, err):
        self.failed(test, err)

    def addError(self, test, err):
        self.failed(test, err)
        # The fixture of a class or a module is no case that starts and stops.
        if not isinstance(test, unittest.TestCase):
            self.write(case=test.id(), outcome="fail", detail=self.text)

    def addSubTest(self, test, subtest, err):
        if err:
            self.failed(test, err)

    def addSkip(self, test, reason):
        if self.outcome == "pass":
            self.outcome, self.text = "skip", reason

    def addUnexpectedSuccess(self, test):
        self.outcome = "fail"


def cases(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from cases(one)
        else:
            yield one


def done(path):
    if not os.path.exists(path):
        return set()
    with open(path, encoding="utf-8") as file:
        return {line.get("case") for line in map(json.loads, file)}


def selected(module, finished, only):
    for case in cases(unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")):
        name = case.id()
        if name not in finished and not name.startswith(LEFT_OUT) and (not only or name.startswith(only)):
            yield case


def main():
    module, path, *only = sys.argv[1:]
    faulthandler.enable()
    support.verbose = 0
    support.use_resources = RESOURCES + ["network"] * (module in LOCAL)
    results = Results(path)
    unittest.TestSuite(selected(module, done(path), tuple(only))).run(results)
    # Threads and processes that are left over are reported here, as regrtest does.
    support.reap_children()
    results.write(case=f"test.{module}.leaves_nothing", outcome="fail" if support.environment_altered else "pass")


if __name__ == "__main__":
    main()
