#!/bin/sh
# SPDX-License-Identifier: MIT
# run-servers.sh - real servers with many and with bad clients, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/servers.py" --build "${BUILD:-build}"
