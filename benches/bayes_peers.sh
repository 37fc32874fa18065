#!/usr/bin/env bash
# What classifying and training cost beside bogofilter and rspamd's Bayes, all in one run on the same mail.
#
#   benches/bayes_peers.sh HAM SPAM [MAILWEIR]
#
# HAM and SPAM are folders with one message a file; every second one is learned, the others are classified: all of them, and
# once more those of 2 to 4 KiB, which are what most mail is like. MAILWEIR is
# the program to measure, target/release/mailweir where nothing is said. A peer that is not installed is skipped: Debian packages
# bogofilter; rspamd and redis-server. Everything runs in a folder of its own and on the loopback interface.
#
# Printed: CPU time (user and system, all processes of the peer) a message, in milliseconds, that of starting up taken off
# where a process starts for the whole of it. All programs read and parse the messages themselves.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2; }
ham=$(realpath "$1") spam=$(realpath "$2")
mailweir=$(realpath "${3:-$(dirname "$0")/../target/release/mailweir}")
dir=$(mktemp -d)
started=()
finish() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
cd "$dir"

mkdir -p learn/ham learn/spam ask short one
n=0
for class in ham spam; do
  folder=${!class}
  for file in "$folder"/*; do
    n=$((n + 1))
    if [ $((n % 2)) = 0 ]; then ln -s "$file" "learn/$class/$n.eml"; continue; fi
    ln -s "$file" "ask/$n.eml"
    size=$(stat -Lc %s "$file")
    if [ "$size" -ge 2048 ] && [ "$size" -le 4096 ]; then ln -s "$file" "short/$n.eml"; fi
  done
done
ln -s "$(readlink "$(find ask -type l | sort | head -1)")" one/1.eml
# count FOLDER, mean FOLDER: how many messages, and their bytes on average
count() { find "$1" -type l | wc -l; }
mean() { find -L "$1" -type f -printf '%s\n' | awk '{ s += $1 } END { printf "%.0f", s / NR }'; }
learned=$(count learn) asked=$(count ask) shorts=$(count short)
echo "$learned messages learned; classified: $asked of $(mean ask) bytes on average, $shorts of $(mean short); $(nproc) cores"
printf '%-22s %18s %18s %18s\n' 'ms/message' learn classify 'those of 2-4 KiB'

# cpu COMMAND...: its CPU time in milliseconds
cpu() {
  local TIMEFORMAT='%U %S' times
  times=$({ time "$@" >/dev/null 2>>"$dir/log" </dev/null; } 2>&1) || { tail -3 "$dir/log" >&2; exit 1; }
  awk '{ printf "%d", ($1 + $2) * 1000 }' <<<"$times"
}
# row NAME LEARN CLASSIFY SHORT: milliseconds altogether
row() {
  awk -v name="$1" -v l="$2" -v c="$3" -v s="$4" -v nl="$learned" -v nc="$asked" -v ns="$shorts" \
    'BEGIN { printf "%-22s %18.3f %18.3f %18.3f\n", name, l / nl, c / nc, s / ns }'
}

ours() { # mailweir, with one engine
  local engine=$1 learn all short one
  learn=$(cpu "$mailweir" train --ham learn/ham --spam learn/spam --model "$engine.mwb" --engine "$engine")
  cat >"$engine.yaml" <<Y
data_dir: $dir
chain: [bayes]
bayes: { engine: $engine, model: $engine.mwb }
Y
  one=$(cpu "$mailweir" scan --config "$engine.yaml" one)
  all=$(cpu "$mailweir" scan --config "$engine.yaml" ask)
  short=$(cpu "$mailweir" scan --config "$engine.yaml" short)
  row "mailweir $engine" "$learn" $((all - one)) $((short - one))
}
ours osb
ours bayespam

if command -v bogofilter >/dev/null; then
  mkdir bogofilter
  bogofilter_learn() {
    find -L learn/ham -type f | bogofilter -d bogofilter -n -b
    find -L learn/spam -type f | bogofilter -d bogofilter -s -b
  }
  bogofilter_ask() { find -L "$1" -type f | bogofilter -d bogofilter -T -b || [ $? -le 2 ]; }
  # Its input is what `find` gives, so it is run without that of `cpu`.
  learn=$(cpu bogofilter_learn)
  one=$(cpu bogofilter_ask one)
  row 'bogofilter, in bulk' "$learn" $(($(cpu bogofilter_ask ask) - one)) $(($(cpu bogofilter_ask short) - one))
else
  echo 'bogofilter              skipped: not installed'
fi

if command -v rspamd >/dev/null && command -v rspamc >/dev/null && command -v redis-server >/dev/null; then
  port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
  redis=$(port) normal=$(port) controller=$(port) proxy=$(port)
  redis-server --port "$redis" --bind 127.0.0.1 --save "" --appendonly no --dir "$dir" >/dev/null &
  started+=($!)
  mkdir -p rspamd/local.d rspamd/override.d rspamd/db rspamd/log rspamd/run
  for module in rbl surbl spf dkim dmarc arc asn fuzzy_check url_redirector mx_check whitelist bimi phishing greylist \
    ratelimit replies history_redis neural reputation dkim_signing hfilter once_received mid; do
    echo 'enabled = false;' >"rspamd/local.d/$module.conf"
  done
  # Nothing but the classifier and the reading of mail.
  printf 'filters = "";\ndns { nameserver = ["127.0.0.1:1"]; }\n' >rspamd/local.d/options.inc
  echo 'level = "error";' >rspamd/local.d/logging.inc
  echo "servers = \"127.0.0.1:$redis\";" >rspamd/local.d/redis.conf
  printf 'min_learns = 1;\nautolearn = false;\n' >rspamd/local.d/classifier-bayes.conf
  printf 'count = 1;\nbind_socket = "127.0.0.1:%s";\n' "$normal" >rspamd/override.d/worker-normal.inc
  printf 'count = 1;\nbind_socket = "127.0.0.1:%s";\nsecure_ip = "127.0.0.1";\n' "$controller" >rspamd/override.d/worker-controller.inc
  printf 'count = 1;\nbind_socket = "127.0.0.1:%s";\n' "$proxy" >rspamd/override.d/worker-proxy.inc
  rspamd -f -i -c /etc/rspamd/rspamd.conf --var=LOCAL_CONFDIR="$dir/rspamd" --var=DBDIR="$dir/rspamd/db" \
    --var=RUNDIR="$dir/rspamd/run" --var=LOGDIR="$dir/rspamd/log" >rspamd/out 2>&1 &
  started+=($!)
  # CPU milliseconds of both servers and the processes that they started.
  servers() {
    local pids="${started[*]}" more
    while more=$(pgrep -d' ' -P "${pids// /,}" | tr ' ' '\n' | grep -vxF "$(tr ' ' '\n' <<<"$pids")" | tr '\n' ' '); do
      pids="$pids ${more% }"
    done
    for pid in $pids; do sed 's/.*) //' "/proc/$pid/stat"; done |
      awk -v hz="$(getconf CLK_TCK)" '{ s += $12 + $13 } END { printf "%d", s * 1000 / hz }'
  }
  ready() { timeout 5 rspamc -h "127.0.0.1:$controller" stat && timeout 5 rspamc -h "127.0.0.1:$normal" symbols one/1.eml; }
  for _ in $(seq 600); do ready >/dev/null 2>&1 && break; sleep 0.1; done
  # Scripts and regular expressions are compiled when they are first used.
  rspamc -h "127.0.0.1:$normal" symbols one/1.eml >/dev/null
  before=$(servers)
  for class in ham spam; do
    find learn/$class -type l -print0 | xargs -0 -n 50 timeout 60 rspamc -h "127.0.0.1:$controller" "learn_$class" >/dev/null || true
  done
  between=$(servers)
  # A client for some at a time: one for thousands may wait for ever.
  rspamd_ask() {
    find "$1" -type l -print0 | xargs -0 -n 50 timeout 60 rspamc -h "127.0.0.1:$normal" --header 'Settings={"symbols_enabled":["BAYES_SPAM","BAYES_HAM"]}' symbols || true
  }
  rspamd_ask ask >rspamd/answers
  after=$(servers)
  rspamd_ask short >/dev/null
  row 'rspamd Bayes, redis' $((between - before)) $((after - between)) $(($(servers) - after))
  echo "rspamd: $(grep -c 'BAYES_' rspamd/answers) of $asked got a BAYES symbol"
else
  echo 'rspamd                  skipped: rspamd, rspamc or redis-server is not installed'
fi
