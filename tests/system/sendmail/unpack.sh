#!/bin/sh
# Unpacks Debian's Sendmail into a folder without installing it, for the system tests: it conflicts with
# Postfix. Needs apt-get, dpkg-deb and the network, once.
#   tests/system/sendmail/unpack.sh [DIR]      DIR defaults to target/sendmail
set -eu
dir=${1:-target/sendmail}
if [ -e "$dir/usr/libexec/sendmail/sendmail" ]; then exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# apt-get's own user must be able to write there.
chmod 777 "$work"
(cd "$work" && apt-get download -qq sendmail-bin sendmail-cf libwrap0 libnsl2 libsasl2-2 >/dev/null)
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
# The dynamic linker ignores LD_LIBRARY_PATH for programs that change their group.
chmod 755 "$work/root/usr/libexec/sendmail/sendmail"
mkdir -p "$(dirname "$dir")"
mv "$work/root" "$dir"
