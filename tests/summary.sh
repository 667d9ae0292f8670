#!/bin/sh
# SPDX-License-Identifier: MIT
# summary.sh BUILD_DIR - adds up what the last `make check` has done, and prints one closing line
#
# A Check suite counts each of its tests, a skipped one apart; a test program of
# the shim's counts as its own last line says; anything else counts as one test.
build=${1:?usage: summary.sh BUILD_DIR}

# Every test has left NAME.trs, with its result, and NAME.log, with what it printed.
find "$build/tests" -name '*.trs' ! -name 'test-suite.trs' | sort | while read -r trs; do
	log=${trs%.trs}.log
	result=$(sed -n 's/^:test-result: //p' "$trs" | head -n 1)
	counted=$(grep -aE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' "$log" | tail -n 1)
	checked=$(grep -aE '^[0-9]+%: Checks: ' "$log" | tail -n 1)
	if [ -n "$checked" ]; then
		skipped=$(grep -ac '^skipped: ' "$log")
		echo "$checked" | tr -dc '0-9 \n' | awk -v skipped="$skipped" \
			'{ failed = $3 + $4; print $2 - failed - skipped, failed, skipped }'
	elif [ -n "$counted" ]; then
		echo "$counted" | tr -dc '0-9 \n'
	else
		case $result in
		PASS) echo 1 0 0 ;;
		SKIP) echo 0 0 1 ;;
		*) echo 0 1 0 ;;
		esac
	fi
done | awk '{ passed += $1; failed += $2; skipped += $3 }
	END {
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit failed > 0 || passed == 0
	}'
