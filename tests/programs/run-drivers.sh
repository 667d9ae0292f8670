#!/bin/sh
# SPDX-License-Identifier: MIT
# run-drivers.sh - client libraries that block, in hundreds of threads, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/drivers.py" --build "${BUILD:-build}" --fast
