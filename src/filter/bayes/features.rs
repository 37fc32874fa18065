//! Tokens become features: numbers that stand for "this token" or "this token, then that one".
//!
//! In: a message. Out: [`Features`], each at most once. Of the first view, words and pairs of neighbours
//! (orthogonal sparse bigrams, Siefkes et al. 2004) as 64-bit hashes; of each further [`View`], places in a fixed
//! grid. Bounded in number whatever the message. The hash is part of the model format: changing
//! it, or what [`tokens`](super::tokens) sends, needs a new [`VERSION`].

use std::cell::RefCell;

use crate::mail::Mail;

use super::names::Names;
use super::receiving::Receiving;
use super::tokens::{self, Sink};

/// Counts up when the same message gives other features than before; models of others are refused.
pub(super) const VERSION: u16 = 4;

/// A way of looking at a message beside its words and pairs. Each has a grid and weights of its own, so that
/// what it says can be wrong without spoiling what the others say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Runs of four bytes of the header as the sender wrote it: names, order, spelling.
    Header,
    /// Words wherever they stand, with tricks undone, and their beginnings.
    Anywhere,
    /// Runs of three and four bytes of the subject.
    Subject,
    /// How the message came, up to where it was handed over.
    Route,
}

/// How many there are.
pub(super) const VIEWS: usize = 4;

/// What to take from a message. Stored with the model, so that a message is always read as the corpus was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Bytes of text that are read.
    pub(super) max_bytes: u32,
    /// How far apart, in tokens, the two of a pair may stand; 0 for no pairs.
    pub(super) window: u8,
    /// Features kept of one message; later ones are left out.
    pub(super) max_features: u32,
    /// Base 2 logarithm of the size of each grid; 6 to 24.
    pub(super) grid_bits: u8,
    /// The header fields that are not read.
    pub(super) receiving: Receiving,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_bytes: 64 << 10,
            window: 1,
            max_features: 12_000,
            grid_bits: 18,
            receiving: Receiving::default(),
        }
    }
}

/// The features of one message, in order of appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// Hashes of tokens and pairs, each once.
    pub(super) hashes: Vec<u64>,
    /// Places in the grid of each view, each once.
    pub(super) places: [Vec<u32>; VIEWS],
}

/// Reads the features of `mail`, at most `max_bytes` of its text.
pub(super) fn features(mail: &Mail, settings: &Settings, max_bytes: usize) -> Features {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut extractor = Extractor::new(settings, scratch, ());
        tokens::tokens(mail, max_bytes, &settings.receiving, &mut extractor);
        extractor.finish().0
    })
}

/// The same with the places of each view ascending, as they are kept for training.
pub(super) fn features_in_order(mail: &Mail, settings: &Settings, max_bytes: usize) -> Features {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut extractor = Extractor::new(settings, scratch, ());
        tokens::tokens(mail, max_bytes, &settings.receiving, &mut extractor);
        extractor.finish_in_order()
    })
}

/// The same, and a book of what they are called.
pub(super) fn named(mail: &Mail, settings: &Settings, max_bytes: usize) -> (Features, Names) {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut extractor = Extractor::new(settings, scratch, Names::default());
        tokens::tokens(mail, max_bytes, &settings.receiving, &mut extractor);
        extractor.finish()
    })
}

/// Looks on while features are made.
pub(super) trait Observer {
    fn field(&mut self, label: &'static str, detail: &str);
    /// The next token, whatever becomes of it.
    fn token(&mut self, text: &str);
    /// It was kept as a feature: by itself, or as a pair with the token so far before it.
    fn kept(&mut self, distance: Option<usize>);
    /// The token is a neighbour of those that follow, or it is not.
    fn done(&mut self, neighbour: bool);
}

impl Observer for () {
    fn field(&mut self, _: &'static str, _: &str) {}
    fn token(&mut self, _: &str) {}
    fn kept(&mut self, _: Option<usize>) {}
    fn done(&mut self, _: bool) {}
}

/// Largest window that can be set.
pub(super) const WINDOW: usize = 5;

/// What is used again for every message of a thread.
#[derive(Default)]
struct Scratch {
    seen: Seen,
    /// A bit for each place of each view; all unset between messages.
    grid: Vec<u64>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

struct Extractor<'a, O: Observer> {
    settings: &'a Settings,
    bits: u32,
    features: Features,
    scratch: &'a mut Scratch,
    field: u64,
    /// Hashes of the latest tokens of the field, the latest first; 0 before the first.
    before: [u64; WINDOW],
    /// The numbers of the latest token.
    latest: (u64, u64),
    /// The latest bytes of the header.
    run: u32,
    /// Bytes of the header that may still be looked at.
    header_left: usize,
    observer: O,
}

impl<'a, O: Observer> Extractor<'a, O> {
    fn new(settings: &'a Settings, scratch: &'a mut Scratch, observer: O) -> Self {
        let bits = u32::from(settings.grid_bits).clamp(6, 24);
        let words = VIEWS << (bits - 6);
        if scratch.grid.len() < words {
            scratch.grid.resize(words, 0);
        }
        scratch.seen.clear();
        Extractor {
            settings,
            bits,
            features: Features::default(),
            scratch,
            field: 0,
            before: [0; WINDOW],
            latest: (0, 0),
            run: SPACES,
            header_left: HEADER_BYTES,
            observer,
        }
    }

    fn keep(&mut self, hash: u64, distance: Option<usize>) {
        if self.features.hashes.len() < self.settings.max_features as usize
            && self.scratch.seen.insert(hash)
        {
            self.features.hashes.push(hash);
            self.observer.kept(distance);
        }
    }

    fn keep_place(&mut self, view: View, hash: u64) {
        let place = (hash >> (64 - self.bits)) as usize;
        let at = ((view as usize) << self.bits) + place;
        let bit = 1_u64 << (at & 63);
        if let Some(word) = self.scratch.grid.get_mut(at >> 6)
            && let Some(places) = self.features.places.get_mut(view as usize)
            && *word & bit == 0
            && places.len() < self.settings.max_features as usize
        {
            *word |= bit;
            places.push(place as u32);
        }
    }

    /// The features; and the grid is as it was before.
    fn finish(self) -> (Features, O) {
        for (view, places) in self.features.places.iter().enumerate() {
            for place in places {
                let at = (view << self.bits) + *place as usize;
                if let Some(word) = self.scratch.grid.get_mut(at >> 6) {
                    *word = 0;
                }
            }
        }
        (self.features, self.observer)
    }

    /// The same, places ascending: read off the grid, which for many places is faster than to sort them.
    fn finish_in_order(mut self) -> Features {
        let grids = self.scratch.grid.chunks_exact_mut(1 << (self.bits - 6));
        for (places, grid) in self.features.places.iter_mut().zip(grids) {
            if places.len() < FEW {
                places.sort_unstable();
                for place in places.iter() {
                    if let Some(word) = grid.get_mut(*place as usize >> 6) {
                        *word = 0;
                    }
                }
                continue;
            }
            places.clear();
            for (word, first) in grid.iter_mut().zip((0_u32..).step_by(64)) {
                let mut left = std::mem::take(word);
                while left != 0 {
                    places.push(first + left.trailing_zeros());
                    left &= left - 1;
                }
            }
        }
        self.features
    }
}

/// So few places are sorted faster than read off the grid.
const FEW: usize = 150;

/// Bytes of the header whose runs are looked at: Cormack's finding that the beginning tells enough holds here too.
const HEADER_BYTES: usize = 3_500;
const SPACES: u32 = 0x2020_2020;

/// The number of a run of bytes, spread over 64 bits.
fn run_hash(run: u32, salt: u32) -> u64 {
    u64::from(run ^ salt).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl<O: Observer> Sink for Extractor<'_, O> {
    fn field(&mut self, label: &'static str, detail: &str) {
        self.field = hash(detail.as_bytes(), hash(label.as_bytes(), 0));
        self.before = [0; WINDOW];
        self.observer.field(label, detail);
    }

    fn token(&mut self, text: &str) {
        self.observer.token(text);
        self.latest = name(text);
        let this = mix(self.latest.0, self.field).max(1);
        self.keep(this, None);
        let window = usize::from(self.settings.window).min(WINDOW);
        for distance in 0..window {
            let Some(before) = self.before.get(distance).copied().filter(|b| *b != 0) else {
                break;
            };
            let pair = mix(before.rotate_left(distance as u32 * 8 + 1) ^ PAIR, this).max(1);
            self.keep(pair, Some(distance));
        }
        self.before.rotate_right(1);
        if let Some(latest) = self.before.first_mut() {
            *latest = this;
        }
        self.observer.done(true);
    }

    fn alone(&mut self, text: &str) {
        self.observer.token(text);
        self.keep(hash(text.as_bytes(), self.field ^ ALONE), None);
        self.observer.done(false);
    }

    fn header(&mut self, text: &str) {
        for byte in text.bytes().take(self.header_left) {
            let byte = if byte.is_ascii_whitespace() {
                b' '
            } else {
                byte
            };
            if byte == b' ' && self.run & 0xFF == 0x20 {
                continue;
            }
            self.run = self.run << 8 | u32::from(byte);
            self.keep_place(View::Header, run_hash(self.run, 0));
        }
        self.header_left = self.header_left.saturating_sub(text.len());
    }

    fn subject(&mut self, text: &str) {
        let mut run = SPACES;
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
            self.keep_place(View::Subject, run_hash(run, 0));
            let folded = run.to_be_bytes().map(|b| b.to_ascii_lowercase());
            let three = u32::from_be_bytes(folded) & 0x00FF_FFFF;
            self.keep_place(View::Subject, run_hash(three, 0x5300_0000));
        }
    }

    fn anywhere(&mut self, word: Option<&str>) {
        let (word, beginning) = word.map_or(self.latest, name);
        self.keep_place(View::Anywhere, mix(word, WHOLE));
        self.keep_place(View::Anywhere, mix(beginning, BEGINNING));
    }

    fn route(&mut self, kind: &'static str, text: &str) {
        let kind = hash(kind.as_bytes(), 0);
        self.keep_place(View::Route, hash(text.as_bytes(), kind));
    }
}

const WHOLE: u64 = 0x8EBC_6AF0_9C88_C6E3;
const BEGINNING: u64 = 0x5899_65CC_7537_4CC3;
const ALONE: u64 = 0xA076_1D64_78BD_642F;
const PAIR: u64 = 0xE703_7ED1_A0B4_28DB;

/// Two 64-bit numbers into one: the halves of their product folded together.
pub(super) fn mix(a: u64, b: u64) -> u64 {
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

/// The numbers of a word and of its first four bytes, the same in every field.
fn name(word: &str) -> (u64, u64) {
    let beginning = word.get(..word.floor_char_boundary(4)).unwrap_or_default();
    let beginning = beginning
        .bytes()
        .fold(0, |number, byte| number << 8 | u64::from(byte));
    (hash(word.as_bytes(), 0), beginning)
}

/// A set of hashes that only grows, for taking out repetitions.
struct Seen {
    slots: Vec<u64>,
    used: usize,
}

/// Slots that are kept from one message to the next.
const SLOTS: usize = 4096;

impl Default for Seen {
    fn default() -> Self {
        Seen {
            slots: vec![0; SLOTS],
            used: 0,
        }
    }
}

impl Seen {
    /// Empties it, and gives back what a large message took.
    fn clear(&mut self) {
        self.slots.truncate(SLOTS);
        self.slots.fill(0);
        self.used = 0;
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
