//! Events to the outside: a file that others rotate, a webhook that fails, hangs, comes back, and a daemon that is killed.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ring::hmac;
use serde_json::Value;

use super::certificate::certificate;
use super::daemon::{Config, Daemon, HELD, TAGGED};
use super::message::message;
use super::milter::Milter;
use super::place::{folder, free_port, installed, wait_for};
use super::scanner::{FalseClamd, Manner};

const SECRET: &str = "a line that only we know";

/// What the receiver does with a request.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Takes,
    Says(u16),
    /// Reads it and never answers.
    Hangs,
    /// Reads it and closes.
    Closes,
}

/// Whether a request was taken, and its events.
type Request = (bool, Vec<Value>);

/// A receiver that checks each signature and keeps what it has read.
struct Receiver {
    port: u16,
    mood: Arc<Mutex<Mood>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    fn start(mood: Mood) -> Receiver {
        Receiver::at(
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            mood,
            None,
        )
    }

    fn at(listener: TcpListener, mood: Mood, tls: Option<Arc<rustls::ServerConfig>>) -> Receiver {
        let receiver = Receiver {
            port: listener.local_addr().unwrap().port(),
            mood: Arc::new(Mutex::new(mood)),
            requests: Arc::default(),
        };
        let (mood, requests) = (receiver.mood.clone(), receiver.requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mood, requests, tls) = (*mood.lock().unwrap(), requests.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, mood, &requests),
                    Some(config) => {
                        let tls = rustls::ServerConnection::new(config).unwrap();
                        serve(rustls::StreamOwned::new(tls, stream), mood, &requests);
                    }
                });
            }
        });
        receiver
    }

    fn become_(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Events that were taken, in order.
    fn taken(&self) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        let taken = requests.iter().filter(|(taken, _)| *taken);
        taken.flat_map(|(_, events)| events.clone()).collect()
    }

    fn attempts(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Subjects of messages in the events that were taken, each once, in the order of their first arrival.
    fn subjects(&self) -> Vec<String> {
        let mut ids = BTreeSet::new();
        let taken = self.taken().into_iter();
        taken
            .filter(|e| e["event"] == "verdict" && ids.insert(e["id"].to_string()))
            .map(|e| e["subject"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn serve<S: Read + Write>(mut stream: S, mood: Mood, requests: &Mutex<Vec<(bool, Vec<Value>)>>) {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    let (head, length) = loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let field = |name: &str| {
                let mut lines = head.lines();
                let line = lines.find(|l| l.to_ascii_lowercase().starts_with(name));
                line.unwrap_or_else(|| panic!("{name} in {head}"))[name.len()..]
                    .trim()
                    .to_owned()
            };
            assert!(head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{head}");
            assert_eq!(field("content-type:"), "application/json");
            let length: usize = field("content-length:").parse().unwrap();
            if read.len() >= head.len() + 4 + length {
                verify(&field("x-mailweir-signature:"), &read[head.len() + 4..]);
                break (head.len() + 4, length);
            }
        }
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => read.extend_from_slice(&chunk[..n]),
            // Whoever connects and says nothing is no webhook.
            _ => return,
        }
    };
    let body: Value = serde_json::from_slice(&read[head..head + length]).unwrap();
    let events = body["events"].as_array().unwrap().clone();
    assert!(
        !events.is_empty() && events.len() <= 3,
        "batches are of three"
    );
    let status = match mood {
        Mood::Takes => Some(200),
        Mood::Says(status) => Some(status),
        Mood::Hangs | Mood::Closes => None,
    };
    requests
        .lock()
        .unwrap()
        .push((matches!(mood, Mood::Takes), events));
    match status {
        Some(status) => {
            let answer = format!(
                "HTTP/1.1 {status} x\r\nContent-Length: 2\r\nLocation: /elsewhere\r\n\r\nok"
            );
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.flush();
        }
        None if matches!(mood, Mood::Hangs) => {
            while stream.read(&mut chunk).is_ok_and(|n| n > 0) {}
        }
        None => {}
    }
}

fn verify(signature: &str, body: &[u8]) {
    let (time, mac) = signature
        .strip_prefix("t=")
        .unwrap()
        .split_once(",v1=")
        .unwrap();
    let age = jiff::Timestamp::now().as_second() - time.parse::<i64>().unwrap();
    assert!((0..600).contains(&age), "{age}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mac = data_encoding::HEXLOWER.decode(mac.as_bytes()).unwrap();
    let signed = [time.as_bytes(), b".", body].concat();
    hmac::verify(&key, &signed, &mac).expect("the signature holds");
}

/// A file that only its owner may read.
fn secret(folder: &Path) -> String {
    let path = folder.join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// The section for a webhook, and the folder of its secret.
fn webhook(url: &str, keys: &str) -> (String, tempfile::TempDir) {
    let folder = folder();
    let secret = secret(folder.path());
    let section = format!(
        "events:
  webhook: {{ url: '{url}', secret_file: {secret}, batch: 3, wait: 10ms, retry: 1s, timeout: 500ms{keys} }}
"
    );
    (section, folder)
}

fn send(daemon: &Daemon, subject: &str, word: &str) {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    milter.envelope();
    milter.message(&message(subject, word));
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    whole
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect()
}

fn of_kind(events: &[Value], kind: &str) -> Vec<Value> {
    events
        .iter()
        .filter(|e| e["event"] == kind)
        .cloned()
        .collect()
}

#[test]
fn each_verdict_and_each_happening_is_a_line_of_the_file() {
    let absent = FalseClamd::start(Manner::Absent);
    let mut daemon = Daemon::start(&Config {
        chain: "[rules, clamav]",
        sections: format!(
            "clamav: {{ servers: ['127.0.0.1:{}'], breaker: {{ failures: 1, retry_after: 1h }} }}\nevents: {{ file: events.jsonl }}\n",
            absent.port
        ),
        ..Config::default()
    });
    let path = daemon.path().join("data/events.jsonl");
    let hostile = "a\"b\\\u{1b}[31m\u{202e}<script>";
    send(&daemon, hostile, TAGGED);
    let events = wait_for("events", || {
        let events = lines(&path);
        (!of_kind(&events, "verdict").is_empty() && !of_kind(&events, "clamav").is_empty())
            .then_some(events)
    });
    let verdict = &of_kind(&events, "verdict")[0];
    for (field, value) in [
        ("protocol", Value::from("milter")),
        ("direction", "inbound".into()),
        ("client", "192.0.2.1".into()),
        ("verdict", "tempfail".into()),
        ("score", 6.0.into()),
        ("recipients", 1.into()),
    ] {
        assert_eq!(verdict[field], value, "{field} {verdict}");
    }
    assert!(
        verdict["subject"].as_str().unwrap().contains("<script>"),
        "{verdict}"
    );
    assert_eq!(verdict["hits"][0]["rule"], "TEST_SIX");
    assert_eq!(verdict["unscanned"][0]["filter"], "clamav");
    assert!(daemon.log().contains(verdict["message"].as_str().unwrap()));
    let clamav = &of_kind(&events, "clamav")[0];
    assert_eq!(clamav["name"], format!("127.0.0.1:{}", absent.port));
    assert_eq!(clamav["in_use"], false);
    assert_eq!(of_kind(&events, "daemon")[0]["state"], "started");
    // Moved away by others, who say so.
    let moved = daemon.path().join("data/events.moved");
    std::fs::rename(&path, &moved).unwrap();
    let configuration = daemon.path().join("mailweir.yaml");
    let good = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, format!("{good}thresold: 1\n")).unwrap();
    daemon.signal("HUP");
    let refused = wait_for("a refused reload", || {
        of_kind(&lines(&path), "reload").pop()
    });
    assert_eq!(refused["taken"], false);
    assert!(
        refused["problems"].as_str().unwrap().contains("thresold"),
        "{refused}"
    );
    std::fs::write(&configuration, good).unwrap();
    daemon.signal("HUP");
    wait_for("a reload", || {
        let reloads = of_kind(&lines(&path), "reload");
        (reloads.last()?["taken"] == true).then_some(())
    });
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let all = [lines(&moved), lines(&path)].concat();
    assert_eq!(all.last().unwrap()["state"], "stopped");
    let ids: BTreeSet<_> = all.iter().map(|e| e["id"].to_string()).collect();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn events_are_sent_until_they_are_taken_in_order_and_signed() {
    let receiver = Receiver::start(Mood::Says(500));
    let (sections, _secret) = webhook(&format!("http://127.0.0.1:{}/hook?a=b", receiver.port), "");
    let daemon = Daemon::start(&Config {
        sections,
        ..Config::default()
    });
    let subjects: Vec<String> = (0..10).map(|n| format!("number {n}")).collect();
    for (mood, result) in [
        (Mood::Says(500), "refused"),
        (Mood::Says(302), "refused"),
        (Mood::Hangs, "timeout"),
        (Mood::Closes, "error"),
    ] {
        receiver.become_(mood);
        let series = format!("mailweir_webhook_requests_total{{result=\"{result}\"}}");
        let before = daemon.metric(&series);
        for subject in &subjects[..2] {
            send(&daemon, &format!("{subject} {mood:?}"), "nothing");
        }
        daemon.wait_for_metric(&series, before + 1.0);
    }
    assert!(receiver.taken().is_empty());
    assert!(daemon.metric("mailweir_events_waiting_bytes") > 0.0);
    receiver.become_(Mood::Takes);
    for subject in &subjects {
        send(&daemon, subject, "nothing");
    }
    wait_for("all events", || {
        (receiver.subjects().ends_with(&subjects)).then_some(())
    });
    daemon.wait_for_metric("mailweir_webhook_events_total", 19.0);
    let ids: Vec<_> = receiver
        .taken()
        .iter()
        .map(|e| e["id"].to_string())
        .collect();
    let each: BTreeSet<_> = ids.iter().collect();
    assert_eq!(
        (ids.len(), each.len()),
        (19, 19),
        "the start, 8 and 10 messages, each once"
    );
    assert!(receiver.attempts() > 4);
    wait_for("an empty spool", || {
        (daemon.metric("mailweir_events_waiting_bytes") == 0.0).then_some(())
    });
    assert_eq!(
        daemon.metric("mailweir_events_dropped_total{sink=\"webhook\"}"),
        0.0
    );
}

#[test]
fn a_killed_daemon_owes_the_webhook_nothing_that_it_has_written() {
    let port = free_port();
    let (sections, _secret) = webhook(&format!("http://127.0.0.1:{port}/hook?a=b"), "");
    let mut daemon = Daemon::start(&Config {
        sections,
        ..Config::default()
    });
    let mut sent = Vec::new();
    for round in 0..3 {
        let before = daemon.metric("mailweir_events_waiting_bytes");
        for n in 0..5 {
            let subject = format!("round {round} number {n}");
            send(&daemon, &subject, HELD);
            sent.push(subject);
        }
        // Each verdict is more than 300 bytes.
        daemon.wait_for_metric("mailweir_events_waiting_bytes", before + 5.0 * 300.0);
        wait_for("five lines", || {
            let files = std::fs::read_dir(daemon.path().join("data/events")).unwrap();
            let texts =
                files.map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap_or_default());
            let written: String = texts.collect();
            sent.iter()
                .all(|s| written.contains(s.as_str()))
                .then_some(())
        });
        daemon.signal("KILL");
        daemon.wait();
        daemon.restart();
    }
    let receiver = Receiver::at(
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap(),
        Mood::Takes,
        None,
    );
    wait_for("all events", || {
        (receiver.subjects().len() == sent.len()).then_some(())
    });
    assert_eq!(receiver.subjects(), sent, "in order");
    // What was taken is not sent again after an orderly end.
    daemon.wait_for_metric("mailweir_webhook_events_total", 15.0);
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let before = receiver.taken().len();
    daemon.restart();
    wait_for("the start", || {
        let taken = receiver.taken();
        (taken.len() > before)
            .then(|| assert_eq!(taken[before..].len(), 1, "{:?}", &taken[before..]))
    });
}

#[test]
fn the_webhook_must_be_who_it_says() {
    let Some(openssl) = installed("openssl") else {
        return;
    };
    let folder = folder();
    let (certificate, key) = certificate(&openssl, folder.path(), "localhost");
    let config = server_config(&certificate, &key);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let receiver = Receiver::at(listener, Mood::Takes, Some(config));
    let url = format!("https://localhost:{}/hook?a=b", receiver.port);
    let (sections, _secret) = webhook(&url, &format!(", ca_file: {}", certificate.display()));
    let daemon = Daemon::start(&Config {
        sections,
        ..Config::default()
    });
    send(&daemon, "over TLS", "nothing");
    wait_for("an event", || {
        receiver
            .subjects()
            .contains(&"over TLS".to_owned())
            .then_some(())
    });
    // Nobody of those whom the system trusts has signed this certificate.
    let (sections, _secret) = webhook(&url, "");
    let stranger = Daemon::start(&Config {
        sections,
        ..Config::default()
    });
    stranger.wait_for_metric("mailweir_webhook_requests_total{result=\"error\"}", 1.0);
    wait_for("the reason in the log", || {
        let said = stranger.log().contains("the webhook cannot be reached");
        said.then_some(())
    });
    assert_eq!(stranger.metric("mailweir_webhook_events_total"), 0.0);
}

fn server_config(certificate: &Path, key: &Path) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

#[test]
fn a_webhook_that_hangs_keeps_neither_mail_nor_the_end_waiting() {
    let receiver = Receiver::start(Mood::Hangs);
    let url = format!("http://127.0.0.1:{}/hook?a=b", receiver.port);
    let (sections, _secret) = webhook(&url, "");
    let mut daemon = Daemon::start(&Config {
        sections: sections.replace("timeout: 500ms", "timeout: 5m"),
        ..Config::default()
    });
    wait_for("a request", || (receiver.attempts() > 0).then_some(()));
    for n in 0..20 {
        send(&daemon, &format!("number {n}"), "nothing");
    }
    assert_eq!(
        daemon.metric("mailweir_messages_total{verdict=\"deliver\"}"),
        20.0
    );
    daemon.signal("TERM");
    assert!(daemon.wait().success());
}
