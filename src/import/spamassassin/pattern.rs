//! Perl's regular expressions, written as mailweir's.
//!
//! SpamAssassin matches bytes, with classes limited to ASCII. Both of mailweir's engines read nearly the same
//! language: what differs is spelled out here. Where Perl's `$` also matches before a final line end, so does
//! what is written. References back, atomic groups and possessive repeats are written for `engine: backtracking`.

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

    /// Opens a group; `false` for flags that only change what follows.
    fn group(&mut self) -> Result<bool, String> {
        let start = self.out.len();
        let mut flags = self.flags();
        if self.peek(1) != Some('?') {
            self.at += 1;
            self.groups += 1;
            self.out.push('(');
            self.flags.push(flags);
            self.last = self.out.len();
            return Ok(true);
        }
        for (opening, backtracks) in [
            ("(?:", false),
            ("(?=", false),
            ("(?!", false),
            ("(?<=", false),
            ("(?<!", false),
            ("(?>", true),
        ] {
            if self.starts_with(opening) {
                self.at += opening.len();
                self.backtracking |= backtracks;
                self.out.push_str(opening);
                self.flags.push(flags);
                self.last = self.out.len();
                return Ok(true);
            }
        }
        for (opening, close) in [("(?<", '>'), ("(?P<", '>'), ("(?'", '\'')] {
            if self.starts_with(opening) {
                self.at += opening.len();
                let mut name = String::new();
                while let Some(c) = self.peek(0).filter(|c| *c != close) {
                    name.push(c);
                    self.at += 1;
                }
                self.at += 1;
                self.groups += 1;
                self.out.push_str(&format!("(?P<{name}>"));
                self.flags.push(flags);
                self.last = self.out.len();
                return Ok(true);
            }
        }
        if self.starts_with("(?|") {
            return Err("it resets group numbers, `(?|`".to_owned());
        }
        let mut at = 2;
        let mut on = true;
        let mut shown = String::new();
        if self.peek(at) == Some('^') {
            flags = Flags::default();
            shown.push_str("-is");
            at += 1;
            // What is turned on again stands before.
            let mut back = String::new();
            while let Some(c) = self.peek(at).filter(char::is_ascii_lowercase) {
                flags.set(c, true);
                if matches!(c, 'i' | 's') {
                    back.push(c);
                    shown = shown.replace(c, "");
                }
                at += 1;
            }
            if shown == "-" {
                shown.clear();
            }
            shown = back + &shown;
        }
        loop {
            match self.peek(at) {
                Some('-') => {
                    on = false;
                    at += 1;
                }
                Some(c) if c.is_ascii_lowercase() => {
                    flags.set(c, on);
                    if matches!(c, 'i' | 's') {
                        if !on && !shown.contains('-') {
                            shown.push('-');
                        }
                        shown.push(c);
                    }
                    at += 1;
                }
                Some(':') => {
                    self.at += at + 1;
                    self.out.push_str(&format!("(?{shown}:"));
                    self.flags.push(flags);
                    self.last = self.out.len();
                    return Ok(true);
                }
                Some(')') => {
                    self.at += at + 1;
                    if !shown.is_empty() {
                        self.out.push_str(&format!("(?{shown})"));
                    }
                    if let Some(last) = self.flags.last_mut() {
                        *last = flags;
                    }
                    self.last = start;
                    return Ok(false);
                }
                _ => {
                    let shown: String = self.rest.iter().skip(self.at).take(5).collect();
                    return Err(format!("it holds `{shown}`, which neither engine has"));
                }
            }
        }
    }

    /// A backslash outside of a class.
    fn escape(&mut self) -> Result<(), String> {
        let Some(c) = self.peek(1) else {
            return Err("it ends with a backslash".to_owned());
        };
        self.at += 2;
        let start = self.out.len();
        match c {
            'w' | 'W' | 'd' | 'D' | 's' | 'S' | 'b' | 'B' | 'A' | 'z' => {
                if c == 'b' && self.peek(0) == Some('{') {
                    return Err("it asks for a boundary by Unicode rules".to_owned());
                }
                self.out.push('\\');
                self.out.push(c);
            }
            'Z' => self.out.push_str(END),
            'h' => self.out.push_str(r"[\t \xA0]"),
            'H' => self.out.push_str(r"[^\t \xA0]"),
            'v' => self.out.push_str(r"[\n\x0B\f\r\x85]"),
            'V' => self.out.push_str(r"[^\n\x0B\f\r\x85]"),
            'R' => self.out.push_str(r"(?:\r\n|[\n\x0B\f\r\x85])"),
            'N' => self.out.push_str(r"[^\n]"),
            // Only moves the start of the match, which nobody asks for.
            'K' => return Ok(()),
            'Q' => {
                self.quoting = true;
                return Ok(());
            }
            'E' => return Ok(()),
            'G' => return Err(r"it holds `\G`".to_owned()),
            'p' | 'P' | 'X' => return Err(format!(r"it asks for Unicode by `\{c}`")),
            'g' | 'k' => {
                let back = self.named_reference()?;
                self.backtracking = true;
                self.out.push_str(&back);
            }
            '1'..='9' => {
                let mut digits = c.to_string();
                while let Some(d) = self
                    .peek(0)
                    .filter(|d| d.is_ascii_digit() && digits.len() < 3)
                {
                    digits.push(d);
                    self.at += 1;
                }
                let number: usize = digits.parse().unwrap_or(0);
                if number > 9 && number > self.groups {
                    let code = u32::from_str_radix(&digits, 8)
                        .ok()
                        .and_then(char::from_u32);
                    let code = code.ok_or(format!(r"it holds `\{digits}`"))?;
                    push_byte(&mut self.out, code, false);
                } else {
                    self.backtracking = true;
                    self.out.push_str(&format!(r"(?:\{number})"));
                }
            }
            other => match self.character(other)? {
                Some(c) => push_byte(&mut self.out, c, false),
                // No byte is that character.
                None => self.out.push_str(r"[^\s\S]"),
            },
        }
        self.last = start;
        Ok(())
    }

    /// `\g1`, `\g{-1}`, `\k<name>`.
    fn named_reference(&mut self) -> Result<String, String> {
        let close = match self.peek(0) {
            Some('{') => '}',
            Some('<') => '>',
            Some('\'') => '\'',
            _ => {
                let digit = self.peek(0).filter(char::is_ascii_digit);
                let digit = digit.ok_or(r"it holds `\g` without a number")?;
                self.at += 1;
                return Ok(format!(r"(?:\{digit})"));
            }
        };
        self.at += 1;
        let mut name = String::new();
        while let Some(c) = self.peek(0).filter(|c| *c != close) {
            name.push(c);
            self.at += 1;
        }
        self.at += 1;
        if let Some(back) = name.strip_prefix('-').and_then(|n| n.parse::<usize>().ok()) {
            let number = (self.groups + 1).checked_sub(back).filter(|n| *n > 0);
            let number = number.ok_or("it refers to a group that is not there")?;
            return Ok(format!(r"(?:\{number})"));
        }
        match name.bytes().all(|b| b.is_ascii_digit()) {
            true => Ok(format!(r"(?:\{name})")),
            false => Ok(format!(r"(?:\k<{name}>)")),
        }
    }

    /// The character of an escape whose letter has been read; `None` for one beyond bytes.
    fn character(&mut self, letter: char) -> Result<Option<char>, String> {
        let code = match letter {
            'n' => 10,
            'r' => 13,
            't' => 9,
            'f' => 12,
            'e' => 27,
            'a' => 7,
            'x' => {
                let mut digits = String::new();
                if self.peek(0) == Some('{') {
                    self.at += 1;
                    while let Some(c) = self.peek(0).filter(|c| *c != '}') {
                        digits.push(c);
                        self.at += 1;
                    }
                    self.at += 1;
                } else {
                    while let Some(c) = self
                        .peek(0)
                        .filter(|c| c.is_ascii_hexdigit() && digits.len() < 2)
                    {
                        digits.push(c);
                        self.at += 1;
                    }
                }
                match digits.trim() {
                    "" => 0,
                    digits => u32::from_str_radix(digits, 16)
                        .map_err(|_| format!(r"it holds `\x{{{digits}}}`"))?,
                }
            }
            'o' if self.peek(0) == Some('{') => {
                self.at += 1;
                let mut digits = String::new();
                while let Some(c) = self.peek(0).filter(|c| *c != '}') {
                    digits.push(c);
                    self.at += 1;
                }
                self.at += 1;
                u32::from_str_radix(&digits, 8).map_err(|_| r"it holds a broken `\o`".to_owned())?
            }
            '0'..='7' => {
                let mut digits = letter.to_string();
                while let Some(c) = self
                    .peek(0)
                    .filter(|c| ('0'..='7').contains(c) && digits.len() < 3)
                {
                    digits.push(c);
                    self.at += 1;
                }
                u32::from_str_radix(&digits, 8).unwrap_or(0)
            }
            'c' => {
                let control = self.peek(0).unwrap_or('@').to_ascii_uppercase();
                self.at += 1;
                u32::from(control) ^ 64
            }
            other => u32::from(other),
        };
        Ok(char::from_u32(code).filter(|_| code <= 255))
    }

    /// A class.
    fn class(&mut self) -> Result<(), String> {
        let start = self.out.len();
        self.at += 1;
        self.out.push('[');
        if self.peek(0) == Some('^') {
            self.out.push('^');
            self.at += 1;
        }
        let mut first = true;
        let mut items = 0;
        loop {
            let c = self.peek(0).ok_or("a `[` has no `]`")?;
            if c == ']' && !first {
                self.at += 1;
                break;
            }
            first = false;
            if self.starts_with("[:") || self.starts_with("[=") {
                let name: String = self
                    .rest
                    .iter()
                    .skip(self.at + 2)
                    .take_while(|c| c.is_ascii_lowercase() || **c == '^')
                    .collect();
                let length = name.len() + 2;
                if self.peek(length) == Some(':') && self.peek(length + 1) == Some(']') {
                    self.out.push_str(&format!("[:{name}:]"));
                    self.at += length + 2;
                    items += 1;
                    continue;
                }
            }
            match self.member()? {
                Member::Set(set) => {
                    self.out.push_str(&set);
                    items += 1;
                }
                Member::Nothing => {}
                Member::One(low) => {
                    items += 1;
                    let ranged =
                        self.peek(0) == Some('-') && self.peek(1).is_some_and(|c| c != ']');
                    if !ranged {
                        push_byte(&mut self.out, low, true);
                        continue;
                    }
                    let before = self.at;
                    self.at += 1;
                    let class = self.starts_with("[:");
                    match if class {
                        Member::Nothing
                    } else {
                        self.member()?
                    } {
                        Member::One(high) if low <= high => {
                            push_byte(&mut self.out, low, true);
                            self.out.push('-');
                            push_byte(&mut self.out, high, true);
                        }
                        Member::One(_) => {
                            return Err("a range in a class runs backwards".to_owned());
                        }
                        _ => {
                            // The minus is itself; what follows is read again.
                            push_byte(&mut self.out, low, true);
                            push_byte(&mut self.out, '-', true);
                            self.at = before + 1;
                        }
                    }
                }
            }
        }
        if items == 0 {
            // Only characters beyond bytes were in it.
            let negated = self.out.ends_with('^');
            self.out.truncate(start);
            self.out
                .push_str(if negated { r"[\s\S]" } else { r"[^\s\S]" });
        } else {
            self.out.push(']');
        }
        self.last = start;
        Ok(())
    }

    /// One member of a class.
    fn member(&mut self) -> Result<Member, String> {
        let Some(c) = self.peek(0) else {
            return Err("a `[` has no `]`".to_owned());
        };
        self.at += 1;
        if c != '\\' {
            return Ok(Member::One(c));
        }
        let letter = self.peek(0).ok_or("it ends with a backslash")?;
        self.at += 1;
        Ok(match letter {
            'w' | 'W' | 'd' | 'D' | 's' | 'S' => Member::Set(format!("\\{letter}")),
            'h' => Member::Set(r"\t \xA0".to_owned()),
            'v' => Member::Set(r"\n\x0B\f\r\x85".to_owned()),
            'b' => Member::One('\u{8}'),
            'Q' | 'E' => Member::Nothing,
            'p' | 'P' | 'H' | 'V' | 'R' | 'N' | 'X' => {
                return Err(format!(r"a class holds `\{letter}`"));
            }
            other => match self.character(other)? {
                Some(c) => Member::One(c),
                None => Member::Nothing,
            },
        })
    }
}

enum Member {
    One(char),
    Set(String),
    Nothing,
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
