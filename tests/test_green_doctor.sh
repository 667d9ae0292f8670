#!/bin/sh
# SPDX-License-Identifier: MIT
# test_green_doctor.sh - green doctor: the verdict, the facts behind it, and that nothing of the program is run
#
# GREEN names the command under test.

# shellcheck disable=SC2016,SC2086

green=${GREEN:-../green}
cc=${CC:-cc}
case $green in /*) ;; *) green=$PWD/$green ;; esac
[ -x "$green" ] || { echo "skip all: no command at $green: the library alone was built"; exit 77; }
$cc --version >/dev/null 2>&1 || { echo "skip all: no C compiler"; exit 77; }
if "$green" run "$green" --version 2>&1 | grep -q 'built with a sanitizer'; then
	echo "skip all: the command itself has a sanitizer, which does not bear other preloads"
	exit 77
fi

LC_ALL=C
export LC_ALL
unset LD_PRELOAD LD_LIBRARY_PATH
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
cd "$tmp" || exit 1
failed=0

skip() { echo "skip $1: $2"; }

# doctor ARG... - the result is in $status, out and err
doctor() {
	status=0
	"$green" doctor "$@" >out 2>err </dev/null || status=$?
}

# expect NAME STATUS PATTERN... - the last answer; a pattern after "!" is in no line, the others are in at least one
expect() {
	name=$1 why=
	[ "$status" = "$2" ] || why="status $status, not $2: $(head -3 out err)"
	shift 2
	for pattern in "$@"; do
		case $pattern in
		!*) grep -q -e "${pattern#!}" out err && why="${why:-said '${pattern#!}'}" ;;
		*) cat out err | grep -q -e "$pattern" || why="${why:-said '$(cat out err)', without '$pattern'}" ;;
		esac
	done
	if [ -z "$why" ]; then
		echo "ok   $name"
	else
		echo "FAIL $name: $why"
		failed=1
	fi
}

# program NAME SOURCE ARG... - compile SOURCE with the further arguments
program() {
	echo "$2" >"$1.c"
	file=$1
	shift 2
	$cc "$file.c" -o "$file" "$@" 2>cc.log || { cat cc.log; return 1; }
}

# --- The command line -------------------------------------------------------

doctor --help
expect "--help" 0 '^Usage: green doctor'
doctor --version
expect "--version" 0 '^green [0-9]'
doctor
expect "no command" 2 "^green doctor: no command given: try 'green doctor --help'$"
doctor --nosuch true
expect "unknown option" 2 "^green doctor: --nosuch: unknown option: try 'green doctor --help'$"
doctor nosuchcommand
expect "command not found" 127 '^green: nosuchcommand: command not found$'
doctor ./nosuch
expect "path not found" 127 '^green: \./nosuch: No such file'
doctor ./
expect "a directory" 126 'Is a directory'
printf '\177ELF\002\001' >rubbish && chmod +x rubbish
doctor ./rubbish
expect "no program at all" 125 '^green doctor: \./rubbish: cannot be examined: '

# --- What is carried ----------------------------------------------------------

program plain '#include <stdio.h>
#include <unistd.h>
int main(void) { char byte; return read(0, &byte, 1) + puts("text"); }'
doctor ./plain
expect "a plain program" 0 '^\./plain: carried$' '^  program       \./plain$' '^  libraries     0 besides' \
	'^  carried  .*puts, read$' '^  threads       none' '!modules' '!blocks' '!system calls' '!on a helper'
doctor --all -- ./plain --all
expect "--all names each call and its file" 0 '^carried    read plain$' '^harmless   __cxa_finalize plain$'
program threads '#include <pthread.h>
#include <netdb.h>
#include <dlfcn.h>
static void *run(void *arg) { gethostbyname("localhost"); return dlopen(arg, RTLD_NOW); }
int main(void) { pthread_t id; return pthread_create(&id, NULL, run, NULL); }'
doctor ./threads
expect "threads, a look-up and modules" 0 '^  carried  .*pthread_create' '^  on a helper   1 call: gethostbyname$' \
	'!  threads' '^  modules  '
printf '%s\n' "#!$tmp/threads" >script && chmod +x script
doctor ./script
expect "a script" 0 "^\./script: carried$" "^  program       \./script, run by $tmp/threads$" '^  carried  .*pthread_create'
printf '%s\n' '#!/usr/bin/env plain' >script
PATH=$tmp:$PATH doctor script
expect "a script by way of env" 0 "^script: carried$" "run by $tmp/plain$"

# --- Exceptions -----------------------------------------------------------------

program kernel '#define _GNU_SOURCE
#include <sched.h>
#include <sys/ptrace.h>
int main(void) { return setns(-1, 0) + ptrace(PTRACE_TRACEME, 0, 0, 0); }'
doctor ./kernel
expect "calls about the kernel thread" 3 '^\./kernel: carried with exceptions$' '^  kernel thread 2 calls: ptrace, setns$'
program blocking '#include <dlfcn.h>
int main(void) { return dlvsym(RTLD_DEFAULT, "a", "b") != 0; }'
doctor ./blocking
expect "a call that blocks" 3 '^  blocks        1 call: dlvsym$'

echo '#include <stdio.h>
__attribute__((constructor)) static void run(void) { fclose(fopen("was-run", "w")); }
int help(void) { return 0; }' >help.c
$cc -shared -fPIC help.c -Wl,-soname,libhelp.so -o libhelp.so
program linked 'extern int help(void); int main(void) { return help(); }' ./libhelp.so "-Wl,-rpath,$tmp"
doctor --all ./linked
expect "a library of the program's" 0 '^  libraries     1 besides' '^helper     fopen libhelp\.so$'
[ ! -e was-run ] || status=was-run
expect "nothing of it was run" 0
echo 'int inner(void) { return 0; }' >inner.c
$cc -shared -fPIC inner.c -o inner.so
program by_path 'extern int inner(void); int main(void) { return inner(); }' ./inner.so
doctor ./by_path
expect "a library that is needed by its path" 0 '^  libraries     1 besides'
mkdir origin && program origin/program 'extern int help(void); int main(void) { return help(); }' ./libhelp.so '-Wl,-rpath,$ORIGIN'
cp libhelp.so origin && ln -s origin/program link
doctor ./link
expect "a library beside the file that a link leads to" 0 '^  libraries     1 besides'
mv libhelp.so elsewhere.so
doctor ./linked
expect "a library that is not there" 3 '^  missing       libhelp\.so is not found'
LD_LIBRARY_PATH=$tmp/other
export LD_LIBRARY_PATH
mkdir other && mv elsewhere.so other/libhelp.so
doctor ./linked
expect "a library in LD_LIBRARY_PATH" 0 '^  libraries     1 besides' '!missing'
unset LD_LIBRARY_PATH

case $(uname -m) in
x86_64) one='__asm__ volatile("mov $39, %%eax; syscall" : : : "rax", "rcx", "r11");' ;;
aarch64) one='__asm__ volatile("mov x8, #172; svc #0" : : : "x0", "x8");' ;;
*) one= ;;
esac
if [ -n "$one" ]; then
	program some "int main(void) { $one $one return 0; }"
	doctor ./some
	expect "less than three may be data" 0 '!system calls'
	program many "int main(void) { $one $one $one $one $one return 0; }"
	doctor ./many
	expect "system calls of its own" 3 '^  system calls  many makes at least 5 past the C library'
else
	skip "system calls of its own" "not known for this CPU"
fi

# stand_in LIBRARY - a library by that name, alone and behind libhelp.so
stand_in() {
	$cc -shared -fPIC inner.c "-Wl,-soname,$1" -o "$1"
	echo 'extern int inner(void); int help(void) { return inner(); }' >help.c
	$cc -shared -fPIC help.c -Wl,-soname,libhelp.so "./$1" "-Wl,-rpath,$tmp" -o libhelp.so
	program direct 'extern int inner(void); int main(void) { return inner(); }' "./$1" "-Wl,-rpath,$tmp"
}
stand_in libgomp.so.1
doctor ./linked
expect "libgomp behind another library" 3 '^  system calls  libgomp\.so\.1 makes system calls that cannot be caught$'
doctor ./direct
expect "linked with libgomp" 1 '^\./direct: runs natively$' '^  reason        linked with libgomp\.so\.1' '^  way out       green run --carry '
stand_in libopenblas.so.0
doctor ./direct
expect "a library whose threads stay kernel threads" 3 '^  native        libopenblas\.so\.0 is known to want kernel threads'
stand_in liburing.so.2
doctor ./linked
expect "liburing behind another library" 0 '^  rings         of liburing, whose waits are carried$'
doctor ./direct
expect "linked with liburing" 0 '^  rings         of liburing' '!system calls'
strip -o bare plain 2>/dev/null && printf '\000\000\000\000\000\000\000\000' | dd of=bare bs=1 seek=40 conv=notrunc 2>/dev/null
doctor ./bare
expect "no section headers" 3 '^  unreadable    bare has no section headers'

# --- What runs natively ---------------------------------------------------------

if program static 'int main(void) { return 0; }' -static >/dev/null; then
	doctor ./static
	expect "a static program" 1 '^\./static: runs natively$' '^  reason        statically linked'
	printf '%s\n' "#!$tmp/static" >script
	doctor ./script
	expect "a script of a static program" 1 "^  reason        $tmp/static: statically linked"
else
	skip "a static program" "cannot link one"
fi
if objcopy --add-section .go.buildinfo=plain.c plain go 2>/dev/null; then
	doctor ./go
	expect "a Go program" 1 '^  reason        a Go program'
else
	skip "a Go program" "no objcopy"
fi
program musl 'int main(void) { return 0; }' -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1
doctor ./musl
expect "a program for another libc" 1 '^  reason        uses another C library .*ld-musl-x86_64\.so\.1'

# --- Other people's programs: each has an answer, and what one knows of them is in it -----

# known COMMAND CALL - COMMAND is dynamic and makes CALL somewhere
known() {
	if ! command -v "$1" >/dev/null || head -c 2 "$(command -v "$1")" | grep -q '#!'; then
		skip "$1" "not here, or a script"
		return
	fi
	doctor --all "$1"
	case $status in 0) verdict='carried$' ;; *) verdict='carried with exceptions$' status=$((status == 3 ? 0 : status)) ;; esac
	expect "$1" 0 "^$1: $verdict" "^carried *$2 " '^harmless ' '!^unknown'
}
known tinyproxy pthread_create
known curl poll
known /usr/bin/python3 pthread_create
known ls fputs_unlocked

exit $failed
