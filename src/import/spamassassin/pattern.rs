//! Perl's regular expressions, written as mailweir's.
//!
//! SpamAssassin matches bytes, with classes limited to ASCII. Both of mailweir's engines read nearly the same
//! language: what differs is spelled out here. Where Perl's `$` also matches before a final line end, so does
//! what is written. References back, atomic groups and possessive repeats are written for `engine: backtracking`.

mod class;
mod escape;
mod group;

/// A pattern of mailweir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) pattern: String,
    /// Whether it needs `engine: backtracking`.
    pub(super) backtracking: bool,
}

/// Most groups in groups.
const DEPTH: usize = 100;

/// Flags that change what follows.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    ignore_case: bool,
    single: bool,
    multi: bool,
    extended: bool,
}

impl Flags {
    fn set(&mut self, flag: char, on: bool) {
        match flag {
            'i' => self.ignore_case = on,
            's' => self.single = on,
            'm' => self.multi = on,
            'x' => self.extended = on,
            // a, d, l, u: classes are ASCII anyway; g, o, p, n do not matter.
            _ => {}
        }
    }
}

/// Translates a pattern with its flags. Characters stand for bytes.
///
/// # Errors
/// What it holds that neither engine has.
pub(super) fn translate(pattern: &str, flags: &str) -> Result<Written, String> {
    let mut own = Flags::default();
    for flag in flags.chars() {
        own.set(flag, true);
    }
    let mut translator = Translator {
        rest: pattern.chars().collect(),
        at: 0,
        out: String::new(),
        backtracking: false,
        flags: vec![own],
        groups: 0,
        last: 0,
        quoting: false,
    };
    match (own.ignore_case, own.single) {
        (true, true) => translator.out.push_str("(?is)"),
        (true, false) => translator.out.push_str("(?i)"),
        (false, true) => translator.out.push_str("(?s)"),
        (false, false) => {}
    }
    translator.run()?;
    Ok(Written {
        pattern: translator.out,
        backtracking: translator.backtracking,
    })
}

struct Translator {
    rest: Vec<char>,
    at: usize,
    out: String,
    backtracking: bool,
    /// Flags of each open group, the innermost last.
    flags: Vec<Flags>,
    groups: usize,
    /// Where the last thing that can be repeated begins in `out`.
    last: usize,
    quoting: bool,
}

impl Translator {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(i, c)| self.peek(i) == Some(c))
    }

    fn flags(&self) -> Flags {
        self.flags.last().copied().unwrap_or_default()
    }

    fn run(&mut self) -> Result<(), String> {
        let mut opened: Vec<usize> = Vec::new();
        while let Some(c) = self.peek(0) {
            if self.quoting {
                if self.starts_with("\\E") {
                    self.quoting = false;
                    self.at += 2;
                } else {
                    self.at += 1;
                    self.literal(c);
                }
                continue;
            }
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => {
                    if self.starts_with("(?#") {
                        while self.peek(0).is_some_and(|c| c != ')') {
                            self.at += 1;
                        }
                        self.at += 1;
                        continue;
                    }
                    let start = self.out.len();
                    if self.group()? {
                        opened.push(start);
                        if opened.len() > DEPTH {
                            return Err(format!("it has more than {DEPTH} groups in groups"));
                        }
                    }
                }
                ')' => {
                    let start = opened.pop().ok_or("a `)` has no `(`")?;
                    self.flags.pop();
                    self.out.push(')');
                    self.at += 1;
                    self.last = start;
                }
                '|' => {
                    self.out.push('|');
                    self.at += 1;
                    self.last = self.out.len();
                }
                '^' => {
                    self.last = self.out.len();
                    let caret = if self.flags().multi { "(?m:^)" } else { r"\A" };
                    self.out.push_str(caret);
                    self.at += 1;
                }
                '$' => {
                    self.last = self.out.len();
                    let dollar = if self.flags().multi { "(?m:$)" } else { END };
                    self.out.push_str(dollar);
                    self.at += 1;
                }
                '.' => {
                    self.last = self.out.len();
                    self.out.push('.');
                    self.at += 1;
                }
                '*' | '+' | '?' => {
                    self.at += 1;
                    self.repeat(&c.to_string());
                }
                '{' => self.braces(),
                c if self.flags().extended && c.is_ascii_whitespace() => self.at += 1,
                '#' if self.flags().extended => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                c => {
                    self.at += 1;
                    self.literal(c);
                }
            }
        }
        match opened.is_empty() {
            true => Ok(()),
            false => Err("a `(` has no `)`".to_owned()),
        }
    }

    fn literal(&mut self, c: char) {
        self.last = self.out.len();
        push_byte(&mut self.out, c, false);
    }

    /// A repeat of what stands last, with `?` or `+` behind it.
    fn repeat(&mut self, written: &str) {
        self.out.push_str(written);
        match self.peek(0) {
            Some('?') => {
                self.at += 1;
                self.out.push('?');
            }
            Some('+') => {
                self.at += 1;
                self.backtracking = true;
                // The same as an atomic group around it.
                self.out.insert_str(self.last, "(?>");
                self.out.push(')');
            }
            _ => {}
        }
    }

    /// `{n}`, `{n,}`, `{n,m}`, `{,m}`; a brace that is none of these is itself.
    fn braces(&mut self) {
        let inner: String = self
            .rest
            .iter()
            .skip(self.at + 1)
            .take_while(|c| **c != '}')
            .take(24)
            .collect();
        let closed = self.peek(inner.chars().count() + 1) == Some('}');
        let (low, high) = inner.split_once(',').unwrap_or((&inner, "0"));
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let counts = closed
            && number(low)
            && number(high)
            && !(low.is_empty() && high.is_empty())
            && !inner.is_empty()
            && (!low.is_empty() || inner.contains(','));
        self.at += 1;
        if !counts {
            self.literal('{');
            return;
        }
        self.at += inner.chars().count() + 1;
        let written = match low {
            "" => format!("{{0{inner}}}"),
            _ => format!("{{{inner}}}"),
        };
        self.repeat(&written);
    }
}

/// The end, or the place before a final line end.
const END: &str = r"(?:\n?\z)";

/// One byte as itself; `class` within a class.
fn push_byte(out: &mut String, c: char, class: bool) {
    let code = u32::from(c);
    match c {
        _ if code > 255 => {
            // A character of the file beyond Latin-1 cannot be: its bytes were read.
            out.push_str(r"[^\s\S]");
        }
        c if c.is_ascii_alphanumeric() => out.push(c),
        '\n' => out.push_str(r"\n"),
        '\r' => out.push_str(r"\r"),
        '\t' => out.push_str(r"\t"),
        ' ' if !class => out.push(' '),
        c if c.is_ascii_graphic() || c == ' ' => {
            let special = match class {
                true => "\\[]^-&~".contains(c),
                false => "\\.+*?()|[]{}^$".contains(c),
            };
            if special {
                out.push('\\');
            }
            out.push(c);
        }
        _ => out.push_str(&format!("\\x{code:02X}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(pattern: &str, flags: &str) -> String {
        let written = translate(pattern, flags).unwrap();
        assert!(!written.backtracking, "{pattern}");
        written.pattern
    }

    #[test]
    fn what_perl_writes_otherwise_is_spelled_out() {
        for (pattern, flags, expected) in [
            (r"^a\@b\/c\#$", "i", r"(?i)\Aa@b/c#(?:\n?\z)"),
            ("^a$", "m", "(?m:^)a(?m:$)"),
            (r"\bx{2}{y", "", r"\bx{2}\{y"),
            (r"a{,3}", "", "a{0,3}"),
            (r"[\w.-]+\<b\>", "", r"[\w.\-]+<b>"),
            (r"[^]x[&&]", "", r"[^\]x\[\&\&]"),
            (r"[a-c\x41-\x{43}\b]", "", r"[a-cA-C\x08]"),
            (r"[[:alpha:]_]", "", "[[:alpha:]_]"),
            ("\u{c3}\u{a9}", "", r"\xC3\xA9"),
            (r"\x{20ac}", "", r"[^\s\S]"),
            (r" a # note", "x", "a"),
            (r"(?i:a)(?-i)b(?x: c )", "", r"(?i:a)(?-i)b(?:c)"),
            (r"(?^i:a)", "", "(?i-s:a)"),
            (r"\Qa.b\E.c\Kd", "", r"a\.b.cd"),
            (r"a\Z|\015\0", "", r"a(?:\n?\z)|\r\x00"),
            (r"(?#note)a", "s", "(?s)a"),
        ] {
            assert_eq!(linear(pattern, flags), expected, "{pattern}");
        }
    }

    #[test]
    fn what_refers_back_asks_for_the_backtracking_engine() {
        assert_eq!(linear(r"(?<!a)b(?=c)", ""), r"(?<!a)b(?=c)");
        for (pattern, expected) in [
            (r"(a)\1", r"(a)(?:\1)"),
            (r"[ab]++c", r"(?>[ab]+)c"),
            (r"(?:ab)*+", r"(?>(?:ab)*)"),
            (r"x{2,3}+", r"(?>x{2,3})"),
            (r"(a)\g{-1}", r"(a)(?:\1)"),
        ] {
            let written = translate(pattern, "").unwrap();
            assert!(written.backtracking);
            assert_eq!(written.pattern, expected);
        }
    }

    #[test]
    fn what_no_engine_has_is_told() {
        for bad in ["(?|a|b)", r"\p{L}", "a)", "(a", "[a", r"\Ga", "(?1)"] {
            assert!(translate(bad, "").is_err(), "{bad}");
        }
    }
}
