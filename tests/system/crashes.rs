//! The daemon is killed in every state of the protocol: no message is lost, none passes unseen.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::daemon::{Config, Daemon};
use super::message::{message, value};
use super::place::PATIENCE;
use super::postfix::Postfix;
use super::process::signal;
use super::scanner::{FalseClamd, Gate, Manner};
use super::smtp::attempt;
use super::tap::Tap;

/// The packets after which the daemon is killed: negotiation, CONNECT, HELO, MAIL, RCPT, a header field,
/// end of headers, a body chunk, end of message.
const STATES: &[u8] = b"OCHMRLNBE";
/// Messages that are queued at the client in each state.
const MESSAGES: usize = 3;

/// Sends until the message is taken, as every sender does; gives how often it was refused for now.
fn send_until_taken(port: u16, text: &str) -> usize {
    let sent = message(text, text);
    let deadline = Instant::now() + PATIENCE;
    let mut refusals = 0;
    loop {
        match attempt(port, &sent) {
            Ok(reply) if reply.code == 250 => return refusals,
            Ok(reply) => {
                assert!((400..500).contains(&reply.code), "{text}: {reply:?}");
                refusals += 1;
            }
            Err(e) => panic!("{text}: Postfix closed the connection: {e}"),
        }
        assert!(Instant::now() < deadline, "{text} was never taken");
        // The sender's interval between two attempts.
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn killed_in_any_state_it_loses_no_message_and_lets_none_pass_unseen() {
    let gate = Gate::default();
    gate.open();
    let clamd = Arc::new(FalseClamd::start(Manner::Waits(gate.clone())));
    let mut daemon = Daemon::start(&Config {
        chain: "[rules, clamav]",
        sections: format!("clamav: {{ servers: [\"127.0.0.1:{}\"] }}\n", clamd.port),
        ..Config::default()
    });

    // In which state the daemon is killed next, its process id, and streams that clamd had seen.
    let armed: Arc<Mutex<Option<(u8, String, usize)>>> = Arc::default();
    let (killed, deaths) = channel();
    let tap = {
        let (armed, clamd) = (Arc::clone(&armed), Arc::clone(&clamd));
        Tap::start(daemon.milter, move |packet| {
            let mut armed = armed.lock().unwrap();
            if armed.as_ref().is_some_and(|(state, ..)| *state == packet) {
                let (state, pid, streams) = armed.take().unwrap();
                if state == b'E' {
                    // The verdict is now waited for: the scanner has everything and says nothing.
                    clamd.wait_for_stream_after(streams);
                }
                signal(&pid, "KILL");
                killed.send(()).unwrap();
            }
        })
    };
    let Some(postfix) = Postfix::start(&[format!("inet:127.0.0.1:{}", tap.port)]) else {
        return;
    };

    let mut texts = Vec::new();
    for state in STATES {
        let name = char::from(*state);
        if *state == b'E' {
            gate.close();
        }
        *armed.lock().unwrap() = Some((*state, daemon.pid(), clamd.streams()));
        let queue: Vec<String> = (0..MESSAGES)
            .map(|n| format!("killed at {name} message {n}."))
            .collect();
        let refusals: usize = std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                let port = postfix.port(0);
                queue.iter().map(|text| send_until_taken(port, text)).sum()
            });
            deaths.recv_timeout(PATIENCE).expect("the state is reached");
            daemon.wait();
            gate.open();
            daemon.restart();
            client.join().unwrap()
        });
        assert!(refusals > 0, "{name}: the sender was told to try again");
        texts.extend(queue);
    }

    postfix.drained();
    let delivered = postfix.delivered();
    for text in &texts {
        let copies: Vec<_> = delivered
            .iter()
            .filter(|m| value(m, "Subject") == *text)
            .collect();
        assert_eq!(copies.len(), 1, "{text} is delivered once");
    }
    assert_eq!(delivered.len(), texts.len());
    for stored in &delivered {
        assert_eq!(value(stored, "X-Virus-Status"), "Clean");
        assert!(!value(stored, "X-Mailweir-Id").is_empty());
    }
}
