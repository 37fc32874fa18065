#!/usr/bin/env bash
# Fuzzes one target, beginning with our own files: fuzz/run.sh TARGET [SECONDS]. Needs cargo-fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1 seconds=${2:-60}
seeds=fuzz/corpus/$target
mkdir -p "$seeds"

# The packets that an MTA sent in one recorded session, as bytes; sessions with shortened data are left out.
packets() {
  local data length line
  grep -q ' > .*\.\.\. ([0-9]* bytes)$' "$1" && return 1
  data=$(mktemp)
  grep -a '^\[1\] > ' "$1" | while IFS= read -r line; do
    line=${line#'[1] > '}
    printf '%s' "${line%% *}" >"$data"
    line=${line#* len=}
    case $line in *' '*) printf '%b' "${line#* }" >>"$data" ;; esac
    length=$(wc -c <"$data")
    printf "\\x00\\x00\\x$(printf '%02x' $((length >> 8)))\\x$(printf '%02x' $((length & 255)))"
    cat "$data"
  done
  rm -f "$data"
}

case $target in
  frame | session)
    for log in tests/transcripts/*/*.log; do
      name=$(basename "$(dirname "$log")")-$(basename "$log" .log)
      packets "$log" >"$seeds/$name" || rm -f "$seeds/$name"
    done
    if [ "$target" = session ]; then
      # Answers, slicing and steps stand in front, and the negotiation is the target's own.
      for seed in "$seeds"/*-*; do
        { printf '\x00\x07\x00\x1f\xff\xff'; tail -c +18 "$seed"; } >"$seed.session"
        rm "$seed"
      done
    fi ;;
  mail) cp corpus/malformed/* corpus/virus/*.eml "$seeds"/ 2>/dev/null || true ;;
  content)
    # Attachments of the messages of the project that are archives, documents or programs; the name is the last, `a`.
    for message in corpus/virus/*.eml corpus/malformed/*; do
      name=$(basename "$message")
      { printf '\x07'; cat "$message"; } >"$seeds/$name"
    done ;;
  rules) cp rules/*.yaml "$seeds"/ ;;
  config)
    cp mailweir.yaml "$seeds/default.yaml"
    cp packaging/mailweir.yaml "$seeds/installed.yaml" ;;
  reply) printf 'Message refused as spam (id 01ARZ3NDEKTSV4RRFFQ69G5FAV) 100%%\r\n' >"$seeds/refused" ;;
  *) echo "no target $target" >&2; exit 2 ;;
esac
# The sanitizer and coverage flags are those of nightly; this lets the stable compiler take them.
RUSTC_BOOTSTRAP=1 exec cargo fuzz run "$target" -- -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=1024
