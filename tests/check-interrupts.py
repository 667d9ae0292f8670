#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""check-interrupts.py - every public call that can switch has a row of tests/test_interrupts*.c, or stands below with a reason

A call can switch if its own comment says `Switches: yes`, if a comment above several says so of all of them, or if it
takes a time limit.
"""

import glob
import os
import re
import sys

TOP = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
ROW = re.compile(r'^\s*\{ "(green_\w+)', re.MULTILINE)
DECLARATION = re.compile(r"\b(green_\w+)\((?!\*)")
# Calls of a family that switches, or with a time limit, which do not park their caller, or not so that it could be cut short.
REASONS = {
    "green_server_create": "looks up a name as green_listen does, and waits for nothing else",
    "green_server_run": "test_server.c kills it: the server goes on",
    "green_server_stop": "waits as green_server_run does, for tasks of its own",
    "green_server_destroy": "ends in any case, and has no error to tell",
    "green_datagram_server_stop": "as green_server_stop",
    "green_datagram_server_destroy": "as green_server_destroy",
    "green_datagram_server_send": "a green_sendto behind others of its own kind",
    "green_datagram_server_create": "waits only for a host that is a name",
    "green_workers_run": "waits for kernel threads to the end, whatever happens",
    "green_hub_run": "is the main greenlet's alone; tests/test_watcher.c has its ends",
    "green_hub_turn": "waits for nothing",
    "green_switch": "goes to another greenlet itself; only that one can come back",
    "green_throw": "as green_switch",
    "green_destroy": "goes to a greenlet that cleans up, as green_switch",
    "green_socket": "makes a socket, and waits for nothing",
    "green_socketpair": "makes sockets, and waits for nothing",
    "green_setsockopt": "waits for nothing",
    "green_freeaddrinfo": "waits for nothing",
    "green_generator_next": "goes to the generator itself, as green_switch; what that calls can be cut short",
    "green_generator_send": "as green_generator_next",
    "green_generator_throw": "as green_generator_next",
    "green_generator_close": "as green_generator_next",
    "green_generator_destroy": "as green_generator_next",
    "green_generator_yield": "goes back to who asked, as green_switch",
    "green_generator_delegate": "as green_generator_yield",
    "green_native_pool_destroy": "waits for what runs, whatever comes: tests/test_native_pool.c",
    "green_nursery_close": "cancels its tasks, and goes on waiting: tests/test_nursery.c",
    "green_mapping_destroy": "ends what runs, whatever comes: tests/test_group.c",
    "green_barrier_wait": "who is cut short breaks it for the others: tests/test_barrier.c",
    "green_console_stop": "ends its own tasks, whatever comes",
    "green_dump_all": "asks other kernel threads, with a limit of its own: tests/test_inspect.c",
    "green_stream_close": "closes it all the same: tests/test_stream.c",
    "green_stream_destroy": "as green_stream_close",
    "green_stream_end_output": "drains, and then ends what cannot be begun again: tests/test_stream.c",
}


def comment_and_rest(text):
    """The pieces of a header: a comment, and what stands below it until the next one."""
    pieces = re.split(r"/\*(.*?)\*/", text, flags=re.DOTALL)
    return zip(pieces[1::2], pieces[2::2])


def switches(comment):
    found = re.search(r"Switches:\s+(\w+)(.*)", comment)
    return found and found.group(1) != "no"


def calls_of(path):
    """Each call that the header declares, and whether it can switch."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    whole = False
    text = re.sub(r"^#.*$", "", text.replace("\\\n", " "), flags=re.MULTILINE)
    for number, (comment, below) in enumerate(comment_and_rest(text)):
        # The second comment, behind the licence, is about the whole header.
        if number == 1:
            whole = bool(switches(comment))
        said = "Switches:" in comment
        for declaration in below.split(";"):
            found = DECLARATION.search(declaration)
            if found and "typedef" not in declaration:
                timed = re.search(r"\bint timeout_ms\b", declaration)
                yield found.group(1), bool(timed or switches(comment) or whole and not said)


def main():
    calls = {}
    for path in sorted(glob.glob(os.path.join(TOP, "include", "green", "*.h"))):
        calls.update(calls_of(path))
    with open(os.path.join(TOP, "lib", "libgreen.map"), encoding="utf-8") as file:
        exported = set(re.findall(r"^\s(green_[a-z0-9]\w*);", file.read(), re.MULTILINE))
    rows = set()
    for path in glob.glob(os.path.join(TOP, "tests", "test_interrupts*.c")):
        with open(path, encoding="utf-8") as file:
            rows |= set(ROW.findall(file.read()))
    wrong = [f"{name}: exported, and no header declares it" for name in sorted(exported - set(calls))]
    for name in sorted(exported & set(calls)):
        if calls[name] and name not in rows and name not in REASONS:
            wrong.append(f"{name}: it can switch, and has neither row nor reason")
    wrong += [f"{name}: a reason for nothing" for name in sorted(REASONS) if not calls.get(name) or name in rows]
    print(f"{len(exported)} public calls; {sum(calls[name] for name in exported & set(calls))} can switch, {len(rows)} have rows")
    print(*wrong, sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
