//! Tokens become features: numbers that stand for "this token" or "this token, then that one".
//!
//! In: a message. Out: [`Features`], each at most once: 64-bit hashes of tokens and of sparse pairs of
//! neighbours (orthogonal sparse bigrams, Siefkes et al. 2004), and places of runs of four bytes in a
//! fixed grid. Bounded in number whatever the message. The hash is part of the model format: changing
//! it, or what [`tokens`](super::tokens) sends, needs a new [`VERSION`].

use crate::mail::Mail;

use super::tokens::{self, Sink};

/// Counts up when the same message gives other features than before; models of others are refused.
pub(super) const VERSION: u16 = 1;

/// What to take from a message. Stored with the model, so that a message is always read as the corpus was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Bytes of text that are read.
    pub(super) max_bytes: u32,
    /// How far apart, in tokens, the two of a pair may stand; 0 for no pairs.
    pub(super) window: u8,
    /// Features kept of one message; later ones are left out.
    pub(super) max_features: u32,
    /// Base 2 logarithm of the size of the grid for runs of bytes; 0 for none.
    pub(super) grid_bits: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_bytes: 64 << 10,
            window: 1,
            max_features: 12_000,
            grid_bits: 18,
        }
    }
}

/// The features of one message, in order of appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// Hashes of tokens and pairs, each once.
    pub(super) hashes: Vec<u64>,
    /// Places in the grid, each once.
    pub(super) runs: Vec<u32>,
}

/// Reads the features of `mail`.
pub(super) fn features(mail: &Mail, settings: &Settings) -> Features {
    let mut extractor = Extractor::new(*settings, ());
    tokens::tokens(mail, settings.max_bytes as usize, &mut extractor);
    extractor.features
}

/// Names the features `wanted` of `mail`, as far as they are in it: `subject:free`, `text:click .. here`.
pub(super) fn names(mail: &Mail, settings: &Settings, wanted: &[u64]) -> Vec<(u64, String)> {
    let mut extractor = Extractor::new(*settings, Names::new(wanted));
    tokens::tokens(mail, settings.max_bytes as usize, &mut extractor);
    extractor.observer.found
}

/// Looks on while features are made; the way to learn their names, which are not kept otherwise.
trait Observer {
    /// Whether the features themselves are wanted, and not only their names.
    const COLLECTS: bool;
    fn field(&mut self, label: &'static str, detail: &str);
    fn token(&mut self, hash: u64, text: &str);
    fn pair(&mut self, hash: u64, distance: usize, text: &str);
    fn next(&mut self, text: &str);
}

impl Observer for () {
    const COLLECTS: bool = true;
    fn field(&mut self, _: &'static str, _: &str) {}
    fn token(&mut self, _: u64, _: &str) {}
    fn pair(&mut self, _: u64, _: usize, _: &str) {}
    fn next(&mut self, _: &str) {}
}

struct Names<'a> {
    wanted: &'a [u64],
    field: String,
    before: [String; WINDOW],
    found: Vec<(u64, String)>,
}

impl<'a> Names<'a> {
    fn new(wanted: &'a [u64]) -> Self {
        Names {
            wanted,
            field: String::new(),
            before: Default::default(),
            found: Vec::new(),
        }
    }

    fn note(&mut self, hash: u64, name: impl FnOnce(&Self) -> String) {
        if self.wanted.contains(&hash) && !self.found.iter().any(|(h, _)| *h == hash) {
            let name = name(self);
            self.found.push((hash, name));
        }
    }
}

impl Observer for Names<'_> {
    const COLLECTS: bool = false;
    fn field(&mut self, label: &'static str, detail: &str) {
        self.field.clear();
        self.field
            .push_str(if detail.is_empty() { label } else { detail });
    }
    fn token(&mut self, hash: u64, text: &str) {
        self.note(hash, |n| format!("{}:{text}", n.field));
    }
    fn pair(&mut self, hash: u64, distance: usize, text: &str) {
        self.note(hash, |n| {
            let before = n.before.get(distance).map_or("", String::as_str);
            let gap = if distance == 0 { " " } else { " .. " };
            format!("{}:{before}{gap}{text}", n.field)
        });
    }
    fn next(&mut self, text: &str) {
        self.before.rotate_right(1);
        if let Some(latest) = self.before.first_mut() {
            latest.clear();
            latest.push_str(text);
        }
    }
}

/// Largest window that can be set.
pub(super) const WINDOW: usize = 5;

struct Extractor<O> {
    settings: Settings,
    features: Features,
    seen: Seen,
    grid: Vec<u64>,
    field: u64,
    /// Hashes of the latest tokens of the field, the latest first; 0 before the first.
    before: [u64; WINDOW],
    observer: O,
}

impl<O: Observer> Extractor<O> {
    fn new(settings: Settings, observer: O) -> Self {
        let grid = match settings.grid_bits {
            0 => 0,
            bits => 1_usize << bits.clamp(6, 24).saturating_sub(6),
        };
        Extractor {
            settings,
            features: Features::default(),
            seen: Seen::new(),
            grid: vec![0; grid],
            field: 0,
            before: [0; WINDOW],
            observer,
        }
    }

    fn keep(&mut self, hash: u64) {
        if O::COLLECTS
            && self.features.hashes.len() < self.settings.max_features as usize
            && self.seen.insert(hash)
        {
            self.features.hashes.push(hash);
        }
    }
}

impl<O: Observer> Sink for Extractor<O> {
    fn field(&mut self, label: &'static str, detail: &str) {
        self.field = hash(detail.as_bytes(), hash(label.as_bytes(), 0));
        self.before = [0; WINDOW];
        self.observer.field(label, detail);
    }

    fn token(&mut self, text: &str) {
        let this = hash(text.as_bytes(), self.field);
        self.keep(this);
        self.observer.token(this, text);
        let window = usize::from(self.settings.window).min(WINDOW);
        for distance in 0..window {
            let Some(before) = self.before.get(distance).copied().filter(|b| *b != 0) else {
                break;
            };
            let pair = mix(before.rotate_left(distance as u32 * 8 + 1) ^ PAIR, this);
            self.keep(pair);
            self.observer.pair(pair, distance, text);
        }
        self.before.rotate_right(1);
        if let Some(latest) = self.before.first_mut() {
            *latest = this;
        }
        self.observer.next(text);
    }

    fn alone(&mut self, text: &str) {
        let this = hash(text.as_bytes(), self.field ^ ALONE);
        self.keep(this);
        self.observer.token(this, text);
    }

    fn characters(&mut self, text: &str) {
        let bits = u32::from(self.settings.grid_bits.clamp(6, 24));
        if self.grid.is_empty() || !O::COLLECTS {
            return;
        }
        let mut run = 0x2020_2020_u32;
        for byte in text.bytes() {
            let byte = if byte.is_ascii_whitespace() {
                b' '
            } else {
                byte
            };
            if byte == b' ' && run & 0xFF == 0x20 {
                continue;
            }
            run = run << 8 | u32::from(byte);
            let place = run.wrapping_mul(0x9E37_79B1) >> (32 - bits);
            let bit = 1_u64 << (place & 63);
            if let Some(word) = self.grid.get_mut(place as usize >> 6)
                && *word & bit == 0
            {
                *word |= bit;
                self.features.runs.push(place);
            }
        }
    }
}

const ALONE: u64 = 0xA076_1D64_78BD_642F;
const PAIR: u64 = 0xE703_7ED1_A0B4_28DB;

/// Two 64-bit numbers into one: the halves of their product folded together.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b ^ 0xD6E8_FEB8_6659_FD93);
    (product as u64) ^ (product >> 64) as u64
}

/// A 64-bit hash that is the same on every machine and in every version; never 0.
fn hash(bytes: &[u8], seed: u64) -> u64 {
    let mut state = mix(seed, bytes.len() as u64 ^ PAIR);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        state = mix(state, word);
    }
    let mut last = [0_u8; 8];
    for (to, from) in last.iter_mut().zip(chunks.remainder()) {
        *to = *from;
    }
    mix(state, u64::from_le_bytes(last)).max(1)
}

/// A set of hashes that only grows, for taking out repetitions.
struct Seen {
    slots: Vec<u64>,
    used: usize,
}

impl Seen {
    fn new() -> Self {
        Seen {
            slots: vec![0; 4096],
            used: 0,
        }
    }

    /// Whether `hash` is new. 0 is never new.
    fn insert(&mut self, hash: u64) -> bool {
        if self.used * 2 >= self.slots.len() {
            let larger = vec![0; self.slots.len() * 2];
            let old = std::mem::replace(&mut self.slots, larger);
            self.used = 0;
            for hash in old {
                self.place(hash);
            }
        }
        self.place(hash)
    }

    fn place(&mut self, hash: u64) -> bool {
        if hash == 0 {
            return false;
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == hash {
                return false;
            }
            if *slot == 0 {
                *slot = hash;
                self.used += 1;
                return true;
            }
            at = (at + 1) & mask;
        }
        false
    }
}
