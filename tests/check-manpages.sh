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
	sed -n '/^GREEN_1\.0 {/,/local:/p' ../lib/libgreen.map | grep -o 'green_[a-z0-9_]*'
}

# Where a page's text is: in itself, or in the page that it shares.
text_of() {
	target=$(sed -n '1s|^\.so man3/||p' "$1")
	echo "${target:-$1}"
}

check_call() {
	page=$1.3
	if [ ! -f "$page" ]; then
		wrong "$1 has no manual page"
	elif ! grep -q "^\.Nm $1\( ,\)\{0,1\}\$" "$(text_of "$page")"; then
		wrong "$page: its text does not name $1"
	elif ! grep -q "^\.F[no] $1\( \|\$\)" "$(text_of "$page")"; then
		wrong "$page: its synopsis does not have $1"
	else
		ok
	fi
}

check_page() {
	if ! grep -q "[[:space:]]$1\([[:space:]]\|\$\)" Makefile.am; then
		wrong "$1 is not in man/Makefile.am"
	elif [ "${1%.3}" != "$1" ] && ! public_calls | grep -qx "${1%.3}"; then
		wrong "$1 is about no public call"
	elif [ -n "$(text_of "$1")" ] && [ ! -f "$(text_of "$1")" ]; then
		wrong "$1 points to a page that is not there"
	else
		ok
	fi
}

# Those of our own pages that PAGE refers to and that are not there.
lost_references() {
	sed -n 's/^\.Xr \(\(lib\)\{0,1\}green[a-z0-9_-]*\) \([137]\).*/\1.\3/p' "$1" | sort -u | while read -r page; do
		[ -f "$page" ] || printf '%s ' "$page"
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

check_format() {
	command -v groff >/dev/null || { skipped=$((skipped + 1)); return; }
	[ "$(text_of "$1")" = "$1" ] || return
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
	check_format "$page"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
