#!/bin/sh
# SPDX-License-Identifier: MIT
# run-faults.sh - some system calls that fail under `green run`, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/faults.py" --build "${BUILD:-build}" --fast
