//! Signs by which ham and spam of a corpus differ although they say nothing about spam: when the messages were
//! sent, who took them in, to whom they were addressed, which header fields they have.
//!
//! A collection of ham from one server and of spam from another teaches a learner to tell the servers apart.
//! Figures on such a corpus are too good, and stay behind when the mail changes.

use std::collections::HashMap;

use serde::Serialize;

use crate::filter::bayes::{Class, Receiving, list};
use crate::mail::Mail;

/// Different signs that are counted at most; later ones are passed over.
const SIGNS: usize = 200_000;
/// Longest value of a sign, bytes.
const VALUE_BYTES: usize = 80;
/// Header fields of a message that are looked at.
const FIELDS: usize = 100;
/// A sign is told when the shares of its messages in both classes are so far apart.
const APART: f64 = 0.3;
/// And when so many messages have it.
const SEEN: u32 = 10;

/// What of a message may tell who collected it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// When it arrived, or was sent: seconds since 1970.
    date: Option<i64>,
    signs: Vec<Sign>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sign {
    what: What,
    value: String,
}

/// Kinds of signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A header field of that name is there.
    Field,
    /// A header field of that name is there which the mailing list wrote that the message came by.
    ListField,
    /// The host that took the message in last.
    ReceivedBy,
    /// The domain that it is addressed to.
    To,
    /// The mailing list that it came by.
    List,
}

impl What {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            What::Field => "header field",
            What::ListField => "header field of a list",
            What::ReceivedBy => "received by",
            What::To => "addressed to",
            What::List => "mailing list",
        }
    }
}

/// What one class has far more often than the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trait {
    /// Which kind of sign.
    pub what: What,
    /// The sign; to be escaped where it is shown.
    pub value: String,
    /// Share of ham that has it, 0 to 1.
    pub ham: f64,
    /// Share of spam that has it.
    pub spam: f64,
    /// Whether the classifier sees it; what the receiving side writes it leaves out.
    pub seen_by_classifier: bool,
}

/// When the messages of a class were sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dates {
    /// Which class.
    pub class: &'static str,
    /// Messages with a date that can be read.
    pub dated: usize,
    /// Messages without.
    pub undated: usize,
    /// The times before which 0, 10, 50, 90 and 100 % of the messages lie: seconds since 1970.
    pub quantiles: [i64; 5],
}

/// What was observed of all messages.
#[derive(Clone, Debug, Default)]
pub struct Traits {
    counts: HashMap<Sign, [u32; 2]>,
    messages: [u32; 2],
    dates: [Vec<i64>; 2],
}

fn side(class: Class) -> usize {
    match class {
        Class::Ham => 0,
        Class::Spam => 1,
    }
}

impl Observed {
    /// Looks at a message.
    pub fn of(mail: &Mail) -> Observed {
        let mut signs = Vec::new();
        let mut add = |what, value: &str| {
            let end = value.floor_char_boundary(VALUE_BYTES);
            let value = value.get(..end).unwrap_or_default().to_lowercase();
            let sign = Sign { what, value };
            if !sign.value.is_empty() && !signs.contains(&sign) {
                signs.push(sign);
            }
        };
        let listed = list::is_discussion(mail);
        for header in mail.headers().take(FIELDS) {
            let name = header.name_text().to_lowercase();
            let by_list = listed && list::writes(&name);
            add(
                if by_list {
                    What::ListField
                } else {
                    What::Field
                },
                &name,
            );
        }
        let received = mail.header("Received").unwrap_or_default();
        let mut words = received.split_ascii_whitespace();
        if words.any(|w| w.eq_ignore_ascii_case("by")) {
            add(
                What::ReceivedBy,
                words.next().unwrap_or_default().trim_matches(';'),
            );
        }
        for mailbox in mail.mailboxes("To").iter().take(3) {
            add(What::To, mailbox.domain().unwrap_or_default());
        }
        let list = mail.header("List-Id").unwrap_or_default();
        add(
            What::List,
            list.rsplit(['<', ' '])
                .next()
                .unwrap_or_default()
                .trim_end_matches('>'),
        );
        Observed {
            date: date(mail, &received),
            signs,
        }
    }
}

/// When the message arrived, by whoever took it in last; where that is not known, when it says it was sent.
fn date(mail: &Mail, received: &str) -> Option<i64> {
    let read = |text: &str| {
        let date = mail_parser::DateTime::parse_rfc822(text.trim()).filter(|d| d.is_valid())?;
        Some(date.to_timestamp()).filter(|t| *t > 0)
    };
    received
        .rsplit_once(';')
        .and_then(|(_, text)| read(text))
        .or_else(|| read(&mail.header("Date")?))
}

impl Traits {
    /// Adds a message.
    pub fn add(&mut self, class: Class, observed: Observed) {
        let side = side(class);
        if let (Some(messages), Some(dates)) =
            (self.messages.get_mut(side), self.dates.get_mut(side))
        {
            *messages += 1;
            dates.extend(observed.date);
        }
        for sign in observed.signs {
            if self.counts.len() < SIGNS || self.counts.contains_key(&sign) {
                let counts = self.counts.entry(sign).or_default();
                if let Some(count) = counts.get_mut(side) {
                    *count += 1;
                }
            }
        }
    }

    /// The signs that tell the classes apart best, the strongest first.
    pub fn skew(&self, most: usize, receiving: &Receiving) -> Vec<Trait> {
        let [ham, spam] = self.messages;
        if ham == 0 || spam == 0 {
            return Vec::new();
        }
        let mut found: Vec<Trait> = self
            .counts
            .iter()
            .filter(|(_, [in_ham, in_spam])| in_ham + in_spam >= SEEN)
            .map(|(sign, [in_ham, in_spam])| Trait {
                what: sign.what,
                value: sign.value.clone(),
                ham: f64::from(*in_ham) / f64::from(ham),
                spam: f64::from(*in_spam) / f64::from(spam),
                seen_by_classifier: match sign.what {
                    What::Field => !receiving.ignores(&sign.value),
                    What::ReceivedBy => receiving.reads_received(),
                    What::List | What::ListField => false,
                    What::To => true,
                },
            })
            .filter(|t| t.distance() >= APART)
            .collect();
        found.sort_by(|a, b| {
            (b.distance().total_cmp(&a.distance()))
                .then_with(|| (a.what, &a.value).cmp(&(b.what, &b.value)))
        });
        found.truncate(most);
        found
    }

    /// When the messages of each class were sent; classes without a dated message are left out.
    pub fn dates(&self) -> Vec<Dates> {
        let sides = [("ham", 0), ("spam", 1)];
        let of = |(class, side): (&'static str, usize)| {
            let mut dates = self.dates.get(side)?.clone();
            dates.sort_unstable();
            let last = dates.len().checked_sub(1)?;
            let at = |percent: usize| dates.get(last * percent / 100).copied().unwrap_or(0);
            Some(Dates {
                class,
                dated: dates.len(),
                undated: (*self.messages.get(side)? as usize).saturating_sub(dates.len()),
                quantiles: [0, 10, 50, 90, 100].map(at),
            })
        };
        sides.into_iter().filter_map(of).collect()
    }

    /// The largest distance between the shares of ham and of spam that came before the same time.
    pub fn date_distance(&self) -> Option<f64> {
        let [ham, spam] = &self.dates;
        if ham.is_empty() || spam.is_empty() {
            return None;
        }
        let mut all: Vec<(i64, usize)> = [ham, spam]
            .iter()
            .zip(0..)
            .flat_map(|(dates, side)| dates.iter().map(move |d| (*d, side)))
            .collect();
        all.sort_unstable();
        let mut before = [0_usize; 2];
        let mut widest = 0.0_f64;
        for same in all.chunk_by(|a, b| a.0 == b.0) {
            for (_, side) in same {
                if let Some(count) = before.get_mut(*side) {
                    *count += 1;
                }
            }
            let [h, s] = before;
            let distance = h as f64 / ham.len() as f64 - s as f64 / spam.len() as f64;
            widest = widest.max(distance.abs());
        }
        Some(widest)
    }
}

impl Trait {
    fn distance(&self) -> f64 {
        (self.ham - self.spam).abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Limits;

    fn observed(text: String) -> Observed {
        Observed::of(&Mail::parse(text.into(), &Limits::default()))
    }

    fn message(host: &str, day: u32) -> Observed {
        observed(format!(
            "Received: from x by {host} with SMTP; {day} Jan 2024 10:00:00 +0000\r\nTo: a@Example.com\r\nX-Spam-Level: *\r\nDate: 1 Jan 1999 00:00:00 +0000\r\n\r\n"
        ))
    }

    #[test]
    fn the_time_of_arrival_counts_and_not_what_the_sender_says() {
        assert_eq!(message("h", 5).date, Some(1_704_448_800));
        assert_eq!(
            observed("Date: Fri, 5 Jan 2024 10:00:00 +0000\r\n\r\n".into()).date,
            Some(1_704_448_800)
        );
        assert_eq!(observed("Date: yesterday\r\n\r\n".into()).date, None);
    }

    #[test]
    fn what_only_one_class_has_is_told_with_whether_the_classifier_sees_it() {
        let mut traits = Traits::default();
        for day in 1..=20 {
            traits.add(Class::Ham, message("home.example", day));
            let mut spam = message("trap.example", day);
            spam.signs.push(Sign {
                what: What::Field,
                value: "x-mailer".into(),
            });
            traits.add(Class::Spam, spam);
        }
        let skew = traits.skew(10, &Receiving::default());
        let found: Vec<_> = skew
            .iter()
            .map(|t| (t.what, t.value.as_str(), t.ham, t.seen_by_classifier))
            .collect();
        assert_eq!(
            found,
            [
                (What::Field, "x-mailer", 0.0, true),
                (What::ReceivedBy, "home.example", 1.0, false),
                (What::ReceivedBy, "trap.example", 0.0, false),
            ]
        );
        assert_eq!(traits.date_distance(), Some(0.0));
    }

    /// Break it by telling every field as the sender's.
    #[test]
    fn what_a_list_writes_the_classifier_does_not_see() {
        let mut traits = Traits::default();
        for _ in 0..20 {
            let by_list =
                "List-Post: <mailto:a@b.example>\r\nPrecedence: list\r\nX-Mailer: m\r\n\r\n";
            traits.add(Class::Ham, observed(by_list.to_owned()));
            traits.add(Class::Spam, observed("Precedence: bulk\r\n\r\n".to_owned()));
        }
        let skew = traits.skew(10, &Receiving::default());
        let told = |what, name: &str, share, seen| {
            let is = |t: &&Trait| t.what == what && t.value == name && t.ham == share;
            let found = skew
                .iter()
                .find(is)
                .unwrap_or_else(|| panic!("{name}: {skew:?}"));
            assert_eq!(found.seen_by_classifier, seen, "{name}");
        };
        told(What::ListField, "precedence", 1.0, false);
        told(What::Field, "precedence", 0.0, true);
        told(What::ListField, "list-post", 1.0, false);
        told(What::Field, "x-mailer", 1.0, true);
    }

    #[test]
    fn classes_of_different_times_are_far_apart() {
        let mut traits = Traits::default();
        for day in 1..=10 {
            traits.add(Class::Ham, message("h", day));
            traits.add(Class::Spam, message("h", day + 10));
        }
        assert_eq!(traits.date_distance(), Some(1.0));
        let dates = traits.dates();
        assert_eq!(
            (dates[0].class, dates[0].dated, dates[0].undated),
            ("ham", 10, 0)
        );
        assert!(dates[0].quantiles[4] < dates[1].quantiles[0]);
    }
}
