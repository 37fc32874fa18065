//! How messages of the quarantine look on a terminal and in JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::mail::Address;
use crate::printable::{deceives, printable};
use crate::quarantine::{Delivery, Location, Record, State};

/// Longest piece of text from a message in a table, characters.
const CELL: usize = 60;
/// Longest line of a message on a terminal.
const LINE: usize = 1_000;

/// One row a message.
pub(super) fn table(records: &[Record]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    // Without an object store all lie in the folder, and nobody needs to be told.
    let of_store = |record: &Record| {
        let location = record.location;
        matches!(location, Some(Location::Waiting | Location::Objects))
    };
    let located = records.iter().any(of_store);
    let mut header = vec![
        "Id",
        "Received (UTC)",
        "State",
        "Score",
        "From",
        "To",
        "Subject",
    ];
    if located {
        header.insert(3, "Location");
    }
    table.set_header(header);
    for record in records {
        let entry = &record.entry;
        let to = match entry.recipients.as_slice() {
            [] => String::new(),
            [one] => address(one),
            [first, rest @ ..] => format!("{} +{}", address(first), rest.len()),
        };
        let state = match record.seen {
            0 | 1 => record.state.to_string(),
            n => format!("{} ×{n}", record.state),
        };
        let mut row = vec![
            Cell::new(&entry.id),
            Cell::new(entry.received.strftime("%Y-%m-%d %H:%M")),
            Cell::new(state),
            Cell::new(format!("{:.2}", entry.score)).set_alignment(CellAlignment::Right),
            Cell::new(address(&entry.sender)),
            Cell::new(to),
            Cell::new(printable(&entry.subject, CELL)),
        ];
        if located {
            row.insert(3, Cell::new(record.location.map_or("", Location::name)));
        }
        table.add_row(row);
    }
    table
}

/// Everything that is known of a message, but its bytes.
pub(super) fn details(record: &Record, deliveries: &[Delivery]) -> String {
    let entry = &record.entry;
    let text = |value: &Option<String>| value.as_deref().map(|v| printable(v, LINE));
    let mut out = String::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(out, "{name:<14} {value}");
        }
    };
    let client = match (entry.client, text(&entry.client_name)) {
        (Some(ip), Some(name)) => Some(format!("{ip} ({name})")),
        (Some(ip), None) => Some(ip.to_string()),
        (None, name) => name,
    };
    line("Id", Some(entry.id.clone()));
    line("State", Some(record.state.to_string()));
    line("Received", Some(moment(entry.received)));
    if record.seen > 1 {
        let seen = format!("{} times, last {}", record.seen, moment(record.last_seen));
        line("Seen", Some(seen));
    }
    line("Released", record.released.map(moment));
    line("Client", client);
    line("HELO", text(&entry.helo));
    line("Direction", Some(entry.direction.name().to_owned()));
    line("Login", text(&entry.authenticated));
    line("Queue id", text(&entry.queue_id));
    line("From", Some(format!("<{}>", whole(&entry.sender))));
    for recipient in &entry.recipients {
        line("To", Some(format!("<{}>", whole(recipient))));
    }
    // Where all recipients have the state of the message, it is said once.
    for delivery in deliveries
        .iter()
        .filter(|d| d.other || record.state == State::Partly)
    {
        let at = delivery
            .released
            .filter(|_| delivery.state == State::Released);
        let at = at.map_or(String::new(), |at| format!(", {}", moment(at)));
        let name = if delivery.other { "Copy to" } else { "Copy of" };
        let recipient = printable(&delivery.recipient, LINE);
        line(name, Some(format!("<{recipient}> {}{at}", delivery.state)));
    }
    line("Subject", Some(printable(&entry.subject, LINE)));
    line("Size", Some(format!("{} bytes", entry.size)));
    line("Location", record.location.map(|l| l.to_string()));
    line("Decision", Some(entry.action.to_string()));
    line("Score", Some(format!("{:.2}", entry.score)));
    if let Some(policy) = text_at(&entry.verdict, "/policy/policy") {
        let part = |place: &str| text_at(&entry.verdict, place).unwrap_or_default();
        let listed = entry.verdict.pointer("/policy/listed").map(|_| {
            let [list, place, entry] =
                ["list", "place", "entry"].map(|key| part(&format!("/policy/listed/{key}")));
            format!(", {list} {place} ({entry})")
        });
        line(
            "Policy",
            Some(format!("{policy}{}", listed.unwrap_or_default())),
        );
    }
    for share in &entry.policies {
        let to: Vec<String> = share.recipients.iter().map(whole).collect();
        let (name, action, score) = (printable(&share.policy, LINE), share.action, share.score);
        let said = format!("{name}: {action}, score {score:.2}, for {}", to.join(", "));
        line("", Some(said));
    }
    let reports = entry.verdict.get("reports").and_then(Value::as_array);
    for report in reports.into_iter().flatten() {
        line("Filter", Some(outcome(report)));
        for place in ["/outcome/checked", "/outcome/unscanned/hits"] {
            let hits = report.pointer(place).and_then(Value::as_array);
            for hit in hits.into_iter().flatten() {
                let score = hit.pointer("/score").and_then(Value::as_f64);
                let score = score.unwrap_or_default();
                let rule = text_at(hit, "/rule").unwrap_or_default();
                let evidence = text_at(hit, "/evidence").unwrap_or_default();
                line("", Some(format!("{score:>7.2} {rule} {evidence}")));
            }
        }
    }
    out
}

/// What one filter said, in a line.
fn outcome(report: &Value) -> String {
    let filter = text_at(report, "/filter").unwrap_or_default();
    if let Some(why) = text_at(report, "/outcome/skipped") {
        return format!("{filter}: skipped, {why}");
    }
    if let Some(reason) = text_at(report, "/outcome/unscanned/reason") {
        let detail = text_at(report, "/outcome/unscanned/detail").unwrap_or_default();
        return format!("{filter}: NOT CHECKED, {reason}: {detail}");
    }
    format!("{filter}: checked")
}

fn text_at(value: &Value, place: &str) -> Option<String> {
    let text = value.pointer(place)?.as_str()?;
    Some(printable(text, LINE))
}

/// One line of JSON that is safe on a terminal too. Bytes that are not UTF-8 are replaced.
pub(super) fn json(record: &Record) -> String {
    let entry = &record.entry;
    let recipients: Vec<&str> = entry.recipients.iter().map(Address::text).collect();
    let value = json!({
        "id": entry.id,
        "state": record.state.name(),
        "received": entry.received.to_string(),
        "seen": record.seen,
        "last_seen": record.last_seen.to_string(),
        "released": record.released.map(|r| r.to_string()),
        "location": record.location.map(Location::name),
        "client": entry.client,
        "client_name": entry.client_name,
        "helo": entry.helo,
        "authenticated": entry.authenticated,
        "queue_id": entry.queue_id,
        "sender": entry.sender.text(),
        "recipients": recipients,
        "subject": entry.subject,
        "size": entry.size,
        "action": entry.action.name(),
        "score": entry.score,
        "rules": entry.rules,
        "direction": entry.direction.name(),
        "policies": entry.policies,
        "verdict": entry.verdict,
    });
    // Such characters stand in strings only, where JSON has its own escapes for them.
    let mut out = String::new();
    for c in value.to_string().chars() {
        if deceives(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The message, or its header only, line by line, escaped.
pub(super) fn lines(out: &mut impl Write, raw: &[u8], header_only: bool) -> io::Result<()> {
    for line in raw.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if header_only && line.is_empty() {
            break;
        }
        // A tab begins most folded lines and does no harm.
        let (indent, rest) = match line.split_first() {
            Some((b'\t', rest)) => ("\t", rest),
            _ => ("", line),
        };
        writeln!(
            out,
            "{indent}{}",
            printable(&String::from_utf8_lossy(rest), LINE)
        )?;
    }
    Ok(())
}

fn address(address: &Address) -> String {
    match address.text() {
        "" => "<>".to_owned(),
        text => printable(text, CELL),
    }
}

fn whole(address: &Address) -> String {
    printable(address.text(), LINE)
}

pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Action, Hit, Outcome, Report};
    use crate::mail::Envelope;
    use crate::quarantine::{Entry, State};
    use crate::verdict::{DecidedBy, Verdict};

    const EVIL: &str = "x\n\u{1b}[2J\u{202e}`$(id)`";

    fn record() -> Record {
        let envelope = Envelope {
            helo: Some(EVIL.to_owned()),
            queue_id: Some(EVIL.to_owned()),
            sender: Some(Address::new(EVIL.as_bytes())),
            recipients: vec![Address::new(EVIL.as_bytes()), Address::new(b"<b@c>")],
            ..Envelope::default()
        };
        let hit = Hit::new("RULE", 8.0, EVIL);
        let verdict = Verdict {
            action: Action::Quarantine,
            score: 8.0,
            decided_by: DecidedBy::Score(8.0),
            policy: None,
            reports: vec![Report {
                filter: "rules",
                outcome: Outcome::Checked(vec![hit]),
                elapsed: std::time::Duration::ZERO,
            }],
        };
        let id = ulid::Ulid::new().to_string();
        let now = Timestamp::now();
        Record {
            entry: Entry::new(&id, now, &envelope, EVIL, &verdict, 10),
            state: State::Held,
            seen: 2,
            last_seen: now,
            released: None,
            location: Some(Location::Folder),
        }
    }

    #[test]
    fn whatever_comes_from_a_message_is_escaped_everywhere() {
        let record = record();
        let mut raw = Vec::new();
        lines(
            &mut raw,
            format!("A: {EVIL}\r\n\t{EVIL}\r\n\r\nbody").as_bytes(),
            false,
        )
        .unwrap();
        for shown in [
            table(std::slice::from_ref(&record)).to_string(),
            details(&record, &[]),
            json(&record),
            String::from_utf8(raw).unwrap(),
        ] {
            assert!(!shown.contains('\u{1b}'), "{shown}");
        }
        let shown = details(&record, &[]);
        assert!(!shown.contains('\u{202e}'));
        let shown_json = json(&record);
        assert!(!shown_json.contains('\u{202e}'));
        let back: Value = serde_json::from_str(&shown_json).unwrap();
        assert_eq!(back["subject"], EVIL);
        assert!(
            shown.contains("   8.00 RULE x\\n\\u{1b}[2J\\u{202e}`$(id)`"),
            "{shown}"
        );
        assert!(shown.contains("rules: checked"));
        assert!(shown.lines().all(|l| !l.starts_with('\u{1b}')));
    }

    #[test]
    fn headers_end_at_the_empty_line() {
        let mut out = Vec::new();
        lines(&mut out, b"A: 1\r\n\tfolded\r\n\r\nbody\r\n", true).unwrap();
        assert_eq!(out, b"A: 1\n\tfolded\n");
    }
}
