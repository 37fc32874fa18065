//! SPF records, read by the letter (RFC 7208, sections 4.5, 4.6, 5, 6 and 12).
//!
//! In: the TXT record. Out: its directives in order and its `redirect`, or what is wrong. A record with an
//! error anywhere is none, as the RFC has it: evaluation does not begin.

use std::net::IpAddr;

use super::SpfResult;
use super::macros::MacroString;

/// Longest record that is read, bytes. DNS allows 64 KiB; ten includes of that are too much to read.
const RECORD_BYTES: usize = 16 << 10;

/// A record that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<MacroString>,
}

/// A mechanism and what a match means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) result: SpfResult,
    pub(super) mechanism: Mechanism,
    /// As written.
    pub(super) text: String,
}

/// What a client is held against. A target that is not written is the domain of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(MacroString),
    A(Target),
    Mx(Target),
    Ptr(Option<MacroString>),
    Network(IpAddr, u8),
    Exists(MacroString),
}

/// A name with the lengths of the networks around its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: Option<MacroString>,
    pub(super) v4_bits: u8,
    pub(super) v6_bits: u8,
}

impl Record {
    /// Whether a TXT record is an SPF record.
    pub(super) fn is_one(text: &[u8]) -> bool {
        const VERSION: &[u8] = b"v=spf1";
        let (version, rest) = text.split_at_checked(VERSION.len()).unwrap_or_default();
        version.eq_ignore_ascii_case(VERSION) && matches!(rest.first(), None | Some(b' '))
    }

    /// Reads a record for which [`Record::is_one`] holds.
    pub(super) fn read(text: &[u8]) -> Result<Record, String> {
        if text.len() > RECORD_BYTES {
            return Err("the record is too long".to_owned());
        }
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|t| t.is_ascii())
            .ok_or("the record is not ASCII")?;
        let mut record = Record {
            directives: Vec::new(),
            redirect: None,
        };
        let mut explained = false;
        for term in text.split(' ').skip(1).filter(|t| !t.is_empty()) {
            let wrong = || format!("cannot be read: {term}");
            let Some((name, value)) = modifier(term) else {
                record.directives.push(directive(term).ok_or_else(wrong)?);
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "redirect" if record.redirect.is_some() => return Err(wrong()),
                "redirect" => {
                    record.redirect = Some(MacroString::domain_spec(value).ok_or_else(wrong)?);
                }
                "exp" if explained => return Err(wrong()),
                "exp" => {
                    MacroString::domain_spec(value).ok_or_else(wrong)?;
                    explained = true;
                }
                _ => {
                    MacroString::read(value).ok_or_else(wrong)?;
                }
            }
        }
        Ok(record)
    }
}

/// Name and value of a modifier; a name is followed at once by `=`.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(good);
    named.then_some((name, value))
}

fn directive(term: &str) -> Option<Directive> {
    let (result, rest) = match term.split_at_checked(1)? {
        ("+", rest) => (SpfResult::Pass, rest),
        ("-", rest) => (SpfResult::Fail, rest),
        ("~", rest) => (SpfResult::SoftFail, rest),
        ("?", rest) => (SpfResult::Neutral, rest),
        _ => (SpfResult::Pass, term),
    };
    Some(Directive {
        result,
        mechanism: mechanism(rest)?,
        text: term.to_owned(),
    })
}

fn mechanism(text: &str) -> Option<Mechanism> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, argument) = text.split_at_checked(end)?;
    let spec = |argument: &str| MacroString::domain_spec(argument.strip_prefix(':')?);
    match name.to_ascii_lowercase().as_str() {
        "all" => argument.is_empty().then_some(Mechanism::All),
        "include" => spec(argument).map(Mechanism::Include),
        "exists" => spec(argument).map(Mechanism::Exists),
        "a" => target(argument).map(Mechanism::A),
        "mx" => target(argument).map(Mechanism::Mx),
        "ptr" if argument.is_empty() => Some(Mechanism::Ptr(None)),
        "ptr" => spec(argument).map(|name| Mechanism::Ptr(Some(name))),
        "ip4" => network(argument, 32, |text| Some(IpAddr::V4(text.parse().ok()?))),
        "ip6" => network(argument, 128, |text| Some(IpAddr::V6(text.parse().ok()?))),
        _ => None,
    }
}

/// `[ ":" domain-spec ] [ "/" bits ] [ "//" bits ]`
fn target(argument: &str) -> Option<Target> {
    let (argument, v6_bits) = match argument.rsplit_once("//") {
        Some((rest, bits)) => (rest, length(bits, 128)?),
        None => (argument, 128),
    };
    let (argument, v4_bits) = match argument.rsplit_once('/') {
        // A slash may also stand inside a name; then no number follows it.
        Some((rest, bits)) if bits.bytes().all(|b| b.is_ascii_digit()) => (rest, length(bits, 32)?),
        _ => (argument, 32),
    };
    let name = match argument {
        "" => None,
        written => Some(MacroString::domain_spec(written.strip_prefix(':')?)?),
    };
    Some(Target {
        name,
        v4_bits,
        v6_bits,
    })
}

fn network(
    argument: &str,
    most: u8,
    address: impl Fn(&str) -> Option<IpAddr>,
) -> Option<Mechanism> {
    let argument = argument.strip_prefix(':')?;
    let (written, bits) = match argument.split_once('/') {
        Some((written, bits)) => (written, length(bits, most)?),
        None => (argument, most),
    };
    Some(Mechanism::Network(address(written)?, bits))
}

/// A number of bits, without leading zeros.
fn length(digits: &str, most: u8) -> Option<u8> {
    let plain = digits == "0" || !digits.starts_with('0');
    let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
    let bits: u8 = digits.parse().ok()?;
    (plain && all_digits && bits <= most).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Record, String> {
        assert!(Record::is_one(text.as_bytes()), "{text}");
        Record::read(text.as_bytes())
    }

    #[test]
    fn a_record_is_told_by_its_version() {
        for yes in ["v=spf1", "V=SPF1 -all", "v=spf1  a"] {
            assert!(Record::is_one(yes.as_bytes()), "{yes}");
        }
        for no in ["v=spf10", "v=spf1-all", "spf2.0/pra", "v=spf", ""] {
            assert!(!Record::is_one(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn terms_are_read_by_the_letter() {
        let record =
            read("v=spf1 MX/24//64 ~a:mx.example.org/30 ip4:192.0.2.0/24 x-y=%{d} -ALL").unwrap();
        let terms: Vec<_> = record.directives.iter().map(|d| d.text.as_str()).collect();
        assert_eq!(
            terms,
            [
                "MX/24//64",
                "~a:mx.example.org/30",
                "ip4:192.0.2.0/24",
                "-ALL"
            ]
        );
        assert_eq!(record.directives[1].result, SpfResult::SoftFail);
        let Mechanism::Mx(target) = &record.directives[0].mechanism else {
            panic!("it is mx");
        };
        assert_eq!((target.v4_bits, target.v6_bits), (24, 64));
        for bad in [
            "ip4:1.2.3",
            "ip4:1.2.3.256",
            "ip4:1.2.3.4/33",
            "ip4:1.2.3.4/032",
            "ip4:1.2.3.4/",
            "ip4",
            "ip6:1.2.3.4",
            "ip6:::1/129",
            "all.",
            "all:x",
            "a/33",
            "a/a",
            "a//129",
            "a:",
            "a:/24",
            "mx//",
            "ptr:",
            "ptr/24",
            "include",
            "include:com",
            "exists:",
            "-foo",
            "foo:bar",
            "redirect=a.b redirect=a.b",
            "exp=a.b exp=c.d",
            "redirect=",
            "x=%",
            "a\tb",
            "1x=y",
            "a:1.2.3.4",
            "a/+4",
            "++all",
        ] {
            assert!(read(&format!("v=spf1 {bad}")).is_err(), "{bad}");
        }
        assert!(read("v=spf1 a:foo/bar.example.org//64").is_ok());
    }
}
