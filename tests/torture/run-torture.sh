#!/bin/sh
# SPDX-License-Identifier: MIT
# run-torture.sh - some seconds of torture, natively and under `green run`, also with ticks at 100 us, for `make check`
exec /usr/bin/python3 "$(dirname "$0")/drive.py" --build "${BUILD:-build}" --seconds 4
