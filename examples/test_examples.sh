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

for example in chat_server debug_console echo_server_pthread echo_server ftp_server native_loop rate_limit tcp_proxy; do
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

for claim in files listings resume users passwords confined cut_short abort idle stop stop_in_time; do
	claim "ftp_server: $claim" "$python" "$here/ftp.py" "$claim" ./ftp_server
done
if command -v curl >/dev/null; then
	claim "ftp_server: curl" "$python" "$here/ftp.py" curl ./ftp_server
else
	skip "ftp_server: curl (not installed)"
fi

# ---- http_server ----

http_directory() {
	www=$scratch/www
	mkdir -p "$www/sub" && mkfifo "$www/fifo" && ln -s /etc/passwd "$www/outside" &&
		echo "<h1>an index</h1>" >"$www/index.html" && seq 100000 >"$www/big.txt"
}

traffic() {
	claim "http_server: $1" "$python" "$here/http_traffic.py" "$1" "$port"
}

said_nothing() {
	cat "$scratch/errors"
	[ ! -s "$scratch/errors" ]
}

# curls NAME OPTION... - a request of curl, to which the answer must be what is in big.txt
curls() {
	name=$1
	shift
	claim "http_server: curl, $name" curl_gets_big "$@"
}

curl_gets_big() {
	curl -sS --max-time 30 --fail "$@" | cmp - "$www/big.txt"
}

one_connection() {
	[ "$(curl -sS --max-time 30 -o /dev/null -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}' \
		"$url/" "$url/big.txt" "$url/none" "$url/")" = 1000 ]
}

http_with_curl() {
	url=http://127.0.0.1:$port
	curls "HTTP/1.1" "$url/big.txt"
	curls "HTTP/1.0" -0 "$url/big.txt"
	curls "upload of known length" --data-binary "@$www/big.txt" "$url/echo"
	curls "upload in chunks" -H "Transfer-Encoding: chunked" --data-binary "@$www/big.txt" "$url/echo"
	curls "upload by HTTP/1.0" -0 --data-binary "@$www/big.txt" "$url/echo"
	curls "100-continue" -H "Expect: 100-continue" --data-binary "@$www/big.txt" "$url/echo"
	claim "http_server: curl, four requests on one connection" one_connection
}

ab_finds_nothing() {
	ab -q -s 30 -n 4000 "$@" "http://127.0.0.1:$port/index.html" >"$scratch/ab" 2>&1
	cat "$scratch/ab"
	grep -q '^Complete requests: *4000$' "$scratch/ab" && grep -q '^Failed requests: *0$' "$scratch/ab" &&
		! grep -q '^Non-2xx' "$scratch/ab"
}

ab_keeps() {
	ab_finds_nothing -k -c 100 && grep -q '^Keep-Alive requests: *4000$' "$scratch/ab"
}

http_with_ab() {
	if command -v ab >/dev/null; then
		claim "http_server: ab, 100 connections that are kept" ab_keeps
		claim "http_server: ab, a connection for each request" ab_finds_nothing -c 50
	else
		skip "http_server: ab (not installed)"
	fi
}

ends_gracefully() {
	"$python" "$here/http_traffic.py" stop "$port" "$server" && wait "$server"
}

# V12: HTTP/1.0 and 1.1, keep-alive, pipelined requests one at a time, chunks in both directions, 100-continue
http_messages() {
	start ./http_server "$www" 0
	claim "http_server: requests that are in order" "$python" "$here/http_traffic.py" accepted "$port"
	traffic keep_alive
	traffic pipelining
	traffic big_echo
	traffic continue
	if command -v curl >/dev/null; then http_with_curl; else skip "http_server: curl (not installed)"; fi
	http_with_ab
	claim "http_server: SIGTERM" ends_gracefully
	claim "http_server: said nothing" said_nothing
	start ./http_server "$www" 0 --workers=2
	claim "http_server: SIGTERM, two workers" ends_gracefully
}

# V13: a first line of 8192 bytes at most; 400, 414, 431, 500 and 501 end the connection; clients that vanish trouble nobody
http_errors() {
	start ./http_server "$www" 0
	claim "http_server: requests that are refused" "$python" "$here/http_traffic.py" refused "$port"
	traffic cut_short
	traffic unwanted_body
	traffic vanish
	claim "http_server: said nothing of those who vanished" said_nothing
	stop
	start sh -c "ulimit -n 40 && exec ./http_server $www 0"
	claim "http_server: 500 without descriptors" "$python" "$here/http_traffic.py" no_descriptors "$port"
	stop
	start ./http_server "$www" 0 --idle=1 --slow=1 --stalled=1
	traffic timeouts
	stop
	start ./http_server "$www" 0 --workers=2 --clients=1
	traffic workers
	stop
}

asked_secretly() {
	"$python" "$here/http_traffic.py" secrets "$port"
	stop
}

log_hides_values() {
	start ./http_server "$www" 0 --log="$scratch/log" --log-headers
	asked_secretly
	cat "$scratch/log"
	[ "$(wc -l <"$scratch/log")" = 3 ] && ! grep -q sesame "$scratch/log" && grep -q 'Authorization: <12>' "$scratch/log" &&
		grep -q '"GET /a\\x22\\x5cb HTTP/1.1" 404 ' "$scratch/log" && grep -q '"-" 400 ' "$scratch/log"
}

log_counts() {
	start ./http_server "$www" 0 --log=count
	asked_secretly
	cat "$scratch/listening"
	[ "$(sed 1d "$scratch/listening" | tr '\n' ' ')" = "answered 200: 1 answered 400: 1 answered 404: 1 " ]
}

log_is_empty() {
	start ./http_server "$www" 0
	asked_secretly
	[ "$(wc -l <"$scratch/listening")" = 1 ] && said_nothing
}

# V14: nothing ends a header, lengths, chunks and trailers are read strictly, logs hide values; a log is none, a stream or a function
http_secrets() {
	start ./http_server "$www" 0
	claim "http_server: lengths, chunks and trailers that smuggle" "$python" "$here/http_traffic.py" smuggling "$port"
	claim "http_server: CR and LF in values" "$python" "$here/http_traffic.py" injection "$port"
	stop
	claim "http_server: log to a stream" log_hides_values
	claim "http_server: log to a function" log_counts
	claim "http_server: no log" log_is_empty
}

# ---- http_client ----

options_are_refused() {
	timeout 20 ./http_client --unknown http://127.0.0.1/ >/dev/null 2>"$scratch/usage"
	[ $? = 2 ] && grep -q '^usage: ' "$scratch/usage"
}

# client_gets FILE ARGUMENT... - what it prints must be as in FILE
client_gets() {
	expected=$1
	shift
	timeout 60 ./http_client "$@" 2>"$scratch/told" | cmp - "$expected" || {
		cat "$scratch/told"
		return 1
	}
}

client_posts() {
	client_gets "$1" --post "$2" <"$www/big.txt"
}

chunked_text() {
	timeout 60 ./http_client "$url/chunked" >"$scratch/chunked" && "$python" "$here/http_traffic.py" chunked_text "$scratch/chunked"
}

# Files of one server in all ways: one after the other, at once, in pipelines.
client_with() {
	two="$www/index.html $www/big.txt"
	# shellcheck disable=SC2086  # a list
	cat $two $two $two $two >"$scratch/eight"
	eight="$url/index.html $url/big.txt $url/index.html $url/big.txt $url/index.html $url/big.txt $url/index.html $url/big.txt"
	# shellcheck disable=SC2086  # a list
	claim "http_client: $1" client_gets "$scratch/eight" $eight
	# shellcheck disable=SC2086  # a list
	claim "http_client: $1, several at a time" client_gets "$scratch/eight" --parallel=3 $eight
	# shellcheck disable=SC2086  # a list
	claim "http_client: $1, in a pipeline" client_gets "$scratch/eight" --pipeline $eight
}

within_seconds() {
	tries=0
	until timeout 10 "$@" >/dev/null 2>&1; do
		[ $((tries += 1)) -lt 100 ] || return 1
		sleep 0.1
	done
}

nginx_configuration() {
	cat <<END
daemon off; master_process off; pid $scratch/nginx.pid; error_log stderr crit; events { worker_connections 64; }
http { access_log off; client_body_temp_path $scratch/n1; proxy_temp_path $scratch/n2; fastcgi_temp_path $scratch/n3;
uwsgi_temp_path $scratch/n4; scgi_temp_path $scratch/n5; server { listen 127.0.0.1:$1; root $www; } }
END
}

client_with_nginx() {
	nginx=$(command -v nginx || command -v /usr/sbin/nginx) || {
		skip "http_client: nginx (not installed)"
		return
	}
	free_port=$("$python" "$here/http_traffic.py" free_port -)
	nginx_configuration "$free_port" >"$scratch/nginx.conf"
	start sh -c "echo listening on $free_port && exec $nginx -p $scratch -e stderr -c $scratch/nginx.conf"
	url=http://127.0.0.1:$port
	claim "http_client: nginx is there" within_seconds ./http_client "$url/"
	client_with nginx
	stop
}

http_clients() {
	claim "http_client: answers good and bad" "$python" "$here/http_traffic.py" answers ./http_client
	claim "http_client: connections are used again" "$python" "$here/http_traffic.py" reuse ./http_client
	claim "http_client: a pipeline" "$python" "$here/http_traffic.py" pipelined ./http_client
	start ./http_server "$www" 0
	url=http://127.0.0.1:$port
	client_with http_server
	claim "http_client: a body that comes back" client_posts "$www/big.txt" "$url/echo"
	stop
	start "$python" "$here/http_traffic.py" serve "$www"
	url=http://127.0.0.1:$port
	client_with http.server
	claim "http_client: chunks" chunked_text
	"$python" -c 'import sys; sys.stdout.buffer.write(open(sys.argv[1], "rb").read()[::-1])' "$www/big.txt" >"$scratch/turned"
	claim "http_client: a body in chunks" client_posts "$scratch/turned" "$url/upload"
	stop
	client_with_nginx
}

# ---- https ----

make_certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost -keyout "$scratch/key" -out "$scratch/certificate"
}

s_client() {
	printf 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' |
		timeout 30 openssl s_client -quiet -verify_return_error -CAfile "$scratch/certificate" -connect "localhost:$port" |
		grep '^<h1>an index'
}

refuses_strangers() {
	timeout 30 ./http_client "$url/" 2>"$scratch/told"
	[ $? = 1 ] && grep -q 'Protocol error' "$scratch/told"
}

https_clients() {
	ca=--ca=$scratch/certificate
	cat "$www/index.html" "$www/big.txt" >"$scratch/two"
	claim "https: http_client" client_gets "$scratch/two" "$ca" "$url/" "$url/big.txt"
	claim "https: http_client, several at a time" client_gets "$scratch/two" "$ca" --parallel=2 "$url/" "$url/big.txt"
	claim "https: http_client, in a pipeline" client_gets "$scratch/two" "$ca" --pipeline "$url/" "$url/big.txt"
	claim "https: http_client, a server whom nobody trusts" refuses_strangers
	claim "https: openssl s_client" s_client
	command -v curl >/dev/null || return
	curls "TLS" --cacert "$scratch/certificate" "$url/big.txt"
	curls "TLS, upload" --cacert "$scratch/certificate" -H "Transfer-Encoding: chunked" --data-binary "@$www/big.txt" "$url/echo"
}

https() {
	if [ ! -e ../lib/libgreen-tls.la ] || ! command -v openssl >/dev/null; then
		skip "https: built without OpenSSL, or no openssl program"
		return
	fi
	claim "https: certificate" make_certificate
	start ./http_server "$www" 0 --workers=2 --certificate="$scratch/certificate" --key="$scratch/key"
	url=https://localhost:$port
	https_clients
	claim "https: said nothing" said_nothing
	stop
}

if [ -x ./http_server ]; then
	claim "http_server: usage" usage_is_refused http_server
	claim "http_client: usage" options_are_refused
	claim "http_server: directory" http_directory
	http_messages
	http_errors
	http_secrets
	http_clients
	https
else
	skip "http_server, http_client: not built, as http_parser is missing"
fi

start "$python" "$here/echo_server.py" 0
claim "echo_server.py: streams" "$python" "$here/traffic.py" streams "$port"
stop

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
