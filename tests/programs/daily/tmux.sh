# SPDX-License-Identifier: MIT
# tmux.sh - a server in the background with terminals, keys sent to a shell in it, and what the screen then shows
t() { tmux -S "$WORK/socket" -f /dev/null "$@"; }
unset TMUX
t new-session -d -s one -x 60 -y 12 'PS1="> " exec /bin/bash --norc --noprofile'
t send-keys -t one 'echo $((6 * 7)); echo "$(tput cols 2>/dev/null || echo 60)"' Enter
t send-keys -t one 'tmux -S '"$WORK"'/socket wait-for -S done' Enter
timeout 20 tmux -S "$WORK/socket" wait-for done; echo "waited: $?"
sleep 0.3
t capture-pane -p -t one | grep -E '^(42|60)$'
t split-window -t one 'sleep 30'; t list-panes -t one | wc -l
t new-window -t one 'cat'; t send-keys -t one:1 'typed' Enter; sleep 0.3
t capture-pane -p -t one:1 | grep -c typed
t list-windows -t one -F '#{window_index}'
t run-shell 'echo from a shell' | cat
t kill-server; echo "killed: $?"
for _ in $(seq 100); do t ls >/dev/null 2>&1 || break; sleep 0.02; done
t ls >/dev/null 2>&1 || echo gone
rm -f socket
