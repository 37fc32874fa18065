//! The daemon is killed while people teach it: each lesson that was acknowledged counts, once.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};

use super::daemon::{Config, Daemon};
use super::message::message;
use super::milter::Milter;
use super::place::{PATIENCE, free_port, wait_for};

const SPAM: &str = "mailweir_model_messages{class=\"spam\"}";

/// Teaches that a message is spam, in the protocol of spamd; whether that was acknowledged.
fn teach(port: u16, number: usize) -> std::io::Result<bool> {
    let words: Vec<String> = (0..20).map(|n| format!("word{number}x{n}")).collect();
    let raw = message(&format!("lesson {number}"), &words.join(" "));
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "TELL SPAMC/1.5\r\nMessage-class: spam\r\nSet: local\r\nContent-length: {}\r\n\r\n",
        raw.len()
    )?;
    stream.write_all(&raw)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.contains("DidSet: local"))
}

/// How many messages the model has learned as spam, once it has learned so many. A message makes it look for lessons.
fn learned(daemon: &Daemon, at_least: usize) -> usize {
    wait_for("lessons to count", || {
        let mut milter = Milter::open(daemon.milter);
        milter.connect("203.0.113.7");
        milter.envelope();
        milter.message(&message("look", "Hello."));
        let learned = daemon.metric(SPAM) as usize;
        (learned >= at_least).then_some(learned)
    })
}

#[test]
fn killed_while_it_learns_it_loses_no_lesson_and_counts_none_twice() {
    let port = free_port();
    let mut daemon = Daemon::start(&Config {
        chain: "[bayes]",
        sections: format!(
            "scanners: {{ spamd: {{ listen: ['127.0.0.1:{port}'], learning: true }} }}\n"
        ),
        ..Config::default()
    });
    let mut taught: Vec<usize> = Vec::new();
    let rounds = 4;
    for round in 0..rounds {
        let teaching = std::thread::spawn(move || {
            let mut done = Vec::new();
            for number in round * 100_000.. {
                match teach(port, number) {
                    Ok(true) => done.push(number),
                    Ok(false) | Err(_) => break,
                }
            }
            done
        });
        // The moment is chance: so many messages, and wherever the lessons are by then.
        learned(&daemon, taught.len() + 5 + 7 * round);
        daemon.signal("KILL");
        daemon.wait();
        taught.extend(teaching.join().unwrap());
        daemon.restart();
        let found = learned(&daemon, taught.len());
        // In each round one may have been taken whose acknowledgement did not come.
        assert!(
            found <= taught.len() + round + 1,
            "{found} of {}",
            taught.len()
        );
        if round + 1 == rounds {
            for number in &taught {
                assert!(teach(port, *number).unwrap());
            }
            assert!(teach(port, 99_999_999).unwrap());
            assert_eq!(learned(&daemon, found + 1), found + 1, "each was known");
        }
    }
}
