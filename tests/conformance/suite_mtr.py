# SPDX-License-Identifier: MIT
"""suite_mtr.py - MariaDB's own tests of connections, locks, kills, events and replicas, with the servers under the shim

Only they are: what starts them, and the clients that speak to it, run natively in both modes.  mtr looks for the
server below MTR_BINDIR, where it finds a script of this name.
"""

import glob
import os
import re

from common import failure, is_failure, missing_package

TESTS = "/usr/share/mysql/mysql-test"
SERVER = "/usr/sbin/mariadbd"
# What waits, is killed, is locked out, comes by a timer, or counts threads.
SELECTED = (
    "alter_table_online bulk_replace connect deadlock_ delayed events_ flush init_conn kill lock mdl merge mysqlslap "
    "pool_of processlist rpl_multi_engine rpl_parallel_multi rpl_semi_sync_master rpl_start_stop shutdown sp-lock "
    "sp-threads ssl_connect ssl_timeout status thread_ timeout user_limits wait_timeout xa"
).split()
FAST = (
    "main.delayed_blob main.kill main.lock main.lock_kill main.sp-threads main.status main.thread_stack_overrun"
).split()
LIMIT = 1200
SERVERS = "servers"  # no test of MariaDB's, but whether each server that wrote into a log was green

WORDS = {"pass": "pass", "skipped": "skip", "disabled": "skip"}
LINE = re.compile(r"^((?:main|rpl)\.\S+(?: '[^']*')?) +(?:w\d+ )?\[ (\S+) \] *(.*)$", re.MULTILINE)


class Suite:
    name = "mtr"

    def needs(self):
        return missing_package(SERVER, "mariadb-server") or missing_package(TESTS, "mariadb-test")

    def run(self, mode, fast, context):
        place = server_place(mode, context)
        var = os.path.join(context.scratch, "var")
        variables = {"MTR_BINDIR": place}
        if mode == "green":
            variables["GREEN_STATS"] = context.environment("green")["GREEN_STATS"]
        argv = ["./mtr", f"--vardir={var}", f"--parallel={context.jobs}", "--force", "--retry=0", "--max-test-fail=0",
                "--nowarnings", *chosen(fast, context)]
        run = context.run(argv, "native", LIMIT, directory=TESTS, **variables)
        outcomes = read_outcomes(run, context)
        outcomes[SERVERS] = judge_servers(mode, var, context)
        if is_failure(outcomes[SERVERS]):
            context.detail(SERVERS, f"{run.text()[-2000:]}\n{run.hang or ''}")
        return outcomes


def chosen(fast, context):
    names = FAST if fast else [name.split(" ")[0] for name in context.only or () if name != SERVERS]
    return names or ["--suite=main,rpl", f"--do-test=^({'|'.join(SELECTED)})"]


def server_place(mode, context):
    """A folder that looks like /usr, but for the server."""
    place = os.path.join(context.scratch, "usr")
    os.makedirs(os.path.join(place, "sbin"))
    os.makedirs(os.path.join(place, "mysql-test", "lib", "My"))
    for name in ("bin", "share", "lib"):
        os.symlink(os.path.join("/usr", name), os.path.join(place, name))
    os.symlink(f"{TESTS}/lib/My/SafeProcess", os.path.join(place, "mysql-test", "lib", "My", "SafeProcess"))
    path = os.path.join(place, "sbin", "mariadbd")
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexec " + " ".join(context.command([SERVER], mode)) + ' "$@"\n')
    os.chmod(path, 0o755)
    return place


def read_outcomes(run, context):
    """{test: outcome}; what is printed between a test's line and the next one's is its detail."""
    text, outcomes = run.text(), {}
    found = list(LINE.finditer(text))
    for one, following in zip(found, [*found[1:], None]):
        name, word, remark = one.groups()
        outcomes[name] = WORDS.get(word) or failure(f"{word} {remark}")
        if is_failure(outcomes[name]):
            context.detail(name, text[one.start():following.start() if following else None][:4000])
    return outcomes


def judge_servers(mode, var, context):
    """Each server names its process in its log, and as many must have made green threads."""
    pids = set()
    for path in glob.glob(f"{var}/**/mysqld.*.err", recursive=True):
        with open(path, encoding="utf-8", errors="replace") as file:
            pids.update(map(int, re.findall(r" as process (\d+)", file.read())))
    if not pids:
        return failure("no server has started")
    if mode == "native":
        return "pass"
    green = sum(one["created"] > 0 and not one["stood_down"] for one in context.stats())
    return "pass" if green >= len(pids) else failure(f"{len(pids)} servers, and {green} of them green")
