//! One Received field: what MTAs write into it, read as a hop.

use std::net::Ipv6Addr;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex, RegexBuilder};

use super::relay::{Hop, clean};
use super::relay_format;

/// What a Received field tells.
pub(super) enum Read {
    Hop(Box<Hop>),
    /// A hand-over within a machine.
    Local,
    /// A program fetched the message from a mailbox: what came before counts as the way of the message.
    Fetched,
    /// Nobody knows.
    Unknown,
}

struct Marks {
    date: Regex,
    helo: Regex,
    envelope_from: Regex,
    no_hop: Regex,
    auth: Vec<(&'static str, Regex, &'static str)>,
    address: Regex,
}

static MARKS: LazyLock<Option<Marks>> = LazyLock::new(|| {
    let regex = |pattern: &str| RegexBuilder::new(pattern).unicode(false).build().ok();
    // HELO names hold more than host names may.
    let name = r"[-A-Za-z0-9.^+_&:=?!@%*$\\/]+";
    let auth = [
        (
            " (AUTH: ",
            r"^from .*?(?:\]\)|\)\]) \(AUTH: (LOGIN|PLAIN|DIGEST-MD5|CRAM-MD5) \S+(?:, .*?)?\) by ",
            "$1",
        ),
        (
            "authenticated",
            r"^from .*?(?:\](?: \([^)]*\))?\)|\)\]) .*?\(.*?authenticated.*?\).*? by",
            "Sendmail",
        ),
        (
            "mail.gmx.",
            r"from \S* \((?:HELO|EHLO) \S*\) \[[0-9a-fA-F.:]+\] by (mail\.gmx\.(?:net|com)) \([^)]+\) with (ESMTP|SMTP)",
            "GMX ($2 / $1)",
        ),
        (
            "(Authenticated sender: ",
            r"\) \(Authenticated sender: \S+\) by \S+ \(Postfix\) with ",
            "Postfix",
        ),
        (
            "(Authenticated sender: ",
            r"\) \(Authenticated sender: \S+\) by \S+ \(([^)]+)\) with ",
            "Postfix ($1)",
        ),
        (
            "(account ",
            r"CommuniGate Pro (?:HTTP|SMTP|XIMSS|IMAP)",
            "Communigate",
        ),
        (
            "HTTP-DAV",
            r" with Microsoft Exchange Server HTTP-DAV\b",
            "HTTP-DAV",
        ),
        ("(via ", r"(?i) by .* \(via (HTTP.?)\)(?: |;|$)", "$1"),
    ];
    Some(Marks {
        date: regex(
            r"[\s;]+(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d+ (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d+ \d+:\d+(?::\d+)? \S+$",
        )?,
        helo: regex(&format!(
            r"\bhelo=({name})(?:[^-A-Za-z0-9.^+_&:=?!@%*$\\/]|$)|\b(?:HELO|EHLO) ({name})(?:[^-A-Za-z0-9.^+_&:=?!@%*$\\/]|$)"
        ))?,
        envelope_from: regex(r"(?i)(?:return-path:? |envelope-(?:sender|from)[ =])(\S+)\b")?,
        no_hop: regex(r"(?i)^from (\S+) by [^\s;]+ ?;")?,
        auth: auth
            .into_iter()
            .filter_map(|(holds, pattern, name)| Some((holds, regex(pattern)?, name)))
            .collect(),
        address: regex(
            r"\[((?:IPv6:)?(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+))\]",
        )?,
    })
});

/// Reads one Received field (unfolded).
pub(super) fn read(value: &[u8]) -> Read {
    let Some(marks) = MARKS.as_ref() else {
        return Read::Unknown;
    };
    let mut line: Vec<u8> = Vec::with_capacity(value.len());
    for word in value.split(|b| super::field::is_space(*b)) {
        if !word.is_empty() {
            if !line.is_empty() {
                line.push(b' ');
            }
            line.extend_from_slice(word);
        }
    }
    while line.last() == Some(&b';') {
        line.pop();
        if line.last() == Some(&b' ') {
            line.pop();
        }
    }
    let start = line.strip_prefix(b"(").unwrap_or(&line);
    let from = start
        .get(..5)
        .is_some_and(|f| f.eq_ignore_ascii_case(b"from "));
    let holds = |text: &[u8], part: &str| memchr::memmem::find(text, part.as_bytes()).is_some();
    if !from || holds(&line, " with local for ") {
        return Read::Local;
    }
    let word = words(&line).nth(1).unwrap_or_default().len();
    let next = line.get(6 + word..9 + word);
    if next.is_some_and(|n| n.eq_ignore_ascii_case(b"by "))
        && marks.no_hop.captures(&line).is_some_and(|c| {
            let word = c.get(1).map_or(&b""[..], |m| m.as_bytes());
            !(word.starts_with(b"[")
                && word
                    .iter()
                    .all(|b| b.is_ascii_digit() || b"[].".contains(b)))
        })
    {
        return Read::Local;
    }
    if let Some(date) = marks.date.find(&line) {
        line.truncate(date.start());
    }
    if let Some(at) = memchr::memmem::find(&line, b")by ") {
        line.insert(at + 1, b' ');
    }
    let group = |captures: &Captures<'_>, number: usize| {
        captures
            .get(number)
            .map(|m| String::from_utf8_lossy(m.as_bytes()).into_owned())
    };
    let first = |regex: &Regex| {
        let captures = regex.captures(&line)?;
        group(&captures, 1).or_else(|| group(&captures, 2))
    };
    let mut hop = Hop {
        id: id(&line),
        helo: match holds(&line, "elo=") || holds(&line, "LO ") {
            true => first(&marks.helo).unwrap_or_default(),
            false => String::new(),
        },
        by: by(&line),
        auth: authentication(marks, &line),
        ..Hop::default()
    };
    let Some(behind) = line.strip_prefix(b"from ") else {
        return Read::Unknown;
    };
    if holds(behind, "nvelope-") || holds(behind, "eturn-") {
        hop.envelope_from = marks
            .envelope_from
            .captures(behind)
            .and_then(|c| group(&c, 1));
    }
    match relay_format::fitting(behind) {
        Some(captures) => {
            if captures.name("fetched").is_some() {
                return Read::Fetched;
            }
            take(&mut hop, &captures);
        }
        None => {
            if relay_format::is_local(behind) {
                return Read::Local;
            }
            hop.ip = marks
                .address
                .captures(behind)
                .and_then(|c| group(&c, 1))
                .unwrap_or_default();
            if hop.ip.is_empty() || hop.by.is_empty() {
                return Read::Unknown;
            }
            if hop.helo.is_empty() {
                let end = behind.iter().position(|b| *b == b' ').unwrap_or_default();
                let word = behind.get(..end).unwrap_or_default();
                hop.helo = String::from_utf8_lossy(word).into_owned();
            }
        }
    }
    finish(&mut hop);
    Read::Hop(Box::new(hop))
}

/// Takes over what a form found.
fn take(hop: &mut Hop, captures: &Captures<'_>) {
    let named = |name: &str| {
        captures
            .name(name)
            .map(|m| String::from_utf8_lossy(m.as_bytes()).into_owned())
    };
    if let Some(ip) = named("ip") {
        hop.ip = ip;
    }
    // Exchange writes its version there.
    if captures.name("version").is_some() {
        hop.id = String::new();
    }
    if let Some(both) = named("both") {
        hop.rdns.clone_from(&both);
        hop.helo = both;
    }
    for (place, name) in [
        (&mut hop.rdns, "rdns"),
        (&mut hop.helo, "helo"),
        (&mut hop.by, "by"),
        (&mut hop.ident, "ident"),
    ] {
        if let Some(found) = named(name) {
            *place = found;
        }
    }
    for note in named("notes").unwrap_or_default().split_ascii_whitespace() {
        if let Some(helo) = note.strip_prefix("helo=") {
            hop.helo = helo.to_owned();
        } else if let Some(ident) = note.strip_prefix("ident=") {
            hop.ident = ident.to_owned();
        }
    }
}

/// Puts the pieces into the notation.
fn finish(hop: &mut Hop) {
    let rdns = hop.rdns.trim_end_matches('.');
    let unknown = rdns.eq_ignore_ascii_case("unknown") || rdns.starts_with('[');
    hop.rdns = match unknown {
        true => String::new(),
        false => rdns.to_owned(),
    };
    let ip = hop.ip.trim_start_matches('[').trim_end_matches(']');
    let ip = match ip.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("IPv6:") => ip.get(5..).unwrap_or_default(),
        _ => ip,
    };
    hop.ip = match ip
        .parse::<Ipv6Addr>()
        .ok()
        .and_then(|v6| v6.to_ipv4_mapped())
    {
        Some(v4) => v4.to_string(),
        None => clean(ip),
    };
    hop.by = clean(hop.by.strip_suffix(';').unwrap_or(&hop.by));
    hop.rdns = clean(&hop.rdns);
    hop.helo = clean(&hop.helo);
    hop.ident = clean(&hop.ident);
    hop.envelope_from = hop.envelope_from.as_deref().map(|sender| {
        let sender = sender.trim_start().trim_start_matches('<');
        clean(sender.trim_end().trim_end_matches('>'))
    });
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| *b == b' ')
}

/// What stands behind each space of a line.
fn behind_spaces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(b' ', line).filter_map(|at| line.get(at + 1..))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The id that the machine gave the message.
fn id(line: &[u8]) -> String {
    let ids = behind_spaces(line).filter_map(|rest| {
        let rest = rest.strip_prefix(b"id ")?;
        let rest = rest.strip_prefix(b"<").unwrap_or(rest);
        let ends = |b: &u8| super::field::is_space(*b) || matches!(b, b'<' | b'>' | b';');
        let length = rest.iter().take_while(|b| !ends(b)).count();
        rest.get(..length).filter(|id| id.len() >= 3)
    });
    ids.map(text).next().unwrap_or_default()
}

/// The machine that wrote the field.
fn by(line: &[u8]) -> String {
    let marked = memchr::memmem::find(line, b" by ").and_then(|at| line.get(at + 4..));
    let name = words(marked.unwrap_or_default()).next();
    name.map(text).unwrap_or_default()
}

/// The protocol, where it is one of those that authenticated clients speak.
fn protocol(line: &[u8]) -> Option<String> {
    const AUTHENTICATED: [&str; 12] = [
        "ESMTPA",
        "ESMTPSA",
        "LMTPA",
        "LMTPSA",
        "UTF8SMTPA",
        "UTF8SMTPSA",
        "UTF8LMTPA",
        "UTF8LMTPSA",
        "ASMTP",
        "HTTP",
        "HTTPS",
        "HTTPU",
    ];
    behind_spaces(line).find_map(|rest| {
        let (with, rest) = rest.split_at_checked(5)?;
        let rest = with.eq_ignore_ascii_case(b"with ").then_some(rest)?;
        let word = rest.split(|b| matches!(b, b' ' | b';')).next()?;
        let mut known = AUTHENTICATED.iter();
        let known = known.any(|p| p.as_bytes().eq_ignore_ascii_case(word));
        known.then(|| text(word))
    })
}

fn authentication(marks: &Marks, line: &[u8]) -> String {
    let holds = |part: &str| memchr::memmem::find(line, part.as_bytes()).is_some();
    if holds(" by ")
        && let Some(protocol) = protocol(line)
    {
        return protocol;
    }
    for (part, regex, name) in &marks.auth {
        if holds(part)
            && let Some(captures) = regex.captures(line)
        {
            let mut out = Vec::new();
            captures.expand(name.as_bytes(), &mut out);
            return String::from_utf8_lossy(&out).into_owned();
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(line: &str) -> Option<String> {
        match read(line.as_bytes()) {
            Read::Hop(hop) => Some(format!(
                "{} {} {} {} {} {}",
                hop.ip, hop.rdns, hop.helo, hop.by, hop.id, hop.auth
            )),
            _ => None,
        }
    }

    #[test]
    fn forms_of_common_mtas() {
        for (line, expected) in [
            (
                "from helo.example (name.example [192.0.2.1]) by mx.example (Postfix) with ESMTPS id ABCD for <a@b>; Mon, 1 Jan 2024 00:00:00 +0000 (UTC)",
                "192.0.2.1 name.example helo.example mx.example ABCD ",
            ),
            (
                "from helo (unknown [IPv6:2001:db8::1]) by mx (Postfix) with ESMTPSA id XYZ",
                "2001:db8::1  helo mx XYZ ESMTPSA",
            ),
            (
                "from host.example ([192.0.2.7] helo=he.example) by mx.example with esmtp (Exim 4.9) id 1-2-3",
                "192.0.2.7 host.example he.example mx.example 1-2-3 ",
            ),
            (
                "from unknown (HELO he) (192.0.2.9) by mx with SMTP; 1 Jan 2002 00:00:00 -0000",
                "192.0.2.9  he mx  ",
            ),
            (
                "from A.b.example (2603::1) by C.d.example (2603::2) with Microsoft SMTP Server (version=TLS1_2) id 15.20.1.1; Mon, 1 Jan 2024 00:00:00 +0000",
                "2603::1 A.b.example A.b.example C.d.example 15.20.1.1 ",
            ),
            (
                "from [192.0.2.4] by web.example via HTTP; Mon, 1 Jan 2024 00:00:00 +0000",
                "192.0.2.4   web.example  ",
            ),
        ] {
            assert_eq!(hop(line).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(hop("by mx.example with SMTP id 1"), None);
        assert_eq!(hop("from user by host with local (Exim 3) id 1"), None);
    }
}
