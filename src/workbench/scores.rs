//! Scores of single messages as a table for other programs: CSV (RFC 4180) with the columns
//! `path,label,score,verdict`.
//!
//! `score` is the log odds, full precision; `verdict` is ham, spam or unsure. The message in an mbox has its
//! number behind the path: `box#3`.

use std::io::{self, Write};
use std::path::Path;

use super::evaluation::{Evaluation, Run};

/// Writes the scores of one run. Lines end with CR LF (RFC 4180, section 2).
///
/// # Errors
/// What writing says.
pub fn write(out: &mut impl Write, evaluation: &Evaluation, run: &Run) -> io::Result<()> {
    write!(out, "path,label,score,verdict\r\n")?;
    for (member, score) in evaluation.members.iter().zip(&run.scores) {
        let verdict = evaluation.cut.call(score.probability).name();
        write!(
            out,
            "{},{},{},{verdict}\r\n",
            quoted(&shown(&member.name)),
            member.class,
            score.odds
        )?;
    }
    Ok(())
}

/// The name of a message: its file, and its number in an mbox. Not escaped.
pub fn shown((path, number): &(impl AsRef<Path>, Option<usize>)) -> String {
    let mut text = path.as_ref().display().to_string();
    if let Some(number) = number {
        text.push_str(&format!("#{number}"));
    }
    text
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_only_where_they_must() {
        for (text, written) in [
            ("ham/0001.eml", "ham/0001.eml"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(quoted(text), written);
        }
        assert_eq!(shown(&("box", Some(3))), "box#3");
    }
}
