# SPDX-License-Identifier: MIT
"""suite_cpython.py - the modules of CPython's own suite about threads, processes, time, files and the network"""

import json
import os

from common import HERE, failure, missing_package

PYTHON = "/usr/bin/python3"
TESTS = "/usr/lib/python3.11/test/test_threading.py"
MODULES = (
    # Those that wait longest come first.
    "test_asyncio test_multiprocessing_fork test_concurrent_futures test_socket test_signal test_imaplib test_xmlrpc "
    "test_io test_subprocess test_ssl test_logging test_faulthandler test_selectors test_threading test_poll "
    "test_thread test_threading_local test_threadsignals test_threadedtempfile test_queue test_sched test_fork1 "
    "test_wait3 test_wait4 test_context test_time test_timeout test_socketserver test_contextlib test_weakref "
    "test_eintr test_select test_epoll test_asyncore test_asynchat test_smtpd test_smtplib test_httpservers "
    "test_httplib test_ftplib test_poplib test_telnetlib test_urllib2_localnet test_wsgiref test_docxmlrpc test_os "
    "test_posix test_pty test_popen test_fcntl test_file test_fileio test_largefile test_mmap"
).split()
FAST = "test_threadsignals test_time test_timeout test_thread test_sched test_socketserver test_threading_local".split()
LAST = "leaves_nothing"  # no case of CPython's, but what cpython_cases.py finds at the end of a module
CASE_LIMIT = 90
MODULE_LIMIT = 40  # restarts: a module that hangs more often is given up


# MP8, U8, CK28, X17, X18, X20, X22, X25, X26: CPython's own tests
class Suite:
    name = "cpython"

    def needs(self):
        return missing_package(PYTHON, "python3") or missing_package(TESTS, "libpython3.11-testsuite")

    def run(self, mode, fast, context):
        outcomes = {}
        modules = [module for module in (FAST if fast else MODULES) if wanted(module, context)]
        for found in context.map(lambda module: run_module(module, mode, context), modules):
            outcomes.update(found)
        return outcomes


def wanted(module, context):
    start = f"test.{module}."
    return not context.only or any(name.startswith(start) or start.startswith(name) for name in context.only)


def selected(module, context):
    """The cases to run, none for all of them."""
    names = [name for name in context.only or () if name.startswith(f"test.{module}.")]
    return [] if f"test.{module}.{LAST}" in names else names


def run_module(module, mode, context):
    """Goes on behind a case that hung or ended the process, which is what that case is charged with."""
    directory = os.path.join(context.scratch, module)
    os.makedirs(directory)
    path = os.path.join(directory, "results")
    for _ in range(MODULE_LIMIT):
        run = run_part(module, path, mode, context)
        outcomes, started = read_results(path, context)
        if started is None:
            break
        why = f"no sign for {CASE_LIMIT} s" if run.hang else f"the process ended with status {run.status}"
        note(path, started, failure(why), f"{run.text()}\n{run.hang or ''}")
    return read_results(path, context)[0]


def run_part(module, path, mode, context):
    work = os.path.join(os.path.dirname(path), str(len(os.listdir(os.path.dirname(path)))))
    os.makedirs(work)
    argv = [PYTHON, "-X", "faulthandler", "-u", "-W", "default", "-bb", "-E", os.path.join(HERE, "cpython_cases.py"),
            module, path, *selected(module, context)]
    return context.run(argv, mode, CASE_LIMIT, directory=work, progress=path)


def read_results(path, context):
    """({case: outcome}, the case that has started and not ended)."""
    outcomes, started = {}, None
    with open(path, encoding="utf-8") as file:
        for line in map(json.loads, file):
            if "start" in line:
                started = line["start"]
                continue
            outcomes[line["case"]] = line["outcome"]
            context.detail(line["case"], line.get("detail", ""))
            started = None
    return outcomes, started


def note(path, case, outcome, detail):
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps({"case": case, "outcome": outcome, "detail": detail}) + "\n")
