//! The model file of the engine `osb`.
//!
//! Little endian, no padding. In order: magic `MWBAYES\0`, version of the format, version of the
//! features, settings, facts, calibration, entries by ascending hash, the grids of the views, the messages learned, the
//! place in the journal, and at the end the BLAKE3 digest of all before it. docs/classifier.md has the table.
//! Reading takes nothing on trust: each count is checked against the bytes that are there, each number
//! against its range.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::calibration::Calibration;
use super::features::{self, Settings, VIEWS, WINDOW};
use super::journal::Position;
use super::lesson::Ledger;
use super::logistic::{Weight, Weights};
use super::model::{Facts, Model};
use super::receiving::Receiving;
use super::table::{Entry, Table};

pub(super) const MAGIC: &[u8; 8] = b"MWBAYES\0";
/// Version of the layout.
const FORMAT: u16 = 2;
/// Largest file that is read.
pub(super) const FILE_BYTES: u64 = 1 << 30;
const DIGEST: usize = 32;
/// Lines of a list of texts at most, and bytes of each.
const TEXTS: usize = 200;
const TEXT_BYTES: usize = 1024;
const ENTRY_BYTES: usize = 24;

/// Why bytes are no model that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    /// Something else altogether.
    #[error("this is no mailweir model")]
    Foreign,
    /// Written by another version.
    #[error(
        "the model has format {0}, and this mailweir reads format {FORMAT}; train it again, or update mailweir"
    )]
    OtherFormat(u16),
    /// The features were made in another way.
    #[error("the model was trained on features of version {0}, and this mailweir makes version {current}; train it again", current = features::VERSION)]
    OtherFeatures(u16),
    /// Bytes are missing or changed.
    #[error("the model is damaged: {0}; train it again or restore a copy")]
    Damaged(&'static str),
}

/// The bytes of a model file.
pub(super) fn encode(model: &Model) -> Vec<u8> {
    let entries = model.table.sorted();
    let ledger = model.ledger.to_packed();
    let mut out = Writer(Vec::with_capacity(
        4096 + entries.len() * ENTRY_BYTES + ledger.len() * 8,
    ));
    out.put(MAGIC);
    out.put(&FORMAT.to_le_bytes());
    out.put(&features::VERSION.to_le_bytes());
    let settings = &model.settings;
    out.put(&settings.max_bytes.to_le_bytes());
    out.put(&settings.max_features.to_le_bytes());
    out.put(&[settings.window, settings.grid_bits]);
    let (ignored, read) = settings.receiving.changes();
    out.texts(ignored);
    out.texts(read);
    let facts = &model.facts;
    for number in [facts.ham, facts.spam, facts.trained_at, facts.seed] {
        out.put(&number.to_le_bytes());
    }
    out.texts(&facts.sources);
    out.texts(&facts.figures);
    out.put(&model.calibration.slope.to_le_bytes());
    out.put(&model.calibration.offset.to_le_bytes());
    out.weight(model.bias);
    out.put(&(entries.len() as u64).to_le_bytes());
    for entry in &entries {
        out.put(&entry.hash.to_le_bytes());
        out.put(&entry.ham.to_le_bytes());
        out.put(&entry.spam.to_le_bytes());
        out.put(&entry.weight.to_le_bytes());
        out.put(&entry.slowed.to_le_bytes());
    }
    for view in &model.views {
        out.weight(view.bias);
        let moved = |(place, weight): (usize, &Weight)| {
            (*weight != Weight::default()).then_some((place as u32, *weight))
        };
        let moved: Vec<_> = view.of.iter().enumerate().filter_map(moved).collect();
        out.put(&(moved.len() as u32).to_le_bytes());
        for (place, weight) in moved {
            out.put(&place.to_le_bytes());
            out.weight(weight);
        }
    }
    out.put(&(ledger.len() as u64).to_le_bytes());
    for message in ledger {
        out.put(&message.to_le_bytes());
    }
    out.put(&model.position.journal);
    out.put(&model.position.offset.to_le_bytes());
    let digest = blake3::hash(&out.0);
    out.put(digest.as_bytes());
    out.0
}

/// The checksum at the end of a model file, to tell whether it is still the same one. `None` where there is none.
pub(super) fn checksum_of(path: &Path) -> Option<[u8; DIGEST]> {
    let mut file = std::fs::File::open(path).ok()?;
    file.seek(SeekFrom::End(-(DIGEST as i64))).ok()?;
    let mut digest = [0; DIGEST];
    file.read_exact(&mut digest).ok()?;
    Some(digest)
}

struct Writer(Vec<u8>);

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn weight(&mut self, weight: Weight) {
        self.put(&weight.value.to_le_bytes());
        self.put(&weight.slowed.to_le_bytes());
    }

    fn texts(&mut self, texts: &[String]) {
        let texts = texts.get(..TEXTS).unwrap_or(texts);
        self.put(&(texts.len() as u16).to_le_bytes());
        for text in texts {
            let text = text
                .get(..text.floor_char_boundary(TEXT_BYTES))
                .unwrap_or_default();
            self.put(&(text.len() as u16).to_le_bytes());
            self.put(text.as_bytes());
        }
    }
}

/// Reads the bytes of a model file.
///
/// # Errors
/// What is wrong with them.
pub(super) fn decode(bytes: &[u8]) -> Result<Model, Damage> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Damage::Foreign)?;
    let format = rest.first_chunk().copied().map(u16::from_le_bytes);
    match format {
        None => return Err(Damage::Damaged("it is cut off")),
        Some(FORMAT) => {}
        Some(other) => return Err(Damage::OtherFormat(other)),
    }
    let (content, digest) = bytes
        .split_last_chunk::<DIGEST>()
        .ok_or(Damage::Damaged("it is cut off"))?;
    if blake3::hash(content).as_bytes() != digest {
        return Err(Damage::Damaged("its checksum does not fit"));
    }
    let mut read = Reader(content.get(MAGIC.len() + 2..).unwrap_or_default());
    let version = u16::from_le_bytes(read.take()?);
    if version != features::VERSION {
        return Err(Damage::OtherFeatures(version));
    }
    let settings = settings(&mut read)?;
    let facts = Facts {
        ham: u64::from_le_bytes(read.take()?),
        spam: u64::from_le_bytes(read.take()?),
        trained_at: u64::from_le_bytes(read.take()?),
        seed: u64::from_le_bytes(read.take()?),
        sources: read.texts()?,
        figures: read.texts()?,
    };
    let calibration = Calibration {
        slope: f64::from_le_bytes(read.take()?),
        offset: f64::from_le_bytes(read.take()?),
    };
    if !(calibration.slope.is_finite() && calibration.slope > 0.0 && calibration.offset.is_finite())
    {
        return Err(Damage::Damaged("its calibration is out of range"));
    }
    let bias = read.weight()?;
    let table = table(&mut read)?;
    let mut views: [Weights; VIEWS] = Default::default();
    for view in &mut views {
        *view = grid(&mut read, 1 << settings.grid_bits)?;
    }
    let ledger = ledger(&mut read)?;
    let position = Position {
        journal: read.take()?,
        offset: u64::from_le_bytes(read.take()?),
    };
    if !read.0.is_empty() {
        return Err(Damage::Damaged("it is longer than it says"));
    }
    Ok(Model {
        settings,
        facts,
        calibration,
        table,
        bias,
        views,
        ledger,
        position,
    })
}

fn settings(read: &mut Reader<'_>) -> Result<Settings, Damage> {
    let (max_bytes, max_features) = (read.take()?, read.take()?);
    let [window] = read.take()?;
    let [grid_bits] = read.take()?;
    let (ignored, kept) = (read.texts()?, read.texts()?);
    let receiving = Receiving::new(&ignored, &kept)
        .map_err(|_| Damage::Damaged("a name of a header field is none"))?;
    if usize::from(window) > WINDOW || !(6..=24).contains(&grid_bits) {
        return Err(Damage::Damaged("a setting is out of range"));
    }
    Ok(Settings {
        max_bytes: u32::from_le_bytes(max_bytes),
        window,
        max_features: u32::from_le_bytes(max_features),
        grid_bits,
        receiving,
    })
}

fn table(read: &mut Reader<'_>) -> Result<Table, Damage> {
    let count = u64::from_le_bytes(read.take()?);
    if count > (read.0.len() / ENTRY_BYTES) as u64 {
        return Err(Damage::Damaged("it has fewer entries than it says"));
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let hash = u64::from_le_bytes(read.take()?);
        let (ham, spam) = (read.take()?, read.take()?);
        let weight = read.weight()?;
        if entries.last().map_or(0, |last| last.hash) >= hash {
            return Err(Damage::Damaged("its entries are out of order"));
        }
        entries.push(Entry {
            hash,
            ham: u32::from_le_bytes(ham),
            spam: u32::from_le_bytes(spam),
            weight: weight.value,
            slowed: weight.slowed,
        });
    }
    Ok(Table::new(entries.into_iter()))
}

fn grid(read: &mut Reader<'_>, places: usize) -> Result<Weights, Damage> {
    let mut view = Weights {
        of: vec![Weight::default(); places],
        bias: read.weight()?,
    };
    let count = u32::from_le_bytes(read.take()?);
    let mut next = 0;
    for _ in 0..count {
        let place = u32::from_le_bytes(read.take()?);
        let weight = read.weight()?;
        match view.of.get_mut(place as usize) {
            Some(slot) if place >= next => *slot = weight,
            _ => return Err(Damage::Damaged("a grid is out of order")),
        }
        next = place.saturating_add(1);
    }
    Ok(view)
}

fn ledger(read: &mut Reader<'_>) -> Result<Ledger, Damage> {
    let count = u64::from_le_bytes(read.take()?);
    if count > read.0.len() as u64 / 8 {
        return Err(Damage::Damaged("it has fewer messages than it says"));
    }
    let mut messages: Vec<u64> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let message = u64::from_le_bytes(read.take()?);
        if messages.last().is_some_and(|last| *last >= message) {
            return Err(Damage::Damaged("its messages are out of order"));
        }
        messages.push(message);
    }
    Ok(Ledger::from_packed(messages))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (taken, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Damage::Damaged("it is shorter than it says"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn bytes(&mut self, n: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self
            .0
            .split_at_checked(n)
            .ok_or(Damage::Damaged("it is shorter than it says"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn texts(&mut self) -> Result<Vec<String>, Damage> {
        let count = u16::from_le_bytes(self.take()?);
        let mut texts = Vec::new();
        for _ in 0..count {
            let length = u16::from_le_bytes(self.take()?);
            let text = self.bytes(usize::from(length))?;
            texts.push(String::from_utf8_lossy(text).into_owned());
        }
        Ok(texts)
    }

    fn weight(&mut self) -> Result<Weight, Damage> {
        let value = f32::from_le_bytes(self.take()?);
        let slowed = f32::from_le_bytes(self.take()?);
        if value.is_finite() && slowed.is_finite() && slowed >= 0.0 {
            Ok(Weight { value, slowed })
        } else {
            Err(Damage::Damaged("a weight is no number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::bayes::Class;
    use crate::filter::bayes::features::Features;

    fn model() -> Model {
        let mut model = Model::empty(Settings {
            grid_bits: 6,
            receiving: Receiving::new(&["X-Ours".into()], &["X-Virus-*".into()]).unwrap(),
            ..Settings::default()
        });
        model.facts = Facts {
            ham: 3,
            spam: 4,
            trained_at: 5,
            seed: 6,
            sources: vec!["ham/größe".into()],
            figures: vec!["1-ROCA 0.02 %".into()],
        };
        model.calibration = Calibration {
            slope: 1.5,
            offset: -0.25,
        };
        model.table = Table::new((1..50_u32).map(|i| Entry {
            hash: u64::from(i) * 1000,
            ham: i,
            spam: 2,
            weight: -0.5,
            slowed: 0.25,
        }));
        for view in &mut model.views {
            view.of[7] = Weight {
                value: 0.5,
                slowed: 2.0,
            };
        }
        let digests = [[1; 32], [2; 32]];
        model.ledger = Ledger::of_trained(digests.iter().map(|d| (d, Class::Spam)));
        model.position = Position {
            journal: [7; 16],
            offset: 99,
        };
        model
    }

    #[test]
    fn a_model_comes_back_as_it_was() {
        let bytes = encode(&model());
        assert_eq!(decode(&bytes).unwrap(), model());
        assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
    }

    #[test]
    fn a_change_of_any_byte_is_refused() {
        let bytes = encode(&model());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(decode(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn every_cut_and_every_addition_is_refused() {
        let bytes = encode(&model());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(decode(&[bytes, vec![0]].concat()).is_err());
    }

    #[test]
    fn a_valid_checksum_over_nonsense_is_refused_too() {
        let bytes = encode(&model());
        let content = &bytes[..bytes.len() - DIGEST];
        // Behind the versions, every four bytes in turn are set to ones and signed again.
        for at in (12..content.len() - 4).step_by(4) {
            let mut changed = content.to_vec();
            changed[at..at + 4].fill(0xFF);
            let digest = blake3::hash(&changed);
            changed.extend_from_slice(digest.as_bytes());
            // Facts and counts may hold any number; what is taken must be finite and fit for use.
            if let Ok(taken) = decode(&changed) {
                let features = Features {
                    hashes: vec![1000, 7],
                    places: std::array::from_fn(|_| vec![0, 7, u32::MAX]),
                };
                let probability = taken.probability(taken.log_odds(&features));
                assert!((0.0..=1.0).contains(&probability), "byte {at}");
            }
        }
    }

    #[test]
    fn foreign_other_and_other_features_are_told_apart() {
        assert_eq!(decode(b"{}").unwrap_err(), Damage::Foreign);
        let mut bytes = encode(&model());
        bytes[8] = 9;
        assert_eq!(decode(&bytes).unwrap_err(), Damage::OtherFormat(9));
        let mut bytes = encode(&model());
        bytes.truncate(bytes.len() - DIGEST);
        bytes[10] = 77;
        let digest = blake3::hash(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        assert_eq!(decode(&bytes).unwrap_err(), Damage::OtherFeatures(77));
    }
}
