//! One rule: what it says, where, and what became of messages that it has hit.

use askama::Template;
use axum::extract::{Path, State};

use super::{Known, Row};
use crate::filter::rules::{RuleSet, catalogue};
use crate::web::Visitor;
use crate::web::accounts::Role;
use crate::web::console::Shared;
use crate::web::filters;
use crate::web::layout::{self, Answer, Page};
use crate::web::refusal::Refusal;

#[derive(Template)]
#[template(path = "rule.html")]
struct RulePage {
    page: Page,
    row: Row,
    /// When it was measured, and whether the rules have changed since.
    measured: Option<(i64, bool)>,
    group: Option<(String, f64)>,
    lists: Vec<String>,
    labels: Vec<String>,
    expires: Option<String>,
    is_scoped: bool,
    /// The rule in its file, as the file is now.
    text: Option<String>,
    asks: Vec<String>,
    refers_to: Vec<String>,
    referred_by: Vec<String>,
    tests: (usize, usize),
}

/// What the files say of a rule.
#[derive(Default)]
struct Source {
    text: Option<String>,
    asks: Vec<String>,
    refers_to: Vec<String>,
    referred_by: Vec<String>,
    tests: (usize, usize),
}

pub(super) async fn show(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Answer {
    let engine = console.services.engine.load_full();
    let set = engine.rules().ok_or(Refusal::NotFound)?;
    let rule = set.rule(&id).ok_or(Refusal::NotFound)?;
    let all = Known::new(&console).await?;
    let row = all.row(set, rule);
    let source = match engine.config() {
        Some(config) => {
            let (options, base) = (config.file.rules.clone(), config.base.clone());
            let written = config.source.clone();
            let look = move || source(options.read(&written, &base).sources, &id);
            tokio::task::spawn_blocking(look)
                .await
                .map_err(|error| Refusal::internal("the files of rules cannot be read", &error))?
        }
        None => Source::default(),
    };
    layout::render(&RulePage {
        page: Page::new(&row.id, "/rules/", &visitor),
        group: set.group_of(rule).map(|g| (g.name().to_owned(), g.cap())),
        lists: rule.lists().iter().map(ToString::to_string).collect(),
        labels: rule.labels().iter().map(ToString::to_string).collect(),
        expires: rule.expires().map(|day| day.to_string()),
        is_scoped: rule.is_scoped(),
        text: source.text,
        asks: source.asks,
        refers_to: known(set, source.refers_to),
        referred_by: known(set, source.referred_by),
        tests: source.tests,
        measured: all.measured.as_ref().map(|m| (m.at, !m.is_of(set))),
        row,
    })
}

/// Rules that are in force, for links.
fn known(set: &RuleSet, ids: Vec<String>) -> Vec<String> {
    ids.into_iter()
        .filter(|id| set.rule(id).is_some())
        .collect()
}

fn source(sources: Vec<crate::config::Source>, id: &str) -> Source {
    let mut found = Source::default();
    for written in catalogue(&sources) {
        let text = written.text();
        if written.refers_to.iter().any(|other| other == id) {
            found.referred_by.push(written.id.clone());
        }
        if written.id == id {
            // The first line begins at the rule's `-`; the others come as far to the left as it.
            let (_, column) = written.source.line_column(written.span.start);
            let lines = text.lines().map(|line| {
                let blank = line.len() - line.trim_start_matches(' ').len();
                line.get(blank.min(column - 1)..).unwrap_or(line)
            });
            found.text = Some(lines.collect::<Vec<_>>().join("\n"));
            found.asks = written.asks.clone();
            found.refers_to = written.refers_to.clone();
            found.tests = written.tests;
        }
    }
    found
}
