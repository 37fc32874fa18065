//! The model file of the engine `osb`.
//!
//! Little endian, no padding. In order: magic `MWBAYES\0`, version of the format, version of the
//! features, settings, facts, calibration, biases, entries by ascending hash, grid, and at the end the
//! BLAKE3 digest of all before it. docs/classifier.md has the table. Reading takes nothing on trust: each
//! count is checked against the bytes that are there, each number against its range.

use super::calibration::Calibration;
use super::features::{self, Settings, WINDOW};
use super::model::{Entry, Facts, Model};

pub(super) const MAGIC: &[u8; 8] = b"MWBAYES\0";
/// Version of the layout.
const FORMAT: u16 = 1;
/// Largest file that is read.
pub(super) const FILE_BYTES: u64 = 1 << 30;
const DIGEST: usize = 32;
const SOURCES: usize = 64;
const SOURCE_BYTES: usize = 1024;

/// Why bytes are no model that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    /// Something else altogether.
    #[error("this is no mailweir model")]
    Foreign,
    /// Written by a later version.
    #[error(
        "the model has format {0}, and this mailweir reads formats up to {FORMAT}; train it again or update mailweir"
    )]
    Newer(u16),
    /// The features were made in another way.
    #[error("the model was trained on features of version {0}, and this mailweir makes version {current}; train it again", current = features::VERSION)]
    OtherFeatures(u16),
    /// Bytes are missing or changed.
    #[error("the model is damaged: {0}; train it again or restore a copy")]
    Damaged(&'static str),
}

/// The bytes of a model file.
pub(super) fn encode(model: &Model) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + model.entries.len() * 20 + model.grid.len() * 4);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&features::VERSION.to_le_bytes());
    let settings = &model.settings;
    out.extend_from_slice(&settings.max_bytes.to_le_bytes());
    out.extend_from_slice(&settings.max_features.to_le_bytes());
    out.push(settings.window);
    out.push(settings.grid_bits);
    let facts = &model.facts;
    for number in [facts.ham, facts.spam, facts.trained_at, facts.seed] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let sources = facts.sources.iter().take(SOURCES);
    out.extend_from_slice(&(sources.len() as u16).to_le_bytes());
    for source in sources {
        let end = source.floor_char_boundary(SOURCE_BYTES);
        let source = source.get(..end).unwrap_or_default();
        out.extend_from_slice(&(source.len() as u16).to_le_bytes());
        out.extend_from_slice(source.as_bytes());
    }
    out.extend_from_slice(&model.calibration.slope.to_le_bytes());
    out.extend_from_slice(&model.calibration.offset.to_le_bytes());
    out.extend_from_slice(&model.word_bias.to_le_bytes());
    out.extend_from_slice(&model.run_bias.to_le_bytes());
    out.extend_from_slice(&(model.entries.len() as u64).to_le_bytes());
    for entry in &model.entries {
        out.extend_from_slice(&entry.hash.to_le_bytes());
        out.extend_from_slice(&entry.ham.to_le_bytes());
        out.extend_from_slice(&entry.spam.to_le_bytes());
        out.extend_from_slice(&entry.weight.to_le_bytes());
    }
    for weight in &model.grid {
        out.extend_from_slice(&weight.to_le_bytes());
    }
    let digest = blake3::hash(&out);
    out.extend_from_slice(digest.as_bytes());
    out
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
        Some(other) => return Err(Damage::Newer(other)),
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
    let settings = Settings {
        max_bytes: u32::from_le_bytes(read.take()?),
        max_features: u32::from_le_bytes(read.take()?),
        window: u8::from_le_bytes(read.take()?),
        grid_bits: u8::from_le_bytes(read.take()?),
    };
    let grid_fits = settings.grid_bits == 0 || (6..=24).contains(&settings.grid_bits);
    if usize::from(settings.window) > WINDOW || !grid_fits {
        return Err(Damage::Damaged("a setting is out of range"));
    }
    let mut facts = Facts {
        ham: u64::from_le_bytes(read.take()?),
        spam: u64::from_le_bytes(read.take()?),
        trained_at: u64::from_le_bytes(read.take()?),
        seed: u64::from_le_bytes(read.take()?),
        sources: Vec::new(),
    };
    for _ in 0..u16::from_le_bytes(read.take()?) {
        let length = u16::from_le_bytes(read.take()?);
        let text = read.bytes(usize::from(length))?;
        facts
            .sources
            .push(String::from_utf8_lossy(text).into_owned());
    }
    let calibration = Calibration {
        slope: f64::from_le_bytes(read.take()?),
        offset: f64::from_le_bytes(read.take()?),
    };
    if !(calibration.slope.is_finite() && calibration.slope > 0.0 && calibration.offset.is_finite())
    {
        return Err(Damage::Damaged("its calibration is out of range"));
    }
    let word_bias = read.weight()?;
    let run_bias = read.weight()?;
    let count = u64::from_le_bytes(read.take()?);
    if count > read.0.len() as u64 / 20 {
        return Err(Damage::Damaged("it has fewer entries than it says"));
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let entry = Entry {
            hash: u64::from_le_bytes(read.take()?),
            ham: u32::from_le_bytes(read.take()?),
            spam: u32::from_le_bytes(read.take()?),
            weight: read.weight()?,
        };
        if entries.last().is_some_and(|last| last.hash >= entry.hash) {
            return Err(Damage::Damaged("its entries are out of order"));
        }
        entries.push(entry);
    }
    let places = match settings.grid_bits {
        0 => 0,
        bits => 1_usize << bits,
    };
    let mut grid = Vec::with_capacity(places);
    for _ in 0..places {
        grid.push(read.weight()?);
    }
    if !read.0.is_empty() {
        return Err(Damage::Damaged("it is longer than it says"));
    }
    Ok(Model::new(
        settings,
        facts,
        calibration,
        (word_bias, entries),
        (run_bias, grid),
    ))
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

    fn weight(&mut self) -> Result<f32, Damage> {
        let weight = f32::from_le_bytes(self.take()?);
        if weight.is_finite() {
            Ok(weight)
        } else {
            Err(Damage::Damaged("a weight is no number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        Model::new(
            Settings {
                grid_bits: 6,
                ..Settings::default()
            },
            Facts {
                ham: 3,
                spam: 4,
                trained_at: 5,
                seed: 6,
                sources: vec!["ham/größe".into()],
            },
            Calibration {
                slope: 1.5,
                offset: -0.25,
            },
            (
                0.5,
                (1..50)
                    .map(|i| Entry {
                        hash: i * 1000,
                        ham: i as u32,
                        spam: 2,
                        weight: -0.5,
                    })
                    .collect(),
            ),
            (-0.5, vec![0.125; 64]),
        )
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
                let features = crate::filter::bayes::features::Features {
                    hashes: vec![1000, 7],
                    runs: vec![0, u32::MAX],
                };
                assert!(
                    (0.0..=1.0).contains(&taken.probability(&features)),
                    "byte {at}"
                );
            }
        }
    }

    #[test]
    fn entries_out_of_order_are_refused_even_when_signed() {
        let mut model = model();
        model.entries.swap(3, 4);
        assert_eq!(
            decode(&encode(&model)).unwrap_err(),
            Damage::Damaged("its entries are out of order")
        );
    }

    #[test]
    fn foreign_newer_and_other_features_are_told_apart() {
        assert_eq!(decode(b"{}").unwrap_err(), Damage::Foreign);
        let mut bytes = encode(&model());
        bytes[8] = 9;
        assert_eq!(decode(&bytes).unwrap_err(), Damage::Newer(9));
        let mut bytes = encode(&model());
        bytes.truncate(bytes.len() - DIGEST);
        bytes[10] = 77;
        let digest = blake3::hash(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        assert_eq!(decode(&bytes).unwrap_err(), Damage::OtherFeatures(77));
    }
}
