//! Whole words and phrases, in any script, found by looking words up instead of matching patterns.
//!
//! A word is a run of letters, digits and marks. Of scripts that put no space between words (Chinese,
//! Japanese, Thai, Lao, Khmer, Burmese, Tibetan) each letter counts as a word, so that an entry is found
//! inside of a sentence. Case is ignored in every script; what stands between the words of a phrase does not
//! count: `gift card` is found in `Gift-Card` and over a line end, `card` is not found in `cardboard`.
//! Time is linear: each word of a text is looked up as many times as the longest phrase that begins with
//! it has words, at most [`PHRASE_WORDS`].

use std::collections::HashMap;
use std::ops::Range;

use super::string_set::StringSet;

/// Most words of one entry.
pub(super) const PHRASE_WORDS: usize = 16;

/// A list of words and phrases.
#[derive(Debug, Default)]
pub(super) struct Words {
    entries: StringSet,
    /// First words of phrases, with the number of words of the longest.
    openers: HashMap<Vec<u8>, usize>,
}

impl Words {
    /// A list of these entries; those without a word are left out.
    pub(super) fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Words {
        let mut openers: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut plain = Vec::new();
        for entry in entries {
            let words: Vec<String> = words(entry).map(|r| lower(entry, r)).collect();
            if let (Some(first), true) = (words.first(), words.len() > 1) {
                let longest = openers.entry(first.clone().into_bytes()).or_default();
                *longest = words.len().min(PHRASE_WORDS).max(*longest);
            }
            if !words.is_empty() {
                plain.push(words.join(" "));
            }
        }
        Words {
            entries: StringSet::new(plain),
            openers,
        }
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn memory(&self) -> usize {
        self.entries.memory() + self.openers.len() * 64
    }

    /// Number of different entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Where entries stand in a text, from left to right, none inside of another: the longest at each place.
    pub(super) fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut ahead = words(text).peekable();
        let mut window: Vec<Range<usize>> = Vec::new();
        let mut phrase = String::new();
        std::iter::from_fn(move || {
            loop {
                if window.is_empty() {
                    window.push(ahead.next()?);
                }
                let first = window.first()?.clone();
                phrase.clear();
                push_lower(&mut phrase, text, first.clone());
                let longest = match self.openers.is_empty() {
                    true => 1,
                    false => self.openers.get(phrase.as_bytes()).copied().unwrap_or(1),
                };
                while window.len() < longest {
                    match ahead.next() {
                        Some(word) => window.push(word),
                        None => break,
                    }
                }
                let mut found = None;
                for (i, word) in window.iter().take(longest).enumerate() {
                    if i > 0 {
                        phrase.push(' ');
                        push_lower(&mut phrase, text, word.clone());
                    }
                    if self.entries.contains(phrase.as_bytes()) {
                        found = Some((i + 1, first.start..word.end));
                    }
                }
                let skip = found.as_ref().map_or(1, |(words, _)| *words);
                window.drain(..skip.min(window.len()));
                if let Some((_, range)) = found {
                    return Some(range);
                }
            }
        })
    }
}

/// How many words a text has, at most `most`.
pub(super) fn count(text: &str, most: usize) -> usize {
    words(text).take(most).count()
}

/// The words of a text.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(is_word)?;
        let rest = text.get(start..)?;
        let first = rest.chars().next()?;
        let length = if stands_alone(first) {
            first.len_utf8()
        } else {
            rest.find(|c| !is_word(c) || stands_alone(c))
                .unwrap_or(rest.len())
        };
        at = start + length;
        Some(start..at)
    })
}

fn is_word(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric()
    } else {
        regex_syntax::is_word_character(c)
    }
}

/// Letters of scripts that do not separate words.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{E00}'..='\u{FFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn lower(text: &str, range: Range<usize>) -> String {
    let mut out = String::new();
    push_lower(&mut out, text, range);
    out
}

fn push_lower(out: &mut String, text: &str, range: Range<usize>) {
    let word = text.get(range).unwrap_or_default();
    if word.is_ascii() {
        out.extend(word.bytes().map(|b| char::from(b.to_ascii_lowercase())));
    } else {
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(entries: &[&str], text: &str) -> Vec<String> {
        let words = Words::new(entries.iter().copied());
        let found = words.find(text);
        found.map(|r| text.get(r).unwrap().to_owned()).collect()
    }

    #[test]
    fn whole_words_of_any_script_are_found() {
        for (entries, text, expected) in [
            (
                &["card"][..],
                "A Card, cardboard; CARD.",
                &["Card", "CARD"][..],
            ),
            (
                &["gift card"],
                "gift\ncard GIFT-CARD gift",
                &["gift\ncard", "GIFT-CARD"],
            ),
            (
                &["gift card", "gift"],
                "a gift cards gift card",
                &["gift", "gift card"],
            ),
            (&["приз"], "ПРИЗ, призрак", &["ПРИЗ"]),
            (&["größe"], "GRÖSSE Größe", &["Größe"]),
            (&["中奖"], "恭喜您中奖了", &["中奖"]),
            (&["รางวัล"], "คุณได้รับรางวัลใหญ่", &["รางวัล"]),
            (&["a b c", "b"], "a b x a b c b", &["b", "a b c", "b"]),
            (&["jackpot"], "", &[]),
            (&["!!"], "!! a", &[]),
        ] {
            assert_eq!(found(entries, text), expected, "{text}");
        }
    }

    #[test]
    fn a_megabyte_is_no_trap() {
        let entries: Vec<String> = (1..=PHRASE_WORDS).map(|n| "a ".repeat(n) + "b").collect();
        let words = Words::new(entries.iter().map(String::as_str));
        let started = std::time::Instant::now();
        assert_eq!(words.find(&"a ".repeat(200_000)).count(), 0);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    #[test]
    fn words_are_counted_up_to_a_bound() {
        assert_eq!(count("one, two; three 四五", 10), 5);
        assert_eq!(count("a b c d", 2), 2);
    }
}
