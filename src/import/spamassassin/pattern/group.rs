//! Groups: what stands behind an opening parenthesis.

use super::{Flags, Translator};

impl Translator {
    /// Opens a group; `false` for flags that only change what follows.
    pub(super) fn group(&mut self) -> Result<bool, String> {
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
}
