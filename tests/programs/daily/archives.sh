# SPDX-License-Identifier: MIT
# archives.sh - archives, copies and sorting, with threads or children where the tools have some
mkdir -p tree/a/b tree/c
for i in $(seq 200); do seq $i $((i * 7)) >tree/a/file$i; done
head -c 3000000 /dev/zero | tr '\0' x >tree/a/b/large
ln -s ../a/file1 tree/c/link
ln tree/a/file2 tree/c/hard
find tree -exec touch -h -d @1000000000 {} +
tar -C tree --sort=name --owner=0 --group=0 -cf - . | gzip -n >tree.tar.gz
tar -C tree --sort=name --owner=0 --group=0 -cJf tree.tar.xz .
tar -C tree --sort=name --owner=0 --group=0 -I 'xz -T2 -0' -cf tree2.tar.xz .
mkdir out; tar -C out -xzf tree.tar.gz; diff -r tree out && echo "tar and gzip"
xz -dc tree2.tar.xz | tar -tf - | wc -l
if command -v zstd >/dev/null; then tar -C tree --sort=name -cf - . | zstd -q -T2 >t.zst; zstd -qdc t.zst | tar -tf - | wc -l; fi
rsync -a --delete tree/ copy/ && diff -r tree copy && echo rsync
rm -r copy/a/file1*; echo more >copy/more
rsync -ai --delete tree/ copy/ | sort | head -n 5
printf '#!/bin/sh\nshift\nexec "$@"\n' >remote; chmod +x remote
rsync -a -e ./remote tree/ host:"$PWD/far/" && diff -r tree far && echo "rsync by a pipe"
for i in $(seq 60000); do echo $((i * 7919 % 60013)); done >numbers
sort --parallel=2 -S 1M -n numbers | md5sum
sort --parallel=2 -S 100K -r -T . numbers | md5sum
find tree -type f -print0 | sort -z | xargs -0 -P 2 -n 20 sha256sum | sort | md5sum
cp -a tree again && diff -r tree again && echo cp
dd if=tree/a/b/large of=block bs=64k status=none && cmp block tree/a/b/large && echo dd
