#!/bin/sh
# SPDX-License-Identifier: MIT
# run-core.sh - every case of the core benchmark runs and gives a plausible number, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/core.py" --quick --build "${BUILD:-build}"
