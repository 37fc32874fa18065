//! Messages and counts of the history as tables.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use crate::history::{Entry, Overview, WordCount};
use crate::printable::printable;

/// Longest text in a cell, characters.
const CELL: usize = 60;
/// Rules and senders that are shown.
const MOST: usize = 20;

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

/// One line a message.
pub(super) fn messages(entries: &[Entry]) -> Table {
    let header = [
        "Id", "At (UTC)", "Verdict", "Score", "From", "To", "Subject", "Rules",
    ];
    let mut table = table(&header);
    for entry in entries {
        let mut refused = entry.refused.iter().map(|r| r.recipient.as_str());
        let first = entry.recipients.first().map(String::as_str);
        let first = first.or_else(|| refused.next()).unwrap_or_default();
        let more = (entry.recipient_count + entry.refused.len()).saturating_sub(1);
        let to = match more {
            0 => printable(first, CELL),
            more => format!("{} +{more}", printable(first, CELL)),
        };
        let sender = entry.sender.as_deref().unwrap_or_default();
        let mut rules: Vec<(f64, &str)> = entry
            .hits()
            .filter(|(_, hit)| hit.score != 0.0 || hit.decisive.is_some())
            .map(|(_, hit)| (hit.score, &*hit.rule))
            .collect();
        rules.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
        let rules: Vec<&str> = rules.into_iter().take(4).map(|(_, rule)| rule).collect();
        table.add_row([
            printable(&entry.id, CELL),
            entry.at.strftime("%m-%d %H:%M:%S").to_string(),
            entry.verdict.name().to_owned(),
            format!("{:.2}", entry.score),
            format!("<{}>", printable(sender, CELL)),
            to,
            printable(&entry.subject, CELL),
            printable(&rules.join(" "), CELL),
        ]);
    }
    table
}

/// Counts.
pub(super) fn overview(overview: &Overview) -> String {
    let mut text = format!("{} to {}\n", overview.from, overview.to);
    let mut verdicts = table(&["Direction", "Verdict", "Messages", "Bytes"]);
    for count in &overview.verdicts {
        verdicts.add_row([
            count.direction.name().to_owned(),
            count.verdict.name().to_owned(),
            count.messages.to_string(),
            count.bytes.to_string(),
        ]);
    }
    let mut hours = table(&["Hour (UTC)", "Messages", "Passed", "Stopped"]);
    for hour in &overview.hours {
        let of = |stopped: bool| -> u64 {
            let counts = hour.verdicts.iter();
            let counts = counts.filter(|c| (c.verdict > crate::filter::Action::Tag) == stopped);
            counts.map(|c| c.messages).sum()
        };
        hours.add_row([
            hour.at.strftime("%m-%d %H:%M").to_string(),
            (of(true) + of(false)).to_string(),
            of(false).to_string(),
            of(true).to_string(),
        ]);
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "{verdicts}\n\n{hours}");
    for (what, counts) in [
        ("Rule", &overview.rules),
        ("Domain of sender", &overview.senders),
    ] {
        let _ = writeln!(text, "\n{}", words(what, counts));
    }
    text.truncate(text.trim_end().len());
    text
}

fn words(what: &str, counts: &[WordCount]) -> Table {
    let mut table = table(&[what, "Messages", "Stopped"]);
    for count in counts.iter().take(MOST) {
        table.add_row([
            printable(&count.word, CELL),
            count.messages.to_string(),
            count.stopped.to_string(),
        ]);
    }
    table
}
