#!/bin/sh
# SPDX-License-Identifier: MIT
# run-audits.sh - what `green run --audit` says of programs that block in known ways, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/audits.py" --build "${BUILD:-build}"
