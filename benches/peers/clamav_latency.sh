#!/bin/bash
# What a virus scan adds at the end of a message: mailweir and rspamd with its antivirus module, in one run, with the same
# clamd and the same mail, whose body arrives at 1 MB/s. Everything but the scan is switched off in both; nothing is
# remembered in either, nor in clamd. The lines of clamd by itself are the floor: no filter can answer sooner than it
# scans. With LINK=BYTES_A_SECOND clamd is behind a link of that speed, as on another host; 12500000 is 100 Mbit/s.
#
# usage: benches/peers/clamav_latency.sh MAILWEIR MILTERLOAD [ROUNDS]
#   MAILWEIR     the program, of a release build for figures of CPU time that mean something
#   MILTERLOAD   the load client
#   ROUNDS       how often everything is measured (1)
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mailweir=$1 load=$2 rounds=${3:-1}
for needed in rspamd clamd python3; do
    command -v $needed >/dev/null || { echo "skipped: $needed is not installed"; exit 0; }
done
scratch=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$scratch"' EXIT
start() { "$@" >>"$scratch/log" 2>&1 & running+=($!); }
listens() { # PORT
    for _ in $(seq 300); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep .2; done
    echo "nobody listens on $1:" >&2; tail -5 "$scratch/log" >&2; exit 1
}
clamd_port=13310 asked=13310 ours=13895 theirs=13432

# clamd with the EICAR test string and two thousand signatures that nothing has.
mkdir "$scratch/db"
for number in $(seq 2000); do
    printf 'Bench.Nothing.%s:0:*:%s\n' "$number" "$(printf 'nothing %s' "$number" | sha256sum | cut -c1-48)"
done >"$scratch/db/bench.ndb"
cat >"$scratch/clamd.conf" <<END
Foreground yes
User $(id -un)
DatabaseDirectory $scratch/db
TemporaryDirectory $scratch
TCPAddr 127.0.0.1
TCPSocket $clamd_port
MaxThreads 4
DisableCache yes
END
start clamd -c "$scratch/clamd.conf"
clamd=$!
listens $clamd_port

# Passes bytes on to clamd at most so fast, all connections together.
if [ -n "${LINK:-}" ]; then
    asked=13311
    cat >"$scratch/link.py" <<'END'
import asyncio, sys, time
listen, to, speed = map(int, sys.argv[1:])
free = 0.0
async def serve(reader, writer):
    global free
    back, forth = await asyncio.open_connection("127.0.0.1", to)
    async def there():
        global free
        while data := await reader.read(65536):
            free = max(free, time.monotonic()) + len(data) / speed
            await asyncio.sleep(free - time.monotonic())
            forth.write(data)
            await forth.drain()
        forth.close()
    async def here():
        while data := await back.read(4096):
            writer.write(data)
        writer.close()
    await asyncio.gather(there(), here(), return_exceptions=True)
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", listen, limit=65536) as server:
        await server.serve_forever()
asyncio.run(main())
END
    start python3 "$scratch/link.py" $asked $clamd_port "$LINK"
    listens $asked
fi

cat >"$scratch/mailweir.yaml" <<END
data_dir: $scratch/data
milter: { listen: ["127.0.0.1:$ours"] }
http: { listen: null }
chain: [clamav]
clamav: { servers: ["127.0.0.1:$asked"], cache: { entries: 0 } }
log: { level: error }
END
start "$mailweir" serve --config "$scratch/mailweir.yaml"
mailweir_pid=$!
listens $ours

etc=$scratch/rspamd
mkdir -p "$etc/local.d" "$etc/override.d" "$etc/db" "$etc/run" "$etc/log"
off="rbl surbl spf dkim dmarc arc asn fuzzy_check url_redirector mx_check whitelist bimi phishing greylist ratelimit
    replies history_redis neural reputation dkim_signing multimap mime_types milter_headers maillist mid once_received
    hfilter forged_recipients external_services chartable emails force_actions elastic trie p0f metadata_exporter aws_s3
    known_senders clickhouse metric_exporter clustering settings spamtrap regexp"
for module in $off; do echo 'enabled = false;' >"$etc/local.d/$module.conf"; done
cat >"$etc/local.d/options.inc" <<END
filters = "";
dns { nameserver = ["127.0.0.1:9:1"]; }
control_socket = "$etc/run/control";
END
echo 'level = "error";' >"$etc/local.d/logging.inc"
cat >"$etc/local.d/antivirus.conf" <<END
enabled = true;
clamav { type = "clamav"; symbol = "CLAM_VIRUS"; action = "reject"; scan_mime_parts = false; log_clean = false;
    servers = "127.0.0.1:$asked"; }
END
for worker in normal controller fuzzy; do echo 'enabled = false;' >"$etc/override.d/worker-$worker.inc"; done
cat >"$etc/override.d/worker-proxy.inc" <<END
count = 1; milter = yes; bind_socket = "127.0.0.1:$theirs"; upstream "local" { default = yes; self_scan = yes; }
END
start rspamd -f -i -c /etc/rspamd/rspamd.conf --var=LOCAL_CONFDIR="$etc" --var=DBDIR="$etc/db" --var=RUNDIR="$etc/run" \
    --var=LOGDIR="$etc/log"
rspamd_pid=$!
listens $theirs
sleep 3

# Messages with one attachment that no compression makes smaller; no two are alike.
messages() { # NAME BYTES COUNT
    for number in $(seq "$3"); do
        {
            printf '%s\r\n' "From: a@example.net" "To: user@example.org" "Subject: $1 $number" "MIME-Version: 1.0" \
                "Content-Type: application/octet-stream" "Content-Transfer-Encoding: base64" \
                "Content-Disposition: attachment; filename=$number.bin" ""
            head -c $(($2 * 3 / 4)) /dev/urandom | base64 -w 76 | sed 's/$/\r/'
        } >"$scratch/$1-$number.eml"
        echo "$1-$number.eml" >>"$scratch/$1.list"
    done
}
messages 10KB 10000 40
messages 100KB 100000 30
messages 1MB 1000000 12
messages 5MB 5000000 5

run() { # LABEL PID OPTIONS...
    local label=$1 pid=$2; shift 2
    "$load" --root "$scratch" --pid "$pid" --label "$label" "$@" 2>>"$scratch/log"
}
echo "| filter, size | connections | messages | messages/s | end of message p50 / p95 / p99 / max ms | whole p50 / p99 ms | CPU ms a message | RSS MiB | answers |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
slow="--chunk-size 65000 --chunk-delay-ms 65"
for _ in $(seq "$rounds"); do
    for size in 10KB 100KB 1MB 5MB; do
        run "mailweir, $size" $mailweir_pid --addr 127.0.0.1:$ours --list "$scratch/$size.list" $slow
        run "rspamd, $size" $rspamd_pid --addr 127.0.0.1:$theirs --list "$scratch/$size.list" $slow
        run "clamd, $size" $clamd --proto clamd --addr 127.0.0.1:$asked --list "$scratch/$size.list"
    done
done
