# SPDX-License-Identifier: MIT
"""trials.py - one server under one load: an echo client, wrk, sysbench, or none at all once all have connected"""
import contextlib
import http.client
import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import measure
import services
from measure import Trouble
from runs import look as memory_look

TOOL_LIMIT = 60             # seconds beyond what a tool was asked for
SETTLING = 0.3              # seconds until what a server does behind its first answers is done
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


# ---- echo servers ----

def echo(build, kind, connections, arguments):
    """Figures of one message."""
    return measure.measure_sleeps(build, kind, connections, arguments)


def short(build, kind, connections, arguments):
    """Figures of one connection with one message; threads have ended, so their sleeps are not known."""
    figures = measure.measure(build, kind, connections, ["--mode=short", *arguments])
    return {**figures, "per_cpu": 1e6 / figures["cpu"]}


# ---- memory ----

def idle(build, kind, connections):
    """KB for each of CONNECTIONS that have been answered once and then wait."""
    server_core, load_core = measure.cores()
    with measure.Server(kind.command(build), server_core, kind.family == "shim") as server:
        port, before = server.port(), memory_look(server.pid)
        with measure.Load(build, load_core, port, connections, [f"--requests={connections}"], 60) as load:
            load.reach("ready")
            time.sleep(SETTLING)
            after, (threads, _) = memory_look(server.pid), server.memory()
            if kind.family == "shim":
                server.check_shim(connections)
            load.go_on()
            load.reach("done")
            load.go_on()
            load.result()
        server.stop()
    parts = [(b - a) / connections / 1024 for a, b in zip(before, after)]
    return {"total": sum(parts), **dict(zip(("pages", "tables", "kernel"), parts)), "threads": threads, "others": 0.0,
            "stolen": 0.0}


# ---- load by a tool that others wrote ----

class ToolWatch(measure.Watch):
    """The load is a child of ours, which has ended at the second look, and HELPERS, process ids that stay."""

    def __init__(self, *helpers):
        super().__init__()
        self.helpers = helpers

    def look(self, server, _load):
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        helping = sum(measure.nanoseconds(pid) / 1e9 for pid in self.helpers)
        return (time.monotonic(), measure.nanoseconds(server.pid) / 1e9,
                children.ru_utime + children.ru_stime + helping, *measure.machine_times())


def tool(command, core, seconds=None):
    """What COMMAND prints; after SECONDS it is interrupted, upon which it tells what it has found so far."""
    with measure.start(command, core, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True) as child:
        try:
            if seconds:
                time.sleep(seconds)
                child.send_signal(signal.SIGINT)
            said, _ = child.communicate(timeout=TOOL_LIMIT)
        except subprocess.TimeoutExpired:
            raise Trouble(f"{command[0]} does not end") from None
        finally:
            if child.poll() is None:
                child.kill()
    if child.returncode:
        raise Trouble(f"{command[0]} ends with {child.returncode}: {said[-300:]}")
    return said


def number(pattern, text, who):
    found = re.search(pattern, text, re.M)
    if not found:
        raise Trouble(f"{who} does not tell {pattern}: {text[-300:]}")
    return float(found[1])


def figures_of(watch, units, seconds):
    if not units:
        raise Trouble("nothing was answered")
    return {"cpu": watch.server * 1e6 / units, "rate": units / seconds, "replies": units, "rss": watch.rss,
            "threads": watch.threads, **watch.shares()}


# ---- HTTP ----

def wrk_latency(said, share):
    found = re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s)$", said, re.M)
    if not found:
        raise Trouble(f"wrk tells no latency of {share}%: {said[-300:]}")
    return float(found[1]) * UNITS[found[2]]


def fetch(port, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=measure.END_LIMIT)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200 or answer.read() != body:
            raise Trouble(f"{path} is answered wrongly, with {answer.status}")


def errors_of(said, units, closes):
    """What wrk did not like.  A server that CLOSES after an answer without saying so before is a read error to it."""
    found = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    connect, read, write, timeout = map(int, found.groups()) if found else (0, 0, 0, 0)
    return "Non-2xx" in said or connect or write or timeout or read > (units if closes else 0)


def wrk(watch, server, connections, seconds, options, url, closes=False):
    """Figures of one request; wrk sees the status of each."""
    watch.begin(server, None)
    said = tool(["wrk", "-t1", f"-c{connections}", "-d60s", "--timeout=20s", "--latency", *options, url],
                measure.cores()[1], seconds)
    watch.end(server, None)
    units = number(r"^\s+(\d+) requests in", said, "wrk")
    if errors_of(said, units, closes):
        raise Trouble(f"wrk has seen errors: {said[-300:]}")
    return {**figures_of(watch, units, units / number(r"^Requests/sec:\s+([\d.]+)", said, "wrk")),
            "p50": wrk_latency(said, 50), "p99": wrk_latency(said, 99)}


def web(build, kind, connections, seconds):
    """Figures of one request on connections that stay; a page is compared before and after."""
    with measure.Server(kind.command(build), measure.cores()[0], kind.family == "shim") as server:
        port = server.port()
        fetch(port, kind.path, kind.body)
        figures = wrk(ToolWatch(), server, connections, seconds, [], f"http://127.0.0.1:{port}{kind.path}")
        fetch(port, kind.path, kind.body)
        if kind.family == "shim":
            server.check_shim(connections)
        server.stop()
    return figures


# ---- servers that tests/programs knows how to start ----

class Hosted:
    """On one core, and under `green run` if GREEN; MEMORY and CHECK_SHIM as of Server.  Comes before a Service."""

    memory, check_shim = measure.Server.memory, measure.Server.check_shim

    def __init__(self, core, green):
        super().__init__()
        self.prefix = ["taskset", "-c", str(core)] * (core is not None) + green
        self.scratch = self.data

    def command(self):
        return [*self.prefix, *super().command()]

    def how(self):
        settings = super().how()
        for name in ("user", "group", "extra_groups"):
            settings.pop(name, None)
        return {**settings, "env": {**settings["env"], "GREEN_STATS": f"{self.scratch}/stats"}}

    def said(self):
        return self.printed()

    @property
    def pid(self):
        return self.process.pid


def green_words(build, kind):
    return [str(build / "green"), "run", "--"] if kind.family == "shim" else []


# ---- a proxy ----

class Tinyproxy(services.Service):
    name = "tinyproxy"

    def command(self):
        conf = Path(self.directory, "conf")
        conf.write_text(f"Port {self.port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 2500\nAllow 127.0.0.1\n"
                        "LogLevel Critical\n")
        return ["/usr/bin/tinyproxy", "-d", "-c", str(conf)]


class Proxy(Hosted, Tinyproxy):
    """The very one."""


def proxied(build, kind, connections, seconds):
    """Figures of one request through the proxy to an origin, which shares the load's core; two connections for each."""
    server_core, load_core = measure.cores()
    with measure.Server(kind.origin.command(build), load_core) as origin, \
            Proxy(server_core, green_words(build, kind)) as server:
        url = f"http://127.0.0.1:{origin.port()}{kind.origin.path}"
        script = Path(server.directory, "path.lua")
        script.write_text(f'wrk.path = "{url}"\n')
        fetch(server.port, url, kind.origin.body)
        figures = wrk(ToolWatch(origin.pid), server, connections, seconds, ["-s", str(script)],
                      f"http://127.0.0.1:{server.port}/", closes=True)
        fetch(server.port, url, kind.origin.body)
        if kind.family == "shim":
            server.check_shim(connections)
    return figures


# ---- a database ----

class Database(Hosted, services.MariaDB):
    def command(self):
        return [*super().command(), *(["--user=root"] if os.getuid() == 0 else []),
                "--thread-handling=one-thread-per-connection"]


def sql(build, kind, test, connections, limits):
    """Figures of one query.  LIMITS: when sysbench ends."""
    server_core, load_core = measure.cores()
    watch = ToolWatch()
    with Database(server_core, green_words(build, kind)) as server:
        tool(["mariadb", "--no-defaults", f"--socket={server.place}", "-e", "create database bench"], load_core)
        sysbench = ["sysbench", test, "--db-driver=mysql", f"--mysql-socket={server.place}", "--mysql-user=root",
                    "--mysql-db=bench", "--tables=2", "--table-size=1000", "--mysql-storage-engine=MyISAM"]
        tool([*sysbench, "prepare"], load_core)
        watch.begin(server, None)
        said = tool([*sysbench, f"--threads={connections}", "--percentile=99", *limits, "run"], load_core)
        watch.end(server, None)
        if kind.family == "shim":
            server.check_shim(connections)
    if number(r"ignored errors:\s+(\d+)", said, "sysbench") or number(r"reconnects:\s+(\d+)", said, "sysbench"):
        raise Trouble(f"sysbench has seen errors: {said[-300:]}")
    # Latencies are those of a transaction, which is more than one query in most tests.
    return {**figures_of(watch, number(r"^\s+queries:\s+(\d+)", said, "sysbench"),
                         number(r"total time:\s+([\d.]+)s", said, "sysbench")),
            "mean": 1000 * number(r"avg:\s+([\d.]+)", said, "sysbench"),
            "p99": 1000 * number(r"99th percentile:\s+([\d.]+)", said, "sysbench")}
