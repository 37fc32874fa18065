#!/bin/bash
# Whether mail notices that somebody works in the console: the time that an answer takes at the end of a message, while nobody
# looks, while a person clicks twice a second, and while a program asks for one page after the other without a pause, each
# page of the console, on a history of many messages. All in one run, so that the rows can be compared; below each the
# time that pages took.
#
# usage: benches/console_clicks.sh MAILWEIR MILTERLOAD LIST ROOT [HISTORY_FOLDER]
#   MAILWEIR        the program, of a release build for figures that mean something
#   MILTERLOAD      the load client
#   LIST            messages, a path a line, below ROOT; 2,000 of them
#   HISTORY_FOLDER  a folder with the file of a history, which is copied. A million messages:
#                   HISTORY_MESSAGES=1000000 HISTORY_FOLDER=... cargo bench --bench history
# ROUNDS=3 measures everything so often; CONNECTIONS="1 8" with so many connections of a mail server.
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mailweir=$1 load=$2 list=$3 root=$4 past=${5:-}
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 0; }
scratch=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$scratch"' EXIT
listens() { # PORT
    for _ in $(seq 300); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep .2; done
    echo "nobody listens on $1:" >&2; tail -5 "$scratch/log" >&2; exit 1
}
milter=13895 console=13898

cat >"$scratch/mailweir.yaml" <<END
data_dir: $scratch/data
milter: { listen: ["127.0.0.1:$milter"] }
http: { listen: null }
console: { listen: "127.0.0.1:$console" }
chain: [rules]
history: { keep: 3650d, size: 64GiB }
log: { level: error }
END
mkdir -m 700 "$scratch/data"
if [ -n "$past" ]; then
    cp "$past"/history.sqlite* "$scratch/data/"
    sync # or copies of held messages wait until the disk has this one
fi
password="several words serve well"
"$mailweir" user add ann --role admin --password-stdin --config "$scratch/mailweir.yaml" <<<"$password" >/dev/null
"$mailweir" serve --config "$scratch/mailweir.yaml" >>"$scratch/log" 2>&1 &
daemon=$!
running+=($daemon)
listens $milter
listens $console

# Signs in and goes from page to page until it is told to end; says then how long pages took.
cat >"$scratch/clicks.py" <<'END'
import http.client, re, signal, sys, time, urllib.parse
port, password, pause = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
going = True
def end(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, end)
def connect(): return http.client.HTTPConnection("127.0.0.1", port, timeout=120)
form = urllib.parse.urlencode({"name": "ann", "password": password})
line = connect()
line.request("POST", "/login", form, {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{port}"})
answer = line.getresponse()
cookie = answer.getheader("Set-Cookie").split(";")[0]
answer.read()
def get(path):
    global line
    for attempt in range(2):
        try:
            line.request("GET", path, headers={"Cookie": cookie})
            answer = line.getresponse()
            break
        except (OSError, http.client.HTTPException):
            line = connect()
            if attempt: raise
    body = answer.read().decode()
    if answer.status != 200: raise SystemExit(f"{path}: {answer.status}")
    return body
def first(page, link):
    found = re.search(f'href="({link}[^"?]+)"', page)
    return found.group(1) if found else link.rstrip("/")
messages, held, rules = (first(get(p), p + "/") for p in ("/history", "/quarantine", "/rules"))
pages = ["/", "/?span=day", "/history", "/history?q=word1", "/history?sender=d1.example.com&verdict=reject", messages,
         "/quarantine", "/quarantine?from=a", held, "/rules", "/rules?sort=hits", rules, "/classifier", "/policy",
         "/configuration", "/log", "/users", "/audit", "/account"]
took = {page: [] for page in pages}
while going:
    for page in pages:
        started = time.monotonic()
        get(page)
        took[page].append(time.monotonic() - started)
        if not going: break
        time.sleep(pause)
all_times = sorted(t for times in took.values() for t in times)
if all_times:
    share = lambda of: 1000 * all_times[min(len(all_times) - 1, int(of * len(all_times)))]
    slowest = max((max(times), page) for page, times in took.items() if times)
    print(f"  {len(all_times)} pages: {share(.5):.1f} / {share(.95):.1f} ms (p50 / p95), slowest {slowest[0] * 1000:.0f} ms {slowest[1]}")
END

mail() { # LABEL CONNECTIONS
    "$load" --root "$root" --list "$list" --concurrency "$2" --pid "$daemon" --label "$1" --addr "127.0.0.1:$milter" 2>>"$scratch/log"
}
while_clicking() { # LABEL CONNECTIONS PAUSE
    python3 "$scratch/clicks.py" $console "$password" "$3" >"$scratch/clicks" &
    local clicks=$!
    mail "$1" "$2"
    kill -TERM $clicks
    wait $clicks || true
    cat "$scratch/clicks"
}
echo "history: $(du -ch "$scratch"/data/history.sqlite* | tail -1 | cut -f1)"
echo "| who looks | connections | messages | messages/s | end of message p50 / p95 / p99 / max ms | whole p50 / p99 ms | CPU ms a message | RSS MiB | answers |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
mail "nobody, to begin with" 1
for _ in $(seq "${ROUNDS:-1}"); do
    for connections in ${CONNECTIONS:-1 8}; do
        mail "nobody" "$connections"
        while_clicking "a person" "$connections" 0.5
        while_clicking "a program" "$connections" 0
    done
done
