//! The words of PDF (ISO 32000-1, section 7.2), read without trust in any length or cross-reference.
//!
//! A viewer goes from the cross-reference table to objects, so what stands between them may be anything. Strings and
//! comments that run over the beginning of another object are therefore taken for such junk, and reading goes
//! on within them. Time stays linear: what was read in vain is counted.

use std::borrow::Cow;

/// Bytes of a string that are kept.
const TEXT_BYTES: usize = 1 << 20;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `<<`
    Open,
    /// `>>`
    Close,
    /// `[`
    ListOpen,
    /// `]`
    ListClose,
    /// `/Name`, escapes undone; whether a plain letter or digit was escaped.
    Name(Cow<'a, [u8]>, bool),
    /// A string, escapes undone.
    Text(Vec<u8>),
    /// The whole part of a number.
    Number(i64),
    /// Anything else: `obj`, `R`, `stream`, `true`, ...
    Word(&'a [u8]),
}

/// The words of one stretch of bytes.
pub(super) struct Lexer<'a> {
    data: &'a [u8],
    at: usize,
    /// How many bytes may still be read in vain.
    patience: usize,
}

impl<'a> Lexer<'a> {
    /// Begins at the beginning.
    pub(super) fn new(data: &'a [u8]) -> Lexer<'a> {
        Lexer {
            data,
            at: 0,
            patience: data.len().saturating_mul(4).saturating_add(1 << 16),
        }
    }

    /// Where the next word begins, or white space before it.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes on elsewhere; only ever forward.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = self.at.max(at);
    }

    /// Whether strings are no longer read, because too many were found to be none.
    pub(super) fn gave_up(&self) -> bool {
        self.patience == 0
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.data.get(self.at + ahead).copied()
    }

    fn run(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|b| !keep(*b)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn comment(&mut self) {
        let start = self.at;
        while let Some(byte) = self.peek(0) {
            if matches!(byte, b'\r' | b'\n') {
                return;
            }
            if begins_object(self.data, self.at) {
                // Back to the number of the object.
                self.at = start.max(self.at.saturating_sub(8));
                self.run(|b| !b.is_ascii_digit() && b != b'o');
                return;
            }
            self.at += 1;
        }
    }

    fn name(&mut self) -> Token<'a> {
        self.at += 1;
        let raw = self.run(is_regular);
        if !raw.contains(&b'#') {
            return Token::Name(Cow::Borrowed(raw), false);
        }
        let mut name = Vec::with_capacity(raw.len());
        let mut hidden = false;
        let mut rest = raw;
        while let Some((first, tail)) = rest.split_first() {
            let escaped = match tail {
                [high, low, after @ ..] if *first == b'#' => digit(*high)
                    .zip(digit(*low))
                    .map(|(high, low)| (high << 4 | low, after)),
                _ => None,
            };
            let (byte, after) = escaped.unwrap_or((*first, tail));
            hidden |= escaped.is_some() && byte.is_ascii_alphanumeric();
            name.push(byte);
            rest = after;
        }
        Token::Name(Cow::Owned(name), hidden)
    }

    /// A literal string, or nothing where the parenthesis begins none.
    fn literal(&mut self) -> Option<Token<'a>> {
        let mut text = Vec::new();
        let mut open = 1_usize;
        let mut at = self.at + 1;
        while let Some(byte) = self.data.get(at).copied().filter(|_| self.patience > 0) {
            at += 1;
            let mut put = Some(byte);
            match byte {
                b'(' => open += 1,
                b')' => {
                    open -= 1;
                    if open == 0 {
                        self.at = at;
                        return Some(Token::Text(text));
                    }
                }
                b'\\' => (put, at) = escape(self.data, at),
                // A line end of any kind is one.
                b'\r' => {
                    put = Some(b'\n');
                    at += usize::from(self.data.get(at) == Some(&b'\n'));
                }
                b'o' if begins_object(self.data, at - 1) => break,
                _ => {}
            }
            if let Some(byte) = put.filter(|_| text.len() < TEXT_BYTES) {
                text.push(byte);
            }
        }
        self.patience = self.patience.saturating_sub(at - self.at);
        self.at += 1;
        None
    }

    fn hexadecimal(&mut self) -> Option<Token<'a>> {
        self.at += 1;
        let raw = self.run(|b| digit(b).is_some() || is_space(b));
        if self.peek(0) != Some(b'>') {
            return None;
        }
        self.at += 1;
        Some(Token::Text(unhex(raw, TEXT_BYTES)))
    }

    fn number(&mut self) -> Token<'a> {
        let raw = self.run(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
        let digits = raw.iter().skip_while(|b| !b.is_ascii_digit());
        let value = digits
            .take_while(|b| b.is_ascii_digit())
            .fold(0_i64, |value, b| {
                value.saturating_mul(10).saturating_add(i64::from(b - b'0'))
            });
        Token::Number(if raw.first() == Some(&b'-') {
            -value
        } else {
            value
        })
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            self.run(is_space);
            let token = match self.peek(0)? {
                b'%' => {
                    self.at += 1;
                    self.comment();
                    None
                }
                b'/' => Some(self.name()),
                b'(' => self.literal(),
                b'<' if self.peek(1) == Some(b'<') => {
                    self.at += 2;
                    Some(Token::Open)
                }
                b'<' => self.hexadecimal(),
                b'>' if self.peek(1) == Some(b'>') => {
                    self.at += 2;
                    Some(Token::Close)
                }
                b'[' => {
                    self.at += 1;
                    Some(Token::ListOpen)
                }
                b']' => {
                    self.at += 1;
                    Some(Token::ListClose)
                }
                b')' | b'>' | b'{' | b'}' => {
                    self.at += 1;
                    None
                }
                b'0'..=b'9' | b'+' | b'-' | b'.' => Some(self.number()),
                _ => Some(Token::Word(self.run(is_regular))),
            };
            if token.is_some() {
                return token;
            }
        }
    }
}

/// Whether the word `obj` of a beginning object (`12 0 obj`) stands at `at`.
fn begins_object(data: &[u8], at: usize) -> bool {
    let Some(rest) = data.get(at..).and_then(|r| r.strip_prefix(b"obj")) else {
        return false;
    };
    let ends = rest.first().is_none_or(|b| !b.is_ascii_alphanumeric());
    let before = data.get(at.saturating_sub(8)..at).unwrap_or_default();
    let number = before.trim_ascii_end();
    ends && number.len() < before.len() && number.last().is_some_and(u8::is_ascii_digit)
}

/// What follows a backslash in a literal string: the byte meant, if any, and where to go on.
fn escape(data: &[u8], at: usize) -> (Option<u8>, usize) {
    let Some(byte) = data.get(at).copied() else {
        return (None, at);
    };
    let plain = match byte {
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'b' => Some(8),
        b'f' => Some(12),
        b'\n' => None,
        b'\r' => return (None, at + 1 + usize::from(data.get(at + 1) == Some(&b'\n'))),
        b'0'..=b'7' => {
            let digits = data.get(at..).unwrap_or_default().iter().take(3);
            let digits = digits.take_while(|b| matches!(b, b'0'..=b'7'));
            let (value, length) = digits.fold((0_u8, 0), |(value, length), b| {
                (value.wrapping_shl(3) | (b - b'0'), length + 1)
            });
            return (Some(value), at + length);
        }
        other => Some(other),
    };
    (plain, at + 1)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 12 | b'\r' | b' ')
}

fn is_regular(byte: u8) -> bool {
    !is_space(byte) && !b"()<>[]{}/%".contains(&byte)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

/// The bytes that hexadecimal digits stand for, at most `most`; what is no digit is passed over, a missing last digit
/// counts as 0.
pub(super) fn unhex(raw: &[u8], most: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity((raw.len() / 2).min(most));
    let mut high = None;
    for value in raw.iter().filter_map(|b| digit(*b)) {
        match high.take() {
            None => high = Some(value),
            Some(_) if out.len() >= most => return out,
            Some(high) => out.push(high << 4 | value),
        }
    }
    out.extend(high.map(|high| high << 4));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &[u8]) -> Vec<Token<'_>> {
        Lexer::new(text).collect()
    }

    fn name(text: &'static str) -> Token<'static> {
        Token::Name(Cow::Borrowed(text.as_bytes()), false)
    }

    #[test]
    fn words_are_read_as_the_standard_says() {
        assert_eq!(
            tokens(b"1 0 obj<</A/B#20c /D(x\\(y(z)\\101\\n\\\r\n) % note\n/E<48 6 5>-3.7[true]>>"),
            [
                Token::Number(1),
                Token::Number(0),
                Token::Word(b"obj"),
                Token::Open,
                name("A"),
                Token::Name(Cow::Borrowed(b"B c"), false),
                name("D"),
                Token::Text(b"x(y(z)A\n".to_vec()),
                name("E"),
                Token::Text(b"He".to_vec()),
                Token::Number(-3),
                Token::ListOpen,
                Token::Word(b"true"),
                Token::ListClose,
                Token::Close,
            ]
        );
        assert_eq!(
            tokens(b"/#4aavaScript"),
            [Token::Name(Cow::Borrowed(b"JavaScript"), true)]
        );
    }

    #[test]
    fn junk_between_objects_does_not_swallow_the_next_one() {
        for junk in [
            "( never closed ",
            "(closed later",
            "% comment",
            "<",
            "<12",
            "((((",
            ")>}{",
        ] {
            let text = format!("{junk} 5 0 obj << /S /Launch /F (x)) >>");
            let found = tokens(text.as_bytes());
            assert!(found.contains(&name("Launch")), "{junk}: {found:?}");
        }
    }

    #[test]
    fn time_is_linear_whatever_the_junk() {
        let started = std::time::Instant::now();
        for unit in [
            "(", "%", "<", "%obj", "(1 0 obj", "((", "\\(", "<<", "1 0 obj(", "%1 0 obj", "#", "/#",
        ] {
            let text = unit.repeat(2_000_000 / unit.len());
            assert!(Lexer::new(text.as_bytes()).count() <= text.len());
        }
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }
}
