#!/bin/sh
# SPDX-License-Identifier: MIT
# check-namespace.sh - what the shared library and the shim export and need, and nothing else
#
# U10: names have versions, and there are no others
top=${top_builddir:-$(dirname "$0")/../build}
library=$top/lib/.libs/libgreen.so
shim=$top/preload/.libs/libgreen-preload.so
failed=0

if [ ! -e "$library" ]; then
	echo "skipped: there is no $library"
	exit 77
fi

# complain_of TEXT WHY - TEXT, if it is not empty, breaks a rule
complain_of() {
	[ -z "$1" ] && return
	echo "$2:"
	echo "$1"
	failed=1
}

# exports OBJECT - its dynamic symbols as "name@version", version nodes themselves left out
exports() {
	nm -D --defined-only --with-symbol-versions "$1" | awk '$2 != "A" { sub(/@@/, "@", $3); print $3 }'
}

complain_of "$(exports "$library" | grep -vE '^green_[a-z0-9_]+@GREEN_1\.0$|^green__[a-z0-9_]+@GREEN_PRIVATE$')" \
	"libgreen.so exports more than green_*@GREEN_1.0 and green__*@GREEN_PRIVATE"
complain_of "$(exports "$library" | grep -E '^green__.*@GREEN_1\.0$')" "an internal name is public"
public=$(exports "$library" | sed -n 's/@GREEN_1\.0$//p' | sort)
# The compiler leaves the comments out.
# declared_in HEADER... - the functions that they declare
declared_in() {
	cat "$@" | ${CC:-gcc} -fpreprocessed -E -P -x c - | sed '/^typedef/d' | grep -oE '\bgreen_[a-z0-9_]+\(' | tr -d '(' | sort -u
}

headers=${top_srcdir:-$(dirname "$0")/..}/include/green
# shellcheck disable=SC2046  # names without spaces
declared=$(declared_in $(ls "$headers"/*.h | grep -v '/tls\.h$'))
[ "$public" = "$declared" ] || complain_of "$(printf '%s\n' "$public" "$declared" | sort | uniq -u)" \
	"exported but not declared in a public header, or the reverse"

tls=$top/lib/.libs/libgreen-tls.so
if [ -e "$tls" ]; then
	public=$(exports "$tls" | sed -n 's/@GREEN_TLS_1\.0$//p' | sort)
	[ "$public" = "$(declared_in "$headers/tls.h")" ] || complain_of "$public" "libgreen-tls.so exports something else than green/tls.h declares"
	complain_of "$(exports "$tls" | grep -v '@GREEN_TLS_1\.0$')" "libgreen-tls.so exports more than its calls"
fi

for object in "$library" "$shim"; do
	[ -e "$object" ] || continue
	complain_of "$(objdump -p "$object" | grep -E 'NEEDED.*libunwind')" "$object needs libunwind, which would capture a program's own unwinder"
	complain_of "$(nm -D --defined-only "$object" | grep -E ' _?_?_Unwind_')" "$object exports an unwinder"
	[ ! -e "$shim" ] || complain_of "$(objdump -p "$object" | grep -E 'NEEDED.*libgcc_s')" \
		"$object needs libgcc_s, which every program under the shim would have to load"
	complain_of "$(readelf -W --dyn-syms "$object" | grep -wE 'abort|printf|puts' | grep UND)" "$object prints or aborts"
	complain_of "$(readelf -W -l "$object" | grep -E 'GNU_STACK.*E')" "$object wants an executable stack"
	complain_of "$(readelf -d "$object" | grep TEXTREL)" "$object has text relocations"
done
exit $failed
