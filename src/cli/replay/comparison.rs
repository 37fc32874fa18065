//! Where two results for one message differ, for people.

use std::io::Write;

use crate::filter::Action;
use crate::history::{Comparison, Reached, Said, State};
use crate::printable::printable;

/// Longest text from a message in a line, characters.
const SHOWN: usize = 160;

/// Writes it, in one line where nothing differs.
pub(super) fn show(comparison: &Comparison<'_>, out: &mut impl Write) -> std::io::Result<()> {
    let line = |r: &Reached<'_>| {
        let decided = printable(&r.decided_by, SHOWN);
        format!("{}, score {:.2}, {decided}", r.verdict, r.score)
    };
    if comparison.same {
        return writeln!(
            out,
            "{}: the same: {}",
            comparison.id,
            line(&comparison.now)
        );
    }
    let versions = |r: &Reached<'_>| {
        let word = |version: Option<&str>| printable(version.unwrap_or("none"), SHOWN);
        format!("rules {}, model {}", word(r.rules), word(r.model))
    };
    writeln!(out, "{}:", comparison.id)?;
    for (what, result) in [("then", &comparison.then), ("now", &comparison.now)] {
        writeln!(out, "  {what:<5}  {} ({})", line(result), versions(result))?;
    }
    for change in &comparison.outcomes {
        let said = |said: &Option<Said<'_>>| match said {
            None => "not in the chain".to_owned(),
            Some(said) => {
                let state = match said.outcome {
                    State::Checked => "checked".to_owned(),
                    State::Skipped => "skipped".to_owned(),
                    State::Unscanned(reason) => format!("not checked ({reason})"),
                };
                format!("{state} {}", printable(said.detail, SHOWN))
            }
        };
        let filter = printable(change.filter, SHOWN);
        let (then, now) = (said(&change.then), said(&change.now));
        writeln!(out, "  {filter}: {} -> {}", then.trim_end(), now.trim_end())?;
    }
    for change in &comparison.hits {
        let rule = printable(change.rule, SHOWN);
        let (sign, points, evidence) = match (change.then, change.now) {
            (None, Some(hit)) => ("+", format!("{:.2}", hit.score), &hit.evidence),
            (Some(hit), None) => ("-", format!("{:.2}", hit.score), &hit.evidence),
            (Some(then), Some(now)) => (
                "~",
                format!("{:.2} -> {:.2}", then.score, now.score),
                &now.evidence,
            ),
            (None, None) => continue,
        };
        writeln!(
            out,
            "  {sign} {points:>14}  {} {rule}  {}",
            printable(change.filter, SHOWN),
            printable(evidence, SHOWN)
        )?;
    }
    for change in &comparison.policies {
        let said = |said: Option<(Action, f64)>| match said {
            Some((verdict, score)) => format!("{verdict} {score:.2}"),
            None => "does not take it".to_owned(),
        };
        let policy = printable(change.policy, SHOWN);
        writeln!(
            out,
            "  policy {policy}: {} -> {}",
            said(change.then),
            said(change.now)
        )?;
    }
    for missing in &comparison.not_heard {
        writeln!(
            out,
            "  not asked when the message came, so not known: {}",
            printable(missing, SHOWN)
        )?;
    }
    Ok(())
}
