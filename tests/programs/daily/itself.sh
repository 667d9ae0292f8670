# SPDX-License-Identifier: MIT
# itself.sh - this project's own library: configure and make
mkdir source build
cp -R "$SOURCE"/configure.ac "$SOURCE"/Makefile.am "$SOURCE"/include "$SOURCE"/lib "$SOURCE"/preload "$SOURCE"/tools "$SOURCE"/tests \
	"$SOURCE"/bench "$SOURCE"/examples "$SOURCE"/man "$SOURCE"/scripts source/ 2>/dev/null
for name in README.md HACKING.md ChangeLog COPYING bootstrap; do cp "$SOURCE/$name" source/; done
(cd source && autoreconf -fi >../autoreconf.unlike 2>&1); echo "autoreconf: $?"
(cd build && ../source/configure >../configure.out 2>&1); echo "configure: $?"
make -s -j2 -C build/lib >/dev/null 2>&1; echo "make: $?"
nm -D --defined-only build/lib/.libs/libgreen.so.0 | wc -l
make -s -C build/lib clean >/dev/null
rm -rf source/autom4te.cache build/config.log build/config.status
