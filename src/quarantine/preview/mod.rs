//! A message as it can be looked at without danger: [`Preview`].
//!
//! In: an entry and the exact bytes. Out: its header, the way that it came, its text, what is attached and why it
//! was held, each bounded. Text is text as found: whoever shows it must escape it for a terminal or a page;
//! only [`Preview::html`] gives HTML, which is safe as it is ([`safe_html`](crate::mail::safe_html)). Nothing is
//! fetched, run or written. CPU work of some milliseconds, seconds for archives at their limits.

mod body;
mod files;
mod way;
mod why;

use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use super::entry::Entry;
use super::{Quarantine, QuarantineError, Record, blocking};
use crate::mail::{Limits, Mail};

pub use body::{Body, Written};
pub use files::Attachment;
pub use way::Way;
pub use why::{Found, Reason, Said, reasons};

/// Header fields that are shown; more are only counted.
const FIELDS: usize = 200;
/// Characters of one field.
const FIELD_CHARS: usize = 2_000;
/// Bounds of parsing a message that somebody looks at.
const TEXT_BYTES: usize = 256 << 10;

/// One field of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name as received.
    pub name: String,
    /// Its value, decoded and unfolded, at most 2,000 characters.
    pub value: String,
}

/// A message as it can be looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// The header, in order; at most 200 fields.
    pub fields: Vec<Field>,
    /// Fields that are left out.
    pub more_fields: usize,
    /// Hop by hop from the sender on, as the servers on the way wrote it down. Only what one's own servers
    /// wrote can be believed.
    pub way: Vec<Way>,
    /// What it says, part by part.
    pub bodies: Vec<Body>,
    /// Whether text was left out.
    pub text_cut: bool,
    /// What is attached, what archives in it hold included.
    pub attachments: Vec<Attachment>,
    /// Files that are left out.
    pub more_attachments: usize,
    /// Where its links lead, each once, as written.
    pub links: Vec<String>,
    /// What is damaged in it, one sentence each.
    pub damage: Vec<&'static str>,
    /// Why it was held: what each filter said, with its evidence.
    pub why: Vec<Reason>,
}

impl Preview {
    /// Looks at a message.
    pub fn of(entry: &Entry, raw: Bytes) -> Preview {
        let limits = Limits {
            text_bytes: TEXT_BYTES,
            ..Limits::default()
        };
        let mail = Mail::parse(raw, &limits);
        let (bodies, text_cut) = body::bodies(&mail);
        let (attachments, more_attachments) = files::attachments(&mail, &AtomicBool::new(false));
        Preview {
            fields: mail.headers().take(FIELDS).map(|h| field(&h)).collect(),
            more_fields: mail.headers().skip(FIELDS).count(),
            way: way::way(&mail),
            bodies,
            text_cut,
            attachments,
            more_attachments,
            links: mail
                .urls()
                .iter()
                .map(|u| u.text.clone())
                .take(FIELDS)
                .collect(),
            damage: mail.flags().iter().map(|f| f.meaning()).collect(),
            why: why::reasons(entry),
        }
    }

    /// All of its text as safe HTML, the parts one after the other.
    pub fn html(&self) -> String {
        self.bodies
            .iter()
            .map(Body::html)
            .collect::<Vec<_>>()
            .join("<hr>")
    }
}

fn field(header: &crate::mail::Header<'_>) -> Field {
    Field {
        name: short(&header.name_text(), 100),
        value: short(&header.decoded(), FIELD_CHARS),
    }
}

/// At most so many characters; a cut is shown by `…`.
fn short(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

/// What decided, in a few words: `score`, `hit rules BAD_WORD`, `failure clamav timeout`.
pub fn decided_by(entry: &Entry) -> String {
    super::searched::reason(entry)
}

impl Quarantine {
    /// A message with what is to be seen of it.
    ///
    /// # Errors
    /// As [`Quarantine::read`].
    pub async fn preview(&self, id: &str) -> Result<(Record, Preview), QuarantineError> {
        let record = self.get(id).await?;
        let raw = self.read(&record.entry.id).await?;
        let entry = record.entry.clone();
        let preview = blocking(move || Preview::of(&entry, raw)).await?;
        Ok((record, preview))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Action, Hit, Outcome, Report};
    use crate::mail::Envelope;
    use crate::verdict::{DecidedBy, Verdict};

    fn entry() -> Entry {
        let hit = Hit::new("BAD_WORD", 9.0, "a\u{202e}b");
        let verdict = Verdict {
            action: Action::Quarantine,
            score: 9.0,
            decided_by: DecidedBy::Score(8.0),
            policy: None,
            reports: vec![
                Report {
                    filter: "rules",
                    outcome: Outcome::Checked(vec![hit]),
                    elapsed: std::time::Duration::from_millis(2),
                },
                Report {
                    filter: "clamav",
                    outcome: Outcome::Skipped("not needed"),
                    elapsed: std::time::Duration::ZERO,
                },
            ],
        };
        let now = jiff::Timestamp::now();
        Entry::new("x", now, &Envelope::default(), "s", &verdict, 0)
    }

    const MESSAGE: &str = "Received: from b (b.example [192.0.2.2]) by c.example with ESMTPS id 2;\r\n\
        \tTue, 1 Sep 2026 09:31:30 +0000\r\n\
        Received: from a (a.example [192.0.2.1]) by b.example with ESMTP id 1;\r\n\
        \tTue, 1 Sep 2026 11:30:00 +0200\r\n\
        From: =?utf-8?q?J=C3=B6rg?= <j@a.example>\r\n\
        Subject: x\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nhello <b>\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<p>hi<script>x</script><a href='http://evil.example/'>bank</a>\r\n\
        --b\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgAAAAA4fug4=\r\n\
        --b--\r\n";

    #[test]
    fn everything_that_a_person_wants_to_see_is_there() {
        let preview = Preview::of(&entry(), Bytes::from_static(MESSAGE.as_bytes()));
        let from = preview.fields.iter().find(|f| f.name == "From").unwrap();
        assert_eq!(from.value, "Jörg <j@a.example>");
        let hops: Vec<_> = preview
            .way
            .iter()
            .map(|w| (w.by.as_deref(), w.seconds))
            .collect();
        assert_eq!(
            hops,
            [(Some("b.example"), None), (Some("c.example"), Some(90))]
        );
        assert_eq!(
            preview.html(),
            "hello &lt;b&gt;<hr><p>hi<span class=\"link\">bank</span> \
             <span class=\"target\">http://evil.example/</span></p>"
        );
        let [file] = preview.attachments.as_slice() else {
            panic!("{:?}", preview.attachments);
        };
        assert_eq!((file.name.as_str(), file.size), ("a.pdf", 68));
        assert!(!file.odd.is_empty(), "{file:?}");
        assert_eq!(preview.links, ["http://evil.example/"]);
        let [rules, clamav] = preview.why.as_slice() else {
            panic!("{:?}", preview.why);
        };
        assert_eq!(
            (rules.filter.as_str(), &rules.said),
            ("rules", &Said::Checked)
        );
        assert_eq!(rules.hits[0].rule, "BAD_WORD");
        assert_eq!(rules.hits[0].evidence, "a\u{202e}b");
        assert_eq!(clamav.said, Said::Skipped("not needed".to_owned()));
    }

    #[test]
    fn what_is_large_or_broken_is_bounded() {
        let fields = "X: y\r\n".repeat(50_000);
        let hops = "Received: from a by b; x\r\n".repeat(5_000);
        let parts = "--b\r\nContent-Type: text/html\r\n\r\n<p>x\r\n".repeat(5_000);
        let text = "word ".repeat(100_000);
        for raw in [
            String::new(),
            fields.clone(),
            format!("{hops}\r\n{text}"),
            format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}"),
            format!(
                "Content-Type: text/html\r\n\r\n{}",
                "<b>\u{202e}".repeat(100_000)
            ),
            "\0\r\r\n\n\u{1b}".repeat(50_000),
        ] {
            let preview = Preview::of(&entry(), raw.into());
            assert!(preview.fields.len() <= FIELDS && preview.way.len() <= 100);
            assert!(preview.bodies.len() <= 50, "{}", preview.bodies.len());
            assert!(preview.html().len() < 1 << 20, "{}", preview.html().len());
        }
    }
}
