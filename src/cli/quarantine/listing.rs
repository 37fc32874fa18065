//! Messages of the quarantine on standard output: lists, and one whole.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use super::{display, look};
use crate::quarantine::preview::Preview;
use crate::quarantine::{Cursor, Filter, Order, PAGE, Quarantine};

/// Page by page, so that no list is too long for the memory.
pub(super) async fn list(
    quarantine: &Quarantine,
    filter: &Filter,
    order: Order,
    mut after: Option<Cursor>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut left = filter.limit;
    let mut any = false;
    loop {
        let want = left.map_or(PAGE, |left| left.min(PAGE));
        let page = quarantine
            .search(filter, order, after.as_ref(), want)
            .await?;
        let mut out = std::io::stdout().lock();
        if json {
            for record in &page.records {
                writeln!(out, "{}", display::json(record))?;
            }
        } else if !page.records.is_empty() {
            writeln!(out, "{}", display::table(&page.records))?;
        }
        any |= !page.records.is_empty();
        left = left.map(|left| left.saturating_sub(want));
        after = page.next;
        let Some(cursor) = &after else {
            break;
        };
        if left == Some(0) {
            if !json {
                writeln!(
                    out,
                    "There are more: --after {cursor}, or --limit 0 for all."
                )?;
            }
            break;
        }
    }
    if !any && !json {
        writeln!(std::io::stdout().lock(), "No messages.")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// With so many left out.
pub(super) async fn list_from(
    quarantine: &Quarantine,
    filter: &Filter,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let records = quarantine.list(filter).await?;
    let mut out = std::io::stdout().lock();
    if json {
        for record in &records {
            writeln!(out, "{}", display::json(record))?;
        }
    } else if records.is_empty() {
        writeln!(out, "No messages.")?;
    } else {
        writeln!(out, "{}", display::table(&records))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn show_html(quarantine: &Quarantine, id: &str) -> anyhow::Result<()> {
    let (_, preview) = quarantine.preview(id).await?;
    writeln!(std::io::stdout().lock(), "{}", preview.html())?;
    Ok(())
}

pub(super) async fn show(
    quarantine: &Quarantine,
    id: &str,
    raw: bool,
    headers: bool,
    json: bool,
) -> anyhow::Result<()> {
    if raw || headers {
        let bytes = quarantine.read(id).await?;
        let mut out = std::io::stdout().lock();
        if raw && !std::io::stdout().is_terminal() {
            out.write_all(&bytes)?;
        } else {
            display::lines(&mut out, &bytes, headers)?;
        }
        return Ok(());
    }
    let record = quarantine.get(id).await?;
    if json {
        writeln!(std::io::stdout().lock(), "{}", display::json(&record))?;
        return Ok(());
    }
    let deliveries = quarantine.deliveries(&record.entry.id).await?;
    write!(
        std::io::stdout().lock(),
        "{}",
        display::details(&record, &deliveries)
    )?;
    // What is known stays known when the message itself is lost.
    let raw = quarantine.read(&record.entry.id).await?;
    let preview = Preview::of(&record.entry, raw);
    write!(std::io::stdout().lock(), "{}", look::look(&preview))?;
    Ok(())
}
