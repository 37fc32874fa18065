//! What a backslash begins outside of a class.

use super::{END, Translator, push_byte};

impl Translator {
    /// A backslash outside of a class.
    pub(super) fn escape(&mut self) -> Result<(), String> {
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
    pub(super) fn named_reference(&mut self) -> Result<String, String> {
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
    pub(super) fn character(&mut self, letter: char) -> Result<Option<char>, String> {
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
}
