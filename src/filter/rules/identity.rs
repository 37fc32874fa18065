//! Whether a message speaks with one voice: does what it shows name the organisation that its From
//! address belongs to?
//!
//! Somebody who imitates a company writes that company's name over a domain of their own or a stolen one,
//! and sends the reader to a third. Somebody who writes in their own name says so: in the display name, in
//! the text, in the links, in the DKIM signature. Nothing here is verified: a hostile sender can make all
//! of it true by naming itself, and is then without its disguise. No list of companies is needed.
//!
//! A name is compared as a reader would: letters and digits only, without case and accents, so that
//! "Müller & Söhne" is found in `mueller-soehne.de` and in `mullersohne.de`.

use crate::auth::dkim::signing_domain;
use crate::mail::Mail;

use super::relation::organisation;

/// Shorter names of organisations must stand alone as a word: `ing`, `hp`, `o2`.
const SHORT: usize = 4;
/// How much of the beginning and of the end of a text is searched, bytes: the name of a sender stands in
/// its letterhead or in its imprint.
const SEARCHED: usize = 32 << 10;

/// Words of display names that name nobody.
const GENERIC: &[&str] = &[
    "account",
    "admin",
    "alert",
    "alerts",
    "bank",
    "billing",
    "center",
    "club",
    "contact",
    "customer",
    "delivery",
    "email",
    "free",
    "gift",
    "group",
    "help",
    "home",
    "info",
    "kontakt",
    "kunden",
    "kundenservice",
    "live",
    "login",
    "mail",
    "mailer",
    "market",
    "member",
    "message",
    "news",
    "newsletter",
    "noreply",
    "notice",
    "notification",
    "offer",
    "office",
    "online",
    "order",
    "orders",
    "pack",
    "parcel",
    "payment",
    "post",
    "promo",
    "prime",
    "reward",
    "rewards",
    "sales",
    "secure",
    "security",
    "server",
    "service",
    "services",
    "shop",
    "smart",
    "store",
    "support",
    "system",
    "team",
    "update",
    "verify",
    "world",
    "your",
];

/// The host of a link that leads to the organisation of From.
pub(super) fn link_to_sender(mail: &Mail) -> Option<String> {
    let sender = sender(mail)?;
    mail.urls()
        .iter()
        .find(|url| organisation(&url.host).as_deref() == Some(&*sender))
        .map(|url| url.host.clone())
}

/// The name of From's organisation, when subject or visible text hold it.
pub(super) fn text_names_sender(mail: &Mail) -> Option<String> {
    let label = label(&sender(mail)?);
    let text = mail.text();
    let end = text.floor_char_boundary(SEARCHED);
    let rest = text.ceil_char_boundary(text.len().saturating_sub(SEARCHED).max(end));
    [mail.subject().as_str(), text.get(..end)?, text.get(rest..)?]
        .iter()
        .any(|text| names(text, &label))
        .then_some(label)
}

/// The name of From's organisation, when the display name holds it or is part of it.
pub(super) fn from_name_names_sender(mail: &Mail) -> Option<String> {
    let label = label(&sender(mail)?);
    let name = mail.mailboxes("From").into_iter().next()?.name?;
    let words: Vec<String> = name
        .split(|c: char| !c.is_alphanumeric())
        .map(squeezed)
        .filter(|word| !word.is_empty() && !GENERIC.contains(&word.as_str()))
        .collect();
    let within = |word: &str| word.len() >= SHORT && label.contains(word);
    (names(&name, &label)
        || words.iter().any(|word| within(word))
        || (!words.is_empty() && within(&squeezed(&name))))
    .then_some(label)
}

/// The domain of a DKIM signature that belongs to the organisation of From. The signature is not verified.
pub(super) fn signature_of_sender(mail: &Mail) -> Option<String> {
    let sender = sender(mail)?;
    mail.headers_named("DKIM-Signature").find_map(|field| {
        let value = field.unfolded();
        let domain = signing_domain(&value)?;
        (organisation(domain).as_deref() == Some(&*sender)).then(|| domain.to_owned())
    })
}

/// The organisation of the first address of From.
fn sender(mail: &Mail) -> Option<String> {
    let from = mail.mailboxes("From").into_iter().next()?;
    organisation(from.domain()?)
}

/// What somebody chose of a registered domain: `mueller-soehne` of `mueller-soehne.de`, squeezed.
fn label(organisation: &str) -> String {
    let chosen = organisation.split('.').next().unwrap_or_default();
    squeezed(&idna::domain_to_unicode(chosen).0)
}

/// Whether a text holds the name of an organisation.
fn names(text: &str, label: &str) -> bool {
    if label.is_empty() {
        return false;
    }
    if label.len() < SHORT {
        return text
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| squeezed(word) == label);
    }
    let text = squeezed(text);
    text.contains(label) || {
        let umlauts = label
            .replace("ae", "a")
            .replace("oe", "o")
            .replace("ue", "u");
        umlauts.len() >= SHORT && umlauts != label && text.contains(&umlauts)
    }
}

/// Letters and digits only, in lower case, without the accents of Latin letters.
fn squeezed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            if c.is_ascii_alphanumeric() {
                out.push(c.to_ascii_lowercase());
            }
            continue;
        }
        for c in c.to_lowercase().filter(|c| c.is_alphanumeric()) {
            match c {
                'à'..='å' | 'ā' | 'ă' | 'ą' => out.push('a'),
                'æ' => out.push_str("ae"),
                'ç' | 'ć' | 'č' => out.push('c'),
                'ď' | 'đ' | 'ð' => out.push('d'),
                'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => out.push('e'),
                'ğ' => out.push('g'),
                'ì'..='ï' | 'ī' | 'į' | 'ı' => out.push('i'),
                'ł' | 'ľ' | 'ļ' => out.push('l'),
                'ñ' | 'ń' | 'ň' | 'ņ' => out.push('n'),
                'ò'..='ö' | 'ø' | 'ō' | 'ő' => out.push('o'),
                'œ' => out.push_str("oe"),
                'ř' => out.push('r'),
                'ś' | 'ş' | 'š' | 'ș' => out.push('s'),
                'ß' => out.push_str("ss"),
                'ţ' | 'ť' | 'ț' => out.push('t'),
                'ù'..='ü' | 'ū' | 'ů' | 'ű' | 'ų' => out.push('u'),
                'ý' | 'ÿ' => out.push('y'),
                'ź' | 'ż' | 'ž' => out.push('z'),
                c => out.push(c),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mail::Limits;

    fn mail(header: &str, text: &str) -> Mail {
        let raw = format!("{header}\nContent-Type: text/html; charset=utf-8\n\n{text}");
        Mail::parse(Bytes::from(raw), &Limits::default())
    }

    #[test]
    fn a_text_names_its_sender_as_a_reader_would_read_it() {
        for (from, text) in [
            (
                "x@news.harbour-finch.com",
                "Thank you for shopping at Harbour &amp; Finch!",
            ),
            ("x@mueller-soehne.de", "Ihre Müller &amp; Söhne GmbH"),
            ("x@muellersoehne.de", "MUELLER SOEHNE"),
            ("x@ing.nl", "Uw bank ING schrijft u"),
            ("x@mail.example.co.uk", "The Example team"),
            ("x@xn--mller-kva.de", "Ihr Müller"),
        ] {
            assert!(
                text_names_sender(&mail(&format!("From: {from}"), text)).is_some(),
                "{from}"
            );
        }
        for (from, text) in [
            ("x@ing.nl", "A meeting about shopping"),
            ("x@stolen-bakery.com", "Your Netflix account"),
            ("nobody", "Your account"),
        ] {
            assert!(
                text_names_sender(&mail(&format!("From: {from}"), text)).is_none(),
                "{from}"
            );
        }
        let long = format!("<p>{}</p><p>Harbour Finch Ltd</p>", "word ".repeat(30_000));
        assert!(text_names_sender(&mail("From: x@harbourfinch.com", &long)).is_some());
    }

    #[test]
    fn a_display_name_names_its_sender() {
        for from in [
            "Harbour & Finch <x@e.harbourfinch.com>",
            "Finch <x@harbourfinch.com>",
            "Dana from Harbourfinch <x@harbourfinch.com>",
            "BT <x@bt.com>",
            "Zoë's Crêperie <x@zoescreperie.fr>",
        ] {
            assert!(
                from_name_names_sender(&mail(&format!("From: {from}"), "x")).is_some(),
                "{from}"
            );
        }
        for from in [
            "Netflix <x@stolen-bakery.com>",
            "Support Team <x@support-team-desk.com>",
            "x@example.com",
            "Bob T <x@bt.com>",
        ] {
            assert!(
                from_name_names_sender(&mail(&format!("From: {from}"), "x")).is_none(),
                "{from}"
            );
        }
    }

    #[test]
    fn links_and_signatures_belong_to_the_organisation_of_from() {
        let own = mail(
            "From: x@news.example.co.uk\nDKIM-Signature: v=1; a=rsa-sha256; s=s1;\n d=esp.example.net; b=x\n\
             DKIM-Signature: v=1;\n d=example.co.uk; s=k; b=x",
            "<a href='https://click.example.co.uk/1'>x</a>",
        );
        assert_eq!(link_to_sender(&own).as_deref(), Some("click.example.co.uk"));
        assert_eq!(signature_of_sender(&own).as_deref(), Some("example.co.uk"));
        let other = mail(
            "From: x@example.com\nDKIM-Signature: v=1; d=esp.example.net; b=d=example.com",
            "<a href='https://example.com.evil.example.net/1'>https://example.org/</a>",
        );
        assert_eq!(link_to_sender(&other), None);
        assert_eq!(signature_of_sender(&other), None);
    }
}
