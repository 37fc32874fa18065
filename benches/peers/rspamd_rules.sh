#!/bin/bash
# SpamAssassin's stock rules in rspamd (its spamassassin module, Hyperscan) and imported into mailweir: the CPU time that
# they cost a message, on the same mail in one run. Of rspamd it is the CPU time of its worker with the rules less that
# without them, so that neither its protocol nor its parser counts; of mailweir that of the evaluation.
#
# usage: benches/peers/rspamd_rules.sh LIST ROOT HITS RULES
#   LIST   messages, a path a line, below ROOT
#   HITS   what tests/import/sa_hits.pl wrote for them; RULES what `mailweir rules import spamassassin` wrote
set -euo pipefail
[ $# -eq 4 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
list=$1 root=$2 hits=$3 rules=$4
here=$(cd "$(dirname "$0")/../.." && pwd)
for needed in rspamd rspamc; do
    command -v $needed >/dev/null || { echo "skipped: $needed is not installed"; exit 0; }
done
[ -d /usr/share/spamassassin ] || { echo "skipped: SpamAssassin's rules are not installed"; exit 0; }
scratch=$(mktemp -d)
main=
trap '[ -z "$main" ] || kill "$main" 2>/dev/null || true; rm -rf "$scratch"' EXIT

# CPU time of the worker, in ticks.
spent() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

# measure NAME WITH_RULES: milliseconds a message.
measure() {
    local etc=$scratch/$1 port=$3
    mkdir -p "$etc/local.d" "$etc/override.d" "$etc/db" "$etc/run" "$etc/log"
    local off="rbl surbl spf dkim dmarc arc asn fuzzy_check url_redirector mx_check whitelist bimi phishing greylist
        ratelimit replies history_redis neural reputation dkim_signing multimap mime_types milter_headers maillist mid
        once_received hfilter forged_recipients external_services antivirus chartable emails force_actions elastic
        trie p0f metadata_exporter aws_s3 known_senders clickhouse metric_exporter clustering settings spamtrap"
    for module in $off; do echo 'enabled = false;' >"$etc/local.d/$module.conf"; done
    echo 'filters = "regexp"; hs_cache_dir = "'"$etc/db"'"; dns { nameserver = ["127.0.0.1:9:1"]; } control_socket = "'"$etc/run/control"'";' \
        >"$etc/local.d/options.inc"
    echo 'level = "error";' >"$etc/local.d/logging.inc"
    printf 'count = 1;\nbind_socket = "127.0.0.1:%s";\n' "$port" >"$etc/override.d/worker-normal.inc"
    for worker in controller proxy fuzzy; do echo 'enabled = false;' >"$etc/override.d/worker-$worker.inc"; done
    if [ "$2" = yes ]; then
        printf 'ruleset = "/usr/share/spamassassin/*.cf";\n' >"$etc/local.d/spamassassin.conf"
    fi
    rspamd -f -i -c /etc/rspamd/rspamd.conf --var=LOCAL_CONFDIR="$etc" --var=DBDIR="$etc/db" \
        --var=RUNDIR="$etc/run" --var=LOGDIR="$etc/log" >"$etc/log/out" 2>&1 &
    main=$!
    for _ in $(seq 300); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep .2; done
    # The databases of Hyperscan are compiled aside; until they are there the worker runs PCRE.
    sleep "${SETTLE:-90}"
    ls "$etc/db" | grep -c '\.hs' | sed "s/^/$1: Hyperscan databases: /" >&2
    worker=$(pgrep -P "$main" -f normal | head -1)
    one_pass() { (cd "$root" && xargs -n 100 rspamc -h "127.0.0.1:$port" -n 1 <"$list" >/dev/null 2>&1) || true; }
    one_pass
    local before after best=
    for _ in 1 2 3; do
        before=$(spent "$worker")
        one_pass
        after=$(spent "$worker")
        [ -n "$best" ] && [ "$best" -le $((after - before)) ] || best=$((after - before))
    done
    kill "$main"; wait "$main" 2>/dev/null || true
    main=
    awk -v t="$best" -v n="$(wc -l <"$list")" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.3f\n", 1000 * t / hz / n }'
}

without=$(measure without no 11533)
with=$(measure with yes 11534)
awk -v a="$with" -v b="$without" 'BEGIN { printf "rspamd: %.3f ms a message with the rules, %.3f without, so %.3f for them\n", a, b, a - b }'
cd "$here"
cargo bench -q --bench spamassassin -- "$rules" "$root" "$hits" 0 | grep -E 'rules loaded|a message for the rules' | sed 's/^/mailweir: /'
