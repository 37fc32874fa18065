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

/// Whether the receiving side, and not the sender, writes fields of this name.
pub(crate) fn receiving_side(name: &str) -> bool {
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
        for name in [
            "from",
            "x-mailer",
            "list-id",
            "x-priority",
            "dkim-signature",
            "mime-version",
        ] {
            assert!(!receiving_side(name), "{name}");
        }
        for name in [
            "received",
            "x-spam-status",
            "x-mailweir-score",
            "arc-seal",
            ">from mary mon",
            "from joe sat",
        ] {
            assert!(receiving_side(name), "{name}");
        }
    }
}
