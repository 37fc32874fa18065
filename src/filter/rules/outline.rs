//! The entries of a rule file as text: which bytes are one rule, also where the file cannot be read.
//!
//! In: the text of a file. Out: the bytes of each entry below `rules:`, with its id. Only block style is
//! understood, one `-` a rule, which is how people write rule files; of others there is no outline, and
//! nothing but convenience depends on it.

use std::ops::Range;

use super::written;
use crate::config::{Problem, Source, parse_yaml};

/// Mistakes of form that one file may have before the rest of it is left unread.
const MISTAKES: usize = 20;

/// One entry below `rules:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// What stands behind `id:`, if anything does.
    pub(super) id: Option<&'a str>,
    /// From its `-` to the end of its last line that is not empty and not a comment.
    pub(super) span: Range<usize>,
}

/// The entries, from top to bottom.
pub(super) fn items(text: &str) -> Vec<Item<'_>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    let mut inside = false;
    // How far the `-` of the entries is indented; known from the first one on.
    let mut column = None;
    let mut open = false;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end().len();
        let content = line.trim_start();
        let indent = line.len() - content.len();
        let blank = content.is_empty() || content.starts_with('#');
        let dashed = content.trim_end() == "-" || content.starts_with("- ");
        if !blank && indent == 0 && !dashed {
            inside = line.starts_with("rules:");
            open = false;
        } else if inside && !blank {
            if dashed && *column.get_or_insert(indent) == indent {
                items.push(Item {
                    id: None,
                    span: start + indent..end,
                });
                open = true;
            } else if column.is_some_and(|c| indent <= c) {
                open = false;
            } else if open && let Some(last) = items.last_mut() {
                last.span.end = end;
            }
        }
        start += line.len();
    }
    for item in &mut items {
        item.id = text.get(item.span.clone()).and_then(id_in);
    }
    items
}

/// The id of an entry: the word behind the first key `id`.
fn id_in(entry: &str) -> Option<&str> {
    entry.match_indices("id:").find_map(|(at, key)| {
        let before = entry.get(..at)?.bytes().next_back();
        if before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return None;
        }
        let rest = entry.get(at + key.len()..)?;
        let word = rest.trim_start_matches([' ', '\'', '"']);
        let len = word
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
            .count();
        word.get(..len).filter(|w| !w.is_empty())
    })
}

/// Reads a rule file. An entry that is no rule is reported and left out, so that the others are looked
/// at all the same; a rule that serves others stands in for it, so that references to it are no mistakes.
pub(super) fn parse(source: &Source, problems: &mut Vec<Problem>) -> Option<written::File> {
    let mut text = source.text().to_owned();
    for _ in 0..MISTAKES {
        let attempt = Source::new(source.path(), text.as_str());
        let found = match parse_yaml::<written::File>(&attempt) {
            Ok(file) => return Some(file),
            Err(problem) => problem,
        };
        let at = found.place.as_ref().map(|(_, span)| span.clone());
        problems.push(Problem {
            place: at.clone().map(|span| (source.clone(), span)),
            ..found
        });
        let at = at?.start;
        let entry = items(&text)
            .into_iter()
            .find(|item| item.span.contains(&at))?;
        let stand_in = stand_in(entry.id, entry.span.len());
        let span = entry.span;
        if text.get(span.clone()) == Some(stand_in.as_str()) {
            return None;
        }
        text.replace_range(span, &stand_in);
    }
    None
}

/// An entry of that many bytes with that id that never hits, or nothing where it does not fit.
fn stand_in(id: Option<&str>, len: usize) -> String {
    let entry = id.map_or(String::new(), |id| {
        format!("- {{id: {id}, description: x, silent: true, when: {{size: {{at_least: 1}}}}}}")
    });
    // Not by a width in `format!`, which ends at 65,535.
    match len.checked_sub(entry.len()) {
        Some(rest) => entry + &" ".repeat(rest),
        None => " ".repeat(len),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "version: 1
# rules:
rules:
  # The first.
  - id: A
    description: 'x'

    when:
      any:
        - { text: 'id: Z' }
        - subject: '- id: Q'

  - description: y
    valid: 1
    id: \"B_2\"
  -
    id: C
other:
  - id: D
";

    #[test]
    fn entries_are_found_with_their_ids() {
        let found = items(FILE);
        let ids: Vec<_> = found.iter().map(|i| i.id).collect();
        assert_eq!(ids, [Some("A"), Some("B_2"), Some("C")]);
        let text = |number: usize| FILE.get(found[number].span.clone()).unwrap();
        assert!(text(0).ends_with("subject: '- id: Q'"));
        assert!(text(1).starts_with("- description: y"));
        assert_eq!(text(2), "-\n    id: C");
        assert!(items("rules: [{ id: A }]").is_empty());
    }

    #[test]
    fn every_mistake_of_form_is_reported_and_the_rest_is_read() {
        let text = "version: 1
rules:
  - id: BROKEN_ONE
    description: A score that is none and some more text
    score: many
    when: { subject: 'a' }
  - id: GOOD
    description: x
    score: 1
    when: { rule: BROKEN_ONE }
  - id: BROKEN_TWO
    descripton: A misspelt key in a rule of several lines
    score: 1
    when: { subject: 'b' }
";
        let mut problems = Vec::new();
        let source = Source::new("a.yaml", text);
        let file = parse(&source, &mut problems).unwrap();
        let lines: Vec<_> = problems.iter().map(|p| p.position().unwrap().1).collect();
        assert_eq!(lines, [5, 12]);
        let ids: Vec<_> = file.rules.iter().map(|r| r.id.value.as_str()).collect();
        assert_eq!(ids, ["BROKEN_ONE", "GOOD", "BROKEN_TWO"]);
    }

    #[test]
    fn a_mistake_in_a_rule_of_more_than_64_kib_is_reported_too() {
        let text = format!(
            "version: 1\nrules:\n  - id: LONG\n    description: x\n    score: many\n    when: {{ text: {{ contains: [{}z] }} }}\n  - {{ id: B, description: x, score: 1, when: {{ rule: LONG }} }}\n",
            "literal, ".repeat(9000)
        );
        let mut problems = Vec::new();
        let file = parse(&Source::new("a.yaml", text), &mut problems).unwrap();
        assert_eq!((problems.len(), file.rules.len()), (1, 2));
        assert_eq!(problems[0].position().unwrap().1, 5);
    }

    #[test]
    fn what_is_no_yaml_at_all_ends_the_reading() {
        for text in [
            "version: 1\nrules: 7\n",
            "\"",
            "version: 1\nrules:\n  - [\n",
            "",
        ] {
            let mut problems = Vec::new();
            parse(&Source::new("a.yaml", text), &mut problems);
            assert!(!problems.is_empty(), "{text}");
        }
    }
}
