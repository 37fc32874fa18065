//! The list: search, sort, choose.

use askama::Template;
use axum::extract::{Query, State};

use super::asked::{Asked, Choice};
use crate::quarantine::{Order, Record, Sort};
use crate::web::accounts::Role;
use crate::web::filters;
use crate::web::layout::{self, Answer, Look, Page};

/// Messages of one page.
const ROWS: u32 = 50;
/// Recipients that a row names.
const NAMED: usize = 2;

#[derive(Template)]
#[template(path = "quarantine_list.html", whitespace = "minimize")]
struct ListPage {
    page: Page,
    asked: Asked,
    states: Vec<Choice>,
    verdicts: Vec<Choice>,
    detailed: bool,
    columns: Vec<Column>,
    rows: Vec<Row>,
    found: u64,
    next: Option<String>,
    /// Back to the newest.
    first: Option<String>,
    may_work: bool,
}

struct Column {
    word: &'static str,
    path: String,
    /// For `aria-sort`.
    sorted: Option<&'static str>,
    number: bool,
}

struct Row {
    id: String,
    received: i64,
    from: String,
    to: Vec<String>,
    more: usize,
    subject: String,
    score: String,
    size: u64,
    state: &'static str,
    tag: &'static str,
    seen: u64,
}

pub(super) async fn list((State(console), visitor, Query(asked)): Look<Asked>) -> Answer {
    let quarantine = &console.services.quarantine;
    let (filter, order) = (asked.filter()?, asked.order());
    let after = asked.after()?;
    let found = quarantine.matching(&filter).await?;
    let shown = quarantine
        .search(&filter, order, after.as_ref(), ROWS)
        .await?;
    let note = done(&asked.done);
    layout::render(&ListPage {
        page: Page::new("Quarantine", super::PATH, &visitor).with_note(note),
        states: asked.states(),
        verdicts: asked.verdicts(),
        detailed: asked.is_detailed(),
        columns: columns(&asked, order),
        rows: shown.records.iter().map(row).collect(),
        found,
        next: shown.next.map(|cursor| asked.path(order, Some(&cursor))),
        first: after.map(|_| asked.path(order, None)),
        may_work: visitor.may(Role::Analyst),
        asked,
    })
}

/// What is said of something that was done before the list was shown.
fn done(word: &str) -> Option<&'static str> {
    match word {
        "deleted" => Some("The message is deleted."),
        "deleted-spam" => Some("The message is learned as spam and deleted."),
        _ => None,
    }
}

fn columns(asked: &Asked, order: Order) -> Vec<Column> {
    let columns = [
        (Sort::Received, "Received", false),
        (Sort::Sender, "From", false),
        (Sort::Subject, "Subject", false),
        (Sort::Score, "Score", true),
        (Sort::Size, "Size", true),
        (Sort::State, "State", false),
    ];
    columns
        .into_iter()
        .map(|(by, word, number)| {
            let here = by == order.by;
            // A second click turns the order; texts begin with A.
            let text = matches!(by, Sort::Sender | Sort::Subject | Sort::State);
            let descending = if here { !order.descending } else { !text };
            let sorted = match order.descending {
                true => "descending",
                false => "ascending",
            };
            Column {
                word,
                path: asked.path(Order { by, descending }, None),
                sorted: here.then_some(sorted),
                number,
            }
        })
        .collect()
}

/// The tone in which a state is shown.
pub(super) fn tag(state: crate::quarantine::State) -> &'static str {
    use crate::quarantine::State;
    match state {
        State::Held => "",
        State::Partly | State::Releasing => "warn",
        State::Released => "good",
        _ => "bad",
    }
}

fn row(record: &Record) -> Row {
    let entry = &record.entry;
    let to = entry.recipients.iter().take(NAMED);
    Row {
        id: entry.id.clone(),
        received: entry.received.as_second(),
        from: sender(record),
        to: to.map(|r| r.text().to_owned()).collect(),
        more: entry.recipients.len().saturating_sub(NAMED),
        subject: subject(record),
        score: format!("{:.2}", entry.score),
        size: entry.size,
        state: record.state.name(),
        tag: tag(record.state),
        seen: record.seen,
    }
}

pub(super) fn sender(record: &Record) -> String {
    match record.entry.sender.text() {
        "" => "<>".to_owned(),
        text => text.to_owned(),
    }
}

pub(super) fn subject(record: &Record) -> String {
    match record.entry.subject.trim() {
        "" => "(no subject)".to_owned(),
        text => text.to_owned(),
    }
}
