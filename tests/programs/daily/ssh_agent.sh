# SPDX-License-Identifier: MIT
# ssh_agent.sh - an agent, which is setgid and so runs without the shim, and its clients
for type in ed25519 ecdsa; do ssh-keygen -q -t $type -N '' -C "key $type" -f key_$type; done
eval "$(ssh-agent -a "$WORK/agent" -s)" >/dev/null
for type in ed25519 ecdsa; do ssh-add key_$type 2>&1 | sed "s,$WORK/,,"; done
ssh-add -l | sed 's/SHA256:[^ ]*/hash/'
echo text | ssh-keygen -Y sign -n file -f key_ed25519.pub 2>/dev/null | head -n 1
ssh-add -d key_ecdsa.pub 2>&1 | sed "s,$WORK/,,"; ssh-add -l | wc -l
ssh-add -T key_ed25519.pub && echo usable
ssh-agent sh -c 'ssh-add -l; echo "an agent for one command: $?"'
ssh-agent -k >/dev/null; echo "killed: $?"
ssh-add -l >/dev/null 2>&1; echo "afterwards: $?"
rm -f key_*
