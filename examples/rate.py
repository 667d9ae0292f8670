#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""rate.py CLAIM PROGRAM - jobs for rate_limit, for test_examples.sh"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 60    # seconds that anything may take at most


def run(program, *options, commands, status):
    done = subprocess.run([program, *options], input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def rate(program):
    """
    Never have more than burst + rate * T started T after the program has: load can only make it fewer.  Each job
    is counted when it runs, which is after its start.
    """
    burst, per_second, count = 3, 10, 18
    begun = time.time_ns()
    output, _ = run(program, f"--rate={per_second * 2}", "--per=2", f"--burst={burst}", "--at-once=100",
                    commands=["date +%s%N"] * count, status=0)
    times = sorted((int(line) - begun) / 1e9 for line in output.split())
    assert len(times) == count
    for number, started in enumerate(times, 1):
        assert number <= burst + per_second * started, (number, times)


def at_once(program):
    """Five at a time: each sees who else runs, and five must, for each waits until there were five once."""
    with tempfile.TemporaryDirectory() as folder:
        job = (f"cd {folder}; touch run.$$; ls run.* | wc -l; [ $(ls run.* | wc -l) -lt 5 ] || touch five; "
               f"until [ -e five ]; do sleep 0.05; done; sleep 0.1; rm run.$$")
        output, _ = run(program, "--at-once=5", commands=[job] * 30, status=0)
        counts = [int(line) for line in output.split()]
        assert len(counts) == 30 and max(counts) == 5, counts


def order(program):
    """A job that waits for all later ones is told first with --keep-order, each in one piece; without, who ends first is told first."""
    with tempfile.TemporaryDirectory() as folder:
        commands = [f"cd {folder}; until [ $(ls | wc -l) = 9 ]; do sleep 0.05; done; echo 0; echo end"]
        commands += [f"cd {folder}; echo {i}; sleep 0.0{9 - i}; echo end; touch {i}" for i in range(1, 10)]
        output, _ = run(program, "--keep-order", "--at-once=3", commands=commands, status=0)
        assert output == "".join(f"{i}\nend\n" for i in range(10)), output
        process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdin.write(f"until [ -e {folder}/go ]; do sleep 0.05; done; echo first\necho second\n")
        process.stdin.close()
        assert process.stdout.readline() == "second\n"
        with open(f"{folder}/go", "w", encoding="ascii"):
            assert process.stdout.readline() == "first\n"
        assert process.wait(PATIENCE) == 0


def statuses(program):
    """How each job ended, and what it said on either output, however much."""
    output, errors = run(program, "--at-once=1", status=1, commands=[
        "true", "exit 3", "# a comment", "", "kill -9 $$", "echo out; echo err >&2", "no-such-program 2>/dev/null",
        "head -c 3000000 /dev/zero | tr '\\0' x", "exec >&- 2>&-; sleep 0.3"])
    assert output == "out\n" + "x" * 3000000, (len(output), output[:100])
    assert errors == ("rate_limit: job 2: exit status 3: exit 3\nrate_limit: job 3: signal 9: kill -9 $$\nerr\n"
                      "rate_limit: job 5: exit status 127: no-such-program 2>/dev/null\n"), errors
    assert run(program, commands=["true"], status=0) == ("", "")
    assert "No such file" in subprocess.run([program, "/no/such/file"], capture_output=True, text=True).stderr


def is_alive(pid):
    """Not dead, and not dead and waiting for somebody to ask how it died."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def expect_dead(pids):
    end = time.monotonic() + PATIENCE
    while any(map(is_alive, pids)):
        assert time.monotonic() < end, [pid for pid in pids if is_alive(pid)]
        time.sleep(0.02)


def timeout(program):
    """Who takes too long is ended with all that it has started, even if it does not want to; what it said is kept."""
    output, errors = run(program, "--timeout=2", "--keep-order", status=1, commands=[
        "sleep 100 & echo $! $$; wait", "trap '' TERM; sleep 100 & echo $! $$; while :; do wait; done", "echo quick"])
    *pids, quick = output.split()
    assert len(pids) == 4 and quick == "quick", output
    assert re.fullmatch(r"rate_limit: job 1: timed out: .*\nrate_limit: job 2: timed out: .*\n", errors), errors
    expect_dead(pids)


def interrupt(program):
    """A signal ends all jobs at the same time; what was read is accounted for."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with tempfile.TemporaryDirectory() as folder:
            commands = [f"echo begun; echo $$ >{folder}/{i}.new; mv {folder}/{i}.new {folder}/{i}; sleep 100" for i in range(5)]
            process = subprocess.Popen([program, "--at-once=4"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            process.stdin.write("\n".join(commands) + "\n")
            process.stdin.flush()
            pids = []
            for i in range(4):
                while not os.path.exists(f"{folder}/{i}"):
                    time.sleep(0.02)
                with open(f"{folder}/{i}", encoding="ascii") as file:
                    pids.append(int(file.read()))
            assert all(map(is_alive, pids))
            process.send_signal(number)
            output, errors = process.communicate(timeout=PATIENCE)
            assert process.returncode == 128 + number, (process.returncode, errors)
            assert output == "begun\n" * 4 and errors.count("ended before its time") == 4, (output, errors)
            expect_dead(pids)
            assert not os.path.exists(f"{folder}/4")


def nobody_reads(program):
    """When nobody reads the output any more, nothing goes on."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([program, "--at-once=2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        process.stdout.close()
        process.stdin.write(f"echo $$ >{folder}/new; mv {folder}/new {folder}/pid; sleep 100\n"
                            f"until [ -e {folder}/pid ]; do sleep 0.05; done; echo said\n")
        process.stdin.flush()
        assert process.wait(PATIENCE) == 128 + signal.SIGPIPE
        with open(f"{folder}/pid", encoding="ascii") as file:
            expect_dead([int(file.read())])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
