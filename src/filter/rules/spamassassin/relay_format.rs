//! What MTAs write into Received fields: a table of forms, tried in order.
//!
//! A form is a regular expression over the field behind its `from `, white space folded, date gone. `{helo}`,
//! `{rdns}`, `{by}` stand for words, `{ip}` for an address, `{both}` for a word that is HELO name and name by
//! DNS in one, `{ident}` for an ident answer. The order decides where several forms fit, and follows
//! SpamAssassin's. Forms without an address are hand-overs within a machine: they are no hop at all.

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex, RegexBuilder};

/// An IPv4 or IPv6 address, with the prefix that SMTP gives the latter.
const IP: &str =
    r"(?:\d{1,3}(?:\.\d{1,3}){3}|(?:(?i:IPv6):)?[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*)";

/// `(a text that the field holds, the form)`
const FORMS: &[(&str, &str)] = &[
    // Web mail that writes the client in its own way.
    (
        " authenticated user ",
        r" \((?:SquirrelMail|NaSMail) authenticated user .*?{ip}\b.{10,80}by {by} with HTTP",
    ),
    (
        "(WebMailUI)",
        r"{ip} by {by} \({IP}\) with HTTP \(WebMailUI\)",
    ),
    // Microsoft.
    (
        " SMTPSVC",
        r"^(?P<helo>\S*) \(\[{ip}\][^)]{0,40}\) by {by} with Microsoft SMTPSVC",
    ),
    (
        " with Microsoft SMTP Server",
        r"^{helo} \(\[?{ip}(?:%[A-Z0-9._~-]*)?\]?\) by {by} .*with Microsoft SMTP Server (?:\([^)]+\) )?(?P<version>\d+\.\d+\.\d+\.\d+)(?:$| )",
    ),
    (
        " with mapi id",
        r"^{helo} \(\[?{ip}(?:%[A-Z0-9._~-]*)?\]?\) by {by} .*with mapi id (?:\([^)]+\) )?(?P<version>\d+\.\d+\.\d+\.\d+)(?:$| )",
    ),
    // XMail, Ecelerity.
    (
        "[XMail ",
        r"^{helo} \(\[?{ip}\]?(?::\d+)\) by {by}(?: \(\S+\))? with \[XMail",
    ),
    ("(ecelerity", r"^\(\[{ip}:\d+\] helo={helo}\) by {by} "),
    ("(ecelerity", r"^\S+ \(\[{ip}:\d+\]\) by {by} "),
    // Exim.
    ("Exim", r"^\[{ip}\] \((?P<notes>.*?)\) by {by} "),
    ("Exim", r"^{both} \(\[{ip}\](?P<notes>.*?)\) by {by} "),
    ("Exim", r"^{both} \[{ip}\](?::\d+)? by {by} "),
    // Postfix, Scalix, Domino.
    (" (Postfix) with", r"^{helo} \({rdns} ?\[{ip}\]\) by {by} "),
    ("(Scalix SMTP Relay", r"^{helo} \( ?{ip}\) by {by}"),
    (" (Lotus Domino ", r"^{helo} \(\[{ip}\]\) by {by} \(Lotus"),
    // By shape.
    ("with HTTP", r"^{ip} \(\[{IP}\]\) by {by}"),
    (
        "",
        r"^{helo} \((?:(?:IDENT:)?(?P<ident>[^\s@]*)@)?{rdns} \[{ip}\].*\) by {by} \(",
    ),
    ("", r"^{helo} \({rdns} \[{ip}\]\) by {by} with \S+ \("),
    ("helo=", r"^{rdns} \(\[{ip}\] helo={helo}\) by {by} with "),
    ("(<unknown", r"^{helo} \(<unknown\S*>\[{ip}\]\) by {by} "),
    ("", r"^{helo} \((?P<rdns>\S+\.\S+)\[{ip}\]\) by {by} "),
    ("@[", r"^{helo} \((?P<ident>\S*)@\[{ip}\].*\) by {by} \("),
    (
        ".hotmail.msn.com ",
        r"^(?:{ip} )?.*by (?P<by>\S+\.hotmail\.msn\.com) ",
    ),
    (
        "LHLO",
        r"^{rdns} \(LHLO (?P<helo>\S*)\) \({ip}\) by {by} with LMTP",
    ),
    (
        "(qpsmtpd/",
        r"^{rdns} \((?:HELO|EHLO) (?P<helo>\S*)\) \({ip}\) by {by} \(qpsmtpd/\S+\) with E?SMTP",
    ),
    (
        "LO ",
        r"^{rdns} \((?:HELO|EHLO) (?P<helo>\S*)\) \[{ip}\] by {by} \([^)]+\) with E?SMTP",
    ),
    (
        "via smtpd (for ",
        r"^{helo} \(\[{ip}\]\) by {by} via smtpd \(for \S+\) with SMTP\(",
    ),
    // qmail and those that write as it does.
    (
        "LO ",
        r"^{rdns} \((?:HELO|EHLO) (?P<helo>[^ ()]*)\) \((?P<ident>\S*)@\[?{ip}\]?\)(?: \(envelope-sender <\S+>\))? by {by}(?: \(.+\))* with (?:.* )?(?:SMTP|QMQP)(?:$|[^ ]| [^i]| i[^d])",
    ),
    (
        "LO ",
        r"^{rdns} \((?:HELO|EHLO) (?P<helo>[^ ()]*)\) \(\[?{ip}\]?\)(?: \(envelope-sender <\S+>\))? by {by}(?: \(.+\))* with (?:.* )?(?:SMTP|QMQP)(?:$|[^ ]| [^i]| i[^d])",
    ),
    (
        "",
        r"^{both} \((?P<ident>\S*)@\[?{ip}\]?\)(?: \(envelope-sender <\S+>\))? by {by}(?: \(.+\))* with (?:.* )?(?:SMTP|QMQP)(?:$|[^ ]| [^i]| i[^d])",
    ),
    (
        "",
        r"^{both} \(\[?{ip}\]?\)(?: \(envelope-sender <\S+>\))? by {by}(?: \(.+\))* with (?:.* )?(?:SMTP|QMQP)(?:$|[^ ]| [^i]| i[^d])",
    ),
    (" via HTTP", r"^\[{ip}\] by {by} via HTTP$"),
    ("( [", r"^\S+ \( \[{ip}\]\).*? by {by} "),
    ("", r"^\({helo} \[{ip}\]\) by {by} "),
    ("", r"^\[{ip}\] by {by} "),
    ("", r"^\(\[?{ip}\]?\) by {by} "),
    ("", r"^{helo} \[{ip}\] by {by} \[{IP}\] with "),
    ("[(", r"^{helo} \[\({ip}\)\] by {by} \({IP}\) "),
    ("", r"^{helo} \(\[{ip}\]\) by {by} \("),
    (
        "softdnserr",
        r"^{helo} \(softdnserr \[{ip}\]\).*? by {by}\b",
    ),
    ("", r"^{helo} \({rdns} \[{ip}\]\).*? by {by}\b"),
    ("", r"^{helo} \(\[{ip}(?:[.:]\d+)?\]\).*? by {by} "),
    // Mail fetchers stand here: see `relay`.
    ("with POP3", r"with (?P<fetched>POP3)"),
    ("with IMAP", r"with (?P<fetched>IMAP)"),
    (
        "LO ",
        r"^{rdns} \((?:HELO|EHLO) (?P<helo>[^)]*)\) \((?:(?P<ident>\S*)@)?\[?{ip}\]?\).* by {by} ",
    ),
    ("", r"^{both} \((?:(?P<ident>\S*)@)?\[?{ip}\]?\).* by {by} "),
    (" with http for ", r"^\[{ip}\] by {by} with http for "),
    (" via smap ", r"^{rdns}\({ip}\) by {by} via smap "),
    (
        " via smap ",
        r"^{rdns}\({ip}, (?:HELO|EHLO) (?P<helo>\S*)\) by {by} via smap ",
    ),
    (" (SMTPL", r"^{ip} by {by} \(SMTPL\b"),
    ("(InterScan", r"^{ip} by {by} \(InterScan\b"),
    (
        "LO ",
        r"^{rdns} \((?:HELO|EHLO) (?P<helo>\S*)\) \((?:(?P<ident>\S+)@)?{ip}.*?\) by {by} with ",
    ),
    (
        "LO ",
        r"^\[{ip}\] \((?:account \S+ )?(?:HELO|EHLO) (?P<helo>\S*)\) by {by} \(",
    ),
    (
        " (CommuniGate Pro",
        r"^{both} \(\[{ip}\] verified\) by {by} \(",
    ),
    ("", r"^(?P<helo>[^\d]\S+) \({ip}\) by {by} "),
    ("", r"^{helo} \(\[{ip}\] \[\S+\]\) by {by} with "),
    ("", r"^{ip} by {by} with "),
    ("", r"^{helo} \({rdns}\[{ip}\]\) by {by} "),
    (
        "LO ",
        r"^\[{ip}\]\S+ \((?:HELO|EHLO) (?P<helo>\S*)\) by {by} ",
    ),
    ("LO ", r"^{ip} \((?:HELO|EHLO) (?P<helo>\S*)\) by {by} "),
    ("", r"^{helo} \[{ip}\] by {by} "),
    ("", r"^{rdns}\({ip}\) by {by} "),
    ("(unverified ", r"^{helo} \(unverified \[{ip}\]\) by {by} "),
    ("", r"^{ip} \([A-Za-z][^)]+\) by {by} with "),
    ("", r"^\[{ip}\] \((?P<notes>[^)]+)\) by {by} "),
    ("", r"^{rdns} \((?:\S+@)?{ip}\) by {by} with "),
    (
        " via ",
        r#"^{rdns}\({ip}\)(?:, claiming to be "{helo}")? via \S+ by {by},"#,
    ),
    (
        " with login)",
        r"^{helo} \(\S+@{ip} with login\) by (?P<by>\S+\.yahoo\.com) with SMTP",
    ),
];

/// Hand-overs within a machine, and what tells no hop: `(a text that the field holds, the form)`.
const LOCAL: &[(&str, &str)] = &[
    (
        "mail pickup service",
        r"^mail pickup service by \S+ with Microsoft SMTPSVC$",
    ),
    (
        "with local",
        r"Exim.*\bwith local(?:-\S+)? |\bwith local(?:-\S+)? .*Exim",
    ),
    (" with BSMTP", r"^\S+ by \S+ with BSMTP"),
    ("@", r"^\S+ \([^\s@]+@{LOCAL}\) by \S+ \("),
    ("with local-", r"^\S+ \S+ by \S+ with local-e?smtp "),
    ("@", r"^\S+@\S+ by \S+ "),
    ("Unknown/Local (", r"^Unknown/Local \("),
    ("", r"^{LOCAL} \((?:\S+@)?{LOCAL}[)\[]"),
    ("", r"^\S+ \((?:\S+@)?{LOCAL}\) "),
    ("", r"^\S+ \(\S+@\S+ \[{LOCAL}\]\) "),
    ("(AUTH: ", r"^\(AUTH: \S+\) by \S+ with "),
    (
        "[UNIX: ",
        r"^localhost \(localhost \[\[UNIX: localhost\]\]\) by ",
    ),
    ("GroupWise", r"^[^.]+ by \S+ with Novell_GroupWise"),
    (
        "no.name.available",
        r"^no\.name\.available by \S+ via smtpd \(for ",
    ),
    (
        "(Content Technologies ",
        r"^\S+ \(\S+\) by \S+ \(Content Technologies ",
    ),
    (
        "[unix socket]",
        r"^\S+ \(\[unix socket\]\) by \S+ \(Cyrus v[0-9]*\.[0-9]*\.[0-9]*\) with LMTPA",
    ),
    (" by ", r"^\S+ by \S+ (?:with|via|for|\()"),
    (" by", r"^\S+ (?:(?:with|via|for) \S+|\(unverified\)) by\b"),
    ("(SG) with", r"^\S+ \(unknown\) by \S+ \(SG\) with \b"),
    (
        "(OpenSMTPD)",
        r"^\S+ \(\S+ \[local\]\) by \S+ \(OpenSMTPD\) with \b",
    ),
    ("(LSMTP for", r"\(LSMTP for"),
    ("MailEnable", r"^\(\[{LOCAL}\]\) with MailEnable "),
    (
        "with Thrift",
        r"^facebook\.com \([^)]+\) by facebook\.com with Thrift id \S+$",
    ),
    (
        "HTTPREST",
        r"^\S+ named \S+ by gmailapi\.google\.com with HTTPREST$",
    ),
    (" id ", r"^\S+ id \S+$"),
    ("(Jetsend", r"^\[<.*? \(Jetsend"),
];

/// The local machine by name or address.
const LOCALHOST: &str = r"(?:localhost(?:\.localdomain)?|127\.0\.0\.1|(?:(?i:IPv6):)?::1)";

struct Form {
    holds: &'static str,
    /// What stands at the beginning, or behind the first word.
    begins: Option<(Begins, Vec<u8>)>,
    regex: Regex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    Text,
    SecondWord,
}

impl Form {
    fn of((holds, form): &(&'static str, &str)) -> Option<Form> {
        let regex = RegexBuilder::new(&written(form))
            .unicode(false)
            .build()
            .ok()?;
        Some(Form {
            holds,
            begins: beginning(form),
            regex,
        })
    }

    /// Whether it is worth trying on a text, of which this stands behind the first word.
    fn may_fit(&self, text: &[u8], second: &[u8]) -> bool {
        let begins = match &self.begins {
            Some((Begins::Text, literal)) => text.starts_with(literal),
            Some((Begins::SecondWord, literal)) => second.starts_with(literal),
            None => true,
        };
        begins && memchr::memmem::find(text, self.holds.as_bytes()).is_some()
    }
}

/// What a form says of the beginning of a text, as far as it is plain.
fn beginning(form: &str) -> Option<(Begins, Vec<u8>)> {
    let anchored = form.strip_prefix('^').filter(|form| !form.contains('|'))?;
    let words = ["{helo} ", "{rdns} ", "{both} ", "{ip} ", r"\S+ "];
    let behind = words.iter().find_map(|word| anchored.strip_prefix(word));
    let (begins, mut rest) = match behind {
        Some(behind) => (Begins::SecondWord, behind),
        None => (Begins::Text, anchored),
    };
    let mut literal = Vec::new();
    loop {
        let (byte, behind) = match *rest.as_bytes() {
            [b'\\', sign, ..] if sign.is_ascii_punctuation() => (sign, rest.get(2..)?),
            [sign, ..] if sign.is_ascii_alphanumeric() || sign == b' ' => (sign, rest.get(1..)?),
            _ => break,
        };
        // It may be repeated, or be missing.
        if behind.starts_with(['?', '*', '+']) {
            break;
        }
        literal.push(byte);
        rest = behind;
    }
    (!literal.is_empty()).then_some((begins, literal))
}

/// The regular expression of a form.
fn written(form: &str) -> String {
    let pattern = form
        .replace("{ip}", &format!("(?P<ip>{IP})"))
        .replace("{IP}", IP)
        .replace("{LOCAL}", LOCALHOST);
    let word = |name: &str| format!(r"(?P<{name}>\S+)");
    ["helo", "rdns", "by", "both"]
        .iter()
        .fold(pattern, |p, name| {
            p.replace(&format!("{{{name}}}"), &word(name))
        })
}

static COMPILED: LazyLock<(Vec<Form>, Vec<Form>)> = LazyLock::new(|| {
    let forms = |table: &[(&'static str, &str)]| table.iter().filter_map(Form::of).collect();
    (forms(FORMS), forms(LOCAL))
});

/// The forms that are worth trying, in their order.
fn possible<'f>(forms: &'f [Form], text: &'f [u8]) -> impl Iterator<Item = &'f Form> {
    let second = memchr::memchr(b' ', text).and_then(|at| text.get(at + 1..));
    let second = second.unwrap_or_default();
    forms.iter().filter(move |form| form.may_fit(text, second))
}

/// The first form that fits, with its pieces.
pub(super) fn fitting(text: &[u8]) -> Option<Captures<'_>> {
    let (forms, _) = &*COMPILED;
    possible(forms, text).find_map(|f| f.regex.captures(text))
}

/// Whether it tells of a hand-over within a machine.
pub(super) fn is_local(text: &[u8]) -> bool {
    let (_, local) = &*COMPILED;
    possible(local, text).any(|f| f.regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_compiles() {
        let (forms, local) = &*COMPILED;
        assert_eq!((forms.len(), local.len()), (FORMS.len(), LOCAL.len()));
    }

    /// Break it by taking what may be missing for what stands there.
    #[test]
    fn forms_are_tried_where_their_beginning_stands() {
        for (form, expected) in [
            (
                r"^{helo} \(\[{ip}(?:[.:]\d+)?\]\).*? by",
                Some((Begins::SecondWord, &b"(["[..])),
            ),
            (
                r"^{helo} \({rdns} \[{ip}\]",
                Some((Begins::SecondWord, b"(")),
            ),
            (r"^\[{ip}\] by", Some((Begins::Text, b"["))),
            (r"^{helo} \[?{ip}", None),
            (r"^{rdns} (?:a|b)", None),
            ("by {by}", None),
        ] {
            let found = beginning(form);
            let found = found
                .as_ref()
                .map(|(begins, literal)| (*begins, literal.as_slice()));
            assert_eq!(found, expected, "{form}");
        }
    }
}
