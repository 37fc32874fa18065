# `make run` and `make test` are all that is needed to try mailweir and to work on it.

CARGO ?= cargo
DATA ?= data
BIN ?= target/release/mailweir

# Where `make install` puts things; DESTDIR is put in front of each, for packages.
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SYSCONFDIR ?= /etc
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/mailweir
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d

# What the system tests drive; each of them says when its part is missing and is skipped.
PACKAGES := postfix swaks clamav-daemon clamav-testfiles rbldnsd unbound miltertest prometheus m4 strace openssl opendkim opendkim-tools spamc rspamd chromium chromium-driver rclone swift-proxy swift-account swift-container swift-object

.PHONY: help run test packages lint bench install deb clean

help:
	@echo 'make run     build, train a first model from corpus/, start on 127.0.0.1:8895'
	@echo 'make test    install what the tests need (as root, by apt-get), run every test'
	@echo 'make lint    formatting and lints, as in CI'
	@echo 'make bench   benchmarks'
	@echo 'make install PREFIX=/usr/local DESTDIR=  binary, unit, man pages, completions, rules, configuration'
	@echo 'make deb     a Debian package (needs cargo install cargo-deb)'

run: $(DATA)/model.mwb
	exec env MAILWEIR_CONFIG= $(BIN) serve --data-dir $(DATA)

$(DATA)/model.mwb:
	$(CARGO) build --release --locked
	mkdir -p -m 700 $(DATA)
	$(BIN) train --ham corpus/ham --spam corpus/spam --model $@

test: packages
	$(CARGO) test --locked --no-fail-fast

# Sendmail, Exim and OpenSMTPD conflict with Postfix, so they are unpacked into target/ instead of installed.
# A start of the packaged services is prevented: the tests run instances of their own.
packages:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  tests/system/sendmail/unpack.sh || echo "skipped: Sendmail could not be fetched"; \
	  tests/system/scanners/unpack.sh || echo "skipped: Exim, OpenSMTPD's filter or Haraka's plugin could not be fetched"; \
	  tests/console/glewlwyd/unpack.sh || echo "skipped: Glewlwyd could not be fetched"; \
	fi
	@missing=; for p in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "skipped: tests that need these Debian packages:$$missing (make test installs them as root)"; \
	  exit 0; \
	fi; \
	echo "installing:$$missing"; \
	policy=/usr/sbin/policy-rc.d; ours=; \
	if [ ! -e $$policy ]; then printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; ours=1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq; \
	apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=600 $$missing >/dev/null \
	  || echo "skipped: not all of$$missing could be installed"; \
	[ -z "$$ours" ] || rm -f $$policy

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

bench:
	$(CARGO) bench --locked

target/release/mailweir:
	$(CARGO) build --release --locked

# What is in SYSCONFDIR is the admin's: a file that is there stays.
install: $(BIN)
	install -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(SYSCONFDIR)/mailweir" "$(DESTDIR)$(MANDIR)/man1" \
	  "$(DESTDIR)$(DOCDIR)" "$(DESTDIR)$(PREFIX)/share/mailweir/rules/lists" "$(DESTDIR)$(UNITDIR)" \
	  "$(DESTDIR)$(SYSUSERSDIR)" "$(DESTDIR)$(TMPFILESDIR)" \
	  "$(DESTDIR)$(PREFIX)/share/bash-completion/completions" \
	  "$(DESTDIR)$(PREFIX)/share/zsh/site-functions" "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d"
	install -m 755 $(BIN) "$(DESTDIR)$(BINDIR)/mailweir"
	$(BIN) man "$(DESTDIR)$(MANDIR)/man1"
	$(BIN) completions bash >"$(DESTDIR)$(PREFIX)/share/bash-completion/completions/mailweir"
	$(BIN) completions zsh >"$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_mailweir"
	$(BIN) completions fish >"$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/mailweir.fish"
	sed -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' \
	  packaging/systemd/mailweir.service >"$(DESTDIR)$(UNITDIR)/mailweir.service"
	install -m 644 packaging/systemd/mailweir.sysusers "$(DESTDIR)$(SYSUSERSDIR)/mailweir.conf"
	install -m 644 packaging/systemd/mailweir.tmpfiles "$(DESTDIR)$(TMPFILESDIR)/mailweir.conf"
	install -m 644 rules/*.yaml "$(DESTDIR)$(PREFIX)/share/mailweir/rules"
	install -m 644 rules/lists/*.txt "$(DESTDIR)$(PREFIX)/share/mailweir/rules/lists"
	install -m 644 README.md CHANGELOG.md mailweir.yaml docs/*.md docs/*.yaml grafana/* "$(DESTDIR)$(DOCDIR)"
	[ -e "$(DESTDIR)$(SYSCONFDIR)/mailweir/mailweir.yaml" ] || \
	  install -m 644 packaging/mailweir.yaml "$(DESTDIR)$(SYSCONFDIR)/mailweir/mailweir.yaml"

# cargo-deb packs what `make install` has put into target/deb.
deb: $(BIN)
	rm -rf target/deb
	$(MAKE) install DESTDIR=target/deb PREFIX=/usr
	$(CARGO) deb --no-build --no-strip

clean:
	$(CARGO) clean
