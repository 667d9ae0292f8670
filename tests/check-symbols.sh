#!/bin/sh
# SPDX-License-Identifier: MIT
# check-symbols.sh - every function of libc is replaced by the shim or stands in preload/symbols.txt with a reason
# SH1, CK27: so each call that may wait is known
#
# A libc with new functions makes it fail and print them: then each is looked at.
# Names of GLIBC_PRIVATE are left out, since programs cannot be linked with them.
LC_ALL=C
export LC_ALL
source=${top_srcdir:-$(dirname "$0")/..}
shim=${top_builddir:-$(dirname "$0")/../build}/preload/.libs/libgreen-preload.so
list=${SYMBOLS:-$source/preload/symbols.txt}
failed=0

if [ ! -e "$shim" ]; then
	echo "skipped: there is no $shim"
	exit 77
fi
libc=${LIBC:-$(ldd "$shim" | awk '$1 == "libc.so.6" { print $3 }')}
[ -e "$libc" ] || { echo "there is no libc at '$libc'"; exit 1; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# complain_of FILE WHY - the names in FILE, if there are any, break a rule
complain_of() {
	[ -s "$1" ] || return
	echo "$2:"
	sed 's/^/  /' "$1"
	failed=1
}

# exports OBJECT - the names that a program can be linked with or was once
exports() {
	nm -D --defined-only --with-symbol-versions "$1" |
		awk '$2 != "A" && $3 !~ /@GLIBC_PRIVATE$/ { sub(/@.*/, "", $3); print $3 }' | sort -u
}

# listed CLASS... - the names that the list has in these classes
listed() {
	awk -v wanted=" $* " '
		/^[a-z]+: ./ { class = $1; sub(/:/, "", class); next }
		/^\t/ { if (index(wanted, " " class " ")) for (i = 1; i <= NF; i++) print $i }' "$list" | sort
}

exports "$libc" >"$tmp/libc"
exports "$shim" >"$tmp/shim"
[ "$(wc -l <"$tmp/libc")" -gt 1000 ] || { echo "libc has too few symbols to be true"; exit 1; }
nm -D --defined-only "$libc" | awk '$2 ~ /^[TWi]$/ { sub(/@.*/, "", $3); print $3 }' | sort -u >"$tmp/functions"
listed helper elsewhere >"$tmp/replaced"
listed plain disk foreign kernel blocks old data >"$tmp/kept"
listed data >"$tmp/data"
listed elsewhere >"$tmp/elsewhere"

grep -vnE '^(#.*|(helper|plain|disk|foreign|kernel|blocks|old|elsewhere|data): .*|	[^	].*|)$' "$list" >"$tmp/wrong"
complain_of "$tmp/wrong" "lines that are no part of the list"
sort "$tmp/replaced" "$tmp/kept" | uniq -d >"$tmp/twice"
complain_of "$tmp/twice" "listed twice"
comm -23 "$tmp/libc" "$tmp/shim" | comm -23 - "$tmp/kept" >"$tmp/new"
complain_of "$tmp/new" "$libc has them, and the shim neither replaces them nor has the list a reason why not"
comm -12 "$tmp/kept" "$tmp/shim" >"$tmp/both"
complain_of "$tmp/both" "the list says that the shim does not replace them, and it does"
comm -23 "$tmp/replaced" "$tmp/shim" >"$tmp/lost"
complain_of "$tmp/lost" "the list says that the shim replaces them, and it does not"
comm -23 "$tmp/shim" "$tmp/libc" | comm -23 - "$tmp/elsewhere" >"$tmp/own"
complain_of "$tmp/own" "the shim exports them, and libc does not"
comm -12 "$tmp/data" "$tmp/functions" >"$tmp/code"
complain_of "$tmp/code" "listed as data, and functions"

count() { listed "$@" | wc -l; }
echo "$(comm -12 "$tmp/libc" "$tmp/shim" | wc -l) of $(wc -l <"$tmp/libc") symbols of libc are replaced," \
	"$(count helper) of these by a call on a helper if it has to wait; listed: $(count plain) plain," \
	"$(count disk) disk, $(count foreign) foreign, $(count kernel) kernel, $(count blocks) blocks, $(count old) old, $(count data) data"
exit $failed
