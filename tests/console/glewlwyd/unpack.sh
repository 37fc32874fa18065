#!/bin/sh
# Unpacks Debian's Glewlwyd, a provider of OpenID Connect, for the tests of the console.
#   tests/console/glewlwyd/unpack.sh [DIR]      DIR defaults to target/glewlwyd
exec "$(dirname "$0")/../../system/unpack.sh" "${1:-target/glewlwyd}" usr/bin/glewlwyd \
  glewlwyd glewlwyd-common libconfig9 libmariadb3 liborcania2.3 libyder2.0 libhoel1.4 librhonabwy1.1 \
  libmicrohttpd12 libulfius2.7 libiddawc1.1 liboath0 libjansson4 libpq5 libcbor0.8 libldap-2.5-0 \
  libcurl3-gnutls libsqlite3-0
