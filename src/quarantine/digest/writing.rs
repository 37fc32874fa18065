//! The letter of a digest, from templates and what is known of the messages.

use bytes::Bytes;
use jiff::Zoned;
use jiff::tz::TimeZone;

use super::template::{Content, Item, Template};
use crate::mail::Address;
use crate::printable::{deceives, markup};
use crate::quarantine::connection::host_name;
use crate::quarantine::letter::Writing;
use crate::quarantine::searched::reason;
use crate::quarantine::{Entry, Quarantine, QuarantineError};

/// Longest text of a message in a digest, characters.
const TEXT_CHARS: usize = 200;

impl Quarantine {
    /// The letter that tells a recipient of these.
    pub(super) async fn write_digest(
        &self,
        recipient: &str,
        entries: &[Entry],
        with_links: bool,
    ) -> Result<Bytes, QuarantineError> {
        let options = self.options();
        let options = &options.digest;
        let [subject, text, html] = options.templates().map_err(QuarantineError::Options)?;
        let mut content = Content {
            recipient: shown(recipient),
            count: entries.len(),
            messages: Vec::new(),
        };
        let address = Address::new(recipient.as_bytes());
        for entry in entries.iter().take(options.messages.value) {
            let link = match with_links {
                true => self.link(&entry.id, &address).await?,
                false => None,
            };
            content.messages.push(item(entry, link));
        }
        let host = host_name();
        let own = format!("mailweir@{host}");
        let plain = |template: &Template| template.fill(&content, str::to_owned);
        let writing = Writing {
            from: options.from.as_ref().map_or(&own, |from| &from.value),
            to: recipient,
            subject: &plain(&subject),
            host: &host,
            date: &Zoned::now(),
        };
        let letter = writing.both(&plain(&text), &html.fill(&content, markup));
        Ok(letter.into())
    }
}

fn item(entry: &Entry, link: Option<String>) -> Item {
    let received = entry.received.to_zoned(TimeZone::system());
    let sender = match entry.sender.text() {
        "" => "<>",
        text => text,
    };
    Item {
        id: entry.id.clone(),
        from: shown(sender),
        subject: match entry.subject.trim() {
            "" => "(no subject)".to_owned(),
            text => shown(text),
        },
        received: received.strftime("%Y-%m-%d %H:%M %Z").to_string(),
        size: size(entry.size),
        score: format!("{:.1}", entry.score),
        reason: shown(&reason(entry)),
        link,
    }
}

/// One line that cannot deceive: nothing that acts, hides or turns the direction.
fn shown(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(TEXT_CHARS)
        .map(|c| if deceives(c) { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(TEXT_CHARS).is_some() {
        out.push('…');
    }
    out
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
