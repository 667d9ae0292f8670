#!/bin/sh
# SPDX-License-Identifier: MIT
# run-served.sh - every server of the benchmark under load, shortly, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/served.py" --quick --build "${BUILD:-build}"
