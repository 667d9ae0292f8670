# SPDX-License-Identifier: MIT
# git.sh - a history, a daemon that serves it, and clones over it
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat GIT_TERMINAL_PROMPT=0
git config --global init.defaultBranch main
git config --global user.name tester
git config --global user.email tester@localhost
git config --global gc.auto 0
git config --global protocol.file.allow always
git config --global receive.denyCurrentBranch ignore
commit() { GIT_AUTHOR_DATE="$((1000000000 + $1)) +0000" GIT_COMMITTER_DATE="$((1000000000 + $1)) +0000" git commit -qm "change $1"; }
mkdir served; git init -q served/project; cd served/project || exit
for i in $(seq 15); do seq "$i" $((i * 300)) >"file$((i % 4))"; git add .; commit "$i"; done
git branch side HEAD~5; git tag -m tag -f v1 2>/dev/null >/dev/null
cd "$WORK" || exit
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
git daemon --reuseaddr --listen=127.0.0.1 --port="$port" --base-path="$WORK/served" --export-all --enable=receive-pack \
	--pid-file="$WORK/daemon.unlike" 2>/dev/null &
for _ in $(seq 200); do (exec 3<>/dev/tcp/127.0.0.1/"$port") 2>/dev/null && break; sleep 0.02; done
git clone -q "git://127.0.0.1:$port/project" cloned; git -C cloned log --format='%h %s' | head -n 3
git clone -q --depth 2 --no-tags "git://127.0.0.1:$port/project" shallow; git -C shallow log --format=%s
git clone -q "$WORK/served/project" local; git -C local fsck --no-progress
(cd cloned && git checkout -q -b topic && echo more >>file1 && git commit -qa -m topic --date=@1000000100) >/dev/null
git -C cloned push -q origin topic; git -C served/project branch | tr -d ' '
git -C shallow fetch -q --unshallow; git -C shallow log --oneline | wc -l
git -C local -c pack.threads=2 gc -q; git -C local count-objects -v | grep -E 'count|in-pack'
git -C local archive HEAD | tar -t; git -C local grep -c 77 | tail -n 2
git -C local bisect start -q HEAD HEAD~8 >/dev/null 2>&1; git -C local bisect run sh -c 'test $(wc -l <file1) -lt 3000' | tail -n 1 | cut -c1-20
(cd served/project && git rebase -q side 2>/dev/null; git status --short | wc -l; git stash list | wc -l)
kill %1; wait %1 2>/dev/null; echo "the daemon ends with $?"
rm -rf served cloned shallow local .gitconfig
