#!/bin/sh
# SPDX-License-Identifier: MIT
# test_examples.sh - runs each example for real: what the demos print, and every byte that the servers send
set -u
here=$(cd "$(dirname "$0")" && pwd)
python=/usr/bin/python3
[ -x "$python" ] || python=python3
load=../bench/load
scratch=$(mktemp -d) || exit 1
servers=
passed=0
failed=0
skipped=0

finish() {
	for pid in $servers; do
		kill "$pid" 2>/dev/null
	done
	rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# claim NAME COMMAND... - COMMAND, which ends by itself, must succeed
claim() {
	name=$1
	shift
	if "$@" >"$scratch/said" 2>&1; then
		passed=$((passed + 1))
		echo "passed: $name"
	else
		failed=$((failed + 1))
		echo "FAILED: $name"
		sed 's/^/    /' "$scratch/said"
	fi
}

skip() {
	skipped=$((skipped + 1))
	echo "skipped: $1"
}

# start COMMAND... - run a server in the background; its process is $server and it listens on $port
start() {
	: >"$scratch/listening"
	"$@" >"$scratch/listening" 2>"$scratch/errors" &
	server=$!
	servers="$servers $server"
	tries=0
	while ! grep -q '^listening on [0-9]' "$scratch/listening" && [ $tries -lt 100 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
	port=$(sed -n 's/^listening on //p' "$scratch/listening")
	port=${port:-0}
}

stop() {
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null
}

demo() {
	timeout 20 "./$1" >"$scratch/$1" && diff "$here/switch_demo.expected" "$scratch/$1"
}

averages() {
	timeout 20 ./running_average >"$scratch/averages" && diff "$here/running_average.expected" "$scratch/averages"
}

# The command loop reads a terminal of its own, key by key.
demo_on_terminal() {
	"$python" - "./$1" <<'END'
import os, pty, select, sys
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "--interactive"])
text, keys = b"", [b"hi\r", b"quit\r", b"y"]
while select.select([fd], [], [], 10)[0]:
    try:
        more = os.read(fd, 1000)
    except OSError:
        break
    text += more
    if keys and text.count(b"\n") >= 5 - len(keys) and (len(keys) == 3 or text.endswith((b"hi\r\n", b"? "))):
        os.write(fd, keys.pop(0))
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(status, text)
sys.exit(status or not (b"command: hi" in text and b"are you sure? y" in text and b"the command loop ends" in text))
END
}

usage_is_refused() {
	timeout 20 "./$1" not-a-port and-more >/dev/null 2>"$scratch/usage"
	[ $? = 2 ] && grep -q '^usage: ' "$scratch/usage"
}

# compiles NAME - $scratch/NAME.c to $scratch/NAME, with the library
compiles() {
	${CC:-cc} -Wall -Wextra -Werror -I"$here/../include" -o "$scratch/$1" "$scratch/$1.c" \
		-L../lib/.libs -lgreen -Wl,-rpath,"$PWD/../lib/.libs"
}

# prints NAME LINE... - it compiles, and that is what it prints
prints() {
	program=$1
	shift
	compiles "$program" && timeout 20 "$scratch/$program" >"$scratch/printed" &&
		printf '%s\n' "$@" | diff - "$scratch/printed"
}

# The first program that a reader sees must be one that works.
# shellcheck disable=SC2016  # a pattern
program_of_readme() {
	sed -n '/^```c$/,/^```$/p' "$here/../README.md" | sed '/^```/d' >"$scratch/count.c"
	prints count "a 1" "b 1" "a 2" "b 2" "a 3" "b 3"
}

# So must those of the pages about concepts; the only program of PAGE becomes $scratch/PAGE.c.
extract() {
	{
		echo "#include <green.h>"
		sed -n '/^\.Bd -literal/,/^\.Ed/p' "$here/../man/$1.7" | sed '/^\.[BE]d/d; s/\\e/\\/g'
	} >"$scratch/$1.c"
}

program_of_page() {
	extract "$1"
	prints "$@"
}

# This one waits for clients at a port of its own.
server_of_page() {
	extract "$1"
	compiles "$1"
}

for demo in switch_demo_native switch_demo_ucontext; do
	if [ -x "./$demo" ]; then
		claim "$demo: output" demo "$demo"
		claim "$demo: on a terminal" demo_on_terminal "$demo"
	else
		skip "$demo: not built for this CPU"
	fi
done

claim "running_average: output" averages

if command -v "${CC:-cc}" >/dev/null; then
	claim "README.md: program" program_of_readme
	claim "libgreen(7): program" program_of_page libgreen 100 200 300
	claim "libgreen-greenlets(7): program" program_of_page libgreen-greenlets "7 words"
	claim "libgreen-hub(7): program" program_of_page libgreen-hub "tick 1" "tick 2" "tick 3"
	claim "libgreen-timeouts(7): program" program_of_page libgreen-timeouts "asked 3 times, then gave up" \
		"killed, and it has cleaned up"
	claim "libgreen-servers(7): server" server_of_page libgreen-servers
else
	skip "README.md and manual pages: programs (no compiler)"
fi

for example in chat_server debug_console echo_server_pthread echo_server native_loop rate_limit tcp_proxy; do
	claim "$example: usage" usage_is_refused "$example"
done

for example in echo_server_pthread echo_server native_loop; do
	start "./$example" 0
	claim "$example: streams" "$python" "$here/traffic.py" streams "$port"
	if [ -x "$load" ]; then
		claim "$example: load" "$load" --port="$port" --connections=200 --requests=4000 --deadline=30
	else
		skip "$example: load (no $load)"
	fi
	stop
done

for example in echo_server native_loop; do
	start sh -c "ulimit -n 32 && exec ./$example 0"
	claim "$example: few descriptors" "$python" "$here/traffic.py" few_descriptors "$port"
	stop
done

start ./echo_server 0
echo_server=$server
echo_port=$port
start ./tcp_proxy 0 "localhost:$echo_port"
claim "tcp_proxy: streams" "$python" "$here/traffic.py" streams "$port"
if [ -x "$load" ]; then
	claim "tcp_proxy: load" "$load" --port="$port" --connections=100 --requests=2000 --deadline=30
else
	skip "tcp_proxy: load (no $load)"
fi
kill "$echo_server"
wait "$echo_server" 2>/dev/null
claim "tcp_proxy: nobody there" "$python" "$here/traffic.py" nobody_there "$port"
claim "tcp_proxy: half-close" "$python" "$here/traffic.py" half_close "$port" "$echo_port"
stop

# talk CLAIM OPTION... - people who talk by chat_server
talk() {
	talk=$1
	shift
	start ./chat_server "$@" 0
	claim "chat_server: $talk" "$python" "$here/chat.py" "$talk" "$port"
	stop
}

stops_in_talk() {
	"$python" "$here/chat.py" stop "$port" "$server" && wait "$server"
}

talk manners
talk crowd --slow=60
talk too_slow --slow=0.5
talk idle --idle=3
talk limit --clients=2
start ./chat_server --slow=60 0
claim "chat_server: SIGTERM" stops_in_talk

if [ -x ./crawler ]; then
	claim "crawler: usage" usage_is_refused crawler
	for claim in planted large limits trees trouble; do
		claim "crawler: $claim" "$python" "$here/crawl.py" "$claim" ./crawler
	done
else
	skip "crawler (no http_parser)"
fi

if [ -x ./bulk_urls ]; then
	claim "bulk_urls: usage" usage_is_refused bulk_urls
	for claim in answers timeouts at_once as_ready back_off total interrupt; do
		claim "bulk_urls: $claim" "$python" "$here/web.py" "$claim" ./bulk_urls
	done
	if [ -e ../lib/libgreen-tls.la ] && command -v openssl >/dev/null; then
		claim "bulk_urls: TLS" "$python" "$here/web.py" tls ./bulk_urls
	else
		skip "bulk_urls: TLS (no OpenSSL)"
	fi
else
	skip "bulk_urls (no http_parser)"
fi

for claim in rate at_once order statuses timeout interrupt nobody_reads; do
	claim "rate_limit: $claim" "$python" "$here/rate.py" "$claim" ./rate_limit
done

claim "debug_console: what its console says and does" "$python" "$here/console.py" ./debug_console "$scratch/console"

start "$python" "$here/echo_server.py" 0
claim "echo_server.py: streams" "$python" "$here/traffic.py" streams "$port"
stop

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
