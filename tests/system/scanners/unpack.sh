#!/bin/sh
# Fetches, for the system tests, Debian's Exim and OpenSMTPD's filter for rspamd, and with npm, where there is one,
# Haraka's plugin for rspamd.
#   tests/system/scanners/unpack.sh [DIR]      DIR defaults to target: exim, opensmtpd and haraka below it
set -eu
here=$(dirname "$0") dir=${1:-target}
"$here/../unpack.sh" "$dir/exim" usr/sbin/exim4 \
  exim4-daemon-heavy exim4-base libmariadb3 libidn12 libspf2-2 libnss-wrapper
"$here/../unpack.sh" "$dir/opensmtpd" usr/libexec/opensmtpd/filter-rspamd opensmtpd-filter-rspamd
if command -v npm >/dev/null && [ ! -e "$dir/haraka/node_modules/haraka-plugin-rspamd" ]; then
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir/haraka" haraka-plugin-rspamd@1.6.1
fi
