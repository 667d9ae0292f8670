#!/bin/sh
# SPDX-License-Identifier: MIT
# check-includes.sh - an include only ever points to the same floor or a lower one: base < switch < hub < sync < net; inspect reads them all
top=${top_srcdir:-$(dirname "$0")/..}
failed=0

complain() {
	echo "$*"
	failed=1
}

# forbid FILES PATTERN REASON - no include of FILES matches PATTERN
forbid() {
	found=$(grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($2)" $1 /dev/null)
	[ -z "$found" ] || complain "$found: $3"
}

cd "$top/lib" || exit 1
forbid "base/*.[ch]" "(switch|hub|sync|net|inspect|green)/|green\.h" "base is the lowest floor"
forbid "switch/*.[chS]" "(hub|sync|net|inspect)/|green/(io|socket|time)\.h|green\.h" "switch knows base and its own public header only"
forbid "hub/*.[ch]" "(sync|net|inspect)/|green/(io|socket)\.h|green\.h" "hub is below sync and net"
forbid "sync/*.[ch]" "(net|inspect)/|hub/fd\.h|green/(io|socket)\.h|green\.h" "what synchronises knows no descriptors"
forbid "net/*.[ch]" "inspect/" "net is below inspect"
forbid "tls/*.[ch]" "(switch|hub|sync|net|inspect)/|base/[^f]" "TLS is a library of its own, made of public calls (and of faults that tests inject)"
forbid "*/*.[chS]" "preload/|\.\./" "nothing in lib knows the shim"
forbid "base/list.h base/heap.h" "(base|switch|hub|sync|net|inspect)/[^c]|base/cl" "list and heap use compiler.h only"
forbid "switch/context*.[chS] switch/stack.[ch] switch/sanitizer.h switch/thread_pointer.[ch]" "switch/(greenlet|overflow)\.h|green/" \
	"contexts and stacks know no greenlets"
forbid "hub/loop.[ch] hub/timerq.[ch]" "switch/|green/|hub/(hub|waiter|task|fd|worker)\.h" "the loop and the timers know no greenlets"
forbid "hub/hub.h hub/waiter.[ch]" "hub/(fd|task|worker)\.h" "the hub's own headers are below descriptors, tasks and workers"
forbid "../include/green.h ../include/green/*.h" "(base|switch|hub|sync|net|inspect)/" "a public header includes public headers only"

# A file's own first line says what it is for.
for file in */*.[chS]; do
	head -n 1 "$file" | grep -q "SPDX-License-Identifier: MIT" || complain "lib/$file: the first line names no licence"
done
exit $failed
