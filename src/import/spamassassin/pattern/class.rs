//! Classes in brackets.

use super::{Translator, push_byte};

impl Translator {
    /// A class.
    pub(super) fn class(&mut self) -> Result<(), String> {
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
