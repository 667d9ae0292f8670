# SPDX-License-Identifier: MIT
# languages.sh - interpreters that fork, spawn, pipe and wait
perl -e 'my $p = open(my $f, "-|") // die; if (!$p) { print "from the child\n"; exit 3 } print <$f>; close $f; print $? >> 8, "\n"'
perl -e '$SIG{CHLD} = sub { $n++ while waitpid(-1, 1) > 0 }; for (1..5) { fork or exit 0 } select undef, undef, undef, 0.05 until $n == 5; print "$n\n"'
perl -e '$SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; sleep 30 }; print $@'
perl -e 'use IPC::Open3; my $p = open3(my $i, my $o, undef, "cat"); print $i "there and back\n"; close $i; print <$o>; waitpid $p, 0; print "$?\n"'
perl -e 'print `echo backticks`; system("exit 4"); print $? >> 8, "\n"'
awk 'BEGIN { "echo a command" | getline x; print x; print "sorted" | "sort"; close("sort"); system("exit 2") }'
cat >job.py <<'END'
import asyncio, multiprocessing, os, signal, subprocess, sys
from concurrent.futures import ProcessPoolExecutor

def square(number):
    return number * number

async def several():
    async def one(number):
        child = await asyncio.create_subprocess_exec("sh", "-c", f"echo {number}; exit {number}", stdout=subprocess.PIPE)
        return (await child.communicate())[0], child.returncode
    print(await asyncio.gather(*map(one, range(5))))

def main():
    print(subprocess.run(["sh", "-c", "cat; exit 5"], input=b"in", capture_output=True))
    print(subprocess.run("echo $0; exit 6", shell=True, capture_output=True, close_fds=False, start_new_session=True))
    with subprocess.Popen(["sleep", "30"], preexec_fn=os.setpgrp) as child:
        child.terminate()
        print(child.wait())
    try:
        subprocess.run(["sleep", "30"], timeout=0.1)
    except subprocess.TimeoutExpired:
        print("timeout")
    for way in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(way).Pool(3) as pool:
            print(way, sum(pool.map(square, range(100))))
    with ProcessPoolExecutor(2) as pool:
        print(list(pool.map(square, range(6))))
    asyncio.run(several())
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], os.environ, setsigmask=[signal.SIGUSR1])
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    master, slave = os.openpty()
    print(os.isatty(slave), os.system("exit 3") >> 8)
    sys.stdout.flush()

if __name__ == "__main__":
    main()
END
python3 job.py; rm -rf job.py __pycache__
