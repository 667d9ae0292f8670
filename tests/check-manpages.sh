#!/bin/sh
# SPDX-License-Identifier: MIT
# check-manpages.sh - every public call has a manual page, which is installed, formats without warnings and names it
set -u
cd "$(dirname "$0")/../man" || exit 1
passed=0
failed=0
skipped=0

ok() {
	passed=$((passed + 1))
}

wrong() {
	failed=$((failed + 1))
	echo "FAILED: $*"
}

# The names that version GREEN_1.0 of the library exports.
public_calls() {
	sed -n '/^GREEN_\(TLS_\)\{0,1\}1\.0 {/,/local:/p' ../lib/libgreen.map ../lib/tls/libgreen-tls.map | grep -o 'green_[a-z0-9_]*'
}

# The calls that PAGE is about: those in its section NAME.
names_of() {
	sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \(green_[a-z0-9_]*\)\( ,\)\{0,1\}$/\1/p' "$1"
}

# The page about CALL: one of its own, or that of a family.
page_of() {
	if [ -f "$1.3" ]; then
		echo "$1.3"
	else
		grep -lE "^\.Nm $1( ,)?\$" green_*.3 | head -n 1
	fi
}

check_call() {
	page=$(page_of "$1")
	if [ -z "$page" ]; then
		wrong "$1 has no manual page"
	elif ! names_of "$page" | grep -qx "$1"; then
		wrong "$page: its text does not name $1"
	elif ! grep -q "^\.F[no] $1\( \|\$\)" "$page"; then
		wrong "$page: its synopsis does not have $1"
	else
		ok
	fi
}

check_page() {
	if ! grep -q "[[:space:]]$1\([[:space:]]\|\$\)" Makefile.am; then
		wrong "$1 is not in man/Makefile.am"
		return
	fi
	for call in $(names_of "$1"); do
		public_calls | grep -qx "$call" || wrong "$1 is about $call, which is no public call"
	done
	ok
}

# Those of our own pages that PAGE refers to and that are not there.
lost_references() {
	sed -n 's/^\.Xr \(\(lib\)\{0,1\}green[a-z0-9_-]*\) \([137]\).*/\1.\3/p' "$1" | sort -u | while read -r page; do
		[ -f "$page" ] || [ -n "$(page_of "${page%.3}")" ] || printf '%s ' "$page"
	done
}

check_references() {
	lost=$(lost_references "$1")
	if [ -n "$lost" ]; then
		wrong "$1 refers to what is not there: $lost"
	else
		ok
	fi
}

# libgreen.7 is where readers begin: it leads to every page about calls, and at its end to those about concepts.
check_listed() {
	case $1 in
	libgreen.7 | *.1) return ;;
	esac
	if grep -q "^\.Xr ${1%.*} ${1##*.}\( ,\)\{0,1\}\$" libgreen.7; then
		ok
	else
		wrong "libgreen.7 does not name $1"
	fi
}

check_format() {
	command -v groff >/dev/null || { skipped=$((skipped + 1)); return; }
	warnings=$(groff -ww -mandoc -Tutf8 -z "$1" 2>&1)
	if [ -n "$warnings" ]; then
		wrong "$warnings"
	else
		ok
	fi
}

for call in $(public_calls); do
	check_call "$call"
done
for page in *.[1-9]; do
	check_page "$page"
	check_references "$page"
	check_listed "$page"
	check_format "$page"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
