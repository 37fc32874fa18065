//! Header fields that the receiving side writes: how a message arrived, what other filters thought of it.
//!
//! A classifier that learns from them learns who collected a message, or another filter's opinion; and
//! whoever sends spam can forge them.

/// Fields that say how the message arrived, not what was sent. Lower case.
const RECEIVING_SIDE: &[&str] = &[
    "received",
    "return-path",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "envelope-from",
    "authentication-results",
    "received-spf",
    "delivery-date",
    "status",
    "x-status",
    "x-uid",
    "x-uidl",
    "x-keywords",
    "x-folder",
    "x-pop3-rcpt",
    "x-evolution",
    "x-sender-ip",
    "x-originalarrivaltime",
    "x-apparently-to",
    "x-loop",
    "x-forwarded-to",
    "x-forwarded-for",
    "x-bogosity",
    "x-eopattributedmessage",
    "x-eoptenantattributedmessage",
    "x-received",
    "x-greylist",
    "content-length",
    "lines",
    "old-received",
    "old-return-path",
    "dkim-filter",
    "x-sieve",
    "x-cloudmark-score",
];

/// Beginnings of such names: of other filters, of mail stores and of this filter. Lower case.
const RECEIVING_SIDE_PREFIXES: &[&str] = &[
    "x-spam",
    "x-virus",
    "x-mailweir",
    "arc-",
    "x-arc-",
    "x-envelope-",
    "x-original-",
    "x-ms-exchange-",
    "x-microsoft-antispam",
    "x-forefront-",
    "x-incoming",
    "x-sid-",
    "x-rspamd",
    "x-amavis",
    "x-barracuda",
    "x-proofpoint",
    "x-ironport",
    "x-mimedefang",
    "x-mailscanner",
    "x-dspam",
    "x-crm114",
    "x-assp",
    "x-pmx",
    "x-scanned",
    "x-mozilla-",
    "x-imap",
    "x-gm-",
    "x-google-smtp-source",
    "x-yahoofiltered",
    "x-ymail",
    "x-fetchmail",
];

/// Which header fields are not read. Stored with the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receiving {
    /// Names left out beside the built-in ones; a `*` at the end stands for any end. Lower case.
    ignored: Vec<String>,
    /// Names that are read though they are built in, in the same form.
    read: Vec<String>,
}

/// Names that a list may hold, and bytes of each.
pub(super) const NAMES: usize = 100;
pub(super) const NAME_BYTES: usize = 100;

impl Receiving {
    /// The built-in list, with `ignored` added and `read` taken out. Where both name a field it is not read.
    ///
    /// # Errors
    /// The first entry that cannot be the name of a header field, with an optional `*` at its end; or more than 100.
    pub fn new(ignored: &[String], read: &[String]) -> Result<Receiving, String> {
        let checked = |names: &[String]| -> Result<Vec<String>, String> {
            if names.len() > NAMES {
                return Err(format!(
                    "at most {NAMES} names of header fields can be given"
                ));
            }
            let mut names: Vec<String> = names
                .iter()
                .map(|name| {
                    let bare = name.strip_suffix('*').unwrap_or(name);
                    let fits = (1..=NAME_BYTES).contains(&name.len());
                    let printable = |b: u8| b.is_ascii_graphic() && b != b':' && b != b'*';
                    if fits && !bare.is_empty() && bare.bytes().all(printable) {
                        Ok(name.to_ascii_lowercase())
                    } else {
                        Err(format!("{name:?} is not the name of a header field; `X-Ours` and `X-Ours-*` are"))
                    }
                })
                .collect::<Result<_, _>>()?;
            names.sort_unstable();
            names.dedup();
            Ok(names)
        };
        Ok(Receiving {
            ignored: checked(ignored)?,
            read: checked(read)?,
        })
    }

    /// What was added to the built-in list, and what was taken out.
    pub fn changes(&self) -> (&[String], &[String]) {
        (&self.ignored, &self.read)
    }

    /// Whether `Received` is read in full, with the hosts of the receiving side.
    pub(crate) fn reads_received(&self) -> bool {
        let listed = |names: &[String]| names.iter().any(|n| n == "received");
        listed(&self.read) && !listed(&self.ignored)
    }

    /// Whether fields of this name, in lower case, are left out.
    pub(crate) fn ignores(&self, name: &str) -> bool {
        let listed = |names: &[String]| {
            names.iter().any(|n| match n.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => n == name,
            })
        };
        listed(&self.ignored) || (receiving_side(name) && !listed(&self.read))
    }
}

/// Whether the receiving side, and not the sender, writes fields of this name. `received` is among them: its hops
/// have a reader of their own, [`super::route`].
fn receiving_side(name: &str) -> bool {
    // The line that separates messages in mbox files, with and without quoting.
    name.starts_with("from ")
        || name.starts_with(">from ")
        || RECEIVING_SIDE.contains(&name)
        || RECEIVING_SIDE_PREFIXES.iter().any(|p| name.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_sender_are_not_among_them() {
        let receiving = Receiving::default();
        for name in [
            "from",
            "x-mailer",
            "list-id",
            "x-priority",
            "dkim-signature",
            "mime-version",
        ] {
            assert!(!receiving.ignores(name), "{name}");
        }
        for name in [
            "received",
            "x-spam-status",
            "x-mailweir-score",
            "arc-seal",
            ">from mary mon",
            "from joe sat",
        ] {
            assert!(receiving.ignores(name), "{name}");
        }
    }

    #[test]
    fn the_list_can_be_made_longer_and_shorter() {
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let receiving = Receiving::new(
            &list(&["X-Ours-*", "List-Id"]),
            &list(&["X-Virus-*", "x-ours-a"]),
        )
        .unwrap();
        for (name, ignored) in [
            ("x-ours-a", true),
            ("list-id", true),
            ("list-id-more", false),
            ("x-virus-scanned", false),
            ("x-spam-flag", true),
        ] {
            assert_eq!(receiving.ignores(name), ignored, "{name}");
        }
        for name in ["", "*", "X:Y", "a b", "X-*-Y"] {
            assert!(Receiving::new(&list(&[name]), &[]).is_err(), "{name:?}");
        }
        assert!(Receiving::new(&vec!["x".to_owned(); NAMES + 1], &[]).is_err());
    }
}
