#!/bin/sh
# SPDX-License-Identifier: MIT
# run-daily.sh - shells, make, git, compilers and the like, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/daily.py" --build "${BUILD:-build}" --fast
