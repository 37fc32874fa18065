//! Debian's filter of OpenSMTPD for rspamd: the program itself, told what OpenSMTPD would tell it.

use std::process::Command;

use super::super::daemon::{HELD, REFUSED};
use super::super::message::{fields, message};
use super::super::place::unpacked;
use super::{Scanners, text};

/// What the filter makes of a message: its lines, and the answer at the end. `None` when it is not there.
fn filtered(scanners: &Scanners, message: &[u8]) -> Option<(String, String)> {
    let root = unpacked(
        "MAILWEIR_OPENSMTPD",
        "opensmtpd",
        "usr/libexec/opensmtpd/filter-rspamd",
    )?;
    let (session, token, version) = ("7641df9771b4ed00", "1ef1c203cc576e5d", "0.6");
    let report = |event: &str, rest: &str| {
        format!("report|{version}|1576146008.006099|smtp-in|{event}|{session}|{rest}\n")
    };
    let filter = |phase: &str, rest: &str| {
        format!("filter|{version}|1576146008.006099|smtp-in|{phase}|{session}|{token}|{rest}\n")
    };
    let mut said = String::from("config|smtpd-version|6.8.0\nconfig|ready\n");
    said += &report(
        "link-connect",
        "client.example|pass|192.0.2.7:33174|192.0.2.1:25",
    );
    said += &report("link-greeting", "mx.example.org");
    said += &report("link-identify", "EHLO|client.example");
    said += &report("tx-begin", "1abc");
    said += &report("tx-mail", "1abc|ok|sender@example.net");
    said += &report("tx-rcpt", "1abc|ok|user@example.org");
    for line in text(message).lines() {
        let dot = if line.starts_with('.') { "." } else { "" };
        said += &filter("data-line", &format!("{dot}{line}"));
    }
    said += &filter("data-line", ".");
    let mut program = Command::new(root.join("usr/libexec/opensmtpd/filter-rspamd"));
    program
        .arg("-url")
        .arg(format!("http://127.0.0.1:{}", scanners.rspamd));
    // It ends with its input, so the end of the message must be heard before the next line is said.
    let heard = converse(&mut program, &said, &filter("commit", ""));
    let lines = |kind: &str| -> Vec<String> {
        let begins = format!("{kind}|{session}|{token}|");
        heard
            .lines()
            .filter_map(|l| l.strip_prefix(&begins))
            .map(str::to_owned)
            .collect()
    };
    let message: Vec<String> = lines("filter-dataline")
        .into_iter()
        .take_while(|l| l != ".")
        .collect();
    Some((message.join("\n"), lines("filter-result").join("\n")))
}

/// Says `first`, waits for the message to come back, says `last` and waits for the answer to it.
fn converse(program: &mut Command, first: &str, last: &str) -> String {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    input.write_all(first.as_bytes()).unwrap();
    let mut heard = String::new();
    'said: for (end, next) in [("|.\n", last), ("", "")] {
        loop {
            let mut line = String::new();
            if output.read_line(&mut line).unwrap() == 0 {
                break 'said;
            }
            heard.push_str(&line);
            let answered = end.is_empty() && line.starts_with("filter-result|");
            if answered
                || !end.is_empty() && line.starts_with("filter-dataline|") && line.ends_with(end)
            {
                break;
            }
        }
        let _ = input.write_all(next.as_bytes());
    }
    drop(input);
    let _ = child.wait();
    heard
}

#[test]
fn opensmtpds_filter_marks_refuses_and_defers() {
    let scanners = Scanners::plain();
    let forged = [b"X-Spam-Flag: NO\r\n".as_slice(), &message("one", HELD)].concat();
    let Some((marked, answer)) = filtered(&scanners, &forged) else {
        return;
    };
    assert_eq!(answer, "proceed");
    let names: Vec<_> = fields(marked.as_bytes())
        .into_iter()
        .map(|(n, _)| n)
        .collect();
    let flags = names.iter().filter(|n| *n == "X-Spam-Flag").count();
    assert_eq!(flags, 1, "{marked}");
    assert!(
        marked.contains("X-Spam-Flag: YES") && marked.contains(HELD),
        "{marked}"
    );
    let log = scanners.daemon.log();
    assert!(
        log.contains("client=\"192.0.2.7\"") && log.contains("from=\"sender@example.net\""),
        "{log}"
    );
    let (_, answer) = filtered(&scanners, &message("two", REFUSED)).unwrap();
    assert!(
        answer.starts_with("reject|550 5.7.1 Message refused as spam (id "),
        "{answer}"
    );
    let unscanned = Scanners::unable();
    let (_, answer) = filtered(&unscanned, &message("three", "nothing")).unwrap();
    assert!(answer.starts_with("reject|451 4.7.1 "), "{answer}");
}
