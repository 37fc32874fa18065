//! Load with faults: a scanner and a name server in changing moods, clients that abort, stall and vanish,
//! reloads of good and broken rules, a disk that fills up, a daemon that is killed.
//!
//! Every message must be answered exactly once and as its kind allows; what was held must be in the
//! quarantine, byte for byte and once; the metrics must add up to what the clients saw; memory, files and
//! threads must stay where they were. A run of six seconds by default; `MAILWEIR_SOAK=600` makes it ten minutes,
//! and `MAILWEIR_SOAK_SEED` repeats one.

mod load;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;

use super::daemon::{Config, Daemon, RULES};
use super::disk::SmallDisk;
use super::dns_server::Reply;
use super::names::Names;
use super::place::wait_for;
use super::scanner::{FalseClamd, Manner};
use load::{Client, Dice, Tally};

/// Clients at one time.
const CLIENTS: usize = 8;
/// One stretch of load, after which everything is looked at.
const ROUND: Duration = Duration::from_secs(2);
/// In each third round the daemon is killed.
const KILL_EVERY: usize = 3;
/// By how much the resident memory may grow within the life of a daemon, KiB. The first round is the
/// measure; the allocator keeps what later rounds of bad luck once needed.
const GROWTH_KIB: u64 = 48 << 10;
/// Open files beyond those after the first round: connections of the index that were opened later.
const FILES: usize = 12;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}"))
    })
}

fn mood(number: usize) -> Manner {
    match number % 23 {
        3 => Manner::Closes(1),
        7 => Manner::Says(b"stream: Eicar-Test FOUND\0"),
        11 => Manner::Says(b"220 what?\r\n\0"),
        13 => Manner::Mute,
        17 => Manner::Interrupts(1, b"INSTREAM size limit exceeded. ERROR\0"),
        19 => Manner::Says(b"Can't allocate memory ERROR\0"),
        _ => Manner::Says(b"stream: OK\0"),
    }
}

fn names() -> Names {
    let asked = AtomicUsize::new(0);
    Names::start(move |question| {
        let listed = !question.name.starts_with("1.0.0.127.");
        if question.name.starts_with("2.0.0.127.") {
            return Reply::A(vec![[127, 0, 0, 2]], 60);
        }
        match asked.fetch_add(1, Ordering::Relaxed) % 31 {
            5 => Reply::Silence,
            9 => Reply::Code(ResponseCode::ServFail),
            12 => Reply::After(
                Duration::from_millis(100),
                Box::new(Reply::NxDomain(Some(60))),
            ),
            17 if listed => Reply::A(vec![[127, 0, 0, 2]], 60),
            _ => Reply::NxDomain(Some(60)),
        }
    })
}

fn config(names: &Names, clamd: &FalseClamd, quarantine: &Path) -> Config {
    Config {
        chain: "[dnsbl, rules, clamav]",
        milter: "read_timeout: 1s\nidle_timeout: 30s\nprogress_interval: 1s\n".to_owned(),
        sections: format!(
            "limits: {{ message: 64KiB, total: 160KiB }}
dns: {{ resolvers: [\"{}\"], timeout: 500ms }}
dnsbl:
  zones: [{{ zone: bl.test.example, id: LISTED, score: 0.5 }}]
  timeout: 500ms
clamav:
  servers: [\"127.0.0.1:{}\"]
  io_timeout: 1s
  reply_timeout: 500ms
  timeout: 1s
  breaker: {{ failures: 5, retry_after: 100ms }}
quarantine: {{ path: \"{}\" }}
",
            names.address(),
            clamd.port,
            quarantine.display()
        ),
        ..Config::default()
    }
}

/// Puts rules in force, or tries to: as an editor does, the file is never seen half written.
fn rules(daemon: &Daemon, text: &str) {
    let next = daemon.path().join("next.yaml");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, daemon.rules()).unwrap();
    daemon.signal("HUP");
}

/// Load and trouble for one round.
fn round(daemon: &mut Daemon, disk: Option<&SmallDisk>, round: usize, seed: u64) -> Tally {
    let kills = round % KILL_EVERY == KILL_EVERY - 1;
    let stop = AtomicBool::new(false);
    let mut dice = Dice::new(seed ^ ((round as u64) << 32));
    let port = daemon.milter;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| Client {
                port,
                name: format!("soak {round}-{n}"),
                dice: Dice::new(seed.wrapping_add(((round * CLIENTS + n) as u64) << 8)),
                stop: &stop,
                kills,
            })
            .map(|client| scope.spawn(|| client.run()))
            .collect();
        let ends = Instant::now() + ROUND;
        let (mut full, mut killed) = (false, false);
        while Instant::now() < ends && !clients.iter().any(|c| c.is_finished()) {
            match dice.below(3) {
                0 => rules(daemon, RULES),
                1 => rules(daemon, &RULES.replace("score: 6", "score: 6.5")),
                _ => rules(daemon, &RULES.replace("score: 9", "scor: 9")),
            }
            if let Some(disk) = disk {
                match full {
                    true => disk.make_room(),
                    false => disk.fill(),
                }
                full = !full;
            }
            if kills && !killed && ends - Instant::now() < ROUND / 2 {
                killed = true;
                // It must be able to start again.
                rules(daemon, RULES);
                if let Some(disk) = disk.filter(|_| std::mem::take(&mut full)) {
                    disk.make_room();
                }
                daemon.signal("KILL");
                daemon.wait();
                daemon.restart();
            }
            // The pace of the trouble.
            std::thread::sleep(Duration::from_millis(100 + dice.below(100)));
        }
        if let Some(disk) = disk.filter(|_| full) {
            disk.make_room();
        }
        stop.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        for client in clients {
            tally.add(client.join().unwrap());
        }
        tally
    })
}

/// Waits until nothing is in flight any more.
fn settle(daemon: &Daemon) {
    for gauge in [
        "mailweir_sessions_open",
        "mailweir_bytes_in_flight",
        &format!(
            "mailweir_clamav_running{{server=\"127.0.0.1:{}\"}}",
            scanner_port(daemon)
        ),
    ] {
        wait_for(gauge, || (daemon.metric(gauge) == 0.0).then_some(()));
    }
}

fn scanner_port(daemon: &Daemon) -> u16 {
    let config = std::fs::read_to_string(daemon.path().join("mailweir.yaml")).unwrap();
    let (_, rest) = config.split_once("servers: [\"127.0.0.1:").unwrap();
    rest.split('"').next().unwrap().parse().unwrap()
}

/// When the trouble is over the work goes on: soon a message is held again.
fn recover(daemon: &Daemon, round: usize, tally: &mut Tally) {
    let mut tries = 0;
    wait_for("a message that is held", || {
        tries += 1;
        let one = load::hold(daemon.milter, &format!("after round {round}, {tries}."));
        let held = !one.held.is_empty();
        tally.add(one);
        held.then_some(())
    });
}

/// The messages in the quarantine, by their bytes, with the number of their files.
fn copies(quarantine: &Path) -> HashMap<Vec<u8>, usize> {
    let mut found: HashMap<Vec<u8>, usize> = HashMap::new();
    let days = std::fs::read_dir(quarantine).unwrap().flatten();
    for day in days.filter(|d| d.file_name().to_string_lossy().starts_with("20")) {
        let files = std::fs::read_dir(day.path()).unwrap().flatten();
        let messages = files.map(|f| f.path()).filter(|p| p.extension().is_some());
        for message in messages {
            *found.entry(std::fs::read(message).unwrap()).or_default() += 1;
        }
    }
    found
}

/// What was held is there, once, and nothing else is; then it is removed.
fn check_quarantine(daemon: &Daemon, quarantine: &Path, tally: &Tally) -> usize {
    let found = copies(quarantine);
    let subject = |raw: &[u8]| {
        let text = String::from_utf8_lossy(raw);
        let line = text.lines().find(|l| l.starts_with("Subject:"));
        line.unwrap_or("no subject").to_owned()
    };
    for raw in &tally.held {
        let count = found.get(raw).copied().unwrap_or(0);
        assert_eq!(count, 1, "held and answered: {}", subject(raw));
    }
    for (raw, count) in &found {
        let known = tally.held.contains(raw) || tally.perhaps.contains(raw);
        assert!(known && *count == 1, "{count} copies of {}", subject(raw));
    }
    let listed = daemon.quarantine(&["list", "--limit", "0", "--json"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().count(), found.len(), "index and files");
    let ids: Vec<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|message| message["id"].as_str().unwrap().to_owned())
        .collect();
    for ids in ids.chunks(500) {
        let mut args = vec!["delete"];
        args.extend(ids.iter().map(String::as_str));
        let deleted = daemon.quarantine(&args);
        assert!(deleted.status.success(), "{deleted:?}");
    }
    assert!(copies(quarantine).is_empty());
    found.len()
}

/// Sum of all series of a counter.
fn total(exposition: &str, name: &str) -> usize {
    exposition
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.split_once(' '))
        .filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'))
        .map(|(_, value)| value.trim().parse::<f64>().unwrap() as usize)
        .sum()
}

/// The metrics of this life of the daemon say what its clients saw.
fn check_metrics(daemon: &Daemon, life: &Tally) {
    let text = daemon.get("/metrics").unwrap();
    let answered: usize = life.answered.values().sum();
    let counted = total(&text, "mailweir_messages_total");
    assert!(
        (answered..=answered + life.unread).contains(&counted),
        "{answered} answers read and {} unread, {counted} messages counted",
        life.unread
    );
    for (verdict, count) in &life.answered {
        let counted = daemon.metric(&format!("mailweir_messages_total{{verdict=\"{verdict}\"}}"));
        assert!(
            counted as usize >= *count,
            "{verdict}: {counted} of {count}"
        );
    }
    let aborted = total(&text, "mailweir_transactions_aborted_total");
    assert_eq!(
        counted + aborted,
        life.begun,
        "{counted} and {aborted} aborted"
    );
    assert_eq!(
        total(&text, "mailweir_session_ends_total"),
        total(&text, "mailweir_sessions_total")
    );
    assert_eq!(total(&text, "mailweir_sessions_refused_total"), 0);
    assert_eq!(total(&text, "mailweir_panics_total"), 0, "{}", daemon.log());
}

/// What the process holds: KiB of resident memory, open files, threads.
fn held_by(daemon: &Daemon) -> (u64, usize, u64) {
    let process = format!("/proc/{}", daemon.pid());
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let value = |name: &str| -> u64 {
        let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let files = std::fs::read_dir(format!("{process}/fd")).unwrap().count();
    (value("VmRSS:"), files, value("Threads:"))
}

#[test]
fn under_load_and_faults_each_message_is_answered_once_and_nothing_leaks() {
    let length = Duration::from_secs(number("MAILWEIR_SOAK", 6));
    let seed = number("MAILWEIR_SOAK_SEED", 1);
    let disk = SmallDisk::mount("16m");
    let (names, clamd) = (names(), FalseClamd::start(Manner::Moody(mood)));
    let own = super::place::folder();
    let quarantine = match &disk {
        Some(disk) => disk.path().join("quarantine"),
        None => own.path().join("quarantine"),
    };
    let mut daemon = Daemon::start(&config(&names, &clamd, &quarantine));
    let started = Instant::now();
    let mut life = Tally::default();
    let mut first = None;
    let mut number = 0;
    while started.elapsed() < length {
        let mut tally = round(&mut daemon, disk.as_ref(), number, seed);
        recover(&daemon, number, &mut tally);
        settle(&daemon);
        let held = check_quarantine(&daemon, &quarantine, &tally);
        let answered = tally.answered.clone();
        if number % KILL_EVERY == KILL_EVERY - 1 {
            // The counters of the life that was ended are gone.
            rules(&daemon, RULES);
            daemon.signal("TERM");
            assert!(daemon.wait().success(), "{}", daemon.log());
            daemon.restart();
            (life, first) = (Tally::default(), None);
        } else {
            life.add(tally);
            check_metrics(&daemon, &life);
            let (memory, files, threads) = held_by(&daemon);
            let (first_memory, first_files, first_threads) =
                *first.get_or_insert((memory, files, threads));
            let grown = memory.saturating_sub(first_memory);
            assert!(grown <= GROWTH_KIB, "{first_memory} KiB, then {memory} KiB");
            assert!(
                files <= first_files + FILES,
                "{first_files} files, then {files}"
            );
            assert!(
                threads <= first_threads + 64,
                "{first_threads} threads, then {threads}"
            );
            println!(
                "round {number}: {answered:?}, {held} held, {memory} KiB, {files} files, {threads} threads"
            );
        }
        number += 1;
    }
    assert!(!daemon.log().contains("panic"), "{}", daemon.log());
}
