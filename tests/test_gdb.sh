#!/bin/sh
# SPDX-License-Identifier: MIT
# test_gdb.sh - scripts/green-gdb.py: the list of greenlets, their stacks, and that the program goes on unharmed

source=${top_srcdir:-..} build=${top_builddir:-..}
cc=${CC:-cc}
source=$(cd "$source" && pwd) || exit 1
build=$(cd "$build" && pwd) || exit 1
gdb=$(command -v gdb) || { echo "skip all: no gdb"; exit 77; }
[ "$(uname -m)" = x86_64 ] || { echo "skip all: green bt knows the registers of x86-64 only"; exit 77; }

LC_ALL=C
export LC_ALL
unset LD_PRELOAD
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
cd "$tmp" || exit 1
failed=0

cat >program.c <<'END'
#include <green.h>
#include <stdio.h>

static __attribute__((noinline)) void stop_here(void) { __asm__ volatile(""); }
static __attribute__((noinline)) void inner(void) { green_sleep(50); __asm__ volatile(""); }
static void *naps(void *unused) { inner(); return unused; }
static void *back(void *value) { value = green_switch(green_parent(green_current()), value); return value; }
static void *later(void *unused) { return unused; }

int main(void)
{
	struct greenlet *task = green_spawn(naps, NULL), *raw = green_create(back, NULL), *unstarted = green_create(later, NULL);

	green_set_name(task, "napper");
	green_set_name(raw, "switcher");
	green_set_name(unstarted, "beginner");
	green_yield();
	green_switch(raw, NULL);
	stop_here();
	green_join(task, NULL, -1);
	green_switch(raw, NULL);
	puts("all is well");
	return 0;
}
END

# expect NAME PATTERN... - each pattern is in a line of what gdb has said
expect() {
	name=$1 why=
	shift
	for pattern in "$@"; do
		grep -q -e "$pattern" out || why="no line '$pattern'"
	done
	if [ "$why" ]; then
		echo "FAIL $name: $why"
		cat out
		failed=1
	else
		echo "ok $name"
	fi
}

# number NAME - that of the greenlet in the list
number() { awk -v name="$1" '$2 == name { print $1 }' list; }

# gdb_with COMMAND... - from the line stop_here on to the end of the program
gdb_with() {
	for command in "$@"; do
		printf '%s\n' "$command"
	done >commands
	printf 'set debuginfod enabled off\nbreak stop_here\nrun\nsource %s/scripts/green-gdb.py\n' "$source" >first
	echo continue >last
	"$gdb" -q -nx -batch -x first -x commands -x last ./program >out 2>&1 </dev/null
}

may_trace() { ! grep -q -e 'Operation not permitted' -e 'annot trace' -e 'Could not trace' out; }

# L22: all greenlets, and what each is doing
all_of_them() {
	gdb_with 'green list'
	may_trace || { echo "skip all: nobody may trace here"; exit 77; }
	expect "list-$context" ' main  *running$' ' napper  *waits for sleep' ' switcher  *suspended in a switch' \
		' beginner  *unstarted' 'all is well' 'exited normally'
	cp out list
}

# L22: stacks, of those that wait and of those that are suspended, after which the program goes on
stacks() {
	gdb_with "green bt $(number napper)" "green bt $(number switcher)" 'backtrace'
	expect "stacks-$context" ' inner (' ' naps (' ' green_sleep ' ' back (' ' stop_here (' ' main (' 'all is well' 'exited normally'
}

# L22: of what has no stack that is told
no_stacks() {
	gdb_with "green bt $(number beginner)"
	expect "none-$context" 'has no stack' 'all is well'
	gdb_with 'green bt 4711'
	expect "unknown-$context" 'no greenlet has this number' 'all is well'
}

for context in native ucontext; do
	[ -f "$build/lib/libgreen-$context.a" ] || continue
	if ! $cc -g -O1 -D_GNU_SOURCE -I"$source/include" -o program program.c "$build/lib/libgreen-$context.a" -pthread >out 2>&1; then
		echo "skip all: libgreen was built with what a plain program lacks: $(grep -m 1 -e undefined out)"
		exit 77
	fi
	all_of_them
	stacks
	no_stacks
done
exit "$failed"
