# SPDX-License-Identifier: MIT
# go_child.sh - a Go program that a shell starts, where `green run` has not seen it beforehand
seq 100 | fzf --filter=77; echo "ended: $?"
seq 200000 | fzf --filter=19999 | sort | head -n 3
