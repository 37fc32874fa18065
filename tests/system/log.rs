//! The log, in both of its formats.

use serde_json::Value;

use super::daemon::{Config, Daemon};
use super::message::message;
use super::milter::Milter;
use super::place::wait_for;

/// The line about a message whose subject holds what could end a line or a text.
fn line(format: &str) -> String {
    let daemon = Daemon::start(&Config {
        sections: format!("log: {{ format: {format} }}\n"),
        ..Config::default()
    });
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    milter.envelope();
    let sent = message("=?utf-8?Q?a=22_b=3D1=1B[31m=0Ac=E2=80=AE?=", "Hello");
    let body = milter.header(&sent).to_vec();
    milter.body(&body);
    milter.write_end();
    milter.final_replies();
    wait_for("the line about the message", || {
        let log = daemon.log();
        let mut lines = log.lines().filter(|line| line.contains("192.0.2.1"));
        lines.next().map(str::to_owned)
    })
}

#[test]
fn the_line_about_a_message_is_one_line_of_plain_values() {
    let text = line("text");
    assert!(text.contains(" client=\"192.0.2.1\" "), "{text}");
    assert!(text.contains(r#"subject="a\" b=1\u{1b}[31m"#), "{text}");
    assert!(
        text.chars().all(|c| c.is_ascii_graphic() || c == ' '),
        "{text}"
    );

    let json: Value = serde_json::from_str(&line("json")).unwrap();
    assert_eq!(json["client"], "192.0.2.1");
    assert_eq!(json["verdict"], "deliver");
    let subject = json["subject"].as_str().unwrap();
    assert!(subject.starts_with("a\" b=1\u{1b}[31m"), "{subject:?}");
}
