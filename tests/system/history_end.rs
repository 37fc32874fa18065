//! The history over every end of the daemon: what it costs, and what it does not.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::daemon::{Config, Daemon};
use super::history::{found, send, wait_for_written, wait_until_found};
use super::message::message;
use super::milter::Milter;
use super::place::wait_for;

/// Messages, one after the other, until the daemon is gone.
struct Load {
    /// When each was answered.
    answered: Arc<Mutex<Vec<Instant>>>,
    sending: JoinHandle<()>,
}

impl Load {
    /// Subjects are `word` and the number of the message.
    fn start(daemon: &Daemon, word: &str) -> Load {
        let answered: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let (port, word, times) = (daemon.milter, word.to_owned(), Arc::clone(&answered));
        let sending = std::thread::spawn(move || {
            for number in 0.. {
                let sent = Milter::try_open(port).and_then(|mut milter| {
                    milter.try_connect("203.0.113.7")?;
                    milter.try_envelope()?;
                    let raw = message(&format!("{word} {number}"), "Hello.");
                    let body = milter.try_header(&raw)?;
                    milter.try_body(body)?;
                    milter.try_write_end()?;
                    milter.try_final_replies()
                });
                match sent {
                    Ok(_) => times.lock().unwrap().push(Instant::now()),
                    Err(_) => return,
                }
            }
        });
        Load { answered, sending }
    }

    /// So many were answered, the first of them so long ago.
    fn goes_on(&self, number: usize, since: Duration) {
        wait_for("messages over some time", || {
            let answered = self.answered.lock().unwrap();
            let enough = answered.len() >= number && answered.first()?.elapsed() >= since;
            enough.then_some(())
        });
    }

    fn ended(self) -> Vec<Instant> {
        self.sending.join().unwrap();
        Arc::into_inner(self.answered)
            .unwrap()
            .into_inner()
            .unwrap()
    }
}

/// Measures by how much this machine holds a process up: one that sleeps, and writes a little to the disk.
struct HeldUp {
    stop: Arc<AtomicBool>,
    watching: JoinHandle<Duration>,
}

impl HeldUp {
    fn watch(daemon: &Daemon) -> HeldUp {
        let stop = Arc::new(AtomicBool::new(false));
        let (ends, path) = (Arc::clone(&stop), daemon.path().join("held-up"));
        let pause = Duration::from_millis(20);
        let watching = std::thread::spawn(move || {
            let mut longest = Duration::ZERO;
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                std::thread::sleep(pause);
                let mut file = std::fs::File::create(&path).unwrap();
                file.write_all(b"x").unwrap();
                file.sync_data().unwrap();
                longest = longest.max(began.elapsed().saturating_sub(pause));
            }
            longest
        });
        HeldUp { stop, watching }
    }

    /// The longest of all delays.
    fn longest(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.watching.join().unwrap()
    }
}

/// What was answered more than a second before the kill is there. The time by which the machine holds up what runs on it comes
/// on top: the daemon's own seconds are meant.
#[test]
fn a_kill_costs_the_verdicts_of_the_last_second_at_most() {
    let mut daemon = Daemon::start(&Config::default());
    for round in ["first", "second", "third"] {
        let held_up = HeldUp::watch(&daemon);
        let load = Load::start(&daemon, round);
        load.goes_on(30, Duration::from_secs(4));
        let killed = Instant::now();
        daemon.signal("KILL");
        daemon.wait();
        let bound = Duration::from_secs(1) + 3 * held_up.longest();
        let answered = load.ended();
        daemon.restart();
        let found: BTreeSet<String> = found(&daemon, &["--subject", round])
            .iter()
            .map(|entry| entry["subject"].as_str().unwrap().to_owned())
            .collect();
        for (number, at) in answered.iter().enumerate() {
            let before = killed.saturating_duration_since(*at);
            assert!(
                before <= bound || found.contains(&format!("{round} {number}")),
                "{number} of {} was answered {before:?} before the kill ({bound:?}) and is lost",
                answered.len()
            );
        }
    }
}

#[test]
fn a_kill_costs_nothing_that_was_written_and_the_file_opens_again() {
    let mut daemon = Daemon::start(&Config::default());
    for number in 0..100 {
        send(&daemon, &message(&format!("written {number}"), "Hello."));
    }
    wait_for_written(&daemon, 100.0);
    // Into what is being written now.
    let load = Load::start(&daemon, "load");
    wait_for_written(&daemon, 150.0);
    daemon.signal("KILL");
    daemon.wait();
    load.ended();
    daemon.restart();
    assert_eq!(found(&daemon, &["--subject", "written"]).len(), 100);
    assert!(found(&daemon, &["--subject", "load"]).len() >= 50);
    send(&daemon, &message("afterwards", "Hello."));
    wait_until_found(&daemon, &["--subject", "afterwards"], 1);
    assert_eq!(daemon.metric("mailweir_history_set_aside_total"), 0.0);
}

#[test]
fn the_end_of_the_daemon_costs_nothing() {
    let mut daemon = Daemon::start(&Config::default());
    for number in 0..20 {
        send(&daemon, &message(&format!("last {number}"), "Hello."));
    }
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert_eq!(found(&daemon, &["--subject", "last"]).len(), 20);
}
