//! The envelope, as header fields of a request tell it: the same names over HTTP and in the line protocol.

use crate::mail::{Address, Envelope};

/// Recipients of one message.
pub(super) const RECIPIENTS: usize = 2_000;

/// An envelope in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    envelope: Envelope,
    deliver_to: Option<Address>,
}

impl Told {
    /// One field of the request. Names that say nothing of the envelope are passed over.
    ///
    /// # Errors
    /// More recipients than one message may have here.
    pub(super) fn field(&mut self, name: &str, value: &[u8]) -> Result<(), &'static str> {
        let envelope = &mut self.envelope;
        let value = value.trim_ascii();
        let text = || Some(String::from_utf8_lossy(value).into_owned()).filter(|t| !t.is_empty());
        match name.to_ascii_lowercase().as_str() {
            "from" => envelope.sender = Some(Address::new(value)),
            "rcpt" if envelope.recipients.len() >= RECIPIENTS => {
                return Err("the message has too many recipients");
            }
            "rcpt" if !value.is_empty() => envelope.recipients.push(Address::new(value)),
            "deliver-to" if value.contains(&b'@') => self.deliver_to = Some(Address::new(value)),
            "ip" => {
                let address = text().and_then(|t| t.trim_matches(['[', ']']).parse().ok());
                envelope.client.addr = address;
            }
            // What a mail server says that could not find a name.
            "hostname" => {
                envelope.client.name = text().filter(|n| n != "unknown" && n != "<unknown>")
            }
            "helo" => envelope.helo = text(),
            "user" => envelope.authenticated = text(),
            "queue-id" => envelope.queue_id = text(),
            "mta-name" => envelope.mta = text(),
            "tls-version" => envelope.tls = text(),
            _ => {}
        }
        Ok(())
    }

    /// The envelope. Without a recipient the message is for whom it is delivered to, if that is said.
    pub(super) fn envelope(self) -> Envelope {
        let mut envelope = self.envelope;
        if envelope.recipients.is_empty() {
            envelope.recipients.extend(self.deliver_to);
        }
        envelope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_the_envelope() {
        let mut told = Told::default();
        for (name, value) in [
            ("From", "<a@b.example>"),
            ("Rcpt", "c@d.example"),
            ("RCPT", "<e@f.example>"),
            ("Deliver-To", "g@h.example"),
            ("Ip", "192.0.2.1"),
            ("Hostname", "unknown"),
            ("Helo", "mail.b.example"),
            ("User", ""),
            ("Queue-Id", "1abc"),
            ("Settings", "{}"),
            ("Pass", "all"),
        ] {
            told.field(name, value.as_bytes()).unwrap();
        }
        let envelope = told.clone().envelope();
        assert_eq!(
            envelope.sender.as_ref().map(Address::text),
            Some("a@b.example")
        );
        let recipients: Vec<_> = envelope.recipients.iter().map(Address::text).collect();
        assert_eq!(recipients, ["c@d.example", "e@f.example"]);
        assert_eq!(envelope.client.addr, Some([192, 0, 2, 1].into()));
        assert_eq!(envelope.client.name, None);
        assert_eq!(envelope.helo.as_deref(), Some("mail.b.example"));
        assert_eq!(
            envelope.authenticated, None,
            "nobody is logged in as nobody"
        );
        for _ in envelope.recipients.len()..RECIPIENTS {
            told.field("rcpt", b"x@y.example").unwrap();
        }
        assert!(told.field("rcpt", b"x@y.example").is_err());
        let mut local = Told::default();
        local.field("deliver-to", b"g@h.example").unwrap();
        assert_eq!(local.envelope().recipients.len(), 1);
    }
}
