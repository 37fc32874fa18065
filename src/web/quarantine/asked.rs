//! What somebody looks for, as it stands in the address of the list.

use ipnet::IpNet;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

use crate::filter::Action;
use crate::quarantine::{Cursor, Filter, Order, Sort, State};
use crate::web::refusal::Refusal;

/// Longest text of one field, bytes.
const LONGEST: usize = 1_000;

/// The fields of the form, as written; empty where nothing is looked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) subject: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) domain: String,
    pub(super) client: String,
    pub(super) rule: String,
    pub(super) reason: String,
    pub(super) policy: String,
    pub(super) state: String,
    pub(super) verdict: String,
    pub(super) since: String,
    pub(super) until: String,
    pub(super) larger: String,
    pub(super) sort: String,
    pub(super) up: String,
    pub(super) after: String,
    /// What was just done, a word that the page knows.
    pub(super) done: String,
}

/// Choices of a field, with those that are chosen.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) chosen: bool,
}

impl Asked {
    /// From the fields of a form that goes on with a search.
    pub(super) fn of_form(fields: &[(String, String)]) -> Asked {
        let mut asked = Asked::default();
        for (name, value) in fields {
            if let Some(place) = asked.field(name) {
                place.clone_from(value);
            }
        }
        asked
    }

    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "subject" => &mut self.subject,
            "from" => &mut self.from,
            "to" => &mut self.to,
            "domain" => &mut self.domain,
            "client" => &mut self.client,
            "rule" => &mut self.rule,
            "reason" => &mut self.reason,
            "policy" => &mut self.policy,
            "state" => &mut self.state,
            "verdict" => &mut self.verdict,
            "since" => &mut self.since,
            "until" => &mut self.until,
            "larger" => &mut self.larger,
            "sort" => &mut self.sort,
            "up" => &mut self.up,
            _ => return None,
        })
    }

    /// What is looked for, name and value, without what is empty, order and place.
    pub(super) fn pairs(&self) -> Vec<(&'static str, &str)> {
        let pairs = [
            ("subject", &self.subject),
            ("from", &self.from),
            ("to", &self.to),
            ("domain", &self.domain),
            ("client", &self.client),
            ("rule", &self.rule),
            ("reason", &self.reason),
            ("policy", &self.policy),
            ("state", &self.state),
            ("verdict", &self.verdict),
            ("since", &self.since),
            ("until", &self.until),
            ("larger", &self.larger),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| (name, value.trim()))
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// Whether more is looked for than words of the subject.
    pub(super) fn is_detailed(&self) -> bool {
        self.pairs().iter().any(|(name, _)| *name != "subject")
    }

    /// The address of the list with this search, in that order, from there on.
    pub(super) fn path(&self, order: Order, after: Option<&Cursor>) -> String {
        let mut path = String::from("/quarantine?");
        let mut add = |name: &str, value: &str| {
            if !path.ends_with('?') {
                path.push('&');
            }
            path.push_str(name);
            path.push('=');
            path.push_str(&crate::web::login::encoded(value));
        };
        for (name, value) in self.pairs() {
            add(name, value);
        }
        add("sort", order.by.name());
        if !order.descending {
            add("up", "1");
        }
        if let Some(after) = after {
            add("after", &after.to_string());
        }
        path
    }

    /// In which order.
    pub(super) fn order(&self) -> Order {
        Order {
            by: Sort::parse(&self.sort).unwrap_or_default(),
            descending: self.up.is_empty(),
        }
    }

    /// From where on.
    pub(super) fn after(&self) -> Result<Option<Cursor>, Refusal> {
        match self.after.as_str() {
            "" => Ok(None),
            text => Ok(Some(text.parse()?)),
        }
    }

    /// The filter.
    ///
    /// # Errors
    /// A field that makes no sense, with what to write.
    pub(super) fn filter(&self) -> Result<Filter, Refusal> {
        if self.pairs().iter().any(|(_, value)| value.len() > LONGEST) {
            return Err(Refusal::Invalid("That is too long to look for.".to_owned()));
        }
        let text = |value: &str| Some(value.trim().to_owned()).filter(|t| !t.is_empty());
        let wrong = |what: &str| Refusal::Invalid(what.to_owned());
        let client = text(&self.client).map(|c| {
            network(&c).ok_or_else(|| {
                wrong("Client: write an address or a network, such as 192.0.2.0/24.")
            })
        });
        let day = |value: &str, later: i64| {
            text(value)
                .map(|v| first_moment(&v, later).ok_or_else(|| wrong("Write a day as 2026-11-05.")))
                .transpose()
        };
        let state = text(&self.state)
            .map(|s| State::parse(&s).ok_or_else(|| wrong("There is no such state.")));
        let verdict = text(&self.verdict)
            .map(|v| action(&v).ok_or_else(|| wrong("There is no such verdict.")));
        let larger = text(&self.larger).map(|l| {
            let size = l.parse::<crate::config::ByteSize>();
            size.map(|size| size.0)
                .map_err(|()| wrong("Size: write a number of bytes, or one with KiB or MiB."))
        });
        Ok(Filter {
            since: day(&self.since, 0)?,
            // Up to the end of that day.
            until: day(&self.until, 1)?,
            sender: text(&self.from),
            recipient: text(&self.to),
            domain: text(&self.domain),
            subject: text(&self.subject),
            client: client.transpose()?,
            rule: text(&self.rule),
            reason: text(&self.reason),
            verdict: verdict.transpose()?,
            policy: text(&self.policy),
            state: state.transpose()?,
            larger: larger.transpose()?,
            ..Filter::default()
        })
    }

    pub(super) fn states(&self) -> Vec<Choice> {
        let choice = |state: State| Choice {
            value: state.name(),
            chosen: state.name() == self.state,
        };
        State::ALL.into_iter().map(choice).collect()
    }

    pub(super) fn verdicts(&self) -> Vec<Choice> {
        let choice = |action: Action| Choice {
            value: action.name(),
            chosen: action.name() == self.verdict,
        };
        HELD_BY.into_iter().map(choice).collect()
    }
}

/// Verdicts with which messages come into the quarantine.
const HELD_BY: [Action; 3] = [Action::Quarantine, Action::Discard, Action::Reject];

fn action(name: &str) -> Option<Action> {
    HELD_BY.into_iter().find(|a| a.name() == name)
}

fn network(text: &str) -> Option<IpNet> {
    let alone = text.parse::<std::net::IpAddr>().map(IpNet::from);
    alone.ok().or_else(|| text.parse().ok())
}

/// The first moment of a day of this host, or of one so many days later.
fn first_moment(day: &str, later: i64) -> Option<Timestamp> {
    let date = day.parse::<Date>().ok()?.checked_add(later.days()).ok()?;
    Some(date.to_zoned(TimeZone::system()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_stands_in_the_address_and_comes_back() {
        let asked = Asked {
            subject: "a&b=c \u{e9}".to_owned(),
            client: "192.0.2.7".to_owned(),
            until: "2026-11-05".to_owned(),
            ..Asked::default()
        };
        let path = asked.path(Order::default(), None);
        assert_eq!(
            path,
            "/quarantine?subject=a%26b%3Dc%20%C3%A9&client=192.0.2.7&until=2026-11-05&sort=received"
        );
        let filter = asked.filter().unwrap();
        assert_eq!(filter.client, Some("192.0.2.7/32".parse().unwrap()));
        assert!(asked.is_detailed() && !Asked::default().is_detailed());
        for (name, value) in [
            ("client", "here"),
            ("since", "yesterday"),
            ("state", "new"),
            ("verdict", "deliver"),
            ("larger", "much"),
            ("subject", &"x".repeat(2_000)),
        ] {
            let fields = [(name.to_owned(), value.to_owned())];
            assert!(Asked::of_form(&fields).filter().is_err(), "{name}");
        }
    }
}
