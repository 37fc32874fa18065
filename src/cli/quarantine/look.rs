//! What is to be seen of a message itself, for a terminal.

use std::fmt::Write as _;

use super::display::moment;
use crate::printable::{printable, visible};
use crate::quarantine::preview::{Attachment, Preview, Way, Written};

/// Longest line.
const LINE: usize = 1_000;
/// Lines of text that are shown of each part; `show --raw` and `--html` show the rest.
const LINES: usize = 40;
/// Links that are shown.
const LINKS: usize = 20;

/// The way that it came, what is attached, what it says.
pub(super) fn look(preview: &Preview) -> String {
    let mut out = String::new();
    for (number, way) in preview.way.iter().enumerate() {
        let name = if number == 0 { "Way" } else { "" };
        let _ = writeln!(out, "{name:<14} {}", hop(way));
    }
    for (number, file) in preview.attachments.iter().enumerate() {
        let name = if number == 0 { "Attached" } else { "" };
        let _ = writeln!(out, "{name:<14} {}", attachment(file));
    }
    if preview.more_attachments > 0 {
        let _ = writeln!(out, "{:<14} and {} more", "", preview.more_attachments);
    }
    for (number, link) in preview.links.iter().take(LINKS).enumerate() {
        let name = if number == 0 { "Links" } else { "" };
        let _ = writeln!(out, "{name:<14} {}", printable(link, 300));
    }
    for (number, damage) in preview.damage.iter().enumerate() {
        let name = if number == 0 { "Damage" } else { "" };
        let _ = writeln!(out, "{name:<14} {damage}");
    }
    for body in &preview.bodies {
        let written = match body.written {
            Written::Text => "Text",
            Written::Html => "Text of HTML",
        };
        let _ = writeln!(out, "\n{written}:");
        let mut lines = body.text.lines();
        for line in lines.by_ref().take(LINES) {
            let _ = writeln!(out, "  {}", visible(line, LINE));
        }
        let more = lines.count();
        if more > 0 {
            let _ = writeln!(out, "  ({more} lines more)");
        }
    }
    out
}

fn hop(way: &Way) -> String {
    let text = |t: &Option<String>| t.as_deref().map(|t| printable(t, 255));
    let client = [
        text(&way.name),
        text(&way.helo).filter(|_| way.name.is_none()),
        way.address.map(|a| format!("[{a}]")),
    ];
    let client: Vec<String> = client.into_iter().flatten().collect();
    let from = match client.as_slice() {
        [] => "?".to_owned(),
        words => words.join(" "),
    };
    let by = text(&way.by).unwrap_or_else(|| "?".to_owned());
    let with = text(&way.with).map_or(String::new(), |with| format!(" ({with})"));
    let at = way
        .at
        .map_or(String::new(), |at| format!(", {}", moment(at)));
    let after = way
        .seconds
        .map_or(String::new(), |s| format!(", {}", time_between(s)));
    format!("{from} -> {by}{with}{at}{after}")
}

/// `after 90 s`; a clock that is behind is said.
fn time_between(seconds: i64) -> String {
    match seconds {
        s if s < 0 => format!("{} s before the hop before it", s.unsigned_abs()),
        s if s >= 7_200 => format!("after {} h", s / 3_600),
        s if s >= 120 => format!("after {} min", s / 60),
        s => format!("after {s} s"),
    }
}

fn attachment(file: &Attachment) -> String {
    let name = match file.path.as_str() {
        "" => "(no name)".to_owned(),
        path => printable(path, 300),
    };
    let declared = file.declared.as_deref().map(|d| printable(d, 100));
    let kind = match (file.real, declared) {
        (Some(real), Some(declared)) => format!("{real}, declared {declared}"),
        (Some(real), None) => real.to_owned(),
        (None, Some(declared)) => format!("declared {declared}"),
        (None, None) => "of no known type".to_owned(),
    };
    let mut out = format!("{name}: {kind}, {} bytes", file.size);
    for odd in &file.odd {
        let _ = write!(out, "; {odd}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::deceives;
    use crate::quarantine::Entry;

    #[test]
    fn nothing_of_a_message_acts_on_the_terminal() {
        let evil = "x\u{1b}[2J\u{202e}\u{7}";
        let raw = format!(
            "Received: from {evil} ({evil} [192.0.2.1]) by {evil}; Tue, 1 Sep 2026 09:30:00 +0000\r\n\
             Content-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/html\r\n\r\n<a href='http://{evil}/'>{evil}</a>\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\n{evil}\r\n\
             --b\r\nContent-Type: x/{evil}; name=\"{evil}\"\r\n\r\nx\r\n--b--\r\n"
        );
        let verdict = crate::verdict::Verdict::released();
        let now = jiff::Timestamp::now();
        let entry = Entry::new("x", now, &Default::default(), "s", &verdict, 0);
        let shown = look(&Preview::of(&entry, raw.into()));
        let bad = shown.chars().find(|c| deceives(*c) && *c != '\n');
        assert_eq!(bad, None, "{shown}");
        for part in ["Way ", "Attached ", "Text:", "Text of HTML:"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}
