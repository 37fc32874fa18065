//! Words with the tricks against filters undone: `v1@gra`, `V.I.A.G.R.A` and `v i a g r a` are one word.
//!
//! In: folded words, one after the other. Out: those that change, with look-alikes replaced and joiners taken out, and,
//! after a row of single letters, the word that they spell. What was seen is looked at elsewhere, so nothing is lost by a
//! word that was undone without need. No allocation per word.

/// Fewest single letters in a row that are taken for a word.
const SPELLED: usize = 4;
/// Longest word that is put together from letters, bytes.
const SPELLED_BYTES: usize = 24;

/// The letter that a character stands in for.
fn letter(c: char) -> char {
    match c {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        // Cyrillic.
        '\u{430}' => 'a',
        '\u{435}' => 'e',
        '\u{456}' => 'i',
        '\u{43E}' => 'o',
        '\u{440}' => 'p',
        '\u{441}' => 'c',
        '\u{443}' => 'y',
        '\u{445}' => 'x',
        '\u{455}' => 's',
        '\u{458}' => 'j',
        // Greek.
        '\u{3B1}' => 'a',
        '\u{3B5}' => 'e',
        '\u{3B9}' => 'i',
        '\u{3BF}' => 'o',
        '\u{3C1}' => 'p',
        '\u{3C5}' => 'u',
        other => other,
    }
}

fn joiner(c: char) -> bool {
    matches!(c, '.' | '-' | '_' | '\'')
}

/// One text.
#[derive(Default)]
pub(super) struct Undone {
    word: String,
    spelled: String,
    letters: usize,
}

impl Undone {
    /// The next word of the text, with tricks undone; `None` where there are none. What a row of letters before it
    /// spelled goes to `out`.
    pub(super) fn word(&mut self, folded: &str, out: impl FnMut(&str)) -> Option<&str> {
        let mut chars = folded.chars();
        if let (Some(c), None) = (chars.next(), chars.next())
            && c.is_alphanumeric()
        {
            self.letters += 1;
            if self.spelled.len() < SPELLED_BYTES {
                self.spelled.push(letter(c));
            }
        } else {
            self.end(out);
        }
        // Look-alikes are undone only in words of the Latin alphabet: in Cyrillic and Greek ones they are letters.
        let (mut latin, mut suspect) = (false, false);
        for byte in folded.bytes() {
            let alphabetic = byte.is_ascii_alphabetic();
            latin |= alphabetic;
            suspect |= !alphabetic;
        }
        if !latin || !suspect || !folded.chars().any(|c| joiner(c) || letter(c) != c) {
            return None;
        }
        self.word.clear();
        let kept = folded.chars().filter(|c| !joiner(*c));
        self.word.extend(kept.map(letter));
        Some(&self.word)
    }

    /// The text ends, or a row of letters does.
    pub(super) fn end(&mut self, mut out: impl FnMut(&str)) {
        if self.letters >= SPELLED {
            out(&self.spelled);
        }
        self.spelled.clear();
        self.letters = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(words: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        let mut undone = Undone::default();
        for word in words {
            let seen = undone.word(word, |w| found.push(w.to_owned()));
            let seen = seen.unwrap_or(word).to_owned();
            found.push(seen);
        }
        undone.end(|w| found.push(w.to_owned()));
        found
    }

    #[test]
    fn look_alikes_and_joiners_are_undone() {
        assert_eq!(
            undone(&["v1agra", "v.i-a_gra", "p\u{430}yp\u{430}l", "2024", "n0"]),
            ["viagra", "viagra", "paypal", "2024", "no"]
        );
        assert_eq!(
            undone(&["\u{43E}\u{43A}\u{43D}\u{43E}"]),
            ["\u{43E}\u{43A}\u{43D}\u{43E}"]
        );
    }

    #[test]
    fn spelled_words_are_put_together() {
        let found = undone(&["buy", "v", "i", "a", "g", "r", "a", "now"]);
        assert!(found.contains(&"viagra".to_owned()), "{found:?}");
        let found = undone(&["a", "b", "now"]);
        assert_eq!(found, ["a", "b", "now"]);
        let long = vec!["a"; 1000];
        assert!(undone(&long).iter().all(|w| w.len() <= SPELLED_BYTES));
    }
}
