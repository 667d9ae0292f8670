#!/bin/sh
# SPDX-License-Identifier: MIT
# run-connections.sh - thread-per-connection servers that others wrote, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/connections.py" --build "${BUILD:-build}" --fast
