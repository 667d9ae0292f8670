#!/bin/sh
# SPDX-License-Identifier: MIT
# check-aarch64.sh [SUITE...] - builds the library for aarch64 and runs these of its suites under qemu-aarch64
#
# What is tested is that it is right, not how fast: time under an emulator means
# nothing. Everything is built in a temporary folder. It takes gcc-aarch64-linux-gnu,
# qemu-user, and check:arm64 and libunwind-dev:arm64 of Debian, which ./bootstrap aarch64
# installs; AARCH64_ROOT names the folder in which the latter two and their libraries
# were unpacked instead. CFLAGS are for the project's own files.
set -u
source=$(cd "$(dirname "$0")/.." && pwd)
root=${AARCH64_ROOT-}
libraries=$root/usr/lib/aarch64-linux-gnu
cpu=aarch64-linux-gnu
# What is different on another CPU: switches, and the waits that are made of them.
[ $# != 0 ] || set -- test_context test_stack test_greenlet test_error test_generator test_loop test_hub test_waiter \
	test_task test_signal test_kill test_tasks test_cancel test_worker test_helper test_waitq test_event \
	test_semaphore test_mutex test_condition test_rwlock test_barrier test_queue test_local test_inspect

skip() {
	echo "skipped: $1"
	exit 77
}

command -v $cpu-gcc >/dev/null || skip "there is no $cpu-gcc"
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static) || skip "there is no qemu-aarch64"
export PKG_CONFIG_LIBDIR="$libraries/pkgconfig"
[ -z "$root" ] || export PKG_CONFIG_SYSROOT_DIR="$root" QEMU_LD_PREFIX="$root"
pkg-config --exists 'check >= 0.15' 2>/dev/null || skip "there is no Check for aarch64 in $libraries"
[ -x "$source/configure" ] || skip "there is no configure script: run autoreconf -fi, or ./bootstrap"

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# step WHAT COMMAND... - what it writes is shown if it fails
step() {
	what=$1
	shift
	"$@" >"$tmp/log" 2>&1 </dev/null && return
	tail -n 40 "$tmp/log"
	echo "$what failed"
	exit 1
}

# build FOLDER GOAL [TESTS]
build() {
	make -k -s "-j${JOBS:-2}" -C "$tmp/build/$1" "$2" CFLAGS="${CFLAGS--g -O1}" LOG_COMPILER="$qemu" \
		check_PROGRAMS="$suites" check_SCRIPTS="$suites_ucontext" TESTS="${3-}"
}

suites=$*
suites_ucontext=
for suite; do
	suites_ucontext="$suites_ucontext ${suite}_ucontext"
done
mkdir "$tmp/build" && cd "$tmp/build" || exit 1
step "configure" "$source/configure" -q --host=$cpu CC=$cpu-gcc CXX=false ${root:+"LDFLAGS=-L$libraries"} \
	${root:+"CPPFLAGS=-I$root/usr/include -I$root/usr/include/$cpu"}
step "make" build include all
step "make" build lib all
step "make" build tests check
status=0
build tests check "$suites$suites_ucontext" >"$tmp/log" 2>&1 </dev/null || status=1
grep -hE '^[^ ]*:[FE]:|^skipped: ' tests/test_*.log
"$source/scripts/closing-lines" "$tmp/build"
exit $status
