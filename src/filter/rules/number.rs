//! Numbers of a message: sizes, counts, shares, times. Each can be compared with bounds and stand in a
//! formula.

use std::collections::HashSet;

use mail_parser::parsers::MessageStream;

use super::texts::Subject;
use crate::mail::{Envelope, Mail, PartKind};

/// Bytes of a date that are read.
const DATE_BYTES: usize = 200;

/// What a number counts; bounds are checked by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Characters,
    Count,
    /// From 0 to 1.
    Share,
    /// May be negative.
    Seconds,
}

macro_rules! numbers {
    ($($variant:ident $name:literal $unit:ident $meaning:literal;)*) => {
        /// A number, by its name in rule files.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Number {
            $($variant,)*
        }

        impl Number {
            /// Every number.
            pub(super) const ALL: [Number; [$($name),*].len()] = [$(Number::$variant),*];

            /// The name in rule files.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Number::$variant => $name,)*
                }
            }

            /// What it counts.
            pub(super) fn unit(self) -> Unit {
                match self {
                    $(Number::$variant => Unit::$unit,)*
                }
            }

            /// What it is, in words.
            pub(super) fn meaning(self) -> &'static str {
                match self {
                    $(Number::$variant => $meaning,)*
                }
            }
        }
    };
}

numbers! {
    Size "size" Bytes "The whole message.";
    BodySize "body_size" Bytes "The body as received.";
    HeaderCount "header_count" Count "Header fields.";
    ReceivedCount "received_count" Count "Received fields.";
    RecipientCount "recipient_count" Count "Recipients of the envelope.";
    ToCount "to_count" Count "Mailboxes in To and Cc.";
    PartCount "part_count" Count "MIME parts, containers included.";
    AttachmentCount "attachment_count" Count "Attachments.";
    AttachmentSize "attachment_size" Bytes "All attachments together, decoded.";
    ImageCount "image_count" Count "Images in the HTML (`<img`).";
    UrlCount "url_count" Count "Different URLs.";
    UrlHostCount "url_host_count" Count "Different hosts of URLs.";
    UrlDomainCount "url_domain_count" Count "Different registered domains of URLs.";
    TextLength "text_length" Characters "The text that a reader sees.";
    WordCount "word_count" Count "Words of the text that a reader sees, the first 100,000.";
    HiddenLength "hidden_length" Characters "Text that HTML hides.";
    HtmlLength "html_length" Characters "The source of the HTML parts.";
    SubjectLength "subject_length" Characters "The subject.";
    SubjectUpperRatio "subject_upper_ratio" Share "Capitals among the letters of the subject that have case.";
    SubjectNonAsciiRatio "subject_non_ascii_ratio" Share "Characters beyond ASCII in the subject.";
    SubjectDigitRatio "subject_digit_ratio" Share "Digits in the subject.";
    TextUpperRatio "text_upper_ratio" Share "Capitals among the letters of the text that have case.";
    TextNonAsciiRatio "text_non_ascii_ratio" Share "Characters beyond ASCII in the text.";
    HtmlTextRatio "html_text_ratio" Share "Visible text of the HTML parts against their source, at most 1.";
    HiddenRatio "hidden_ratio" Share "Hidden text against hidden and visible text together.";
    DateAge "date_age" Seconds "From the Date field to the date in the topmost Received field; negative for a date in the future.";
}

/// Most words that are counted.
const WORDS: usize = 100_000;

impl Number {
    /// The number of that name.
    pub(super) fn named(name: &str) -> Option<Number> {
        Number::ALL.into_iter().find(|n| n.name() == name)
    }

    /// The number of a message; `None` when it has none (a share of nothing, a time without a date).
    pub(super) fn of(self, subject: &Subject<'_>) -> Option<f64> {
        match subject {
            Subject::Transaction(envelope, mail) => self.of_mail(envelope, mail),
            Subject::Fragment(text) => self.of_text(text, text),
        }
    }

    fn of_mail(self, envelope: &Envelope, mail: &Mail) -> Option<f64> {
        let urls = mail.urls();
        Some(match self {
            Number::Size => count(mail.raw().len()),
            Number::BodySize => count(mail.raw_body().len()),
            Number::HeaderCount => count(mail.headers().count()),
            Number::ReceivedCount => count(mail.headers_named("Received").count()),
            Number::RecipientCount => count(envelope.recipients.len()),
            Number::ToCount => count(mail.mailboxes("To").len() + mail.mailboxes("Cc").len()),
            Number::PartCount => count(mail.parts().len()),
            Number::AttachmentCount => count(mail.attachments().count()),
            Number::AttachmentSize => count(mail.attachments().map(|p| p.size).sum()),
            Number::ImageCount => count(html(mail).map(images).sum()),
            Number::UrlCount => {
                let different: HashSet<_> = urls.iter().map(|u| u.text.as_str()).collect();
                count(different.len())
            }
            Number::UrlHostCount => {
                let different: HashSet<_> = urls.iter().map(|u| u.host.as_str()).collect();
                count(different.len())
            }
            Number::UrlDomainCount => {
                let domains = urls.iter().filter_map(|u| u.registered_domain());
                count(domains.collect::<HashSet<_>>().len())
            }
            Number::HiddenLength => count(mail.hidden_text().chars().count()),
            Number::HtmlLength => count(html(mail).map(|h| h.chars().count()).sum()),
            Number::HtmlTextRatio => {
                let visible: usize = mail
                    .texts()
                    .filter(|(part, _)| matches!(part.kind, PartKind::Html(_)))
                    .map(|(_, text)| text.len())
                    .sum();
                share(visible, html(mail).map(str::len).sum())?.min(1.0)
            }
            Number::HiddenRatio => {
                let hidden = mail.hidden_text().len();
                share(hidden, hidden + mail.text().len())?
            }
            Number::DateAge => {
                let sent = date(mail.headers_named("Date").next()?.raw)?;
                let field = mail.headers_named("Received").next()?.raw;
                let at = memchr::memrchr(b';', field)?;
                count_signed(date(field.get(at + 1..)?)? - sent)
            }
            other => return other.of_text(&mail.subject(), mail.text()),
        })
    }

    /// Numbers of the subject and the text; for a fragment both are the fragment.
    fn of_text(self, subject: &str, text: &str) -> Option<f64> {
        Some(match self {
            Number::Size | Number::BodySize => count(text.len()),
            Number::TextLength => count(text.chars().count()),
            Number::WordCount => count(super::words::count(text, WORDS)),
            Number::SubjectLength => count(subject.chars().count()),
            Number::SubjectUpperRatio => upper(subject)?,
            Number::SubjectNonAsciiRatio => beyond_ascii(subject)?,
            Number::SubjectDigitRatio => {
                let digits = subject.chars().filter(char::is_ascii_digit).count();
                share(digits, subject.chars().count())?
            }
            Number::TextUpperRatio => upper(text)?,
            Number::TextNonAsciiRatio => beyond_ascii(text)?,
            Number::HtmlTextRatio | Number::HiddenRatio | Number::DateAge => return None,
            _ => 0.0,
        })
    }
}

/// Messages are far shorter than 2^53 bytes.
fn count(n: usize) -> f64 {
    n as f64
}

fn count_signed(n: i64) -> f64 {
    n as f64
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| count(part) / count(whole))
}

fn upper(text: &str) -> Option<f64> {
    let (mut upper, mut cased) = (0, 0);
    for c in text.chars() {
        if c.is_uppercase() {
            upper += 1;
            cased += 1;
        } else if c.is_lowercase() {
            cased += 1;
        }
    }
    share(upper, cased)
}

fn beyond_ascii(text: &str) -> Option<f64> {
    let beyond = text.chars().filter(|c| !c.is_ascii()).count();
    share(beyond, text.chars().count())
}

fn html(mail: &Mail) -> impl Iterator<Item = &str> {
    mail.parts().iter().filter_map(|p| match &p.kind {
        PartKind::Html(html) => Some(html.as_str()),
        _ => None,
    })
}

fn images(html: &str) -> usize {
    memchr::memchr_iter(b'<', html.as_bytes())
        .filter(|at| {
            let tag = html.as_bytes().get(at + 1..at + 5).unwrap_or_default();
            let (name, after) = tag.split_at_checked(3).unwrap_or_default();
            name.eq_ignore_ascii_case(b"img")
                && after.iter().all(|b| b.is_ascii_whitespace() || *b == b'/')
        })
        .count()
}

/// Seconds since 1970 of a date (RFC 5322, section 3.3).
fn date(raw: &[u8]) -> Option<i64> {
    let mut line: Vec<u8> = raw
        .get(..DATE_BYTES)
        .unwrap_or(raw)
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    line.push(b'\n');
    match MessageStream::new(&line).parse_date() {
        mail_parser::HeaderValue::DateTime(date) if date.is_valid() => Some(date.to_timestamp()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mail::Limits;

    fn mail(raw: &str) -> Mail {
        Mail::parse(Bytes::from(raw.to_owned()), &Limits::default())
    }

    fn number(name: &str, raw: &str) -> Option<f64> {
        let (mail, envelope) = (mail(raw), Envelope::default());
        let number = Number::named(name).unwrap();
        number.of(&Subject::Transaction(&envelope, &mail))
    }

    #[test]
    fn numbers_are_what_they_say() {
        let html = "Received: from a by b; Tue, 01 Sep 2026 10:00:00 +0000\nDate: Tue, 01 Sep 2026 09:00:00 +0000\nSubject: WIN 50 Ärger\nTo: a@b.example, c@d.example\nContent-Type: text/html; charset=utf-8\n\n<img src=x><IMG/><image><p>Hello</p><a href='http://a.b.example.org/1'>x</a><a href='http://c.example.org/2'>y</a><p style='display:none'>hidden</p>";
        for (name, expected) in [
            ("header_count", 5.0),
            ("received_count", 1.0),
            ("to_count", 2.0),
            ("recipient_count", 0.0),
            ("part_count", 1.0),
            ("attachment_count", 0.0),
            ("attachment_size", 0.0),
            ("image_count", 2.0),
            ("url_count", 2.0),
            ("url_host_count", 2.0),
            ("url_domain_count", 1.0),
            ("subject_length", 12.0),
            ("subject_digit_ratio", 2.0 / 12.0),
            ("subject_non_ascii_ratio", 1.0 / 12.0),
            ("subject_upper_ratio", 0.5),
            ("hidden_length", 6.0),
            ("date_age", 3600.0),
        ] {
            let found = number(name, html).unwrap();
            assert!((found - expected).abs() < 1e-9, "{name}: {found}");
        }
        assert!(number("hidden_ratio", html).unwrap() > 0.2);
        assert!(number("html_text_ratio", html).unwrap() < 0.2);
        for name in [
            "subject_upper_ratio",
            "html_text_ratio",
            "date_age",
            "text_upper_ratio",
        ] {
            assert_eq!(number(name, "X: y\n\n"), None, "{name}");
        }
    }

    #[test]
    fn names_lead_to_numbers_and_every_number_has_a_meaning() {
        for number in Number::ALL {
            assert_eq!(Number::named(number.name()), Some(number));
            assert!(number.meaning().ends_with('.'), "{}", number.name());
        }
    }
}
