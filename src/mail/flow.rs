//! Running text with its white space folded, up to a limit.

use super::host::is_invisible;

/// What separates two runs of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Gap {
    None,
    Space,
    Line,
}

/// Text with its white space folded, up to a limit.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) text: String,
    gap: Gap,
    limit: usize,
    /// Whether the limit cut something off.
    pub(super) cut: bool,
}

impl Flow {
    /// No text yet, at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Flow {
        Flow {
            text: String::new(),
            gap: Gap::None,
            limit,
            cut: false,
        }
    }

    /// Separates what comes from what was; the strongest of several gaps counts.
    pub(super) fn gap(&mut self, gap: Gap) {
        if gap > self.gap {
            self.gap = gap;
        }
    }

    /// Adds text; characters without width are left out.
    pub(super) fn push(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() {
                self.gap(Gap::Space);
                continue;
            }
            if is_invisible(c) {
                continue;
            }
            if self.text.len() + 5 > self.limit {
                self.cut = true;
                return;
            }
            match self.gap {
                _ if self.text.is_empty() => {}
                Gap::None => {}
                Gap::Space => self.text.push(' '),
                Gap::Line => self.text.push('\n'),
            }
            self.gap = Gap::None;
            self.text.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_folded_and_the_strongest_gap_counts() {
        let mut flow = Flow::new(100);
        flow.gap(Gap::Line);
        flow.push(" a \u{a0}\tb\u{200b}c ");
        flow.gap(Gap::Line);
        flow.gap(Gap::Space);
        flow.push(" d ");
        assert_eq!(flow.text, "a bc\nd");
    }

    #[test]
    fn the_limit_cuts_between_characters() {
        let mut flow = Flow::new(10);
        flow.push(&"ä".repeat(20));
        assert!(flow.cut && flow.text.len() <= 10);
    }
}
