//! `mailweir model list` and `show`: what is known of models.

use std::io::Write;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::origin::{open, origin, when};
use crate::printable::{printable, printable_path};
use crate::workbench::registry::{Book, Entry, Registry};

#[derive(Serialize)]
struct Listed<'a> {
    live: Option<String>,
    previous: Option<String>,
    #[serde(flatten)]
    book: &'a Book,
}

/// All models of the folder.
pub(super) fn list(out: &mut impl Write, registry: &Registry, json: bool) -> anyhow::Result<()> {
    let book = registry.book()?;
    let live = registry.live();
    let previous = live.as_deref().and_then(|l| book.before(l));
    if json {
        let listed = Listed {
            live,
            previous,
            book: &book,
        };
        serde_json::to_writer_pretty(&mut *out, &listed)?;
        writeln!(out)?;
        return Ok(());
    }
    if live.is_none() && registry.pointer().exists() {
        writeln!(
            out,
            "{} is in force and was not promoted; the next promotion takes it in",
            printable_path(registry.pointer())
        )?;
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "model", "state", "ham", "spam", "1-ROCA", "lost", "missed", "why",
        ]);
    for entry in &book.models {
        let trial = entry.trial.as_ref();
        let number = |n: Option<String>| {
            Cell::new(n.unwrap_or_default()).set_alignment(CellAlignment::Right)
        };
        table.add_row([
            Cell::new(&entry.id),
            Cell::new(state(entry, live.as_deref(), previous.as_deref())),
            number(Some(entry.ham.to_string())),
            number(Some(entry.spam.to_string())),
            number(
                trial
                    .and_then(|t| t.one_minus_roca)
                    .map(|r| format!("{r:.3}")),
            ),
            number(trial.and_then(|t| t.ham_lost).map(|n| n.to_string())),
            number(trial.and_then(|t| t.spam_missed).map(|n| n.to_string())),
            Cell::new(trial.map_or(String::new(), |t| printable(&t.reason, 200))),
        ]);
    }
    writeln!(out, "{table}")?;
    match &book.pinned {
        Some(pinned) => writeln!(
            out,
            "validation set: {} ham, {} spam, pinned {}, in {}",
            pinned.ham,
            pinned.spam,
            when(pinned.at),
            printable_path(&registry.validation())
        )?,
        None => writeln!(out, "no validation set is pinned")?,
    }
    Ok(())
}

fn state(entry: &Entry, live: Option<&str>, previous: Option<&str>) -> &'static str {
    let is = |id: Option<&str>| id == Some(entry.id.as_str());
    match &entry.trial {
        _ if is(live) => "in force",
        _ if is(previous) => "before",
        Some(trial) if !trial.passed => "kept aside",
        Some(_) => "was in force",
        None => "not tried",
    }
}

/// One of them.
pub(super) fn show(
    out: &mut impl Write,
    registry: &Registry,
    name: &str,
    json: bool,
) -> anyhow::Result<()> {
    let book = registry.book()?;
    let (title, engine) = open(registry, &book, name)?;
    let entry = book.entry(&title);
    let facts = engine.facts();
    if json {
        let sources: Vec<&String> = facts.sources.iter().collect();
        let value = serde_json::json!({
            "model": title,
            "engine": engine.kind().name(),
            "ham": facts.ham,
            "spam": facts.spam,
            "trained_at": facts.trained_at,
            "seed": facts.seed,
            "features": engine.features(),
            "sources": sources,
            "entry": entry,
        });
        writeln!(out, "{value:#}")?;
        return Ok(());
    }
    writeln!(out, "model     {}", printable(&title, 200))?;
    writeln!(out, "made of   {}", origin(&engine))?;
    writeln!(out, "seed      {}", facts.seed)?;
    for source in &facts.sources {
        writeln!(out, "source    {}", printable(source, 300))?;
    }
    let Some(entry) = entry else {
        return Ok(());
    };
    writeln!(out, "digest    {}", entry.digest)?;
    let live = registry.live();
    let previous = live.as_deref().and_then(|l| book.before(l));
    writeln!(
        out,
        "state     {}",
        state(entry, live.as_deref(), previous.as_deref())
    )?;
    if let Some(trial) = &entry.trial {
        let result = if trial.passed { "passed" } else { "kept aside" };
        writeln!(
            out,
            "trial     {}, {result}: {}",
            when(trial.at),
            printable(&trial.reason, 300)
        )?;
    }
    for change in book.history.iter().filter(|c| c.to == entry.id) {
        let from = change.from.as_deref().unwrap_or("none");
        writeln!(
            out,
            "in force  {}, {}, after {from}",
            when(change.at),
            change.why
        )?;
    }
    Ok(())
}
