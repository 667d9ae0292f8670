#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""demo.py - runs unchanged servers natively and under `green run`, checks every reply and prints one table"""
import argparse
import json
import os
import platform
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
TICK = 1e6 / os.sysconf("SC_CLK_TCK")   # microseconds in a unit of /proc/PID/stat
KERNEL_STACK = 16 * 1024                # what the kernel gives each thread, outside RSS
SPARE_DESCRIPTORS = 100                 # what a server may have open besides its connections
HELPERS_ALLOWED = 16                    # kernel threads under green, whatever the number of connections
TIME_LIMIT = 100                        # seconds; what has not begun by then is reported as not run
START_LIMIT = 10                        # seconds for a server to say where it listens
END_LIMIT = 5                           # seconds for a program to end
STATS_MAGIC = 0x3153544154534e47
STATS = ("magic carriers created alive peak helpers epoll_waits epoll_ctls other_calls parks switches "
         "stood_down handlers").split()


class Trouble(Exception):
    """Something that makes a measurement worthless, or the demo fail."""


class Lines:
    """Lines from a pipe, each with a time limit, which a buffered file object cannot give."""

    def __init__(self, pipe):
        self.fd, self.text = pipe.fileno(), b""

    def next(self, seconds, who):
        end = time.monotonic() + seconds
        while b"\n" not in self.text:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise Trouble(f"{who} said nothing for {seconds:.0f} s")
            more = os.read(self.fd, 65536)
            if not more:
                raise Trouble(f"{who} ended early")
            self.text += more
        line, self.text = self.text.split(b"\n", 1)
        return line.decode(errors="replace")


def clean_environment():
    """The native runs must be native even when the demo itself is run in some other green environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GREEN_")}
    preload = [p for p in re.split("[: ]", kept.pop("LD_PRELOAD", "")) if p and "libgreen" not in p]
    return {**kept, "LD_PRELOAD": ":".join(preload)} if preload else kept


class Server:
    """One server process, native or green, from its first line to its exit status."""

    def __init__(self, demo, command, green, cwd):
        self.prefix = demo.scratch / "stats"
        self.log = open(demo.scratch / "server.log", "w+b")
        environment = clean_environment()
        if green:
            command = [str(demo.build / "green"), "run", "--", *command]
            environment["GREEN_STATS"] = str(self.prefix)
        self.process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log)
        self.pid = self.process.pid
        self.lines = Lines(self.process.stdout)
        self.status = self.usage = None
        self.stopped = False

    def port(self):
        line = self.lines.next(START_LIMIT, "the server")
        found = re.search(r"(?:listening on|port) (\d+)", line)
        if not found:
            raise Trouble(f"the server says {line!r} instead of where it listens")
        return int(found[1])

    def memory(self):
        """Kernel threads now, and resident bytes."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        if "VmRSS" not in text:
            raise Trouble("the server ended while it was measured")
        return int(re.search(r"Threads:\s+(\d+)", text)[1]), 1024 * int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def cpu(self):
        """Microseconds of processor time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK

    def waits(self):
        """Voluntary context switches so far of the threads that are alive."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                text = (task / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue    # the thread ended since the directory was read
            total += int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", text)[1])
        return total

    def stats(self):
        """The counters the shim keeps, or None if there is no shim in the process."""
        try:
            words = struct.unpack("<32Q", Path(f"{self.prefix}.{self.pid}").read_bytes()[:256])
        except (FileNotFoundError, struct.error):
            return None
        return dict(zip(STATS, words)) if words[0] == STATS_MAGIC else None

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while self.status is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.status, self.usage = status, usage
                self.process.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                return False
            else:
                time.sleep(0.01)
        return True

    def ended(self):
        """How the server ended, in words."""
        if self.status is None:
            return "still running"
        code = self.process.returncode
        return f"signal {-code}" if code < 0 else f"status {code}"

    def signal(self, number):
        """Popen's own would collect the exit status, and with it the resource usage that wait4 reports only once."""
        if self.status is None:
            os.kill(self.pid, number)

    def stop(self):
        self.stopped = True
        self.signal(signal.SIGTERM)
        self.wait(END_LIMIT)
        return self.ended()

    def kill(self):
        self.signal(signal.SIGKILL)
        self.wait(END_LIMIT)
        self.process.stdout.close()
        self.log.close()

    def last_words(self):
        """What may explain a failure: that the server has ended, and what it said last."""
        known = [f"the server ended with {self.ended()}"] if self.wait(0.2) and not self.stopped else []
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip() and '"GET /' not in line]
        known += [f"its last line on stderr: {said[-1][:200]}"] if said else []
        return f" ({'; '.join(known)})" if known else ""


class Load:
    """The load client; it stops twice until it is let go on: when all connections are open, and after the last reply."""

    def __init__(self, demo, arguments):
        self.seconds = demo.seconds
        command = [str(demo.build / "bench/load"), "--hold", "--json", f"--seconds={self.seconds}",
                   f"--deadline={self.seconds + 10}", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = Lines(self.process.stdout)

    def reach(self, word):
        line = self.lines.next(self.seconds + 15, "the load client")
        if line != word:
            raise Trouble(f"the load client says {line!r} instead of {word!r}")

    def go_on(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def watch(self, every, look):
        """Looks at the server every so many seconds while the load runs."""
        while not select.select([self.process.stdout], [], [], every)[0]:
            look()

    def result(self):
        result = json.loads(self.lines.next(END_LIMIT, "the load client"))
        if self.process.wait(END_LIMIT) == 0 and not result["ok"]:
            raise Trouble("the load client ends with 0 though its figures are not right")
        return result

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Kind:
    """A server program, how it is started, and what the load client asks of it."""

    def __init__(self, name, command, counts, http=False):
        self.name, self.command, self.counts, self.http = name, command, counts, http


def kinds(demo):
    return [
        Kind("C pthreads", [str(demo.build / "examples/echo_server_pthread"), "0"], (1, 100, 1000)),
        Kind("Python socketserver", [PYTHON, str(SOURCE / "examples/echo_server.py"), "0"], (1, 100, 1000)),
        Kind("Python http.server", [PYTHON, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"], (1, 100), True),
    ]


class Cell:
    """One line of the table: a server, a number of connections, native or green."""

    def __init__(self, demo, kind, connections, green):
        self.demo, self.kind, self.connections, self.green = demo, kind, connections, green
        self.how = "green" if green else "native"
        self.name = f"{kind.name}, {connections} connection{'s' * (connections > 1)}, {self.how}"
        self.threads = self.rss = 0
        self.wrongs = []
        self.figures = self.stats = self.exit = self.cpu = self.waits = None

    def look(self):
        threads, rss = self.server.memory()
        self.threads, self.rss = max(self.threads, threads), max(self.rss, rss)

    def arguments(self, port):
        common = [f"--port={port}", f"--connections={self.connections}"]
        if self.kind.http:
            return common + ["--mode=http", "--path=/file.bin", f"--expect={self.demo.page}"]
        return common + ["--size=64"]

    def settle(self):
        """Waits until every open connection has its thread, green or not; none has been asked to end yet."""
        end = time.monotonic() + 5
        have, wanted = self.alive(), self.connections + 1
        while have < wanted and time.monotonic() < end:
            time.sleep(0.01)
            have = self.alive()
        if have < wanted:
            self.wrongs.append(f"with all connections open {have} threads are alive instead of {wanted}")

    def alive(self):
        if not self.green:
            return self.server.memory()[0]
        stats = self.server.stats()
        if not stats:
            raise Trouble("no counters: the shim is not in the process")
        return stats["alive"]

    def run(self):
        self.server = load = None
        try:
            self.server = Server(self.demo, self.kind.command, self.green, self.demo.page.parent)
            port = self.server.port()
            before = (self.server.cpu(), self.server.waits())
            load = Load(self.demo, self.arguments(port))
            self.drive(load, before)
        except (Trouble, OSError, ValueError, subprocess.SubprocessError) as trouble:
            self.wrongs.append(f"{trouble}{self.server.last_words() if self.server else ''}")
        finally:
            if load:
                load.close()
            if self.server:
                self.server.kill()

    def drive(self, load, before):
        """From all connections open to the exit status.  An echo server is measured between the two stops of the load
        client, where all its threads are alive; those of http.server end with their request, so it is measured whole."""
        server = self.server
        load.reach("ready")
        self.settle()
        self.look()
        if not self.kind.http:
            before = (server.cpu(), server.waits())
        earlier = server.stats() if self.green else None
        load.go_on()
        load.watch(0.1, self.look)
        load.reach("done")
        self.look()
        after = (server.cpu(), server.waits())
        self.stats = server.stats() if self.green else None
        load.go_on()
        self.figures = load.result()
        self.exit = server.stop()
        if self.exit == "still running":
            raise Trouble(f"SIGTERM did not end it within {END_LIMIT} s")
        if self.kind.http:
            after = ((server.usage.ru_utime + server.usage.ru_stime) * 1e6, server.usage.ru_nvcsw)
        replies = max(self.figures["replies"], 1)
        self.cpu, self.waits = ((b - a) / replies for a, b in zip(before, after))
        self.check()
        if self.green:
            self.check_shim(earlier)

    def check(self):
        f = self.figures
        for what in ("wrong", "missing", "failed", "lost"):
            if f[what]:
                noun = "replies" if what in ("wrong", "missing") else "connections"
                self.wrongs.append(f"{f[what]} {noun} {what}")
        if f["deadline_passed"]:
            self.wrongs.append("the load client's deadline passed")
        if f["replies"] == 0 or f.get("fewest_on_one", 1) == 0:
            self.wrongs.append("a connection had no reply at all")
        if f["lowered_from"]:
            self.wrongs.append(f"the load client opened {f['connections']} connections instead of {f['lowered_from']}")
        if self.wrongs:
            self.wrongs[-1] += self.server.last_words()

    def check_shim(self, earlier):
        """A green run that was secretly native would be a comparison of a thing with itself."""
        s = self.stats
        wanted = self.figures["replies"] if self.kind.http else self.connections
        if s["carriers"] != 1:
            self.wrongs.append(f"{s['carriers']} carriers instead of 1")
        if s["created"] < wanted:
            self.wrongs.append(f"only {s['created']} green pthreads for {wanted} threads of the server")
        if s["stood_down"]:
            self.wrongs.append("the shim stood down")
        if self.threads > HELPERS_ALLOWED:
            self.wrongs.append(f"{self.threads} kernel threads")
        for counter in ("epoll_waits", "epoll_ctls", "other_calls", "parks", "switches"):
            s[f"{counter}_in_run"] = s[counter] - earlier[counter]

    def row(self):
        """The line of the table; one that something was wrong with is marked, and explained below."""
        start = [self.kind.name, str(self.connections), self.how + " !" * bool(self.wrongs)]
        if not self.figures or self.cpu is None:
            return start + ["not measured"] + [""] * (len(COLUMNS) - 4)
        f = self.figures
        return start + [str(self.threads), size(self.rss), size(self.threads * KERNEL_STACK), f"{self.cpu:.1f}",
                        f"{self.waits:.3f}", f"{f['per_second']:,.0f}", f"{f['p50_us']:,.0f}", f"{f['p99_us']:,.0f}",
                        f"{f['replies']:,}", str(f["wrong"]), str(f["missing"])]

    def as_json(self):
        known = {"server": self.kind.name, "connections": self.connections, "how": self.how, "wrongs": self.wrongs}
        if self.figures:
            known |= {"threads": self.threads, "rss_bytes": self.rss, "kernel_stack_bytes": self.threads * KERNEL_STACK,
                      "cpu_us_per_request": self.cpu, "voluntary_switches_per_request": self.waits,
                      "exit": self.exit, "load": self.figures, "green_stats": self.stats}
        return known


COLUMNS = ["server", "conns", "how", "threads", "RSS", "kernel stacks", "CPU us/req", "waits/req", "req/s", "p50 us",
           "p99 us", "requests", "wrong", "missing"]


def size(count):
    return f"{count / 1024:.0f} KB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MB"


def aligned(rows):
    """Rows of text as lines of equal columns: words to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    sides = ["<" if i in (0, 2) else ">" for i in range(len(COLUMNS))]
    return ["  ".join(f"{text:{side}{width}}" for text, side, width in zip(row, sides, widths)).rstrip()
            for row in rows]


def markdown(rows, notes):
    rule = [":--" if i in (0, 2) else "--:" for i in range(len(COLUMNS))]
    lines = ["| " + " | ".join(row) + " |" for row in [rows[0], rule, *rows[1:]]]
    return "\n".join(lines + [""] + [f"- {note}" for note in notes]) + "\n"


class Demo:
    def __init__(self, options, scratch):
        self.build = Path(options.build).resolve()
        self.seconds = 0.5 if options.quick else 4
        self.scratch = Path(scratch)
        self.began = time.monotonic()
        self.wrongs, self.cells, self.remarks, self.switches = [], [], [], {}
        (self.scratch / "www").mkdir()
        self.page = self.scratch / "www" / "file.bin"
        self.page.write_bytes(bytes((i * 7 + i // 256) % 256 for i in range(4096)))

    def progress(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif text:
            print(text, file=sys.stderr, flush=True)

    def missing_programs(self):
        needed = ["green", "bench/load", "examples/echo_server_pthread"]
        return [str(self.build / name) for name in needed if not os.access(self.build / name, os.X_OK)]

    def raise_descriptors(self):
        """The Python servers do not raise their own limit, so they inherit it from here."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard if hard != resource.RLIM_INFINITY else 1 << 30

    def counts(self, kind, hard):
        allowed = max(hard - SPARE_DESCRIPTORS, 1)
        for count in kind.counts:
            if count > allowed:
                self.remarks.append(f"{kind.name}: {allowed} connections instead of {count}, because RLIMIT_NOFILE "
                                    f"allows only {hard} descriptors.")
        return sorted({min(count, allowed) for count in kind.counts})

    def measure(self):
        hard = self.raise_descriptors()
        plan = [(kind, count) for kind in kinds(self) for count in self.counts(kind, hard)]
        for number, (kind, count) in enumerate(plan):
            pair = [Cell(self, kind, count, green) for green in (False, True)]
            for cell in pair:
                self.progress(f"[{2 * number + 1 + cell.green}/{2 * len(plan)}] {cell.name}")
                self.measure_one(cell)
            native, green = pair
            if native.exit and green.exit and native.exit != green.exit:
                green.wrongs.append(f"after SIGTERM {green.exit}, natively {native.exit}")
            self.wrongs += [f"{cell.name}: {wrong}" for cell in pair for wrong in cell.wrongs]
        self.progress("")

    def measure_one(self, cell):
        self.cells.append(cell)
        if time.monotonic() - self.began > TIME_LIMIT:
            cell.wrongs.append(f"not run, because {TIME_LIMIT} s had passed")
        else:
            cell.run()

    def switch_demos(self):
        """The same program over both context switches; what it prints must not depend on them."""
        for name in ("switch_demo_native", "switch_demo_ucontext"):
            try:
                done = subprocess.run([self.build / "examples" / name], stdin=subprocess.DEVNULL, timeout=20,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment())
            except (OSError, subprocess.TimeoutExpired) as trouble:
                self.wrongs.append(f"{name}: {trouble}")
                continue
            self.switches[name] = done.stdout.decode(errors="replace")
            if done.returncode:
                self.wrongs.append(f"{name}: exit status {done.returncode}")
        if len(self.switches) == 2 and len(set(self.switches.values())) == 2:
            self.wrongs.append("switch_demo_native and switch_demo_ucontext print different things")

    def comparison(self):
        """In a sentence for each server, what the largest number of connections costs green, compared with native."""
        pairs = {cell.kind.name: (native, cell) for native, cell in zip(self.cells[::2], self.cells[1::2])
                 if native.cpu and cell.cpu}
        for name, (native, green) in pairs.items():
            memory = [cell.rss + cell.threads * KERNEL_STACK for cell in (native, green)]
            yield (f"{name}, {green.connections} connections, green against native: memory {size(memory[1])} against "
                   f"{size(memory[0])}, CPU per request x{green.cpu / max(native.cpu, 1e-9):.2f}, requests per second "
                   f"x{green.figures['per_second'] / max(native.figures['per_second'], 1e-9):.2f}.")

    def notes(self):
        exits = {}
        for cell in self.cells:
            if cell.exit:
                exits.setdefault(cell.exit, []).append(cell.name)
        yield from self.remarks
        yield from self.comparison()
        yield ("Each line is one run of a fresh server. All connections are open before the first request, then all are "
               f"busy at once for {self.seconds:g} s, 64-byte echo messages one at a time on each; http: rounds of one GET "
               "of 4096 bytes on each. Every byte of every reply is compared. CPython's native figures with many busy "
               "threads differ up to fourfold from run to run, so its ratios are orders of magnitude.")
        yield ("CPU and waits (voluntary context switches) are the server's own per request: echo while all connections "
               "are open and busy, http the whole run with a new connection and thread for each request. Kernel stacks "
               "are 16 KB a kernel thread, which RSS does not show.")
        yield (f"Nothing is pinned: server and load client share {len(os.sched_getaffinity(0))} core(s), natively and "
               "green alike; with 1 connection, most of the figure is whether the scheduler puts the two on one core or "
               f"on two. Linux {platform.release()}, {platform.machine()}.")
        if len(exits) == 1:
            yield f"After SIGTERM all servers end alike: {next(iter(exits))}."
        else:
            yield from (f"After SIGTERM {how}: {'; '.join(names)}." for how, names in exits.items())

    def report(self, options):
        rows = [COLUMNS] + [cell.row() for cell in self.cells]
        lines, notes = aligned(rows), list(self.notes())
        for line, cell in zip(lines, [None] + self.cells):
            if cell and not cell.green and cell.connections == min(cell.kind.counts):
                print("-" * max(map(len, lines)))
            print(line)
        print("\n" + "\n".join(textwrap.fill(note, max(map(len, lines)), subsequent_indent="  ") for note in notes))
        for name, text in self.switches.items():
            print(f"\n{name}:\n{text.rstrip()}")
        if options.markdown:
            Path(options.markdown).write_text(markdown(rows, notes))
        if options.json:
            known = {"seconds_per_line": self.seconds, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
                     "machine": platform.machine(), "wrongs": self.wrongs, "cells": [cell.as_json() for cell in self.cells],
                     "switch_demos": self.switches}
            Path(options.json).write_text(json.dumps(known, indent=1) + "\n")


def parse():
    parser = argparse.ArgumentParser(description="Runs unchanged servers natively and under `green run` and compares them.")
    parser.add_argument("--build", default="build", metavar="DIR", help="the build directory (build)")
    parser.add_argument("--quick", action="store_true", help="half a second for each line of the table")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there")
    return parser.parse_args()


def leave(number, _frame):
    raise SystemExit(128 + number)  # by way of every `finally`, so that no server stays behind


def main():
    options = parse()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)
    with tempfile.TemporaryDirectory(prefix="green-demo-") as scratch:
        demo = Demo(options, scratch)
        missing = demo.missing_programs()
        if missing:
            print(f"demo: {', '.join(missing)}: not there; build first", file=sys.stderr)
            return 1
        demo.measure()
        demo.switch_demos()
        demo.report(options)
    took = time.monotonic() - demo.began
    for wrong in demo.wrongs:
        print(f"demo: wrong: {wrong}", flush=True)
    print(f"\ndemo: {'FAILED' if demo.wrongs else 'all right'}, {took:.0f} s")
    return 1 if demo.wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
