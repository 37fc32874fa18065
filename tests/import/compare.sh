#!/bin/sh
# Imported rules against real SpamAssassin 4 (Debian: apt-get install spamassassin), rule by rule.
#
# usage: tests/import/compare.sh ROOT LIST [SCRATCH]
#   ROOT     folder that the paths of LIST are relative to
#   LIST     file with the path of one message a line
#   SCRATCH  folder for what is slow to make, kept between runs (default: a new one)
#
# SpamAssassin takes some 80 ms of CPU a message; its answers are kept in SCRATCH/hits.tsv.
set -eu
[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$1 list=$2 scratch=${3:-$(mktemp -d)}
here=$(cd "$(dirname "$0")" && pwd)
command -v perl >/dev/null && perl -MMail::SpamAssassin -e 1 2>/dev/null ||
    { echo "skipped: SpamAssassin is not installed"; exit 0; }
mkdir -p "$scratch"
cd "$here/../.."
cargo build --release
target/release/mailweir rules import spamassassin /usr/share/spamassassin /etc/spamassassin \
    --out "$scratch/rules" --replace
[ -s "$scratch/hits.tsv" ] || {
    perl "$here/sa_hits.pl" "$root" "$list" >"$scratch/hits.part"
    mv "$scratch/hits.part" "$scratch/hits.tsv"
}
cargo bench --bench spamassassin -- "$scratch/rules" "$root" "$scratch/hits.tsv" 60
