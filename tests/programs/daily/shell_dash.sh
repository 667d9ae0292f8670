# SPDX-License-Identifier: MIT
# shell_dash.sh - the plain shell, which forks with vfork where it can
trap 'echo "end with $?"' EXIT
trap 'echo got HUP' HUP
kill -HUP $$
echo "substitution: `echo a | sed s/a/b/`"
(cd / && pwd)
echo one two | { read x y; echo "$y $x"; }
i=0
while [ $i -lt 20 ]; do /bin/echo $i; i=$((i + 1)); done | tail -n 1
sh -c 'exit 7'; echo "status: $?"
sh -c 'kill -TERM $$'; echo "signal: $?"
sleep 30 &
kill $!
wait $!; echo "waited: $?"
cat <<END | tr a-z A-Z
here $(echo and there)
END
exec 5<<END
descriptor five
END
cat <&5
ls nosuchfile 2>/dev/null || echo "none"
umask 077; echo secret >secret; ls -l secret | cut -c1-10
