//! Handing a released message to the mail server by SMTP (RFC 5321), all recipients or none.
//!
//! The bytes go out as they were stored, below the one field of the mark. The only exception: a CR or LF
//! that stands alone goes out as CRLF, because RFC 5321, section 2.3.8, forbids it, and because some servers
//! take a lone LF for a line end, where `LF . CRLF` would end the message early (SMTP smuggling).

use std::borrow::Cow;
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::Extension;

use super::QuarantineError;
use super::connection::{self, Failure, not_sent, within};
use super::entry::bare;
use super::options::ReleaseOptions;
use crate::mail::Address;

/// Written at once; each piece is copied once for dot-stuffing.
const PIECE: usize = 64 << 10;
/// Longest address that is sent: RFC 5321, section 4.5.3.1.3, gives 256 with the brackets; be generous.
const ADDRESS_BYTES: usize = 512;

/// One message to hand over.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    pub(super) sender: &'a Address,
    /// Whether the message came with SMTPUTF8 (RFC 6531).
    pub(super) utf8: bool,
    pub(super) recipients: &'a [Address],
    /// The header field on top, without line end.
    pub(super) field: String,
    pub(super) raw: &'a [u8],
}

/// Hands the message over; returns when the server has taken responsibility for it.
///
/// # Errors
/// [`QuarantineError::NotSent`]: nothing was delivered. [`QuarantineError::Unsure`]: perhaps it was.
pub(super) async fn submit(
    options: &ReleaseOptions,
    letter: &Letter<'_>,
) -> Result<(), QuarantineError> {
    let sender = forward(letter.sender, true)?;
    let recipients = letter
        .recipients
        .iter()
        .map(|r| forward(r, false))
        .collect::<Result<Vec<_>, _>>()?;
    if recipients.is_empty() {
        return Err(QuarantineError::NotSent("there is no recipient".to_owned()));
    }
    let mut session = Session::open(options).await?;
    let handed = session.transact(letter, &sender, &recipients).await;
    match &handed {
        Ok(()) | Err(QuarantineError::NotSent(_)) => {
            let _ = tokio::time::timeout(session.timeout, session.connection.quit()).await;
        }
        Err(_) => {}
    }
    handed
}

struct Session {
    connection: AsyncSmtpConnection,
    timeout: Duration,
}

impl Session {
    async fn open(options: &ReleaseOptions) -> Result<Session, QuarantineError> {
        Ok(Session {
            connection: connection::open(options).await?,
            timeout: options.timeout.value.0,
        })
    }

    async fn transact(
        &mut self,
        letter: &Letter<'_>,
        sender: &str,
        recipients: &[String],
    ) -> Result<(), QuarantineError> {
        let mail = self.mail_command(letter, sender, recipients)?;
        self.command(mail, "MAIL").await?;
        for recipient in recipients {
            // One refused recipient refuses the release: nobody may wonder later who has got it.
            let what = format!("RCPT <{}>", recipient.escape_debug());
            self.command(format!("RCPT TO:<{recipient}>\r\n"), &what)
                .await?;
        }
        self.command("DATA\r\n".to_owned(), "DATA").await?;

        let raw = crlf(letter.raw);
        // The end-of-data sequence brings the last line end along.
        let raw = raw.strip_suffix(b"\r\n").unwrap_or(&raw);
        let field = format!("{}\r\n", letter.field);
        let pieces = std::iter::once(field.as_bytes()).chain(raw.chunks(PIECE));
        // At least 64 KiB a second.
        let patience = self.timeout + Duration::from_secs(raw.len() as u64 / 65_536);
        match within(patience, self.connection.message_iter(pieces)).await {
            Ok(_) => Ok(()),
            Err(Failure::Smtp(e)) if e.status().is_some() => {
                Err(not_sent("the message", &Failure::Smtp(e)))
            }
            Err(e) => Err(QuarantineError::Unsure(e.text())),
        }
    }

    fn mail_command(
        &self,
        letter: &Letter<'_>,
        sender: &str,
        recipients: &[String],
    ) -> Result<String, QuarantineError> {
        let supports = |e| self.connection.server_info().supports_feature(e);
        let without = |what| {
            let text = format!("the message needs {what}, which the mail server does not offer");
            Err(QuarantineError::NotSent(text))
        };
        let mut command = format!("MAIL FROM:<{sender}>");
        if !letter.raw.is_ascii() {
            if !supports(Extension::EightBitMime) {
                return without("8BITMIME");
            }
            command.push_str(" BODY=8BITMIME");
        }
        if letter.utf8 || !sender.is_ascii() || recipients.iter().any(|r| !r.is_ascii()) {
            if !supports(Extension::SmtpUtfEight) {
                return without("SMTPUTF8");
            }
            command.push_str(" SMTPUTF8");
        }
        command.push_str("\r\n");
        Ok(command)
    }

    async fn command(&mut self, command: String, what: &str) -> Result<(), QuarantineError> {
        match within(self.timeout, self.connection.command(command)).await {
            Ok(_) => Ok(()),
            Err(e) => Err(not_sent(what, &e)),
        }
    }
}

/// The address of a recipient as it goes between angle brackets.
///
/// # Errors
/// [`QuarantineError::Address`] for what cannot be sent.
pub(super) fn sendable(address: &Address) -> Result<String, QuarantineError> {
    forward(address, false)
}

/// An address as it goes between angle brackets. Whatever could end the command or the brackets early is
/// refused, not repaired.
fn forward(address: &Address, may_be_null: bool) -> Result<String, QuarantineError> {
    let bytes = bare(address);
    let refuse = |why| {
        let address = String::from_utf8_lossy(bytes).chars().take(100).collect();
        Err(QuarantineError::Address { address, why })
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return refuse("it is not UTF-8 (RFC 6531)");
    };
    if text.len() > ADDRESS_BYTES {
        return refuse("it is too long");
    }
    if text.is_empty() && !may_be_null {
        return refuse("it is empty");
    }
    if text.chars().any(char::is_control) {
        return refuse("it holds a control character");
    }
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '<' | '>' if !quoted => return refuse("it holds a space or a bracket"),
            _ => {}
        }
    }
    if quoted {
        return refuse("a quotation mark is missing");
    }
    Ok(text.to_owned())
}

/// Lone CR and lone LF become CRLF; without any, nothing is copied.
fn crlf(raw: &[u8]) -> Cow<'_, [u8]> {
    let lone = |i: usize, b: u8| match b {
        b'\r' => raw.get(i + 1) != Some(&b'\n'),
        _ => i == 0 || raw.get(i - 1) != Some(&b'\r'),
    };
    if !memchr::memchr2_iter(b'\r', b'\n', raw).any(|i| raw.get(i).is_some_and(|b| lone(i, *b))) {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 32);
    for (i, b) in raw.iter().enumerate() {
        match b {
            b'\r' | b'\n' if lone(i, *b) => out.extend_from_slice(b"\r\n"),
            _ => out.push(*b),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_could_end_a_command_are_refused() {
        let sendable = |text: &[u8]| forward(&Address::new(text), false).is_ok();
        for good in [
            &b"<a@example.org>"[..],
            b"postmaster",
            b"<\"a b<c>\\\" d\"@example.org>",
            b"<a@[192.0.2.1]>",
            "<jörg@example.org>".as_bytes(),
            b"<$(id)`id`|x;y@example.org>",
        ] {
            assert!(sendable(good), "{}", String::from_utf8_lossy(good));
        }
        for bad in [
            &b"<>"[..],
            b"<a@example.org>\r\nRCPT TO:<b@example.org>",
            b"a> SIZE=1",
            b"<a b@example.org>",
            b"<\"a@example.org>",
            b"<a\0@example.org>",
            b"<\xff@example.org>",
        ] {
            assert!(!sendable(bad), "{}", String::from_utf8_lossy(bad));
        }
        assert_eq!(forward(&Address::new(b"<>"), true).unwrap(), "");
    }

    #[test]
    fn lone_line_ends_become_crlf_and_nothing_else_changes() {
        assert!(matches!(crlf(b"a\r\n.\r\n\0\xff"), Cow::Borrowed(_)));
        assert_eq!(
            &crlf(b"\na\n.\r\nb\rc\r\r\n\n")[..],
            b"\r\na\r\n.\r\nb\r\nc\r\n\r\n\r\n"
        );
    }
}
