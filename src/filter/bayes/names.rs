//! What the features of a message are called: `subject:free`, `text:click here`.
//!
//! In: the tokens of one message as they become features. Out: the name of any of them. Words are copied once, in a
//! row; a name is put together only when somebody asks for it, which is for a few of hundreds. In memory as
//! long as the text that was read, and 24 bytes a feature.

use super::features::{Observer, WINDOW};

/// Bytes and features that most messages stay below.
const BYTES: usize = 4 << 10;
const FEATURES: usize = 1 << 10;

/// A stretch of the words in a row.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    from: u32,
    to: u32,
}

/// Where a feature was found first.
#[derive(Clone, Copy, Debug)]
struct Origin {
    field: u32,
    /// How far apart the two of a pair stand; none for a token.
    distance: Option<u8>,
    before: Stretch,
    token: Stretch,
}

/// The names of the features of one message.
#[derive(Debug)]
pub(super) struct Names {
    words: String,
    fields: Vec<(&'static str, Stretch)>,
    /// In the order of the features.
    origins: Vec<Origin>,
    token: Stretch,
    /// The latest tokens of the field, the latest first.
    before: [Stretch; WINDOW],
    /// Whether a feature refers to the latest token.
    used: bool,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            words: String::with_capacity(BYTES),
            fields: Vec::with_capacity(64),
            origins: Vec::with_capacity(FEATURES),
            token: Stretch::default(),
            before: Default::default(),
            used: false,
        }
    }
}

impl Names {
    /// The name of the feature that was kept as number `index`.
    pub(super) fn name(&self, index: usize) -> Option<String> {
        let origin = self.origins.get(index)?;
        let (label, detail) = *self.fields.get(origin.field as usize)?;
        let field = match self.text(detail) {
            "" => label,
            detail => detail,
        };
        let token = self.text(origin.token);
        Some(match origin.distance {
            None => format!("{field}:{token}"),
            Some(distance) => {
                let gap = if distance == 0 { " " } else { " .. " };
                format!("{field}:{}{gap}{token}", self.text(origin.before))
            }
        })
    }

    fn text(&self, stretch: Stretch) -> &str {
        let range = stretch.from as usize..stretch.to as usize;
        self.words.get(range).unwrap_or_default()
    }

    fn add(&mut self, text: &str) -> Stretch {
        let from = self.words.len() as u32;
        self.words.push_str(text);
        Stretch {
            from,
            to: self.words.len() as u32,
        }
    }
}

impl Observer for Names {
    fn field(&mut self, label: &'static str, detail: &str) {
        let detail = self.add(detail);
        self.fields.push((label, detail));
        self.before = Default::default();
    }

    fn token(&mut self, text: &str) {
        self.token = self.add(text);
        self.used = false;
    }

    fn kept(&mut self, distance: Option<usize>) {
        self.used = true;
        let before = distance.and_then(|d| self.before.get(d));
        self.origins.push(Origin {
            field: (self.fields.len() as u32).saturating_sub(1),
            distance: distance.map(|d| d as u8),
            before: before.copied().unwrap_or_default(),
            token: self.token,
        });
    }

    fn done(&mut self, neighbour: bool) {
        if neighbour {
            self.before.rotate_right(1);
            if let Some(latest) = self.before.first_mut() {
                *latest = self.token;
            }
        } else if !self.used {
            self.words.truncate(self.token.from as usize);
        }
    }
}
