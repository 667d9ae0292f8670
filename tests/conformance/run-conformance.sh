#!/bin/sh
# SPDX-License-Identifier: MIT
# run-conformance.sh - the fast part of other people's thread tests, natively and under `green run`, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/conformance.py" --build "${BUILD:-build}" --fast
