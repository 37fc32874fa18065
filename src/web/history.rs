//! The history: what became of each message, found by what people know of it; and one message with its reasons.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query as Fields, State};
use axum::routing::get;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::access::Access;
use super::accounts::Role;
use super::console::Shared;
use super::explanation::{Explanation, verdict_class};
use super::layout::{self, Answer, Look, Page};
use super::refusal::{Refusal, sentence};
use super::samples::VERDICTS;
use super::{Visitor, filters, login};
use crate::filter::Action;
use crate::history::{Cursor, Entry, HistoryError, Query};
use crate::mail::Direction;

/// Messages of a page.
const PAGE: usize = 50;
/// Longest word of a search, bytes.
const WORD: usize = 500;

pub(super) fn routes(access: &Access) -> Router<Shared> {
    let routes = Router::new()
        .route("/history", get(search))
        .route("/history/{id}", get(message));
    access.allow(Role::Viewer, routes)
}

/// What was asked for, as the form has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    sender: String,
    recipient: String,
    client: String,
    subject: String,
    rule: String,
    verdict: String,
    direction: String,
    from: String,
    to: String,
    held: String,
    before: String,
}

impl Asked {
    fn fields(&self) -> [(&'static str, &str); 11] {
        [
            ("q", &self.q),
            ("sender", &self.sender),
            ("recipient", &self.recipient),
            ("client", &self.client),
            ("subject", &self.subject),
            ("rule", &self.rule),
            ("verdict", &self.verdict),
            ("direction", &self.direction),
            ("from", &self.from),
            ("to", &self.to),
            ("held", &self.held),
        ]
    }

    /// Whether more than the first field is used.
    fn is_narrow(&self) -> bool {
        let mut fields = self.fields().into_iter().skip(1);
        fields.any(|(_, value)| !value.is_empty())
    }

    /// The same search, further on.
    fn path(&self, before: Cursor) -> String {
        let fields = self.fields().into_iter().filter(|(_, v)| !v.is_empty());
        let fields: String = fields
            .map(|(name, value)| format!("{name}={}&", login::encoded(value)))
            .collect();
        format!("/history?{fields}before={before}")
    }

    fn query(&self) -> Result<Query, String> {
        let long = self.fields().into_iter().find(|(_, v)| v.len() > WORD);
        if let Some((name, _)) = long {
            return Err(format!(
                "What is looked for ({name}) is longer than {WORD} bytes."
            ));
        }
        let some = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        let verdict = match self.verdict.as_str() {
            "" => None,
            name => Some(named(name).ok_or("There is no such verdict.")?),
        };
        let direction = match self.direction.as_str() {
            "inbound" => Some(Direction::Inbound),
            "outbound" => Some(Direction::Outbound),
            _ => None,
        };
        Ok(Query {
            text: some(&self.q),
            sender: some(&self.sender),
            recipient: some(&self.recipient),
            client: some(&self.client),
            subject: some(&self.subject),
            rules: self.rule.split_whitespace().map(str::to_owned).collect(),
            verdict,
            direction,
            quarantined: !self.held.is_empty(),
            from: instant(&self.from, false)?,
            to: instant(&self.to, true)?,
            ..Query::default()
        })
    }
}

fn named(name: &str) -> Option<Action> {
    VERDICTS.into_iter().find(|verdict| verdict.name() == name)
}

/// A day or a minute of this host's time; a day that ends something is meant with all of it.
fn instant(text: &str, is_end: bool) -> Result<Option<Timestamp>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| "Write a time as 2026-11-23 or 2026-11-23T08:30.".to_owned();
    let civil = match text.parse::<Date>() {
        Ok(day) if text.len() <= 10 => {
            let day = if is_end {
                day.tomorrow().map_err(wrong)?
            } else {
                day
            };
            day.to_datetime(jiff::civil::Time::midnight())
        }
        _ => text.parse::<DateTime>().map_err(wrong)?,
    };
    let zoned = civil.to_zoned(TimeZone::system()).map_err(wrong)?;
    Ok(Some(zoned.timestamp()))
}

/// A message in the list.
#[derive(Debug)]
struct Row {
    entry: Entry,
    class: &'static str,
    first: String,
    others: usize,
}

impl Row {
    fn new(entry: Entry) -> Row {
        Row {
            class: verdict_class(entry.verdict),
            first: entry.recipients.first().cloned().unwrap_or_default(),
            others: entry.recipient_count.saturating_sub(1),
            entry,
        }
    }
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    page: Page,
    asked: Asked,
    verdicts: Vec<&'static str>,
    rows: Vec<Row>,
    next: Option<String>,
    /// Why nothing can be shown.
    problem: Option<String>,
}

async fn search((State(console), visitor, Fields(asked)): Look<Asked>) -> Answer {
    let before = asked.before.parse::<Cursor>().ok();
    let (rows, next, problem) = match asked.query() {
        Err(problem) => (Vec::new(), None, Some(problem)),
        Ok(query) => match console.services.history.search(&query, before, PAGE).await {
            Ok(found) => {
                let next = found.next.map(|next| asked.path(next));
                (
                    found.entries.into_iter().map(Row::new).collect(),
                    next,
                    None,
                )
            }
            Err(error) => (Vec::new(), None, Some(told(&error)?)),
        },
    };
    layout::render(&HistoryPage {
        page: Page::new("History", "/history", &visitor),
        asked,
        verdicts: VERDICTS.map(Action::name).to_vec(),
        rows,
        next,
        problem,
    })
}

/// What the visitor is told of it; what is our fault goes to the log.
fn told(error: &HistoryError) -> Result<String, Refusal> {
    match error {
        HistoryError::Disabled | HistoryError::Closed | HistoryError::Query(_) => {
            Ok(sentence(error))
        }
        other => Err(Refusal::internal("the history cannot be searched", other)),
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    page: Page,
    subject: String,
    quarantine: Option<String>,
    explanation: Explanation,
}

async fn message(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Answer {
    let found = console.services.history.get(&id).await;
    let found = found.map_err(|error| match told(&error) {
        Ok(text) => Refusal::Conflict(text),
        Err(refusal) => refusal,
    })?;
    let entry = found.ok_or(Refusal::NotFound)?;
    let engine = console.services.engine.load();
    layout::render(&MessagePage {
        page: Page::new("Message", "/history/message", &visitor),
        subject: entry.subject.clone(),
        quarantine: entry.quarantine.clone(),
        explanation: Explanation::new(entry, engine.rules().map(AsRef::as_ref), true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_goes_on_where_it_ended() {
        let asked = Asked {
            q: "a&b=\"c\"".to_owned(),
            verdict: "reject".to_owned(),
            ..Asked::default()
        };
        let path = asked.path("17".parse().unwrap());
        assert_eq!(path, "/history?q=a%26b%3D%22c%22&verdict=reject&before=17");
    }

    #[test]
    fn times_are_days_or_minutes_and_an_end_takes_its_day() {
        let from = instant("2026-11-23", false).unwrap().unwrap();
        let to = instant("2026-11-23", true).unwrap().unwrap();
        assert_eq!(to.as_second() - from.as_second(), 86_400);
        let minute = instant("2026-11-23T08:30", true).unwrap().unwrap();
        assert_eq!(minute.as_second() - from.as_second(), 8 * 3600 + 1800);
        assert_eq!(instant(" ", false), Ok(None));
        assert!(
            instant("yesterday", false)
                .unwrap_err()
                .contains("2026-11-23")
        );
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let of = |asked: Asked| asked.query().unwrap_err();
        assert!(
            of(Asked {
                verdict: "maybe".into(),
                ..Asked::default()
            })
            .contains("verdict")
        );
        assert!(
            of(Asked {
                q: "x".repeat(501),
                ..Asked::default()
            })
            .contains("longer")
        );
    }
}
