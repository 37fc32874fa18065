//! Forwarding a message to an analyst: attached as it is, in a letter of our own that passes the filters.

use bytes::Bytes;
use jiff::Zoned;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::connection::host_name;
use super::letter::Writing;
use super::mark::{Mark, Purpose};
use super::searched::reason;
use super::submission::{Letter, sendable, submit};
use super::{Entry, Quarantine, QuarantineError};
use crate::config::Findings;
use crate::mail::Address;
use crate::router::RELEASE_HEADER;

/// Longest note that goes with a message, characters.
const NOTE_CHARS: usize = 4_000;

/// `quarantine.forward`: to whom messages are shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardOptions {
    /// Whom letters are from, `a@example.org` or `Name <a@example.org>`; null for mailweir at this host.
    pub from: Option<Spanned<String>>,
    /// Who gets them where nobody else is named. Default: nobody.
    pub to: Option<Spanned<String>>,
}

impl ForwardOptions {
    pub(super) fn check(&self, findings: &mut Findings<'_>) {
        let both = [&self.from, &self.to];
        for written in both.into_iter().flatten() {
            if !is_mailbox(&written.value) {
                let help = "write a@example.org or Name <a@example.org>";
                findings.wrong_with_help(written, "not an address", help);
            }
        }
    }
}

/// Whether a text is one address, with or without a name before it.
pub(super) fn is_mailbox(text: &str) -> bool {
    let address = address_in(text);
    let whole = !text.contains(char::is_control) && text.len() <= 320;
    whole
        && address.contains('@')
        && !address.contains([',', ';'])
        && sendable(&Address::new(address.as_bytes())).is_ok()
}

/// The address of `a@b` or `Name <a@b>`.
pub(super) fn address_in(text: &str) -> &str {
    let inner = text
        .rsplit_once('<')
        .and_then(|(_, rest)| rest.strip_suffix('>'));
    inner.unwrap_or(text).trim()
}

impl Quarantine {
    /// Sends a message, attached to a letter with a note, to somebody who looks at it; to the address of the
    /// options where `to` is `None`. The message stays what it is.
    ///
    /// # Errors
    /// [`QuarantineError::Unconfigured`] where nobody is named; otherwise as [`Quarantine::release`].
    pub async fn forward(
        &self,
        id: &str,
        to: Option<&Address>,
        note: &str,
    ) -> Result<String, QuarantineError> {
        let options = self.options();
        let named = options.forward.to.as_ref();
        let configured = named.map(|to| Address::new(address_in(&to.value).as_bytes()));
        let to = to
            .cloned()
            .or(configured)
            .ok_or(QuarantineError::Unconfigured(
                "name who gets the message, here or in quarantine.forward.to",
            ))?;
        let result = self.forward_to(id, &to, note).await;
        let entry = self.counted("forward", result)?;
        self.count("forwarded", 1);
        tracing::info!(id = entry, to = ?to.text(), "message forwarded");
        Ok(to.text().to_owned())
    }

    async fn forward_to(
        &self,
        id: &str,
        to: &Address,
        note: &str,
    ) -> Result<String, QuarantineError> {
        let address = sendable(to)?;
        let record = self.get(id).await?;
        let entry = &record.entry;
        let raw = self.read(&entry.id).await?;
        let host = host_name();
        let own = format!("mailweir@{host}");
        let options = self.options();
        let from = options.forward.from.as_ref();
        let writing = Writing {
            from: from.map_or(&own, |from| &from.value),
            to: &address,
            subject: &format!("Message held in quarantine: {}", entry.subject),
            host: &host,
            date: &Zoned::now(),
        };
        let letter: Bytes = writing
            .with_message(&about(entry, note), &entry.id, &raw)
            .into();
        let made = self.make_mark(&letter).await?;
        let mut tx = self.index.begin().await?;
        let mark = self
            .enter_mark(&mut tx, &entry.id, Purpose::Forward, made)
            .await?;
        tx.commit().await?;
        self.submit_own(to, &mark, &letter).await?;
        Ok(record.entry.id)
    }

    /// Hands a letter of our own over, from nobody, so that nothing is sent back (RFC 3834, section 3.3).
    pub(super) async fn submit_own(
        &self,
        to: &Address,
        mark: &Mark,
        letter: &[u8],
    ) -> Result<(), QuarantineError> {
        let sender = Address::new(b"<>");
        let recipients = [to.clone()];
        let letter = Letter {
            sender: &sender,
            utf8: !to.raw().is_ascii(),
            recipients: &recipients,
            field: format!("{RELEASE_HEADER}: {}", mark.value()),
            raw: letter,
        };
        match submit(&self.options().release, &letter).await {
            Ok(()) => Ok(()),
            Err(QuarantineError::Unsure(_)) if self.was_redeemed(mark).await? => Ok(()),
            Err(e @ QuarantineError::Unsure(_)) => Err(e),
            Err(e) => {
                self.void(mark).await?;
                Err(e)
            }
        }
    }
}

/// What the letter says of the message.
fn about(entry: &Entry, note: &str) -> String {
    let to: Vec<&str> = entry
        .recipients
        .iter()
        .map(Address::text)
        .take(20)
        .collect();
    let client = entry
        .client
        .map_or("unknown".to_owned(), |ip| ip.to_string());
    let mut text = String::new();
    if !note.trim().is_empty() {
        text.extend(note.trim().chars().take(NOTE_CHARS));
        text.push_str("\n\n");
    }
    text.push_str(&format!(
        "The message attached was held back by mailweir. It may be dangerous: do not follow its links, and do\n\
         not open what is attached to it, without knowing what it is.\n\n\
         Id:       {}\nReceived: {}\nClient:   {client}\nFrom:     {}\nTo:       {}\nVerdict:  {}, score {:.2}\n\
         Decided:  {}\nRules:    {}\n",
        entry.id,
        entry.received.strftime("%Y-%m-%d %H:%M:%S UTC"),
        entry.sender.text(),
        to.join(", "),
        entry.action,
        entry.score,
        reason(entry),
        entry.rules.join(", "),
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stand_alone_or_behind_a_name() {
        for good in [
            "a@example.org",
            "Ann <a@example.org>",
            "\"A, B\" <a@b>",
            "<a@b>",
        ] {
            assert!(is_mailbox(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@b c",
            "a <b",
            "a@b\r\nBcc: c@d",
            "x <a@b> y",
            "a@b, c@d",
        ] {
            assert!(!is_mailbox(bad), "{bad}");
        }
        assert_eq!(address_in("Ann <a@b>"), "a@b");
    }
}
