#!/bin/sh
# SPDX-License-Identifier: MIT
# run-driver.sh - the plain programs, natively and under `green run`, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/driver.py" --build "${BUILD:-build}"
