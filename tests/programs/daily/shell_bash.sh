# SPDX-License-Identifier: MIT
# shell_bash.sh - what bash does with processes, signals and descriptors
trap 'echo "end with $?"' EXIT
trap 'echo got USR1' USR1
kill -USR1 $$
kill -USR1 $BASHPID

echo "pipeline: $(seq 1000 | grep 7 | sort -r | head -n 3 | tr '\n' ' ')"
false | true | (exit 3)
echo "statuses: ${PIPESTATUS[*]}"
yes | head -n 1
echo "broken pipe: ${PIPESTATUS[0]}"
(exit 5); echo "subshell: $?"
cat <<END
here: $((6 * 7)) $(echo nested $(echo deeper))
END
cat <<<"here string"
diff <(seq 5) <(seq 6)
echo "substitution: $?"
exec 7>seven
echo to seven >&7
exec 7>&-
cat seven
read -r -t 0.05 nothing < <(sleep 0.3) || echo "read ends with $(($? > 128))"
coproc { trap 'exit 12' EXIT; while read -r line; do echo "coprocess: $line"; done; }
coproc=$COPROC_PID
echo hello >&"${COPROC[1]}"
read -r answer <&"${COPROC[0]}"
echo "$answer"
eval "exec ${COPROC[1]}>&-"
wait "$coproc" 2>/dev/null; echo "coprocess ends with $?"

# Children in the background: wait for one, for any, for all.
(exit 4) & wait $!; echo "waited: $?"
for i in 1 2 3; do (sleep 0.0$i; exit $i) & done
wait -n; echo "first: $?"
wait; echo "all: $?"
sleep 30 & pid=$!
kill -TERM $pid; wait $pid 2>/dev/null; echo "killed: $?"
trap 'echo child ended' CHLD
/bin/true
trap - CHLD

# Job control without a terminal.
set -m
sleep 30 &
kill -STOP %1; sleep 0.05; jobs -s | grep -c Stopped
bg %1 >/dev/null; sleep 0.05; jobs -r | grep -c Running
kill %1; wait %1 2>/dev/null; echo "job: $?"
(sleep 0.05; echo foreground) & fg %% >/dev/null
set +m

bash -c 'trap "echo int; exit 9" INT; kill -INT $$; echo no'; echo "trapped: $?"
bash -c 'kill -KILL $$' 2>/dev/null; echo "dead: $?"
bash -c 'ulimit -n 64; ulimit -n; ulimit -S -v 400000; /bin/echo with little room'
bash -c 'exec 3>&1 >/dev/null; echo hidden; echo shown >&3'
bash -c 'set -o pipefail; false | true'; echo "pipefail: $?"
env -i /bin/bash -c 'echo "bare: ${LD_PRELOAD:-none} ${GREEN_STATS:-none}"'
if command -v nosuchcommand; then echo no; fi
nosuchcommand 2>/dev/null; echo "not found: $?"
find . -name seven -exec wc -c {} + | tr -s ' '
for i in $(seq 30); do echo $i; done | while read -r n; do echo $((n * 2)); done | paste -sd+ | bc
printf '%s\n' a b c | { read -r first; cat >rest; echo "$first"; }
cat rest
