//! DMARC policy records (RFC 9989, section 4.7; `pct` of RFC 7489, section 6.3, which many still publish).

use crate::auth::tags::Tags;

/// What a domain asks for when a message fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// Nothing.
    #[default]
    None,
    /// Treat it as suspicious.
    Quarantine,
    /// Refuse it.
    Reject,
}

impl Policy {
    /// The word used in records, headers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::Quarantine => "quarantine",
            Policy::Reject => "reject",
        }
    }

    fn read(word: &str) -> Option<Policy> {
        [Policy::None, Policy::Quarantine, Policy::Reject]
            .into_iter()
            .find(|policy| policy.name() == word)
    }

    /// One step milder.
    pub(super) fn milder(self) -> Policy {
        match self {
            Policy::Reject => Policy::Quarantine,
            Policy::Quarantine | Policy::None => Policy::None,
        }
    }
}

/// Whether a domain is a public suffix (RFC 9989, section 4.7, `psd`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suffix {
    Yes,
    No,
    Unsaid,
}

/// A record that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) policy: Policy,
    pub(super) subdomains: Policy,
    pub(super) missing: Policy,
    pub(super) strict_dkim: bool,
    pub(super) strict_spf: bool,
    pub(super) suffix: Suffix,
    pub(super) testing: bool,
    /// Share of failing messages to which the policy applies, 0 to 100.
    pub(super) percent: u8,
}

impl Record {
    /// Reads a TXT record; `None` for one that is no policy. Tags that cannot be read have their default.
    pub(super) fn read(text: &[u8]) -> Option<Record> {
        let tags = Tags::lenient(text);
        // The version stands first, in this case of letters.
        if tags.first() != Some((b"v", b"DMARC1")) {
            return None;
        }
        let policy = |tag| tags.word(tag).and_then(|word| Policy::read(&word));
        let own = match policy("p") {
            Some(policy) => policy,
            // Without a policy it is one only for the sake of reports.
            None => {
                tags.get("rua").filter(|rua| !rua.is_empty())?;
                Policy::None
            }
        };
        let subdomains = policy("sp").unwrap_or(own);
        let yes = |tag, word: &str| tags.word(tag).as_deref() == Some(word);
        let percent = tags.number("pct").ok().flatten();
        Some(Record {
            policy: own,
            subdomains,
            missing: policy("np").unwrap_or(subdomains),
            strict_dkim: yes("adkim", "s"),
            strict_spf: yes("aspf", "s"),
            suffix: match tags.word("psd").as_deref() {
                Some("y") => Suffix::Yes,
                Some("n") => Suffix::No,
                _ => Suffix::Unsaid,
            },
            testing: yes("t", "y"),
            percent: percent
                .filter(|p| *p <= 100)
                .map_or(100, |p| u8::try_from(p).unwrap_or(100)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_are_absent_or_broken_have_their_defaults() {
        let record =
            Record::read(b"v=DMARC1; p=Reject; pct=120; adkim=x; junk; psd=maybe").unwrap();
        assert_eq!(
            record,
            Record {
                policy: Policy::Reject,
                subdomains: Policy::Reject,
                missing: Policy::Reject,
                strict_dkim: false,
                strict_spf: false,
                suffix: Suffix::Unsaid,
                testing: false,
                percent: 100,
            }
        );
        let full = b"v=DMARC1;p=reject;sp=quarantine;np=none;adkim=s;aspf=s;pct=20;t=y;psd=n";
        let record = Record::read(full).unwrap();
        assert_eq!(record.subdomains, Policy::Quarantine);
        assert_eq!(record.missing, Policy::None);
        assert!(record.strict_dkim && record.strict_spf && record.testing);
        assert_eq!((record.percent, record.suffix), (20, Suffix::No));
    }

    #[test]
    fn what_is_no_policy_is_none() {
        for text in [
            "",
            "v=DMARC1",
            "p=reject; v=DMARC1",
            "v=dmarc1; p=none",
            "v=DMARC2; p=none",
        ] {
            assert_eq!(Record::read(text.as_bytes()), None, "{text}");
        }
        let report = Record::read(b"v=DMARC1; rua=mailto:a@b.example").unwrap();
        assert_eq!(report.policy, Policy::None);
    }
}
