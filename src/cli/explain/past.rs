//! `mailweir explain ID`: what the history keeps of a message.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use serde::Serialize;

use super::entry_lines;
use crate::config::Config;
use crate::filter::rules::RuleSet;
use crate::history::{Entry, History, Stage};
use crate::metrics::Metrics;
use crate::printable::printable;

/// Longest text from a message in a line, characters.
const SHOWN: usize = 300;

/// The id that is meant, where no file has that name.
pub(in crate::cli) fn id(path: &Path) -> Option<String> {
    let id = path.to_str()?.to_ascii_uppercase();
    let ulid = id.len() == 26 && id.parse::<ulid::Ulid>().is_ok();
    (ulid && !path.exists()).then_some(id)
}

#[derive(Serialize)]
struct JsonPast<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    /// For each hit of a rule that is in force now: where it stands, what it means.
    rules_now: Vec<JsonRule<'a>>,
}

#[derive(Serialize)]
struct JsonRule<'a> {
    rule: &'a str,
    description: &'a str,
    origin: &'a str,
}

/// Explains the message of that id. `set`: the rules in force, for what they mean and where they stand.
pub(super) async fn explain(
    config: &Config,
    json: bool,
    set: Option<&RuleSet>,
    id: &str,
) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new()?);
    let history = History::read(&config.data_dir, metrics).await?;
    let found = history.get(id).await;
    history.close().await;
    let Some(entry) = found? else {
        bail!("there is no message {id} in the history");
    };
    let mut out = std::io::stdout().lock();
    if json {
        let hits = entry.hits().filter(|(filter, _)| *filter == "rules");
        let rules = hits.filter_map(|(_, hit)| set?.rule(&hit.rule));
        let json = JsonPast {
            entry: &entry,
            rules_now: rules
                .map(|rule| JsonRule {
                    rule: rule.id(),
                    description: rule.description(),
                    origin: rule.origin(),
                })
                .collect(),
        };
        writeln!(out, "{}", serde_json::to_string(&json)?)?;
        return Ok(());
    }
    people(&mut out, &entry, set)?;
    Ok(())
}

fn people(out: &mut impl Write, entry: &Entry, set: Option<&RuleSet>) -> std::io::Result<()> {
    entry_lines::verdict(out, &entry.id, entry)?;
    envelope(out, entry)?;
    let now = set.map(RuleSet::version);
    let same = now.is_some() && now == entry.rules.as_deref();
    if entry.rules.is_some() && !same {
        writeln!(
            out,
            "  the rules have changed since: what is said of them is from those in force now"
        )?;
    }
    entry_lines::policies(out, entry)?;
    for refused in &entry.refused {
        let rule = refused.rule.as_deref().unwrap_or_default();
        writeln!(
            out,
            "    refused before the message came: {}, {} {}: {}",
            printable(&refused.recipient, SHOWN),
            refused.verdict,
            printable(rule, SHOWN),
            printable(&refused.answer, SHOWN)
        )?;
    }
    for outcome in &entry.outcomes {
        entry_lines::outcome(out, outcome)?;
        for hit in &outcome.hits {
            let rule = set.and_then(|set| set.rule(&hit.rule));
            let rule = rule.filter(|_| outcome.filter == "rules");
            entry_lines::hit(out, hit, rule.map(|r| r.description()))?;
            if let Some(rule) = rule {
                writeln!(out, "             {}", printable(rule.origin(), SHOWN))?;
            }
            entry_lines::evidence(out, hit)?;
        }
    }
    writeln!(out)
}

/// What is known of the transaction, a line for each.
fn envelope(out: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
    let stage = match entry.stage {
        Stage::Rcpt => ", before the message came",
        Stage::Body => ", before the end of the message",
        Stage::End => "",
    };
    let client = entry.client.map_or(String::new(), |c| c.to_string());
    let name = entry.client_name.as_deref().unwrap_or("unknown");
    let helo = entry.helo.as_deref().unwrap_or_default();
    let recipients: Vec<String> = entry
        .recipients
        .iter()
        .take(20)
        .map(|r| printable(r, SHOWN))
        .collect();
    let more = match entry.recipient_count.saturating_sub(recipients.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = |text: &str| printable(text, SHOWN);
    let lines = [
        (
            "at",
            format!(
                "{}{stage}, {} ms after its end",
                entry.at, entry.milliseconds
            ),
        ),
        ("answer", text(&entry.answer)),
        ("direction", entry.direction.name().to_owned()),
        (
            "client",
            format!("{client} ({}), HELO {}", text(name), text(helo)),
        ),
        (
            "login",
            text(entry.authenticated.as_deref().unwrap_or_default()),
        ),
        (
            "sender",
            format!("<{}>", text(entry.sender.as_deref().unwrap_or_default())),
        ),
        ("to", format!("{}{more}", recipients.join(", "))),
        ("From", text(&entry.from)),
        ("subject", text(&entry.subject)),
        ("Message-ID", text(&entry.message_id)),
        (
            "queue id",
            text(entry.queue_id.as_deref().unwrap_or_default()),
        ),
        ("size", format!("{} bytes", entry.size)),
        ("quarantine", entry.quarantine.clone().unwrap_or_default()),
        (
            "versions",
            format!(
                "{} (rules {}, model {})",
                text(&entry.version),
                text(entry.rules.as_deref().unwrap_or("none")),
                text(entry.model.as_deref().unwrap_or("none"))
            ),
        ),
    ];
    for (what, line) in lines.iter().filter(|(_, line)| !line.is_empty()) {
        writeln!(out, "  {what:<10}  {line}")?;
    }
    Ok(())
}
