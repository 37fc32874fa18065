# `make run` and `make test` are all that is needed to try mailweir and to work on it.

CARGO ?= cargo
DATA ?= data
BIN := target/release/mailweir

# What the system tests drive; each of them says when its part is missing and is skipped.
PACKAGES := postfix clamav-daemon rbldnsd unbound miltertest prometheus m4 strace

.PHONY: help run test packages lint bench clean

help:
	@echo 'make run     build, train a first model from corpus/, start on 127.0.0.1:8895'
	@echo 'make test    install what the tests need (as root, by apt-get), run every test'
	@echo 'make lint    formatting and lints, as in CI'
	@echo 'make bench   benchmarks'

run: $(DATA)/model.mwb
	exec $(BIN) serve --data-dir $(DATA)

$(DATA)/model.mwb:
	$(CARGO) build --release --locked
	mkdir -p -m 700 $(DATA)
	$(BIN) train --ham corpus/ham --spam corpus/spam --model $@

test: packages
	$(CARGO) test --locked --no-fail-fast

# Sendmail conflicts with Postfix, so it is unpacked into target/ instead of installed.
# A start of the packaged services is prevented: the tests run instances of their own.
packages:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  tests/system/sendmail/unpack.sh || echo "skipped: Sendmail could not be fetched"; \
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

clean:
	$(CARGO) clean
