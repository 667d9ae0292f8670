# SPDX-License-Identifier: MIT
# wrappers.sh - programs that start other programs
seq 40 | xargs -P 4 -n 1 sh -c 'echo $(($0 * $0))' | sort -n | tail -n 3
seq 5 | xargs -I{} echo item {}
printf 'a\0b c\0' | xargs -0 -n 1 echo
find /usr/share/common-licenses -name 'GPL*' -exec sh -c 'for f; do basename "$f"; done' sh {} + | sort
find /usr/share/common-licenses -type f -name 'B*' -execdir basename {} \;
timeout 0.1 sleep 30; echo "timeout: $?"
timeout -s KILL 0.1 sh -c 'trap "" TERM; sleep 30 & wait'; echo "killed: $?"
timeout 20 sh -c 'exit 6'; echo "in time: $?"
setsid sh -c 'echo "session: $(($(ps -o sid= -p $$) == $$))"'
setsid -w sh -c 'exit 8'; echo "setsid waits: $?"
nohup sh -c 'kill -HUP $$; echo still here' 2>/dev/null
nice -n 5 sh -c 'nice'
env -u HOME A=b sh -c 'echo "$A ${HOME:-homeless}"'
env -i PATH="$PATH" sh -c 'env | grep -v ^PWD= | grep -v ^_= | cut -d= -f1'
stdbuf -oL seq 3 | head -n 2
flock lock sh -c 'echo locked; flock -n lock true || echo "held: $?"'
script -qec 'tty >/dev/null && echo a terminal; exit 4' /dev/null </dev/null | tr -d '\r'
echo "script: ${PIPESTATUS[0]}"
(sleep 0.1; echo late) | timeout 10 tail -f -n +1 --pid=$$ /dev/stdin | head -n 1
mkfifo fifo; (echo through a fifo >fifo) & cat fifo; wait
seq 100 | split -l 10 --filter='wc -l >$FILE' - part; cat parta? | paste -sd' '
seq 3 | tee >(cat >copy) | cat; sleep 0.2; cat copy
perl -e 'exec "echo", "from perl"'
su -s /bin/sh nobody -c 'id -un' 2>&1
setpriv --reuid=65534 --clear-groups sh -c 'id -u'
chroot / sh -c 'echo in a root'
unshare -n sh -c 'echo with a network of its own' 2>/dev/null
watch=$(ps -o comm= -p $$); echo "$watch"
