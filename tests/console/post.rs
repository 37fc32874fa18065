//! Mail that a mail server brings, kind and hostile.

use std::process::Output;

use super::daemon::{HELD, REFUSED, TAGGED, program};
use super::place::wait_for;
use super::site::Site;

/// What nobody may take for anything but text. The marks are looked for in pages.
pub(crate) const HOSTILE: &str = "<script>window.pwned=1</script><img src=x onerror=window.pwned=2><style>*{display:none}</style>\"'>&lt; \u{202e}gpj.exe\u{202c} \u{200b}\u{7}";

fn message(subject: &str, body: &str) -> String {
    format!(
        "From: Ann <ann@sender.example>\r\nTo: bob@here.example\r\nSubject: {subject}\r\n\
         Date: Mon, 23 Nov 2026 08:30:00 +0000\r\nMessage-ID: <1.{}@sender.example>\r\n\r\n{body}\r\n",
        subject.len()
    )
}

/// A header word, RFC 2047.
fn encoded(text: &str) -> String {
    let words = text
        .as_bytes()
        .chunks(40)
        .map(|bytes| format!("=?utf-8?B?{}?=", data_encoding::BASE64.encode(bytes)));
    words.collect::<Vec<_>>().join("\r\n ")
}

impl Site {
    /// Brings a message to the daemon as a mail server would.
    fn bring(&self, milter: &str, from: &str, to: &[&str], message: &str) -> Output {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, message).unwrap();
        let mut command = program();
        command.args(["send", "--milter", milter, "--from", from]);
        for to in to {
            command.args(["--rcpt", to]);
        }
        command.arg(file.path()).output().unwrap()
    }

    /// Brings a message that is held, by the unix socket.
    pub(crate) fn hold(&self, from: &str, to: &[&str], message: &str) {
        let out = self.bring(&self.daemon.unix(), from, to, message);
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(
            said.contains("quarantine") || said.contains("discard"),
            "{out:?}"
        );
    }

    /// Brings messages, each with its sender, whatever becomes of them.
    pub(crate) fn send(&self, messages: &[(String, &str)]) {
        let milter = format!("127.0.0.1:{}", self.daemon.milter);
        for (text, sender) in messages {
            let out = self.bring(&milter, sender, &["bob@here.example"], text);
            assert!(
                out.status.code().is_some_and(|c| c != 1 && c != 2),
                "{out:?}"
            );
        }
    }

    /// A small day of mail; returns when it stands in the history.
    pub(crate) fn day_of_mail(&self) {
        let mut messages = vec![
            (
                message("Minutes of the meeting", "Hello"),
                "ann@sender.example",
            ),
            (message("Your invoice", TAGGED), "billing@shop.example"),
            (message("You have won", HELD), "lottery@spam.example"),
            (message("Cheap watches", REFUSED), "watches@spam.example"),
            (
                message(&encoded(HOSTILE), &format!("{TAGGED} {HOSTILE}")),
                "<script>alert(1)</script>@evil.example",
            ),
            (
                message(&encoded(&HOSTILE.repeat(3000)), HELD),
                "long@evil.example",
            ),
            (message(&"x".repeat(900), TAGGED), "wide@evil.example"),
        ];
        for n in 0..12 {
            messages.push((
                message(&format!("Letter {n}"), "Hello again"),
                "ann@sender.example",
            ));
        }
        self.send(&messages);
        let wanted = messages.len() as f64;
        wait_for("the history", || {
            (self.daemon.metric("mailweir_history_written_total") >= wanted).then_some(())
        });
    }
}
