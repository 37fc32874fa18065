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
    regex: Regex,
}

fn compiled(pattern: &str) -> Option<Regex> {
    let pattern = pattern
        .replace("{ip}", &format!("(?P<ip>{IP})"))
        .replace("{IP}", IP)
        .replace("{LOCAL}", LOCALHOST);
    let word = |name: &str| format!(r"(?P<{name}>\S+)");
    let pattern = ["helo", "rdns", "by", "both"]
        .iter()
        .fold(pattern, |p, name| {
            p.replace(&format!("{{{name}}}"), &word(name))
        });
    RegexBuilder::new(&pattern).unicode(false).build().ok()
}

static COMPILED: LazyLock<(Vec<Form>, Vec<Form>)> = LazyLock::new(|| {
    let forms = |table: &[(&'static str, &str)]| {
        table
            .iter()
            .filter_map(|(holds, pattern)| compiled(pattern).map(|regex| Form { holds, regex }))
            .collect()
    };
    (forms(FORMS), forms(LOCAL))
});

/// The first form that fits, with its pieces.
pub(super) fn fitting(text: &[u8]) -> Option<Captures<'_>> {
    let (forms, _) = &*COMPILED;
    forms
        .iter()
        .filter(|f| memchr::memmem::find(text, f.holds.as_bytes()).is_some())
        .find_map(|f| f.regex.captures(text))
}

/// Whether it tells of a hand-over within a machine.
pub(super) fn is_local(text: &[u8]) -> bool {
    let (_, local) = &*COMPILED;
    local
        .iter()
        .filter(|f| memchr::memmem::find(text, f.holds.as_bytes()).is_some())
        .any(|f| f.regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_compiles() {
        let (forms, local) = &*COMPILED;
        assert_eq!((forms.len(), local.len()), (FORMS.len(), LOCAL.len()));
    }
}
