# SPDX-License-Identifier: MIT
# apt.sh - apt-get with a root of its own and a repository made here, without network and without touching the system's
mkdir -p repo package/DEBIAN package/usr/share/tiny root/etc/apt/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d} \
	root/var/lib/apt/lists/partial root/var/cache/apt/archives/partial root/var/lib/dpkg root/var/log/apt
printf 'Package: tiny\nVersion: 1.2\nArchitecture: all\nMaintainer: tester <tester@localhost>\nDescription: tiny\n' >package/DEBIAN/control
echo content >package/usr/share/tiny/file
find package -exec touch -d @1000000000 {} +
SOURCE_DATE_EPOCH=1000000000 dpkg-deb -Zxz --root-owner-group -b package repo/tiny_1.2_all.deb
(cd repo && { dpkg-deb -f tiny_1.2_all.deb; echo "Filename: ./tiny_1.2_all.deb"; echo "Size: $(stat -c %s tiny_1.2_all.deb)"
	echo "SHA256: $(sha256sum tiny_1.2_all.deb | cut -d' ' -f1)"; echo; } >Packages)
xz -k repo/Packages
touch root/var/lib/dpkg/status
echo "deb [trusted=yes] file:$WORK/repo ./" >root/etc/apt/sources.list
apt_get() { apt-get -qq -o Dir="$WORK/root" -o Dir::State::status="$WORK/root/var/lib/dpkg/status" -o APT::Sandbox::User=root \
	-o Dir::Bin::methods=/usr/lib/apt/methods -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o Acquire::Languages=none \
	-o Debug::NoLocking=1 "$@"; }
apt_get update 2>&1; echo "update: $?"
apt_get indextargets --format '$(CREATED_BY) $(SITE)' | sort -u
(cd root && apt_get download tiny 2>&1; ls ./*.deb)
apt_get -s install tiny 2>&1 | head -n 5
apt-cache -o Dir="$WORK/root" policy tiny | head -n 3
dpkg-deb -c repo/tiny_1.2_all.deb | wc -l
rm -rf root repo package/DEBIAN
