#!/bin/sh
# Unpacks Debian's Sendmail for the system tests.
#   tests/system/sendmail/unpack.sh [DIR]      DIR defaults to target/sendmail
exec "$(dirname "$0")/../unpack.sh" "${1:-target/sendmail}" usr/libexec/sendmail/sendmail \
  sendmail-bin sendmail-cf libwrap0 libnsl2 libsasl2-2
