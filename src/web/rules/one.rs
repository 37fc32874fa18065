//! One rule: what it says, where, and what became of messages that it has hit.

use askama::Template;
use axum::extract::{Path, State};

use super::{Known, Row};
use crate::filter::rules::catalogue;
use crate::server::Engine;
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
pub(in crate::web) struct Source {
    /// The rule in its file, as the file is now.
    pub(in crate::web) text: Option<String>,
    asks: Vec<String>,
    pub(in crate::web) refers_to: Vec<String>,
    pub(in crate::web) referred_by: Vec<String>,
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
    let source = Source::of(&engine, id).await?;
    layout::render(&RulePage {
        page: Page::new(&row.id, "/rules/", &visitor),
        group: set.group_of(rule).map(|g| (g.name().to_owned(), g.cap())),
        lists: rule.lists().iter().map(ToString::to_string).collect(),
        labels: rule.labels().iter().map(ToString::to_string).collect(),
        expires: rule.expires().map(|day| day.to_string()),
        is_scoped: rule.is_scoped(),
        text: source.text,
        asks: source.asks,
        refers_to: source.refers_to,
        referred_by: source.referred_by,
        tests: source.tests,
        measured: all.measured.as_ref().map(|m| (m.at, !m.is_of(set))),
        row,
    })
}

impl Source {
    /// What the files of an engine say of the rule of that id; of other rules it names those that are in force.
    pub(in crate::web) async fn of(engine: &Engine, id: String) -> Result<Source, Refusal> {
        let (Some(config), Some(set)) = (engine.config(), engine.rules()) else {
            return Ok(Source::default());
        };
        let (options, base) = (config.file.rules.clone(), config.base.clone());
        let written = config.source.clone();
        let look = move || source(options.read(&written, &base).sources, &id);
        let mut source = tokio::task::spawn_blocking(look)
            .await
            .map_err(|error| Refusal::internal("the files of rules cannot be read", &error))?;
        for ids in [&mut source.refers_to, &mut source.referred_by] {
            ids.retain(|id| set.rule(id).is_some());
        }
        Ok(source)
    }
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
