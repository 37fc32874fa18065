//! Relations between places that no pattern on one place can express.
//!
//! Domains are compared as organisations: by the registrable domain of the public suffix list, so that
//! `mail.example.co.uk` and `example.co.uk` are one, `a.github.io` and `b.github.io` are two.

use std::net::IpAddr;

use super::fold::fold;
use super::list::ascii_domain;
use super::{identity, lookalike};
use crate::content::claim;
use crate::mail::{Envelope, Mail, Mailbox};

/// A relation, by its name in rule files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    FromNameAddress,
    FromNameDomain,
    FromNameRecipient,
    FromIsRecipient,
    ReplyToDomain,
    MailFromDomain,
    LinkHost,
    SubjectRecipient,
    UrlRecipient,
    ToNotRecipient,
    ReplyToAddress,
    SenderDomain,
    FromRecipientDomain,
    FromResembles,
    HeloRecipient,
    HeloDomain,
    HeloAddress,
    MessageIdDomain,
    UrlRecipientDomain,
    TypeContent,
    NameContent,
    LinkSender,
    TextSender,
    FromNameSender,
    SignatureSender,
}

/// Longest text that is searched for a domain, bytes: display names and link texts are short.
const TEXT_BYTES: usize = 500;

impl Relation {
    /// Every relation.
    pub(super) const ALL: [Relation; 25] = [
        Relation::FromNameAddress,
        Relation::FromNameDomain,
        Relation::FromNameRecipient,
        Relation::FromIsRecipient,
        Relation::ReplyToDomain,
        Relation::MailFromDomain,
        Relation::LinkHost,
        Relation::SubjectRecipient,
        Relation::UrlRecipient,
        Relation::ToNotRecipient,
        Relation::ReplyToAddress,
        Relation::SenderDomain,
        Relation::FromRecipientDomain,
        Relation::FromResembles,
        Relation::HeloRecipient,
        Relation::HeloDomain,
        Relation::HeloAddress,
        Relation::MessageIdDomain,
        Relation::UrlRecipientDomain,
        Relation::TypeContent,
        Relation::NameContent,
        Relation::LinkSender,
        Relation::TextSender,
        Relation::FromNameSender,
        Relation::SignatureSender,
    ];

    /// The name in rule files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Relation::FromNameAddress => "from_name_holds_other_address",
            Relation::FromNameDomain => "from_name_holds_other_domain",
            Relation::FromNameRecipient => "from_name_holds_recipient_domain",
            Relation::FromIsRecipient => "from_is_recipient",
            Relation::ReplyToDomain => "reply_to_other_domain",
            Relation::MailFromDomain => "mail_from_other_domain",
            Relation::LinkHost => "link_shows_other_host",
            Relation::SubjectRecipient => "subject_holds_recipient",
            Relation::UrlRecipient => "url_holds_recipient",
            Relation::ToNotRecipient => "no_recipient_in_to_or_cc",
            Relation::ReplyToAddress => "reply_to_is_not_from",
            Relation::SenderDomain => "sender_other_domain",
            Relation::FromRecipientDomain => "from_is_recipient_domain",
            Relation::FromResembles => "from_resembles_recipient_domain",
            Relation::HeloRecipient => "helo_is_recipient_domain",
            Relation::HeloDomain => "helo_other_domain",
            Relation::HeloAddress => "helo_is_other_address",
            Relation::MessageIdDomain => "message_id_other_domain",
            Relation::UrlRecipientDomain => "url_holds_recipient_domain",
            Relation::TypeContent => "attachment_type_other_than_content",
            Relation::NameContent => "attachment_name_other_than_content",
            Relation::LinkSender => "link_leads_to_sender",
            Relation::TextSender => "text_names_sender",
            Relation::FromNameSender => "from_name_names_sender",
            Relation::SignatureSender => "signature_of_sender",
        }
    }

    /// The relation of that name.
    pub(super) fn named(name: &str) -> Option<Relation> {
        Relation::ALL.into_iter().find(|r| r.name() == name)
    }

    /// Whether it holds, and what shows it.
    pub(super) fn evidence(self, envelope: &Envelope, mail: &Mail) -> Option<String> {
        match self {
            Relation::FromNameAddress => in_from_name(mail, |name, from| {
                addresses(name)
                    .find(|a| organisation(after_at(a)) != organisation(after_at(from)))
                    .map(str::to_owned)
            }),
            Relation::FromNameDomain => in_from_name(mail, |name, from| {
                hosts(name)
                    .find(|host| organisation(host) != organisation(after_at(from)))
                    .map(str::to_owned)
            }),
            Relation::FromNameRecipient => in_from_name(mail, |name, from| {
                let name = name.to_ascii_lowercase();
                envelope
                    .recipients
                    .iter()
                    .filter_map(|r| organisation(r.domain()?))
                    .find(|org| {
                        let label = org.split('.').next().unwrap_or_default();
                        label.len() >= 4
                            && organisation(after_at(from)).as_deref() != Some(org)
                            && words(&name).any(|w| w == label || w == org)
                    })
            }),
            Relation::FromIsRecipient => mail
                .mailboxes("From")
                .into_iter()
                .map(|m| m.address)
                .find(|from| is_recipient(envelope, from)),
            Relation::ReplyToDomain => {
                let from = first_domain(mail, "From")?;
                let reply_to = first_domain(mail, "Reply-To")?;
                (organisation(&from)? != organisation(&reply_to)?)
                    .then(|| format!("{reply_to} instead of {from}"))
            }
            Relation::MailFromDomain => {
                let from = first_domain(mail, "From")?;
                let sender = envelope.sender.as_ref()?.domain()?;
                (organisation(&from)? != organisation(sender)?)
                    .then(|| format!("{sender} instead of {from}"))
            }
            Relation::LinkHost => mail.urls().iter().find_map(|url| {
                let shown = url.shown.as_deref()?;
                let claimed = sole_host(shown)?;
                (organisation(&claimed)? != organisation(&url.host)?)
                    .then(|| format!("{claimed} leads to {}", url.host))
            }),
            Relation::SubjectRecipient => {
                let subject = mail.subject().to_ascii_lowercase();
                envelope.recipients.iter().find_map(|r| {
                    let address = r.text().to_ascii_lowercase();
                    (address.contains('@') && subject.contains(&address)).then_some(address)
                })
            }
            Relation::UrlRecipient => {
                let wanted: Vec<_> = envelope
                    .recipients
                    .iter()
                    .map(|r| r.text().to_ascii_lowercase())
                    .filter(|a| a.contains('@'))
                    .collect();
                mail.urls().iter().find_map(|url| {
                    let text = url.text.to_ascii_lowercase().replace("%40", "@");
                    if text.starts_with("mailto:") {
                        return None;
                    }
                    wanted.iter().find(|a| text.contains(a.as_str())).cloned()
                })
            }
            Relation::ToNotRecipient => {
                let listed = ["To", "Cc"].into_iter().any(|field| {
                    mail.mailboxes(field)
                        .iter()
                        .any(|m| is_recipient(envelope, &m.address))
                });
                let first = envelope.recipients.first()?;
                (!listed).then(|| first.text().to_owned())
            }
            Relation::ReplyToAddress => {
                let from = first_address(mail, "From")?;
                let reply_to = first_address(mail, "Reply-To")?;
                (!from.eq_ignore_ascii_case(&reply_to))
                    .then(|| format!("{reply_to} instead of {from}"))
            }
            Relation::SenderDomain => {
                let from = first_domain(mail, "From")?;
                let sender = first_domain(mail, "Sender")?;
                (organisation(&from)? != organisation(&sender)?)
                    .then(|| format!("{sender} instead of {from}"))
            }
            Relation::FromRecipientDomain => {
                let from = organisation(&first_domain(mail, "From")?)?;
                recipient_organisations(envelope).find(|org| *org == from)
            }
            Relation::FromResembles => {
                let from = organisation(&first_domain(mail, "From")?)?;
                recipient_organisations(envelope)
                    .find(|org| lookalike::resembles(&from, org))
                    .map(|org| format!("{from} resembles {org}"))
            }
            Relation::HeloRecipient => {
                let helo = organisation(envelope.helo.as_deref()?)?;
                recipient_organisations(envelope).find(|org| *org == helo)
            }
            Relation::HeloDomain => {
                let helo = envelope.helo.as_deref()?;
                let name = envelope.client.name.as_deref()?;
                (!helo.starts_with('[') && organisation(helo)? != organisation(name)?)
                    .then(|| format!("{helo} is {name}"))
            }
            Relation::HeloAddress => {
                let helo = envelope.helo.as_deref()?;
                let inner = helo.trim_start_matches('[').trim_end_matches(']');
                let inner = inner.strip_prefix("IPv6:").unwrap_or(inner);
                let claimed = inner.parse::<IpAddr>().ok()?.to_canonical();
                let client = envelope.client.addr?.to_canonical();
                (claimed != client).then(|| format!("{claimed} is {client}"))
            }
            Relation::MessageIdDomain => {
                let from = first_domain(mail, "From")?;
                let id = mail.header("Message-ID")?;
                // Some servers write a comment with an address of their own behind it.
                let inner = id.split_once('<').map_or(id.trim(), |(_, inner)| inner);
                let inner = inner.split(['>', ' ', '\t']).next()?;
                let (_, domain) = inner.rsplit_once('@')?;
                (organisation(&from)? != organisation(domain)?)
                    .then(|| format!("{domain} instead of {from}"))
            }
            Relation::UrlRecipientDomain => {
                let wanted: Vec<String> = recipient_organisations(envelope).collect();
                mail.urls().iter().find_map(|url| {
                    if wanted.contains(&organisation(&url.host)?) {
                        return None;
                    }
                    let text = url.text.to_ascii_lowercase();
                    wanted.iter().find(|w| text.contains(w.as_str())).cloned()
                })
            }
            Relation::TypeContent => mail.attachments().find_map(|part| {
                let real = part.real_type()?;
                claim::of_type(&part.content_type)?
                    .excludes(real)
                    .then(|| format!("{} is {real}", part.content_type))
            }),
            Relation::NameContent => mail.attachments().find_map(|part| {
                let (extension, real) = (part.extension()?, part.real_type()?);
                claim::of_extension(&extension)?
                    .excludes(real)
                    .then(|| format!(".{extension} is {real}"))
            }),
            Relation::LinkSender => identity::link_to_sender(mail),
            Relation::TextSender => identity::text_names_sender(mail),
            Relation::FromNameSender => identity::from_name_names_sender(mail),
            Relation::SignatureSender => identity::signature_of_sender(mail),
        }
    }
}

fn in_from_name(mail: &Mail, find: impl Fn(&str, &str) -> Option<String>) -> Option<String> {
    mail.mailboxes("From")
        .into_iter()
        .find_map(|Mailbox { name, address }| {
            let name = fold(&name?);
            let end = (0..=TEXT_BYTES.min(name.len()))
                .rev()
                .find(|i| name.is_char_boundary(*i))?;
            find(name.get(..end)?, &address)
        })
}

fn first_domain(mail: &Mail, field: &str) -> Option<String> {
    mail.mailboxes(field)
        .iter()
        .find_map(|m| m.domain().map(str::to_owned))
}

fn first_address(mail: &Mail, field: &str) -> Option<String> {
    mail.mailboxes(field)
        .into_iter()
        .map(|m| m.address)
        .find(|a| !a.is_empty())
}

fn recipient_organisations(envelope: &Envelope) -> impl Iterator<Item = String> {
    envelope
        .recipients
        .iter()
        .filter_map(|r| organisation(r.domain()?))
}

fn is_recipient(envelope: &Envelope, address: &str) -> bool {
    envelope
        .recipients
        .iter()
        .any(|r| r.text().eq_ignore_ascii_case(address))
}

fn after_at(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, d)| d)
}

/// The organisation that a domain belongs to, as relations compare it: its registered domain in ASCII, so that
/// an internationalised name is the same however it is written.
pub(super) fn organisation(domain: &str) -> Option<String> {
    registered(&ascii_domain(domain))
}

/// The registrable domain, lower case; an address, literal or not, or a bare name stands for itself.
pub(super) fn registered(domain: &str) -> Option<String> {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    if domain.is_empty() {
        return None;
    }
    let is_address = domain.starts_with('[') || domain.parse::<IpAddr>().is_ok();
    Some(match psl::domain_str(&domain).filter(|_| !is_address) {
        Some(organisation) => organisation.to_owned(),
        None => domain,
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@')))
        .map(|w| w.trim_matches(['.', '-']))
        .filter(|w| !w.is_empty())
}

fn addresses(text: &str) -> impl Iterator<Item = &str> {
    words(text).filter(|w| {
        w.split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && is_host(domain))
    })
}

fn hosts(text: &str) -> impl Iterator<Item = &str> {
    words(text).filter(|w| is_host(w))
}

/// Whether a word is a host name under a public suffix that exists.
fn is_host(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let known = psl::domain(lower.as_bytes()).is_some_and(|d| d.suffix().is_known());
    known
        && lower.contains('.')
        && lower
            .split('.')
            .all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        && lower.rsplit('.').next().is_some_and(|tld| {
            tld.starts_with("xn--") || tld.bytes().all(|b| b.is_ascii_alphabetic())
        })
}

/// The host that a link text claims to lead to: the text is a host name or a URL and nothing else but
/// punctuation around it. In lower case and ASCII.
fn sole_host(shown: &str) -> Option<String> {
    if shown.len() > TEXT_BYTES {
        return None;
    }
    let shown = fold(shown);
    let url = shown.split_once("://").filter(|(scheme, _)| {
        let scheme = scheme.trim_start_matches(|c: char| !c.is_alphanumeric());
        SCHEMES.iter().any(|s| scheme.eq_ignore_ascii_case(s))
    });
    let around = |c: char| !c.is_alphanumeric();
    let rest = match url {
        Some((_, rest)) => rest.trim_end_matches(around),
        None if shown.starts_with('@') => return None,
        None => shown.trim_matches(around),
    };
    if rest.contains(char::is_whitespace) {
        return None;
    }
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let server = match (url, authority.rsplit_once('@')) {
        (_, None) => authority,
        (Some(_), Some((_, server))) => server,
        // An address of mail.
        (None, Some(_)) => return None,
    };
    let host = ascii_domain(server.split(':').next()?);
    let tld = host.rsplit('.').next()?;
    let file = url.is_none() && !host.starts_with("www.") && FILE_ENDINGS.contains(&tld);
    (!file && is_host(&host)).then_some(host)
}

/// Schemes of links that show where they lead to.
const SCHEMES: &[&str] = &["https", "http", "ftp"];

/// Top-level domains that are more often the ending of a file name when no scheme or `www.` precedes.
const FILE_ENDINGS: &[&str] = &[
    "ai", "app", "bz", "cc", "cs", "do", "gz", "in", "is", "it", "js", "md", "mov", "pl", "pm",
    "ps", "py", "rs", "sh", "so", "st", "sy", "ts", "vi", "zip",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisations_follow_the_public_suffix_list() {
        assert_eq!(
            organisation("Mail.Example.co.uk."),
            Some("example.co.uk".to_owned())
        );
        assert_eq!(organisation("localhost"), Some("localhost".to_owned()));
        assert_eq!(
            organisation("a.München.de"),
            organisation("b.xn--mnchen-3ya.de")
        );
        for address in ["192.0.2.7", "[192.0.2.7]", "[ipv6:2001:db8::7]"] {
            assert_eq!(organisation(address).as_deref(), Some(address));
        }
        assert_ne!(organisation("a.github.io"), organisation("b.github.io"));
        assert_eq!(organisation(""), None);
    }

    #[test]
    fn only_a_text_that_is_a_host_claims_one() {
        for (text, host) in [
            ("https://www.bank.com/login", "www.bank.com"),
            ("bank.com", "bank.com"),
            ("HTTPS://WWW.BANK.COM/login", "www.bank.com"),
            ("ｗｗｗ．ｂａｎｋ．ｃｏｍ", "www.bank.com"),
            ("www.ba\u{200b}nk.com", "www.bank.com"),
            ("www.bank.com.", "www.bank.com"),
            ("<https://www.bank.com/>", "www.bank.com"),
            ("\u{25b6} www.bank.com \u{bb}", "www.bank.com"),
            ("https://you@bank.com:443/", "bank.com"),
            ("ftp://bank.com", "bank.com"),
            ("https://bänk.de/login", "xn--bnk-qla.de"),
            ("bank.com/?to=http://other.com", "bank.com"),
        ] {
            assert_eq!(sole_host(text).as_deref(), Some(host), "{text}");
        }
        for text in [
            "@bank.com",
            "(setup.sh)",
            "bank.com and more",
            "Click here",
            "visit bank.com",
            "report.pdf.exe",
            "3.5",
            "a@bank.com",
            "README.md",
            "setup.sh",
        ] {
            assert_eq!(sole_host(text), None, "{text}");
        }
    }

    #[test]
    fn names_lead_to_relations() {
        for relation in Relation::ALL {
            assert_eq!(Relation::named(relation.name()), Some(relation));
        }
    }
}
