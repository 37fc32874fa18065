//! Text becomes words, in any script.
//!
//! In: text. Out: each word folded to lower case and bounded in length, with its spelling as seen.
//! A word is a run of letters, digits and marks, with single joiners (`'`, `-`, `.`, `_`) inside. Scripts
//! that put no spaces between words give overlapping pairs of characters. Runs of punctuation are words
//! of their own, because `!!!` and `$$$` tell much. Characters without width are left out of a word and
//! reported, since they stand there only to break it for filters.
//!
//! Linear in the text, no allocation per word.

/// Longest word that is kept as it is, bytes; a longer one becomes its first letters and a length class.
const WORD_BYTES: usize = 24;
/// Longest run of digits that is kept as it is; a longer one becomes its length.
const DIGITS: usize = 4;
/// Longest word of letters and digits mixed that is kept as it is, bytes.
const MIXED_BYTES: usize = 12;
/// Marks in a row that are kept.
const MARKS: usize = 4;

/// What was noticed about a text beside its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// A character without width inside a word.
    pub(super) zero_width: bool,
    /// A word of Latin letters mixed with Cyrillic or Greek ones.
    pub(super) mixed_script: bool,
}

/// One word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// Lower case, or a shape in place of what is too long or too random to come again.
    pub(super) folded: &'a str,
    /// As it stands in the text.
    pub(super) seen: &'a str,
    /// Where it stands in the text.
    pub(super) at: usize,
    /// At least three letters, all of them capitals.
    pub(super) shouted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Joiner,
    Pair,
    ZeroWidth,
    Mark,
    Space,
}

/// The class of a byte below 128, without a branch.
fn ascii(byte: u8) -> Class {
    ASCII
        .get(usize::from(byte))
        .copied()
        .unwrap_or(Class::Space)
}

#[expect(clippy::indexing_slicing, reason = "looked at when this is compiled")]
static ASCII: [Class; 256] = {
    let mut classes = [Class::Space; 256];
    let mut at = 0;
    while at < 128 {
        classes[at] = match at as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => Class::Word,
            b'\'' | b'-' | b'.' | b'_' => Class::Joiner,
            b'!' | b'$' | b'%' | b'*' | b'?' | b'=' | b'#' | b'+' | b'<' | b'>' | b'~' => {
                Class::Mark
            }
            _ => Class::Space,
        };
        at += 1;
    }
    classes
};

fn beyond_ascii(c: char) -> Class {
    match u32::from(c) {
        // Soft hyphen, zero width spaces and joiners, directional marks, word joiner, BOM.
        0xAD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2064 | 0xFEFF => Class::ZeroWidth,
        0x2019 => Class::Joiner,
        // Thai, Lao, Myanmar, Khmer, kana, Han and their extensions.
        0x0E00..=0x0EFF
        | 0x1000..=0x109F
        | 0x1780..=0x17FF
        | 0x3005..=0x3007
        | 0x3040..=0x30FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF
        | 0x20000..=0x3FFFF => Class::Pair,
        // Combining accents, and the vowel signs and viramas of Indic scripts but their full stops.
        0x0300..=0x036F | 0x0900..=0x0963 | 0x0966..=0x0DFF => Class::Word,
        0x20A0..=0x20CF | 0xA3 | 0xA5 => Class::Mark,
        // Pictographs come one by one.
        0x1F300..=0x1FAFF | 0x2600..=0x27BF => Class::Mark,
        _ if c.is_alphanumeric() => Class::Word,
        _ => Class::Space,
    }
}

/// Splits `text`, hands each word to `out` and says what was odd about the text.
pub(super) fn split(text: &str, mut out: impl FnMut(Word<'_>)) -> Oddities {
    let mut oddities = Oddities::default();
    let mut fold = Fold::default();
    // Where the latest character of a script without spaces begins, if it was the last one.
    let mut pair: Option<usize> = None;
    let mut at = 0;
    while let Some((c, this, end)) = next(text, at) {
        let before = match this {
            Class::Pair => pair.replace(at),
            _ => pair.take(),
        };
        match this {
            Class::Word => {
                let end = fold.read(text, at, &mut oddities);
                let seen = text.get(at..end).unwrap_or_default();
                oddities.mixed_script |= fold.latin && fold.lookalike;
                let shouted = fold.letters >= 3 && fold.capitals == fold.letters;
                out(Word {
                    folded: fold.finish(),
                    seen,
                    at,
                    shouted,
                });
                at = end;
                continue;
            }
            Class::Pair => {
                if let Some(from) = before {
                    out(plain(text, from, end));
                } else if next(text, end).is_none_or(|(_, n, _)| n != Class::Pair) {
                    out(plain(text, at, end));
                }
            }
            Class::Mark => {
                let mut kept = end;
                let mut after = end;
                while let Some((n, _, end)) = next(text, after).filter(|(n, ..)| *n == c) {
                    after = end;
                    if after - at <= MARKS * n.len_utf8() {
                        kept = after;
                    }
                }
                out(plain(text, at, kept));
                at = after;
                continue;
            }
            Class::ZeroWidth => oddities.zero_width = true,
            Class::Joiner | Class::Space => {}
        }
        at = end;
    }
    oddities
}

/// The character at `at`, its class, and where the next one begins.
fn next(text: &str, at: usize) -> Option<(char, Class, usize)> {
    let byte = *text.as_bytes().get(at)?;
    if byte.is_ascii() {
        return Some((char::from(byte), ascii(byte), at + 1));
    }
    let c = text.get(at..)?.chars().next()?;
    Some((c, beyond_ascii(c), at + c.len_utf8()))
}

fn plain(text: &str, at: usize, end: usize) -> Word<'_> {
    let seen = text.get(at..end).unwrap_or_default();
    Word {
        folded: seen,
        seen,
        at,
        shouted: false,
    }
}

/// One word on its way to its folded form.
#[derive(Default)]
struct Fold {
    text: String,
    bytes: usize,
    digits: usize,
    letters: usize,
    capitals: usize,
    latin: bool,
    lookalike: bool,
}

impl Fold {
    /// Reads the word that begins at `from`; gives where it ends.
    fn read(&mut self, text: &str, from: usize, oddities: &mut Oddities) -> usize {
        let mut folded = std::mem::take(&mut self.text);
        folded.clear();
        *self = Fold {
            text: folded,
            ..Fold::default()
        };
        let bytes = text.as_bytes();
        let mut at = from;
        loop {
            // Most words are ASCII from end to end.
            while let Some(byte) = bytes.get(at).filter(|b| ascii(**b) == Class::Word) {
                self.push_ascii(*byte);
                at += 1;
            }
            let Some((c, class, end)) = next(text, at) else {
                return at;
            };
            match class {
                Class::Word => self.push(c),
                Class::Joiner => {
                    if next(text, end).is_none_or(|(_, n, _)| n != Class::Word) {
                        return at;
                    }
                    self.join(c);
                }
                Class::ZeroWidth => oddities.zero_width = true,
                _ => return at,
            }
            at = end;
        }
    }

    fn push_ascii(&mut self, byte: u8) {
        self.bytes += 1;
        let digit = byte.is_ascii_digit();
        self.digits += usize::from(digit);
        self.letters += usize::from(!digit);
        self.capitals += usize::from(byte.is_ascii_uppercase());
        self.latin |= !digit;
        self.keep(char::from(byte.to_ascii_lowercase()));
    }

    /// A character beyond ASCII.
    fn push(&mut self, c: char) {
        self.bytes += c.len_utf8();
        self.letters += 1;
        self.capitals += usize::from(c.is_uppercase());
        self.lookalike |= matches!(u32::from(c), 0x0370..=0x04FF);
        for lower in c.to_lowercase() {
            self.keep(lower);
        }
    }

    fn join(&mut self, c: char) {
        self.bytes += c.len_utf8();
        self.keep(if c == '\u{2019}' { '\'' } else { c });
    }

    fn keep(&mut self, c: char) {
        if self.text.len() < WORD_BYTES + 4 {
            self.text.push(c);
        }
    }

    /// The folded word, or the shape of one that will hardly come again.
    fn finish(&mut self) -> &str {
        let class = match self.bytes {
            0..=15 => "s",
            16..=31 => "m",
            32..=63 => "l",
            _ => "x",
        };
        if self.letters == 0 {
            if self.digits > DIGITS {
                self.text.clear();
                self.text.push('#');
                for _ in 0..self.digits.min(16) {
                    self.text.push('9');
                }
            }
        } else if self.digits > 0 && self.bytes > MIXED_BYTES {
            self.text.clear();
            self.text.push_str("#a9");
            self.text.push_str(class);
        } else if self.bytes > WORD_BYTES {
            let end = self
                .text
                .char_indices()
                .nth(4)
                .map_or(self.text.len(), |(i, _)| i);
            self.text.truncate(end);
            self.text.push('#');
            self.text.push_str(class);
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut out = Vec::new();
        split(text, |w| out.push(w.folded.to_owned()));
        out
    }

    #[test]
    fn words_of_spaced_scripts_are_folded_and_keep_their_joiners() {
        assert_eq!(
            words("Don\u{2019}t MISS e-mail v1.2, Größe ПРИВЕТ."),
            ["don't", "miss", "e-mail", "v1.2", "größe", "привет"]
        );
    }

    #[test]
    fn scripts_without_spaces_give_pairs() {
        assert_eq!(words("発票代開 ok"), ["発票", "票代", "代開", "ok"]);
        assert_eq!(words("字"), ["字"]);
    }

    #[test]
    fn runs_of_marks_are_words_and_bounded() {
        assert_eq!(
            words("win!!!!!!!! $$ 50%"),
            ["win", "!!!!", "$$", "50", "%"]
        );
    }

    #[test]
    fn long_and_random_words_become_shapes() {
        assert_eq!(words("1234567 2024"), ["#9999999", "2024"]);
        assert_eq!(words("a1b2c3d4e5f6a7b8c9"), ["#a9m"]);
        assert_eq!(words(&"antidis".repeat(5)), ["anti#l"]);
        for word in words(&format!("{} {}", "ß".repeat(5000), "7".repeat(5000))) {
            assert!(word.len() <= WORD_BYTES + 8, "{word}");
        }
    }

    #[test]
    fn tricks_against_filters_are_seen_through_and_reported() {
        let mut out = Vec::new();
        let odd = split("vi\u{200B}ag\u{AD}ra p\u{0430}ypal", |w| {
            out.push(w.folded.to_owned())
        });
        assert_eq!(out, ["viagra", "p\u{0430}ypal"]);
        assert_eq!(
            odd,
            Oddities {
                zero_width: true,
                mixed_script: true
            }
        );
        assert_eq!(split("plain", |_| ()), Oddities::default());
    }

    #[test]
    fn shouting_is_seen() {
        let mut out = Vec::new();
        split("FREE Free A1", |w| out.push(w.shouted));
        assert_eq!(out, [true, false, false]);
    }
}
