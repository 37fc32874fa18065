#!/bin/sh
# Unpacks Debian's Exim and OpenSMTPD's filter for rspamd for the system tests.
#   tests/system/scanners/unpack.sh [DIR]      DIR defaults to target: exim and opensmtpd below it
set -eu
here=$(dirname "$0") dir=${1:-target}
"$here/../unpack.sh" "$dir/exim" usr/sbin/exim4 \
  exim4-daemon-heavy exim4-base libmariadb3 libidn12 libspf2-2 libnss-wrapper
"$here/../unpack.sh" "$dir/opensmtpd" usr/libexec/opensmtpd/filter-rspamd opensmtpd-filter-rspamd
