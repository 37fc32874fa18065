#!/bin/bash
# What it costs to find out who sent a message: mailweir with DNS lists, sender authentication, rates, reputation, greylisting and
# rules, and rspamd with its default modules, on the same mail in one run, with a resolver that answers that there is
# no such name, at once and after a round trip. CPU time a message and the time that the answer takes at the end of a message count;
# whatever the number of look-ups, they should take one round trip or two.
#
# usage: benches/peers/senders.sh MAILWEIR MILTERLOAD LIST ROOT [DELAY_MS...]
#   MAILWEIR     the program, of a release build for figures that mean something
#   MILTERLOAD   the load client
#   LIST         messages, a path a line, below ROOT; 3,000 of them
#   DELAY_MS     round trips to the resolver (0 100)
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mailweir=$1 load=$2 list=$3 root=$4; shift 4
[ $# -gt 0 ] || set -- 0 100
for needed in rspamd python3; do
    command -v $needed >/dev/null || { echo "skipped: $needed is not installed"; exit 0; }
done
scratch=$(mktemp -d)
running=()
stop() { [ ${#running[@]} -eq 0 ] || kill "${running[@]}" 2>/dev/null || true; wait 2>/dev/null || true; running=(); }
trap 'stop; rm -rf "$scratch"' EXIT
start() { "$@" >>"$scratch/log" 2>&1 & running+=($!); }
listens() { # PORT
    for _ in $(seq 1500); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep .2; done
    echo "nobody listens on $1:" >&2; tail -5 "$scratch/log" >&2; exit 1
}
resolver=13553 ours=13896 theirs=13433

# Answers every question after so many milliseconds that there is no such name, for a minute.
cat >"$scratch/resolver.py" <<'END'
import asyncio, sys
port, delay = int(sys.argv[1]), int(sys.argv[2]) / 1000
SOA = b"\0\0\x06\0\1\0\0\0\x3c\0\x16\0\0" + b"\0\0\0\1" * 4 + b"\0\0\0\x3c"
class Names(asyncio.DatagramProtocol):
    def connection_made(self, transport): self.transport = transport
    def datagram_received(self, data, peer):
        end = 12
        while end < len(data) and data[end]: end += data[end] + 1
        question = data[12:end + 5]
        answer = data[:2] + b"\x81\x83\0\1\0\0\0\1\0\0" + question + SOA
        asyncio.get_running_loop().call_later(delay, self.transport.sendto, answer, peer)
async def main():
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Names, ("127.0.0.1", port))
    # So that others can see that it is there.
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)
    async with server: await server.serve_forever()
asyncio.run(main())
END

cat >"$scratch/mailweir.yaml" <<END
data_dir: $scratch/data
milter: { listen: ["127.0.0.1:$ours"] }
http: { listen: null }
chain: [dnsbl, auth, attachments, greylist, rates, reputation, rules]
dns: { resolvers: ["127.0.0.1:$resolver"] }
dnsbl:
  zones:
    - { zone: bl.example.org, subjects: [client], score: 3, test: { listed: null, unlisted: null } }
    - { zone: domains.example.org, subjects: [helo, sender, from, url], score: 3, test: { listed: null, unlisted: null } }
    - { zone: urls.example.org, subjects: [url], score: 3, test: { listed: null, unlisted: null } }
    - { zone: hops.example.org, subjects: [received], score: 1, test: { listed: null, unlisted: null } }
greylist: { band: { from: 99, to: null } }
rates: { limits: [{ by: client_network, burst: 1000000000, per: 1h }, { by: recipient, burst: 1000000000, per: 1h }] }
thresholds: { tag: 5, quarantine: null, reject: null }
log: { level: error }
END

etc=$scratch/rspamd
mkdir -p "$etc/local.d" "$etc/override.d" "$etc/db" "$etc/run" "$etc/log"
cat >"$etc/local.d/options.inc" <<END
dns { nameserver = ["127.0.0.1:$resolver:1"]; }
control_socket = "$etc/run/control";
END
echo 'level = "error";' >"$etc/local.d/logging.inc"
for worker in normal controller fuzzy; do echo 'enabled = false;' >"$etc/override.d/worker-$worker.inc"; done
cat >"$etc/override.d/worker-proxy.inc" <<END
count = 1; milter = yes; bind_socket = "127.0.0.1:$theirs"; upstream "local" { default = yes; self_scan = yes; }
END

run() { # LABEL PID PORT
    "$load" --root "$root" --list "$list" --concurrency 8 --pid "$2" --label "$1" --addr "127.0.0.1:$3" 2>>"$scratch/log"
}
echo "| filter, round trip | connections | messages | messages/s | end of message p50 / p95 / p99 / max ms | whole p50 / p99 ms | CPU ms a message | RSS MiB | answers |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
for delay in "$@"; do
    rm -rf "$scratch/data"
    start python3 "$scratch/resolver.py" $resolver "$delay"
    listens $resolver
    start "$mailweir" serve --config "$scratch/mailweir.yaml"
    mailweir_pid=$!
    listens $ours
    start rspamd -f -i -c /etc/rspamd/rspamd.conf --var=LOCAL_CONFDIR="$etc" --var=DBDIR="$etc/db" --var=RUNDIR="$etc/run" \
        --var=LOGDIR="$etc/log"
    rspamd_pid=$!
    listens $theirs
    # Until the databases of Hyperscan are compiled the worker runs PCRE.
    sleep "${SETTLE:-60}"
    run "mailweir, $delay ms" $mailweir_pid $ours
    run "rspamd, $delay ms" $rspamd_pid $theirs
    stop
done
