# SPDX-License-Identifier: MIT
# children.sh - who of the children has the shim, and what they find in their environment and on their descriptors
cat >has_shim <<'END'
#!/bin/sh
if grep -q libgreen-preload /proc/$$/maps; then echo "$1: with the shim"; else echo "$1: without"; fi
END
chmod +x has_shim
green() { env -u LD_PRELOAD -u GREEN_STATS "$GREEN" run "$@"; }

green ./has_shim "the command"
green sh -c './has_shim child; sh -c "./has_shim grandchild; true"; true'
green env -i PATH="$PATH" ./has_shim "a child with an empty environment"
green sh -c 'unset LD_PRELOAD; ./has_shim "a child of one who takes it out"; true'
green sh -c 'LD_PRELOAD=; export LD_PRELOAD; ./has_shim "a child with an empty list"; true'
green python3 -c 'import subprocess; subprocess.run(["./has_shim", "by subprocess"])'
green python3 -c 'import subprocess; subprocess.run(["./has_shim", "by vfork, with descriptors closed"], close_fds=True)'
green python3 -c 'import os; os.spawnv(os.P_WAIT, "has_shim", ["has_shim", "by fork and exec"])'
green python3 -c 'import os; os.waitpid(os.posix_spawn("./has_shim", ["has_shim", "by posix_spawn"], os.environ), 0)'
green python3 -c 'import os; os.waitpid(os.posix_spawn("./has_shim", ["has_shim", "by posix_spawn without"], {}), 0)'
green perl -e 'system("./has_shim", "by perl")'
green --no-children ./has_shim "alone, the command"
green --no-children sh -c './has_shim "alone, a child"; (./has_shim "alone, of a subshell"); true'
env -u LD_PRELOAD -u GREEN_STATS GREEN_CHILDREN=0 "$GREEN" run sh -c './has_shim "GREEN_CHILDREN=0, a child"; true'
green --no-children --stack=128k --timeslice=1ms sh -c 'env | grep -cE "^(GREEN_|LD_PRELOAD)"'
green --no-children sh -c '"$GREEN" run ./has_shim "alone, but asked for again"; true'

# A list that the program makes itself.
cat >other.c <<'END'
int other(void) { return 7; }
END
gcc -shared -fPIC -o other.so other.c
green sh -c 'LD_PRELOAD="$LD_PRELOAD:$WORK/other.so"; export LD_PRELOAD; ./has_shim "a longer list"; grep -c other.so /proc/self/maps >/dev/null && echo both; true'
green sh -c 'LD_PRELOAD="$WORK/other.so"; export LD_PRELOAD; ./has_shim "another list"; true'
LD_PRELOAD=$WORK/other.so "$GREEN" run --no-children sh -c 'echo "left: ${LD_PRELOAD##*/}"'
green stdbuf -oL ./has_shim "a child of stdbuf"

# Children that cannot have it.
echo 'int main(void) { return 5; }' >plain.c
gcc -static -o static plain.c && { green sh -c './static; echo "static: $?"'; }
su_program=$(command -v su); cp "$su_program" owned 2>/dev/null; chown 65534 owned; chmod 4755 owned
green sh -c './owned --version >/dev/null; echo "setuid: $?"'
rm -f owned

# Descriptors: none is inherited, and the numbers are the program's own.
green sh -c 'ls /proc/self/fd | wc -l'
green python3 -c '
import os, threading
def nothing(): pass
thread = threading.Thread(target=nothing); thread.start(); thread.join()
os.closerange(3, 4096)
print(os.open("/dev/null", 0))
os.system("ls /proc/self/fd | wc -l")'
green sh -c 'exec 0<&- 1>&- 2>&-; ./has_shim closed' ; echo "closed: $?"
green python3 -c '
import os, threading
threading.Thread(target=os.getpid).start()
for fd in range(3): os.close(fd)
pid = os.fork()
if pid == 0: os.execv("/bin/sh", ["sh", "-c", "exec 3>opened; ls /proc/self/fd | wc -l >&3"])
os.waitpid(pid, 0)'
cat opened

# A socket as standard input, as inetd hands it on: O_NONBLOCK is never to be seen on it.
cat >inetd.py <<'END'
import socket, subprocess, threading
CHILD = "import fcntl, os, sys\nfor fd in range(3): print(fd, bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK), file=sys.stderr)\nprint(input().upper())"
def serve(connection):
    subprocess.run(["python3", "-c", CHILD], stdin=connection, stdout=connection, stderr=connection)
    connection.close()
def ask(port, number, heard):
    with socket.create_connection(("127.0.0.1", port)) as talk:
        talk.sendall(b"hello %d\n" % number)
        heard[number] = talk.makefile("rb").read()
server, heard = socket.create_server(("127.0.0.1", 0)), {}
clients = [threading.Thread(target=ask, args=(server.getsockname()[1], i, heard)) for i in range(4)]
for client in clients: client.start()
workers = [threading.Thread(target=serve, args=(server.accept()[0],)) for _ in clients]
for worker in workers: worker.start()
for thread in workers + clients: thread.join()
for number in sorted(heard): print(number, heard[number])
END
python3 inetd.py
rm -f static other.so
