#!/bin/sh
# SPDX-License-Identifier: MIT
# test_green_command.sh - green run: options, environment, exit statuses, and which programs get the shim
#
# GREEN names the command under test. Whether a program had the shim is seen by
# its stats file: the shim makes one at the start of each process, nobody else.

# shellcheck disable=SC2012,SC2016,SC2059,SC2086

green=${GREEN:-../green}
cc=${CC:-cc}
case $green in /*) ;; *) green=$PWD/$green ;; esac
[ -x "$green" ] || { echo "skip all: no command at $green: the library alone was built"; exit 77; }
$cc --version >/dev/null 2>&1 || { echo "skip all: no C compiler"; exit 77; }

LC_ALL=C
export LC_ALL
unset GREEN_AUDIT GREEN_CARRY GREEN_NATIVE_THREADS GREEN_STACK GREEN_TIMESLICE GREEN_DETOUR GREEN_CHILDREN GREEN_VERBOSE GREEN_STATS LD_PRELOAD TELL

# Programs run as another user, too, so that user must be able to get there.
umask 022
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$tmp"
mkdir "$tmp/stats" "$tmp/bin"
chmod 777 "$tmp/stats"
cd "$tmp" || exit 1
failed=0

skip() { echo "skip $1: $2"; }

# Runs a command with fresh stats; the result is in $status, out and err.
run() {
	rm -f stats/*
	status=0
	GREEN_STATS=$tmp/stats/s "$@" >out 2>err </dev/null || status=$?
}

count_stats() { ls stats | wc -l; }

# One expectation about the last run; sets $why if it does not hold.
check() {
	case $1 in
	status=*) [ "$status" = "${1#*=}" ] || why="status $status, not ${1#*=}" ;;
	out=*) [ "$(cat out)" = "${1#*=}" ] || why="printed '$(cat out)', not '${1#*=}'" ;;
	err=*) { [ "$(wc -l <err)" -eq 1 ] && grep -q -e "${1#*=}" err; } || why="said '$(cat err)', not one line '${1#*=}'" ;;
	says=*) grep -q -e "${1#*=}" err || why="said '$(cat err)', without '${1#*=}'" ;;
	quiet) [ ! -s err ] || why="said '$(cat err)'" ;;
	carried) [ "$(count_stats)" -gt 0 ] || why="no shim in it" ;;
	native) [ "$(count_stats)" -eq 0 ] || why="the shim in it" ;;
	processes=*) [ "$(count_stats)" -eq "${1#*=}" ] || why="the shim in $(count_stats) processes, not ${1#*=}" ;;
	esac
}

expect() {
	name=$1
	shift
	why=
	for want in "$@"; do
		[ -n "$why" ] || check "$want"
	done
	if [ -z "$why" ]; then
		echo "ok   $name"
	else
		echo "FAIL $name: $why"
		failed=1
	fi
}

# Compiles tell.c into $1 with the further arguments.
build() {
	file=$1
	shift
	$cc tell.c -o "$file" "$@" 2>cc.log
}

# Overwrites the bytes of file $1 from offset $2 by those that printf makes of $3.
patch() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }

# A file of the given name that holds the given lines and is executable.
script() {
	file=$1
	shift
	printf '%s\n' "$@" >"$file"
	chmod +x "$file"
}

cat >tell.c <<'EOF'
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#ifdef HELP_WITH
extern int HELP_WITH(void);
#endif
int main(int argc, char **argv)
{
	const char *name = getenv("TELL"), *value = name ? getenv(name) : NULL;
	for (int i = 1; i < argc; i++)
		printf("[%s]", argv[i]);
	if (name)
		printf("%s", value ? value : "unset");
	if (getenv("TELL_SECURE"))
		printf("%lu", getauxval(AT_SECURE));
#ifdef HELP_WITH
	HELP_WITH();
#endif
	return 0;
}
EOF
build tell || { cat cc.log; echo "skip all: the compiler makes no program"; exit 77; }
build tell_static -static || rm -f tell_static
if "$green" run "$green" --version 2>&1 | grep -q 'built with a sanitizer'; then
	echo "skip all: the command itself has a sanitizer, which does not bear other preloads"
	exit 77
fi
PATH=$tmp/bin:$PATH
native_line='running it without green threads\(, unless --carry is given\)\?$'
carried_line='giving it green threads all the same$'

# --- The command line -------------------------------------------------------

run "$green" --help
expect "green --help" status=0 quiet
cp out help
run "$green" help
expect "green help prints the same" status=0 quiet "out=$(cat help)"
run "$green" run --help
expect "green run --help" status=0 quiet native
cp out help
run "$green" help run
expect "green help run prints the same" status=0 quiet "out=$(cat help)"
run "$green" --version
expect "green --version" status=0 quiet
case $(cat out) in "green "[0-9]*) ;; *) status=wrong ;; esac
expect "the version is a number" status=0
cp out version
run "$green" run --version
expect "green run --version prints the same" status=0 quiet "out=$(cat version)"
run "$green"
expect "no subcommand" status=2 "err=^green: .*: try 'green --help'$" out=
run "$green" nosuch
expect "unknown subcommand" status=2 "err=^green: nosuch: .*: try 'green --help'$" out=
run "$green" help nosuch
expect "help about an unknown subcommand" status=2 "err=^green: nosuch: .*: try 'green --help'$" out=
run sh -c '"$1" --help >&-' sh "$green"
expect "help with standard output closed" status=125 "err=^green: standard output: "
run sh -c '"$1" run --version >&-' sh "$green"
expect "version with standard output closed" status=125 "err=^green: standard output: "
if [ -c /dev/full ]; then
	run sh -c '"$1" run --help >/dev/full' sh "$green"
	expect "help to a full device" status=125 "err=^green: standard output: No space left"
else
	skip "help to a full device" "no /dev/full"
fi

usage="try 'green run --help'$"
run "$green" run
expect "no command" status=2 "err=^green run: no command given: $usage"
run "$green" run --
expect "no command after --" status=2 "err=^green run: no command given: $usage"
for option in --nosuch -v --help=x --stack --no-children=1 --verbos --; do
	[ $option != -- ] || option=---
	run "$green" run $option true
	expect "bad option $option" status=2 "err=^green run: $option: .*: $usage" out= native
done
# MP15: an unmodified program with the shim
run "$green" run ./tell --help --stack=1 -- --nosuch
expect "options end at the command" status=0 'out=[--help][--stack=1][--][--nosuch]' quiet carried
run "$green" run --stack=64k -- ./tell -- x
expect "options end at --" status=0 'out=[--][x]' quiet carried
run "$green" run ./tell 'a b' '' '*' "it's" '$HOME'
expect "arguments arrive as they are" status=0 "out=[a b][][*][it's][\$HOME]" carried
run "$green" run -- -
expect "a dash is a command" status=127 "err=^green: -: command not found$"

# --- Sizes, options and variables -------------------------------------------

TELL=GREEN_STACK
export TELL
for size in 16384 16k 016k 64K 1m 8M 1g 1G 1024m 1073741824; do
	run "$green" run --stack=$size ./tell
	expect "--stack=$size" status=0 out=$size carried
done
for size in '' abc k 1 0 16383 15k 2g 1025m 1073741825 -5 +64k ' 64k' '64k ' 64kb 64kk 0x10000 1e6 64.5k \
	18446744073709551616 18446744073709617152 17592186044416k 99999999999999999999999g; do
	run "$green" run "--stack=$size" ./tell
	expect "--stack='$size' is refused" status=2 "err=^green run: --stack=$size: not a size .*: $usage" native
	run env "GREEN_STACK=$size" "$green" run ./tell
	expect "GREEN_STACK='$size' is refused" status=2 "err=^green run: GREEN_STACK=$size: not a size .*: $usage" native
done
run env GREEN_STACK=2m "$green" run ./tell
expect "GREEN_STACK is passed on" status=0 out=2m carried
run env GREEN_STACK=2m "$green" run --stack=1m --stack=3m ./tell
expect "the last --stack wins, over GREEN_STACK too" status=0 out=3m carried
run env GREEN_STACK=abc "$green" run --stack=3m ./tell
expect "a bad variable that an option replaces does no harm" status=0 out=3m carried
run "$green" run ./tell
expect "no --stack, no GREEN_STACK" status=0 out=unset carried
TELL=GREEN_TIMESLICE
for time in off 50us 100us 0500us 2ms 10s 10000ms; do
	run "$green" run --timeslice=$time ./tell
	expect "--timeslice=$time" status=0 out=$time carried
done
for time in '' 2 0 0ms 49us 11s 10001ms 2m 2MS ' 2ms' '2ms ' '2 ms' 2.5ms -2ms +2ms 0x2ms on Off 99999999999999999999s; do
	run "$green" run "--timeslice=$time" ./tell
	expect "--timeslice='$time' is refused" status=2 "err=^green run: --timeslice=$time: not a time .*: $usage" native
	run env "GREEN_TIMESLICE=$time" "$green" run ./tell
	expect "GREEN_TIMESLICE='$time' is refused" status=2 "err=^green run: GREEN_TIMESLICE=$time: not a time .*: $usage" native
done
run env GREEN_TIMESLICE=3ms "$green" run ./tell
expect "GREEN_TIMESLICE is passed on" status=0 out=3ms carried
run env GREEN_TIMESLICE=abc "$green" run --timeslice=1ms --timeslice=off ./tell
expect "the last --timeslice wins, over GREEN_TIMESLICE too" status=0 out=off carried
run "$green" run --timeslice ./tell
expect "--timeslice without a time" status=2 "err=needs a time" native
run "$green" run ./tell
expect "no --timeslice, no GREEN_TIMESLICE" status=0 out=unset carried
TELL=GREEN_STACK
for variable in GREEN_CHILDREN GREEN_VERBOSE GREEN_DETOUR GREEN_CARRY; do
	for value in '' 2 yes 00 '1 '; do
		run env "$variable=$value" "$green" run ./tell
		expect "$variable='$value' is refused" status=2 "err=^green run: $variable=$value: .*: $usage" native
	done
	run env $variable=0 "$green" run ./tell
	expect "$variable=0" status=0 quiet carried
done
run env GREEN_STATS= "$green" run ./tell
expect "an empty GREEN_STATS is refused" status=2 "err=^green run: GREEN_STATS=: .*: $usage"
run env GREEN_STATS=nosuch/s "$green" run ./tell
expect "so is one in a directory that is not there" status=2 "err=^green run: GREEN_STATS=nosuch/s: .*: $usage" native
run env GREEN_STATS=stats/s "$green" run sh -c 'cd / && (exit 3); true'
expect "a child that cannot count says nothing" status=0 quiet carried
run env GREEN_NOSUCH=abc "$green" run ./tell
expect "other variables are nobody's business" status=0 quiet carried

run "$green" run sh -c './tell; ./tell; exit 5'
expect "children have the shim" status=5 processes=3
run "$green" run --no-children sh -c './tell; ./tell; exit 5'
expect "--no-children" status=5 processes=1
run env GREEN_CHILDREN=0 "$green" run sh -c './tell; ./tell; exit 5'
expect "GREEN_CHILDREN=0" status=5 processes=1
TELL=GREEN_DETOUR
for option in --audit= --native-thread= --native-thread=a:b --native-thread=/lib/a --native-thread --audits --carry=1; do
	run "$green" run "$option" ./tell
	expect "$option is refused" status=2 "err=^green run: --.*: $usage" native
done
for variable in GREEN_AUDIT GREEN_NATIVE_THREADS; do
	run env $variable= "$green" run ./tell
	expect "$variable= is refused" status=2 "err=^green run: $variable=: empty.*: $usage" native
done
TELL=GREEN_NATIVE_THREADS
run env GREEN_NATIVE_THREADS=liba "$green" run --native-thread=libb.so.1 '--native-thread=lib[cd]*' ./tell
expect "--native-thread adds up, and replaces the variable" status=0 'out=libb.so.1:lib[cd]*' quiet carried
TELL=GREEN_AUDIT
run "$green" run --audit ./tell
expect "--audit" status=0 out=1 'err=^green audit: process [0-9]* made no thread that could have been held up$' carried
run "$green" run --audit --audit=report ./tell
expect "--audit=FILE" status=0 out=report quiet carried
cat report.* >err
expect "the file has what would be on standard error" 'err=^green audit: process [0-9]* made no thread that could have been held up$'
TELL=GREEN_CARRY
run "$green" run --carry ./tell
expect "--carry of a program that is carried anyway" status=0 out=1 quiet carried
TELL=GREEN_DETOUR
run env GREEN_DETOUR=0 "$green" run --detour ./tell
expect "--detour" status=0 out=1 quiet carried
TELL=GREEN_STACK
run "$green" run --verbose ./tell
expect "--verbose names program and shim" status=0 'says=^green: running \./tell under /.*/libgreen-preload\.so$' carried
run env GREEN_VERBOSE=1 "$green" run ./tell
expect "GREEN_VERBOSE=1 does, too" status=0 'says=^green: running \./tell under /' carried
TELL=GREEN_VERBOSE
run "$green" run --verbose ./tell
expect "--verbose is passed on" status=0 out=1

# --- LD_PRELOAD --------------------------------------------------------------

TELL=LD_PRELOAD
run "$green" run ./tell
shim=$(cat out)
expect "the shim's path is absolute" status=0 quiet carried
case $shim in /*/libgreen-preload.so) ;; *) status=wrong ;; esac
expect "the shim alone is preloaded" status=0
echo 'int nothing;' >other.c
$cc -shared -fPIC other.c -o other.so && cp other.so another.so
run env LD_PRELOAD="$tmp/other.so" "$green" run ./tell
expect "another preload stays behind the shim" status=0 quiet "out=$shim:$tmp/other.so" carried
run env LD_PRELOAD="$tmp/other.so $tmp/another.so" "$green" run ./tell
expect "a list with spaces stays as it is" status=0 quiet "out=$shim:$tmp/other.so $tmp/another.so"
run "$green" run "$green" run ./tell
expect "a nested green run lists the shim once" status=0 quiet "out=$shim" carried
run env LD_PRELOAD="$tmp/other.so" "$green" run "$green" run "$green" run ./tell
expect "so it does with another preload" status=0 quiet "out=$shim:$tmp/other.so" carried
run env LD_PRELOAD="$tmp/other.so $shim $tmp/another.so" "$green" run ./tell
expect "the shim amid others moves to the front" status=0 quiet "out=$shim:$tmp/other.so $tmp/another.so"

# --- Exit statuses and identity ---------------------------------------------

unset TELL
run "$green" run sh -c 'exit 7'
expect "the command's exit status" status=7 quiet carried
for signal in TERM:143 KILL:137 INT:130; do
	run sh -c '"$@"; exit $?' sh "$green" run sh -c "kill -${signal%:*} \$\$"
	expect "death by SIG${signal%:*}" status=${signal#*:} carried
done
rm -f stats/*
GREEN_STATS=$tmp/stats/s "$green" run sh -c 'echo $$' >out 2>err &
pid=$!
status=0
wait $pid || status=$?
expect "the command has green's process number" status=0 out=$pid
[ -f stats/s.$pid ] || status=missing
expect "the stats file has it, too" status=0
"$green" run sh -c 'echo >ready; exec sleep 30' &
pid=$!
while kill -0 $pid && [ ! -e ready ]; do :; done
kill -TERM $pid
status=0
wait $pid 2>/dev/null || status=$?
expect "a signal to green's process ends the command" status=143
run "$green" run nosuchcommand
expect "command not found" status=127 "err=^green: nosuchcommand: command not found$" native
run "$green" run ./nosuchcommand
expect "path not found" status=127 "err=^green: \./nosuchcommand: No such file or directory$"
run "$green" run ''
expect "empty command" status=127 "err=^green: : command not found$"
run "$green" run ./stats
expect "directory" status=126 "err=^green: \./stats: Is a directory$"
run "$green" run ./tell.c
expect "not executable" status=126 "err=^green: \./tell\.c: Permission denied$"
run "$green" run ./tell/x
expect "below a file" status=126 "err=^green: \./tell/x: Not a directory$"
cp tell.c bin/forbidden
run "$green" run forbidden
expect "not executable, in PATH" status=126 "err=^green: forbidden: Permission denied$"
mkfifo fifo && chmod +x fifo
run "$green" run ./fifo
expect "a FIFO" status=126 "err=^green: \./fifo: Permission denied$"
cp tell bin/tellme
run "$green" run tellme x
expect "found in PATH" status=0 'out=[x]' carried
run env "PATH=/nosuch:$tmp/stats:" "$green" run tell x
expect "an empty entry in PATH is this directory" status=0 'out=[x]' carried
run env PATH= "$green" run tell x
expect "so is an empty PATH" status=0 'out=[x]' carried
run env -u PATH "$green" run true
expect "without PATH the usual directories serve" status=0 quiet carried
mkdir first && cp tell.c first/tellme
run env "PATH=$tmp/first:$PATH" "$green" run tellme x
expect "a file without permission is passed over" status=0 'out=[x]' carried
long=$(printf '%05000d' 0)
run "$green" run "./$long"
expect "too long a path" status=126 "err=^green: .*: File name too long$"
run env "PATH=$long:$tmp/bin" "$green" run tellme x
expect "too long a directory in PATH" status=0 'out=[x]' carried

# --- Where the shim lies -----------------------------------------------------

# Puts the command into $1/$2 and the shim, unless there is none, into $1/$3.
place() {
	mkdir -p "$1/$2"
	cp "$green" "$1/$2/green"
	if [ -n "$3" ]; then
		mkdir -p "$1/$3"
		ln -sf "$shim" "$1/$3/libgreen-preload.so"
	fi
}

place alone bin ''
run alone/bin/green run ./tell
if [ $status -eq 0 ]; then
	skip "missing shim" "there is an installed one"
else
	expect "missing shim" status=125 "err=^green: libgreen-preload\.so: found neither .*make" out=
fi
place built tools preload/.libs
ln -s built/tools/green linked
run ./linked run --verbose ./tell
expect "the shim of the build tree, through a link" status=0 "says=under $tmp/built/preload/\.libs/libgreen-preload\.so$"
place installed bin lib/libgreen
run installed/bin/green run --verbose ./tell
expect "the shim of a moved installation" status=0 "says=under $tmp/installed/lib/libgreen/libgreen-preload\.so$"
for directory in 'a b' 'a:b'; do
	place "$directory" bin lib/libgreen
	run "$directory/bin/green" run ./tell
	expect "shim below '$directory'" status=125 "err=^green: .*/$directory/.*space or a colon: move" out=
done

# --- Programs that cannot be carried ----------------------------------------

TELL=LD_PRELOAD
export TELL
if [ -x tell_static ]; then
	run "$green" run --stack=64k --verbose ./tell_static x
	expect "static program" status=0 'out=[x]unset' "err=^green: \./tell_static: statically linked, .*; $native_line" native
	run env LD_PRELOAD="$tmp/other.so" "$green" run ./tell_static
	expect "a preload of the user's own stays" status=0 "out=$tmp/other.so" "err=$native_line" native
	run env TELL=GREEN_STACK GREEN_STACK=64k "$green" run --stack=32k ./tell_static
	expect "the user's variables stay as they were" status=0 out=64k "err=$native_line" native
	# The processes before the static one have the shim, so there are stats.
	run "$green" run sh -c 'GREEN_STATS=$1.inner "$2" run ./tell_static' sh "$tmp/stats/s" "$green"
	expect "static program in a nested green run" status=0 out=unset "err=$native_line"
else
	skip "static program" "cannot link one"
fi
if build tell_static_pie -static-pie; then
	run "$green" run ./tell_static_pie
	expect "static-pie program" status=0 out=unset "err=statically linked, .*; $native_line" native
else
	skip "static-pie program" "cannot link one"
fi
if objcopy --add-section .go.buildinfo=other.c tell tell_go 2>/dev/null; then
	run "$green" run ./tell_go
	expect "Go program" status=0 out=unset "err=^green: \./tell_go: a Go program, .*; $native_line" native
	run "$green" run --carry ./tell_go
	expect "Go program with --carry" status=0 "out=$shim" "err=^green: \./tell_go: a Go program, .*; $carried_line" carried
	objcopy --add-section .note.go.buildid=other.c tell tell_go
	run "$green" run ./tell_go
	expect "Go program, by its build id" status=0 out=unset "err=a Go program, .*; $native_line" native
else
	skip "Go program" "no objcopy"
fi
loader=$(readelf -l tell 2>/dev/null | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
if [ -n "$loader" ] && ln -s "$loader" ld-musl-x86_64.so.1 && build tell_musl "-Wl,--dynamic-linker=$tmp/ld-musl-x86_64.so.1"; then
	run "$green" run ./tell_musl
	expect "program for another libc" status=0 out=unset "err=^green: \./tell_musl: .*ld-musl-x86_64\.so\.1.*; $native_line" native
	rm ld-musl-x86_64.so.1
	run "$green" run ./tell_musl
	expect "program whose loader is missing" status=127 "says=^green: \./tell_musl: .*missing$" native
	run "$green" run "$loader" ./tell
	expect "the dynamic loader itself carries" status=0 "out=$shim" quiet carried
else
	skip "program for another libc" "no readelf"
fi
cp tell tell_class
patch tell_class 4 '\001'
patch tell_class 18 '\003\000'
run "$green" run ./tell_class
expect "program of another word size" status=126 "says=^green: \./tell_class: a 32-bit program for i386, .*; $native_line" native
echo 'void _start(void) { __asm__("int $0x80" : : "a" (1), "b" (7)); }' >quit.c
$cc -m32 -nostdlib -static -fno-pie -no-pie quit.c -o quit 2>cc.log && ./quit
if [ $? -eq 7 ]; then
	run "$green" run ./quit
	expect "32-bit program that runs here" status=7 "err=^green: \./quit: a 32-bit program for i386, .*; $native_line" native
else
	skip "32-bit program that runs here" "cannot make or run one"
fi
cp tell tell_machine
patch tell_machine 18 '\026\026'
run "$green" run ./tell_machine
expect "program for another CPU" status=126 "says=^green: \./tell_machine: .* for machine 5654, .*; $native_line" native

# $1 names the case and $2 a compiler; the rest makes a program with a sanitizer.
sanitized() {
	what="$1" compiler=$2
	shift 2
	if ! $compiler tell.c -o tell_sanitized "$@" 2>cc.log || ! TELL=PATH ./tell_sanitized >/dev/null 2>&1; then
		skip "$what" "cannot make or run one"
		return
	fi
	run "$green" run ./tell_sanitized
	expect "$what" status=0 out=unset "err=^green: \./tell_sanitized: built with a sanitizer .*; $native_line" native
	# Some runtimes end the program then.
	run env GREEN_CARRY=1 "$green" run ./tell_sanitized
	expect "$what with GREEN_CARRY=1" "says=^green: \./tell_sanitized: built with a sanitizer .*; $carried_line"
	# One that is hidden in the program is not found there, and bears the shim.
	if ldd ./tell_sanitized | grep -q san || nm -D --defined-only ./tell_sanitized 2>/dev/null | grep -qE ' __(hwa|a|l|m|t)san_init$'; then
		run "$green" run sh -c 'exec ./tell_sanitized'
		expect "$what, by way of a shell" status=0 out=unset quiet
	fi
}

sanitized "address sanitizer" "$cc" -fsanitize=address
sanitized "address sanitizer in the program" gcc -fsanitize=address -static-libasan
sanitized "thread sanitizer" "$cc" -fsanitize=thread
sanitized "leak sanitizer" "$cc" -fsanitize=leak
sanitized "clang's address sanitizer" clang -fsanitize=address
sanitized "clang's address sanitizer, stripped" clang -fsanitize=address -s
sanitized "clang's address sanitizer, shared" clang -fsanitize=address -shared-libasan -Wl,--disable-new-dtags \
	"-Wl,-rpath,$(dirname "$(clang -print-file-name=libclang_rt.asan-x86_64.so 2>/dev/null)" 2>/dev/null)"
sanitized "clang's thread sanitizer" clang -fsanitize=thread
sanitized "clang's memory sanitizer" clang -fsanitize=memory
if build tell_undefined -fsanitize=undefined; then
	run "$green" run ./tell_undefined
	expect "undefined behaviour sanitizer" status=0 "out=$shim" quiet carried
else
	skip "undefined behaviour sanitizer" "cannot link one"
fi
echo 'extern int __asan_init(void) __attribute__((weak)); int ask(void) { return __asan_init != 0; }' >ask.c
if build tell_asks -DHELP_WITH=ask ask.c; then
	run "$green" run ./tell_asks
	expect "a program that asks whether there is a sanitizer" status=0 "out=$shim" quiet carried
fi
echo 'int help(void) { return 0; }' >help.c
$cc -shared -fPIC help.c -o libempty.so
for library in libgomp.so.1 libjli.so libjvm.so; do
	$cc -shared -fPIC help.c -Wl,-soname,$library -o $library
	build tell_inline -DHELP_WITH=help ./$library -Wl,-rpath,"$tmp"
	run "$green" run ./tell_inline
	expect "linked with $library" status=0 out=unset "err=^green: \./tell_inline: .*$library.*; $native_line" native
	run "$green" run --carry ./tell_inline
	expect "linked with $library, with --carry" status=0 "out=$shim" "err=^green: \./tell_inline: .*$library.*; $carried_line" carried
	run "$green" run sh -c 'exec ./tell_inline'
	expect "linked with $library, by way of a shell" status=0 out=unset quiet
	run "$green" run --verbose sh -c 'exec ./tell_inline'
	expect "linked with $library, with --verbose" status=0 out=unset "says=^green: it is .*; running it without green threads$"
	run "$green" run sh -c 'LD_PRELOAD=./libempty.so:$LD_PRELOAD exec ./tell_inline'
	expect "linked with $library, beside another preload" status=0 out=./libempty.so
	run env GREEN_CARRY=1 "$green" run sh -c 'exec ./tell_inline'
	expect "linked with $library, by way of a shell, with GREEN_CARRY=1" status=0 "out=$shim" quiet carried
done

# --- Libraries that come later -----------------------------------------------

cat >later.c <<'EOF'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static int (*help)(void);
static void *run(void *arg) { return syscall(SYS_gettid) > 1 << 22 && help() == 0 ? arg : NULL; }
int main(int argc, char **argv)
{
	void *result, *library = dlopen(argv[argc - 1], RTLD_NOW);
	pthread_t thread;
	if (!library || !(help = (int (*)(void))dlsym(library, "help")))
		return 9;
	pthread_create(&thread, NULL, run, argv);
	pthread_join(thread, &result);
	puts(result ? "green" : "native");
	return 0;
}
EOF
if $cc -w later.c -o later -pthread -ldl; then
	run "$green" run ./later ./libjvm.so
	expect "libjvm.so that comes later" status=0 out=native "err=^green: a Java virtual machine .*; threads stay real ones$"
	run env GREEN_CARRY=1 "$green" run ./later ./libjvm.so
	expect "libjvm.so that comes later, with GREEN_CARRY=1" status=0 out=green quiet carried
	run "$green" run ./later ./libjli.so
	expect "another library that comes later" status=0 out=green quiet carried
fi
cat >omp.c <<'EOF'
int help(void)
{
	long sum = 0;
	for (int round = 0; round < 50; round++) {
#pragma omp parallel for num_threads(4) reduction(+ : sum)
		for (int i = 0; i < 1000; i++)
			sum += i;
	}
	return sum == 50 * 499500L;
}
EOF
cat >teams.c <<'EOF'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
static int (*help)(void);
static void *run(void *arg) { return help() ? arg : NULL; }
int main(int argc, char **argv)
{
	pthread_t threads[4];
	void *result, *library = dlopen("./libteams.so", RTLD_NOW);
	int right = 0;
	if (!library || !(help = (int (*)(void))dlsym(library, "help")))
		return 9;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, run, argv);
	for (int i = 0; i < 4; i++)
		right += pthread_join(threads[i], &result) == 0 && result;
	printf("%d of 4 teams", right);
	return 0;
}
EOF
if gcc -w -O1 -fopenmp -shared -fPIC omp.c -o libteams.so 2>cc.log && gcc -w teams.c -o teams -pthread -ldl; then
	run timeout 60 "$green" run ./teams
	expect "OpenMP that comes later" status=0 "out=4 of 4 teams" quiet carried
	gcc -w teams.c -o teams -pthread -ldl -Wl,--no-as-needed -fopenmp
	run timeout 60 "$green" run --carry ./teams
	expect "OpenMP with --carry" status=0 "out=4 of 4 teams" "err=^green: \./teams: linked with libgomp.*; $carried_line" carried
else
	skip "OpenMP that comes later" "no gcc with OpenMP"
fi

# --- Programs that gain privileges ------------------------------------------

TELL_SECURE=1
export TELL_SECURE
unset TELL

# The kernel tells by AT_SECURE what is right: $1 names the case, $2... run the program natively.
as_kernel() {
	name=$1 mode=$2
	shift 2
	if [ "$("$@" ./tell_secure)" != $((mode == 1)) ]; then
		skip "$name" "the kernel or the mount sees it otherwise"
		return
	fi
	run "$@" "$green" run ./tell_secure
	if [ "$mode" -eq 1 ]; then
		expect "$name" status=0 out=1 "err=^green: \./tell_secure: .*ignores LD_PRELOAD; $native_line" native
	else
		expect "$name" status=0 out=0 quiet carried
	fi
}

# Makes tell_secure: the program with this owner and mode.
secure() {
	rm -f tell_secure
	cp tell tell_secure && chown "$1" tell_secure && chmod "$2" tell_secure
}

if [ "$(id -u)" -ne 0 ]; then
	cp tell tell_secure && chmod u+s tell_secure
	as_kernel "setuid to oneself" 0 env
	skip "other programs that gain privileges" "only root can make them"
else
	secure 65534:0 4755 && as_kernel "setuid to another user" 1 env
	secure 0:0 4755 && as_kernel "setuid to oneself" 0 env
	secure 0:65534 2755 && as_kernel "setgid to another group" 1 env
	secure 0:65534 2745 && as_kernel "setgid without the group's execute bit" 0 env
	secure 0:0 2755 && as_kernel "setgid to one's own group" 0 env
	other='setpriv --reuid=65534 --regid=65534 --clear-groups'
	if ! $other "$green" run true 2>/dev/null; then
		skip "programs of another user" "no setpriv, or the command is out of that user's reach"
	else
		secure 0:0 4755 && as_kernel "another user's setuid root program" 1 $other
		secure 0:0 4755 && as_kernel "the same with no_new_privs" 0 $other --no-new-privs
		secure 0:0 4711 && as_kernel "an unreadable setuid root program" 1 $other
		secure 0:0 711 && as_kernel "a program that cannot be read" 0 $other
		secure 65534:0 4755 && as_kernel "that user's own setuid program" 0 $other
		secure 0:0 755 && as_kernel "unlike real and effective ids" 1 setpriv --ruid=65534
		if setcap cap_net_raw+ep tell_secure 2>/dev/null; then
			as_kernel "file capabilities" 1 $other
			as_kernel "file capabilities with no_new_privs" 1 $other --no-new-privs
			as_kernel "file capabilities, run by root" 0 env
			setcap '=' tell_secure && as_kernel "an empty set of file capabilities" 0 $other
		else
			skip "file capabilities" "no setcap, or the mount has none"
		fi
	fi
fi
unset TELL_SECURE

# --- Scripts -----------------------------------------------------------------

script plain 'echo "plain $1"'
run "$green" run ./plain 'a b'
expect "a script without #! is run by the shell" status=0 'out=plain a b' quiet carried
cp plain bin/plainme
run "$green" run plainme x
expect "so it is in PATH" status=0 'out=plain x' quiet carried
: >empty && chmod +x empty
run "$green" run ./empty
expect "an empty file is an empty script" status=0 quiet carried
script shell '#! /bin/sh -e' 'echo "shell $1"; false; echo no'
run "$green" run ./shell x
expect "a shell script" status=1 'out=shell x' quiet carried
script bound '#!./tell one two'
run "$green" run ./bound x
expect "a script of our own interpreter" status=0 'out=[one two][./bound][x]' quiet carried
script byenv '#!/usr/bin/env tellme'
run "$green" run ./byenv x
expect "a script by way of env" status=0 'out=[./byenv][x]' quiet carried
script lost '#!/nosuch/interpreter'
run "$green" run ./lost
expect "an interpreter that is missing" status=127 "err=^green: \./lost: .*missing$"
script astray "#!$tmp"
run "$green" run ./astray
expect "an interpreter that is a directory" status=126 "err=^green: \./astray: Permission denied$"
script loop '#!./loop'
run "$green" run ./loop
expect "a script that is its own interpreter" status=126 "err=^green: \./loop: "
script hollow '#!' 'echo hollow'
run "$green" run ./hollow
expect "#! alone" status=0 out=hollow quiet carried
printf '#!/usr/bin/env nosuch' >unended && chmod +x unended
run "$green" run ./unended
expect "env with an unknown name, and no end of line" status=127 carried
if [ -x tell_static ]; then
	cp tell_static bin/stillme
	script s1 '#!./tell_static'
	script s2 '#!./s1'
	script s3 '#!./s2'
	script s4 '#!./s3'
	for level in 1 2 3 4; do
		run "$green" run ./s$level
		expect "static interpreter, $level deep" status=0 "err=^green: \./s$level: its interpreter \./tell_static .*statically linked, .*; $native_line" native
	done
	for line in 'stillme' '-S stillme -x' '-S A=b stillme' '-i stillme'; do
		script byenv "#!/usr/bin/env $line"
		run "$green" run ./byenv
		expect "static interpreter by '#!env $line'" "says=^green: \./byenv: its interpreter $tmp/bin/stillme .*; $native_line" native
	done
	ln -s tell_static env
	script byenv '#!./env tellme'
	run "$green" run ./byenv
	expect "an env that is static itself" status=0 "err=its interpreter \./env .*; $native_line" native
fi

# --- Broken files ------------------------------------------------------------

for length in 4 5 18 20 52 63 64 100 200; do
	head -c $length tell >broken && chmod +x broken
	run "$green" run ./broken
	expect "ELF file cut after $length bytes" status=126 "says=^green: \./broken: Exec format error$" native
done
printf '\000\001\002' >broken
run "$green" run ./broken
expect "binary rubbish" status=126 "err=^green: \./broken: Exec format error$"
cp tell broken
patch broken 40 '\377\377\377\377\377\377\377\377'
run "$green" run ./broken x
expect "section headers beyond all bounds" status=0 'out=[x]' quiet carried
cp tell broken
patch broken 58 '\100\000\377\377\377\377'
run "$green" run ./broken x
expect "too many section headers" status=0 'out=[x]' quiet carried
strip -o broken tell 2>/dev/null && patch broken 40 '\000\000\000\000\000\000\000\000'
run "$green" run ./broken x
expect "no section headers" status=0 'out=[x]' quiet carried
cp tell broken
patch broken 54 '\001\000'
run "$green" run ./broken
expect "program headers of a wrong size" status=126 "says=^green: \./broken: Exec format error$" native

exit $failed
