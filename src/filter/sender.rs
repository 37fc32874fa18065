//! Who a message says it is from, and what of that is proven: as filters remember it.

use super::Scan;
use super::auth::Authenticated;
use crate::auth::dkim::DkimResult;
use crate::auth::dmarc::DmarcResult;
use crate::dns::domain;

/// Signing domains that are looked at.
const SIGNERS: usize = 5;

/// The sender of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sender {
    /// The address in From, as [`address()`] gives it; `None` where there is not exactly one.
    pub(super) author: Option<String>,
    /// The registered domain of From, or, where there is none, of the envelope sender.
    pub(super) domain: Option<String>,
    /// Whether DKIM or SPF proves the registered domain of the author to be behind the message, and DMARC does not
    /// contradict.
    pub(super) proven: bool,
    /// Registered domains with a good signature, each once.
    pub(super) signers: Vec<String>,
}

impl Sender {
    /// The sender of a message of which this is known; `None` where nothing was checked.
    pub(super) fn of(scan: &Scan, authenticated: Option<&Authenticated>) -> Sender {
        let mut authors = scan.mail.mailboxes("From");
        let envelope = || scan.envelope.sender.as_ref().and_then(|s| s.domain());
        let mut sender = match (authors.len(), authors.pop()) {
            (1, Some(author)) => Sender {
                author: address(&author.address),
                domain: author.domain().and_then(registered),
                ..Sender::default()
            },
            _ => Sender {
                domain: envelope().and_then(registered),
                ..Sender::default()
            },
        };
        if let Some(found) = authenticated {
            sender.signers = signers(found);
            let contradicted = found
                .dmarc
                .as_ref()
                .is_some_and(|d| d.result == DmarcResult::Fail);
            sender.proven = sender.author.is_some()
                && !contradicted
                && sender.domain.as_ref().is_some_and(|of| {
                    let mut proven = found.domains().into_iter().filter_map(registered);
                    proven.any(|proven| proven == *of)
                });
        }
        sender
    }
}

fn signers(found: &Authenticated) -> Vec<String> {
    let mut signers = Vec::new();
    let good = found.dkim.iter().filter(|d| d.result == DkimResult::Pass);
    for signer in good.filter_map(|d| registered(&d.domain)) {
        if signers.len() < SIGNERS && !signers.contains(&signer) {
            signers.push(signer);
        }
    }
    signers
}

/// An address as it is remembered: lower case, its domain in A-labels. `None` for what has no domain.
pub(crate) fn address(written: &str) -> Option<String> {
    let (local, of) = written.rsplit_once('@')?;
    let of = domain::name(of)?;
    Some(format!("{}@{of}", local.to_lowercase()))
}

/// The domain that somebody has registered, of which `written` is, or is under; in A-labels.
pub(super) fn registered(written: &str) -> Option<String> {
    let name = domain::name(written)?;
    let registered = psl::domain_str(&name).map(str::to_owned);
    Some(registered.unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::dmarc::Dmarc;
    use crate::auth::results;
    use crate::mail::{Address, Envelope, Limits, Mail};

    fn scan(from: &str, envelope: &str) -> Scan {
        let raw = format!("{from}Subject: x\r\n\r\nx\r\n");
        Scan {
            envelope: Envelope {
                sender: Some(Address::new(envelope.as_bytes())),
                ..Envelope::default()
            },
            mail: Mail::parse(raw.into(), &Limits::default()),
            ..Scan::default()
        }
    }

    fn found(field: &str) -> Authenticated {
        assert!(!results::results(field.as_bytes()).is_empty());
        let client = "192.0.2.1".parse().unwrap();
        Authenticated::of_fields(client, [field.as_bytes()].into_iter())
    }

    #[test]
    fn an_author_is_proven_by_a_domain_under_the_same_registered_one() {
        let scan = scan(
            "From: Ann <Ann@News.Example.ORG>\r\n",
            "<bounce@esp.example>",
        );
        let sender = |field: &str| Sender::of(&scan, Some(&found(field)));
        let own = sender(
            "mx.example; dkim=pass header.d=mail.example.org; dkim=pass header.d=esp.example",
        );
        assert_eq!(own.author.as_deref(), Some("ann@news.example.org"));
        assert_eq!(own.domain.as_deref(), Some("example.org"));
        assert!(own.proven);
        assert_eq!(own.signers, ["example.org", "esp.example"]);
        let other = sender(
            "mx.example; dkim=pass header.d=esp.example; spf=pass smtp.mailfrom=esp.example",
        );
        assert!(!other.proven);
        assert_eq!(other.domain.as_deref(), Some("example.org"));
        assert!(!sender("mx.example; dkim=fail header.d=example.org").proven);
        assert!(!Sender::of(&scan, None).proven);
        // Strict alignment that fails is a failure.
        let mut strict = found("mx.example; dkim=pass header.d=example.org");
        strict.dmarc = Some(Dmarc::told("news.example.org", DmarcResult::Fail));
        assert!(!Sender::of(&scan, Some(&strict)).proven);
    }

    #[test]
    fn who_has_no_author_or_two_is_known_by_the_envelope_and_never_proven() {
        let proof = found("mx.example; spf=pass smtp.mailfrom=a.example.org");
        for from in ["", "From: a@example.org, b@example.org\r\n"] {
            let sender = Sender::of(&scan(from, "<x@a.example.org>"), Some(&proof));
            assert_eq!(sender.domain.as_deref(), Some("example.org"));
            assert!(!sender.proven && sender.author.is_none());
        }
        assert_eq!(Sender::of(&scan("", "<>"), None), Sender::default());
    }

    #[test]
    fn addresses_are_remembered_in_one_spelling() {
        assert_eq!(
            address("Ann@MÜLLER.example").as_deref(),
            Some("ann@xn--mller-kva.example")
        );
        assert_eq!(address("root"), None);
        assert_eq!(
            registered("a.b.example.co.uk").as_deref(),
            Some("example.co.uk")
        );
    }
}
