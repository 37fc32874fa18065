//! The value of `Authentication-Results` (RFC 8601, section 2.2), written from the results.
//!
//! Everything that comes from outside becomes a token or a quoted string of printable ASCII, so that nothing can
//! end a value, a result or the field. Folding is the router's.

use super::summary::{Authenticated, Disposition};
use crate::auth::dmarc::DmarcResult;
use crate::auth::spf::Identity;
use crate::mail::Envelope;

/// Longest value from outside, characters.
const VALUE: usize = 128;

/// The value of the field.
pub(super) fn value(id: &str, envelope: &Envelope, summary: &Authenticated) -> String {
    let mut parts = vec![id.to_owned()];
    if let Some(spf) = &summary.spf {
        let about = match spf.identity {
            Identity::MailFrom => {
                let sender = envelope.sender.as_ref().map_or("", |s| s.text());
                format!("smtp.mailfrom={}", pvalue(sender))
            }
            Identity::Helo => {
                let helo = envelope.helo.as_deref().unwrap_or_default();
                format!("smtp.helo={}", pvalue(helo))
            }
        };
        parts.push(format!("spf={} {about}", spf.result.name()));
    }
    if summary.dkim.is_empty() {
        parts.push("dkim=none".to_owned());
    }
    for dkim in &summary.dkim {
        let mut part = format!("dkim={}", dkim.result.name());
        if !dkim.reason.is_empty() {
            part.push_str(&format!(" reason={}", quoted(&dkim.reason)));
        }
        for (property, text) in [
            ("header.d", dkim.domain.as_str()),
            ("header.s", dkim.selector.as_str()),
            ("header.a", dkim.algorithm),
            ("header.b", dkim.mark.as_str()),
        ] {
            if !text.is_empty() {
                part.push_str(&format!(" {property}={}", pvalue(text)));
            }
        }
        parts.push(part);
    }
    if let Some(dmarc) = &summary.dmarc {
        let mut part = format!("dmarc={}", dmarc.result.name());
        let excuse = match &summary.disposition {
            Some(Disposition::Sealed(sealer)) => format!("passed when {sealer} sealed it"),
            Some(Disposition::MailingList(list)) => format!("sent by the list {list}"),
            Some(Disposition::Spared(_)) => "spared by pct".to_owned(),
            _ => String::new(),
        };
        if !excuse.is_empty() {
            part.push_str(&format!(" reason={}", quoted(&excuse)));
        }
        part.push_str(&format!(" header.from={}", pvalue(&dmarc.domain)));
        if dmarc.result == DmarcResult::Fail {
            part.push_str(&format!(" policy.dmarc={}", dmarc.policy.name()));
        }
        parts.push(part);
    }
    if let Some(arc) = &summary.arc {
        let mut part = format!("arc={}", arc.result.name());
        if !arc.reason.is_empty() {
            part.push_str(&format!(" reason={}", quoted(&arc.reason)));
        }
        if let Some(newest) = arc.sealers.last() {
            // A name has nothing in it that could end the comment.
            part.push_str(&format!(" (i={} sealed by {newest})", arc.sealers.len()));
        }
        parts.push(part);
    }
    if let (Some(iprev), Some(client)) = (&summary.iprev, summary.client) {
        let address = pvalue(&client.to_string());
        parts.push(format!(
            "iprev={} policy.iprev={address}",
            iprev.result.name()
        ));
    }
    if parts.len() == 1 {
        parts.push("none".to_owned());
    }
    parts.join("; ")
}

/// A property's value: a token or an address as it is, anything else quoted.
fn pvalue(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._+!#$%&'*^`{|}~@/".contains(&b);
    match !text.is_empty() && text.len() <= VALUE && text.bytes().all(plain) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A quoted string of printable ASCII.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars().take(VALUE) {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::results;
    use crate::auth::spf::{Spf, SpfResult};
    use crate::mail::Address;

    fn with_sender(sender: &str) -> String {
        let envelope = Envelope {
            sender: Some(Address::new(sender.as_bytes())),
            ..Envelope::default()
        };
        let summary = Authenticated {
            spf: Some(Spf {
                result: SpfResult::Fail,
                identity: Identity::MailFrom,
                domain: "x".into(),
                reason: String::new(),
                failure: None,
            }),
            ..Authenticated::default()
        };
        value("mx.example.org", &envelope, &summary)
    }

    #[test]
    fn values_from_outside_are_tokens_or_quoted() {
        assert_eq!(
            with_sender("a@b.example"),
            "mx.example.org; spf=fail smtp.mailfrom=a@b.example; dkim=none"
        );
        assert_eq!(
            with_sender("x; dkim=pass\"\r\n"),
            r#"mx.example.org; spf=fail smtp.mailfrom="x; dkim=pass\"??"; dkim=none"#
        );
    }

    proptest! {
        #[test]
        fn no_sender_can_write_a_result(sender in ".{0,200}") {
            let written = with_sender(&sender);
            let read = results::results(written.as_bytes());
            prop_assert!(written.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert_eq!(read.len(), 2, "{}", written);
            prop_assert_eq!(&read[0].result, "fail");
            prop_assert_eq!((&*read[1].method, &*read[1].result), ("dkim", "none"));
        }
    }
}
