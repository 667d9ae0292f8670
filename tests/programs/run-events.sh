#!/bin/sh
# SPDX-License-Identifier: MIT
# run-events.sh - servers with event loops and processes, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/events.py" --build "${BUILD:-build}" --fast
