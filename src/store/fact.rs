//! What is remembered: facts, their kinds, and the keys under which they are found.

/// What facts are about. Each kind has a bound of its own, so that what strangers can make many of does not push out
/// what is worth more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A delivery that was put off: where from, sender, recipient.
    GreylistWaiting,
    /// A delivery that was put off and came back in time.
    GreylistPassed,
    /// Where deliveries that were put off came back from.
    GreylistOrigin,
    /// A leaky bucket of a limit on rates.
    Rate,
    /// Reputation of a client network.
    Network,
    /// Reputation of a sender's domain that was proven to be behind its messages.
    Domain,
    /// Reputation of a sender's domain in messages that may be anybody's.
    UnprovenDomain,
    /// Reputation of a domain that signs (DKIM).
    SigningDomain,
    /// An address that one of our users has written to.
    Correspondent,
    /// An address that one of our users has had mail from.
    Contact,
    /// The Message-ID of a message that one of our users has sent.
    SentMessage,
}

impl Kind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Kind; 11] = [
        Kind::GreylistWaiting,
        Kind::GreylistPassed,
        Kind::GreylistOrigin,
        Kind::Rate,
        Kind::Network,
        Kind::Domain,
        Kind::UnprovenDomain,
        Kind::SigningDomain,
        Kind::Correspondent,
        Kind::Contact,
        Kind::SentMessage,
    ];

    /// The word used in the file, in metrics and in the output of commands.
    pub fn name(self) -> &'static str {
        match self {
            Kind::GreylistWaiting => "greylist_waiting",
            Kind::GreylistPassed => "greylist_passed",
            Kind::GreylistOrigin => "greylist_origin",
            Kind::Rate => "rate",
            Kind::Network => "network",
            Kind::Domain => "domain",
            Kind::UnprovenDomain => "unproven_domain",
            Kind::SigningDomain => "signing_domain",
            Kind::Correspondent => "correspondent",
            Kind::Contact => "contact",
            Kind::SentMessage => "sent_message",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One fact. Times are milliseconds since 1970 by the wall clock, because they outlast the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fact {
    /// When it was seen first.
    pub since: i64,
    /// When it changed last.
    pub at: i64,
    /// From then on it is as if it had never been.
    pub expires: i64,
    /// How often something was seen; what, the kind says.
    pub count: f64,
    /// A sum over what was seen; of what, the kind says.
    pub total: f64,
}

/// Longest text of a key that is kept, bytes.
const SUBJECT_BYTES: usize = 512;

/// What a fact is found under. The memory holds a digest of it, and the file its text too, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    digest: u128,
    subject: String,
}

impl Key {
    /// The key of these words: addresses, domains, networks. Control characters in them are replaced.
    pub fn new(words: &[&str]) -> Key {
        let mut subject = String::with_capacity(words.iter().map(|w| w.len() + 1).sum());
        for (number, word) in words.iter().enumerate() {
            if number > 0 {
                subject.push(Key::SEPARATOR);
            }
            if word.contains(char::is_control) {
                let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
                subject.extend(word.chars().map(clean));
            } else {
                subject.push_str(word);
            }
        }
        let digest = blake3::hash(subject.as_bytes());
        let (first, _) = digest
            .as_bytes()
            .split_first_chunk()
            .unwrap_or((&[0; 16], &[]));
        let digest = u128::from_be_bytes(*first);
        subject.truncate(subject.floor_char_boundary(SUBJECT_BYTES));
        Key { digest, subject }
    }

    /// Between the words of a subject.
    pub const SEPARATOR: char = '\t';

    /// The first 16 bytes of the BLAKE3 digest of the words.
    pub(super) fn digest(&self) -> u128 {
        self.digest
    }

    /// The words, separated by [`Key::SEPARATOR`], at most 512 bytes.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_every_byte_and_hold_no_control_characters() {
        let one = Key::new(&["192.0.2.0/24", "a@b.example"]);
        assert_eq!(one.subject(), "192.0.2.0/24\ta@b.example");
        assert_ne!(one, Key::new(&["192.0.2.0/24", "a@b.exampl", "e"]));
        assert_eq!(Key::new(&["a\tb\0"]).subject(), "a\u{fffd}b\u{fffd}");
        let long = "ä".repeat(1000);
        let (one, two) = (Key::new(&[&long]), Key::new(&[&long, "x"]));
        assert!(one.subject().len() <= SUBJECT_BYTES);
        assert_ne!(one.digest(), two.digest());
    }

    #[test]
    fn kinds_are_found_by_their_names() {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("other"), None);
    }
}
