//! What stands in an entry of the history, for people to read: shared by the explanations of a file, of an id, and of a
//! replay.

use std::io::Write;

use crate::filter::Hit;
use crate::history::{Entry, ListedBy, Outcome, State};
use crate::printable::{printable, visible};
use crate::verdict::rounded;

/// Longest text from a message in a line, characters.
const SHOWN: usize = 160;

/// What became of a message called `name`.
pub(in crate::cli) fn verdict(
    out: &mut impl Write,
    name: &str,
    entry: &Entry,
) -> std::io::Result<()> {
    writeln!(
        out,
        "{}: {}, score {:.2}, {}",
        printable(name, SHOWN),
        entry.verdict,
        entry.score,
        printable(&entry.decided_by.to_string(), SHOWN)
    )
}

/// The policy that decided, and where several had a say, what each of them said.
pub(in crate::cli) fn policies(out: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
    if let Some(policy) = &entry.policy {
        let listed = listed(entry.listed.as_ref());
        writeln!(out, "  policy {}{listed}", printable(policy, SHOWN))?;
    }
    for share in &entry.policies {
        let recipients = share.recipients.iter().map(|r| printable(r, SHOWN));
        writeln!(
            out,
            "    {} for {}: {}, score {:.2}, {}{}",
            printable(&share.policy, SHOWN),
            recipients.collect::<Vec<_>>().join(", "),
            share.verdict,
            share.score,
            printable(&share.decided_by.to_string(), SHOWN),
            listed(share.listed.as_ref())
        )?;
    }
    if let Some(settled) = entry
        .settled
        .as_deref()
        .filter(|_| !entry.policies.is_empty())
    {
        let settled = match settled {
            "agreed" => "they agree on whether it passes",
            "split" => "split: those who refuse it are dropped, and a copy is held for them",
            "held" => "none takes it and not all refuse it: it is held for all",
            "tempfail" => "one asks to try again later, so all do",
            "strictest" => "the strictest holds for all",
            "mildest" => "the mildest holds for all",
            other => &printable(other, SHOWN),
        };
        writeln!(out, "    {settled}")?;
    }
    for recipient in &entry.dropped {
        writeln!(out, "    dropped: {}", printable(recipient, SHOWN))?;
    }
    Ok(())
}

/// The entry of a list that decided.
fn listed(listed: Option<&ListedBy>) -> String {
    listed.map_or(String::new(), |l| {
        format!(", {}", visible(&l.to_string(), SHOWN))
    })
}

/// What one filter said, without its hits.
pub(in crate::cli) fn outcome(out: &mut impl Write, outcome: &Outcome) -> std::io::Result<()> {
    let hits = &outcome.hits;
    let score = rounded(hits.iter().map(|h| h.score).sum());
    let what = match outcome.outcome {
        State::Checked => format!("checked, {} hits, {score:.2} points", hits.len()),
        State::Skipped => format!("skipped: {}", printable(&outcome.detail, SHOWN)),
        State::Unscanned(reason) => {
            format!(
                "NOT CHECKED ({reason}): {}",
                printable(&outcome.detail, SHOWN)
            )
        }
    };
    writeln!(out, "\n  {}: {what}", printable(&outcome.filter, SHOWN))
}

/// One hit.
pub(in crate::cli) fn hit(
    out: &mut impl Write,
    hit: &Hit,
    description: Option<&str>,
) -> std::io::Result<()> {
    let decisive = hit
        .decisive
        .map_or(String::new(), |a| format!(", decides: {a}"));
    let description =
        description.map_or(String::new(), |d| format!("  {}", printable(d, SHOWN * 2)));
    writeln!(
        out,
        "    {:>7.2}  {}{decisive}{description}",
        hit.score,
        printable(&hit.rule, SHOWN)
    )
}

/// What matched.
pub(in crate::cli) fn evidence(out: &mut impl Write, hit: &Hit) -> std::io::Result<()> {
    match hit.evidence.is_empty() {
        true => Ok(()),
        false => writeln!(out, "             {}", printable(&hit.evidence, SHOWN * 2)),
    }
}
