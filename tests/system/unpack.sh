#!/bin/sh
# Unpacks Debian packages into a folder without installing them, for system tests of what conflicts with Postfix. Needs
# apt-get, dpkg-deb and the network, once.
#   unpack.sh DIR PROGRAM PACKAGE...     PROGRAM, relative to DIR, is there when nothing is left to be done
set -eu
dir=$1 program=$2
shift 2
if [ -e "$dir/$program" ]; then exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# apt-get's own user must be able to write there.
chmod 777 "$work"
(cd "$work" && apt-get download -qq "$@" >/dev/null)
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
# The dynamic linker ignores LD_LIBRARY_PATH for programs that change their user or group.
chmod 755 "$work/root/$program"
mkdir -p "$(dirname "$dir")"
mv "$work/root" "$dir"
