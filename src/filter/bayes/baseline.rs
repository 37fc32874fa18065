//! The engine `bayespam`: the crate of that name over subject and visible text.
//!
//! Kept to compare with. It knows words only, counts words and not messages, and takes one sighting as
//! proof; docs/classifier.md has figures. Its model is JSON: the crate's table under `token_table`, in
//! the order of words, with facts and a checksum beside it.

use std::collections::BTreeMap;

use bayespam::classifier::Classifier;
use serde::{Deserialize, Serialize};

use crate::mail::Mail;

use super::Class;
use super::engine::{Judgement, odds};
use super::model::Facts;

/// Version of the layout.
const VERSION: u32 = 1;

/// A classifier of the crate, with where it comes from.
#[derive(Debug)]
pub(super) struct Baseline {
    pub(super) facts: Facts,
    classifier: Classifier,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mailweir_bayespam: u32,
    ham: u64,
    spam: u64,
    trained_at: u64,
    seed: u64,
    sources: Vec<String>,
    checksum: String,
    token_table: BTreeMap<String, Count>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    ham: u32,
    spam: u32,
}

/// The form in which the crate reads and writes its table.
#[derive(Serialize, Deserialize)]
struct Table {
    token_table: BTreeMap<String, Count>,
}

/// What the crate looks at: subject and visible text, at most `max_bytes`.
pub(super) fn text(mail: &Mail, max_bytes: usize) -> String {
    let mut text = mail.subject();
    text.push('\n');
    text.push_str(mail.text());
    text.truncate(text.floor_char_boundary(max_bytes));
    text
}

impl Baseline {
    /// Trains on texts, each with whether it is spam.
    pub(super) fn train<'a>(texts: impl Iterator<Item = (&'a str, bool)>) -> Baseline {
        let mut facts = Facts::default();
        let mut classifier = Classifier::new();
        for (text, spam) in texts {
            if spam {
                facts.spam += 1;
                classifier.train_spam(text);
            } else {
                facts.ham += 1;
                classifier.train_ham(text);
            }
        }
        Baseline { facts, classifier }
    }

    /// The probability of spam; even for a text without words.
    pub(super) fn probability(&self, text: &str) -> f64 {
        if !text.chars().any(char::is_alphanumeric) {
            return 0.5;
        }
        // Twenty factors in f32 can come to nothing on both sides, and 0/0 is no number.
        Some(f64::from(self.classifier.score(text)))
            .filter(|p| p.is_finite())
            .unwrap_or(0.5)
    }

    /// The bytes of the model file.
    ///
    /// # Errors
    /// When the table cannot be written as JSON, which means a defect.
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let table: Table = serde_json::from_value(serde_json::to_value(&self.classifier)?)?;
        let file = File {
            mailweir_bayespam: VERSION,
            ham: self.facts.ham,
            spam: self.facts.spam,
            trained_at: self.facts.trained_at,
            seed: self.facts.seed,
            sources: self.facts.sources.clone(),
            checksum: checksum(&table.token_table),
            token_table: table.token_table,
        };
        let mut out = serde_json::to_vec(&file)?;
        out.push(b'\n');
        Ok(out)
    }

    /// Reads the bytes of a model file.
    ///
    /// # Errors
    /// What is wrong with them, in words for people.
    pub(super) fn decode(bytes: &[u8]) -> Result<Baseline, String> {
        let file: File = serde_json::from_slice(bytes)
            .map_err(|e| format!("the model is damaged, or no bayespam model of mailweir: {e}"))?;
        if file.mailweir_bayespam != VERSION {
            return Err(format!(
                "the model has format {}, and this mailweir reads format {VERSION}; train it again",
                file.mailweir_bayespam
            ));
        }
        if checksum(&file.token_table) != file.checksum {
            return Err(
                "the model is damaged: its checksum does not fit; train it again or restore a copy"
                    .into(),
            );
        }
        // The crate adds the counts up in 32 bits.
        for total in [
            file.token_table
                .values()
                .map(|c| u64::from(c.ham))
                .sum::<u64>(),
            file.token_table
                .values()
                .map(|c| u64::from(c.spam))
                .sum::<u64>(),
        ] {
            if total > u64::from(u32::MAX) {
                return Err("the model holds more words than the engine bayespam can count".into());
            }
        }
        let table = Table {
            token_table: file.token_table,
        };
        let classifier = serde_json::to_value(&table)
            .and_then(serde_json::from_value)
            .map_err(|e| format!("the engine bayespam refuses the table: {e}"))?;
        Ok(Baseline {
            facts: Facts {
                ham: file.ham,
                spam: file.spam,
                trained_at: file.trained_at,
                seed: file.seed,
                sources: file.sources,
                figures: Vec::new(),
            },
            classifier,
        })
    }
}

/// The crate, taught message by message: for evaluations in the order of time.
#[derive(Debug)]
pub struct BaselineLearner(Baseline);

impl BaselineLearner {
    /// One that knows nothing yet.
    pub fn empty() -> BaselineLearner {
        BaselineLearner(Baseline::train(std::iter::empty()))
    }

    /// Judges a message, then learns it.
    pub fn classify_then_learn(&mut self, mail: &Mail, class: Class) -> Judgement {
        let text = text(mail, usize::MAX);
        // The crate divides by the words of each class.
        let both = self.0.facts.ham > 0 && self.0.facts.spam > 0;
        let probability = if both { self.0.probability(&text) } else { 0.5 };
        match class {
            Class::Ham => {
                self.0.facts.ham += 1;
                self.0.classifier.train_ham(&text);
            }
            Class::Spam => {
                self.0.facts.spam += 1;
                self.0.classifier.train_spam(&text);
            }
        }
        Judgement {
            probability,
            odds: odds(probability),
            telling: Vec::new(),
        }
    }
}

fn checksum(table: &BTreeMap<String, Count>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (word, count) in table {
        hasher.update(&(word.len() as u64).to_le_bytes());
        hasher.update(word.as_bytes());
        hasher.update(&count.ham.to_le_bytes());
        hasher.update(&count.spam.to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained() -> Baseline {
        Baseline::train([("cheap pills now", true), ("minutes of the meeting", false)].into_iter())
    }

    #[test]
    fn it_learns_and_comes_back_as_it_was() {
        let bytes = trained().encode().unwrap();
        let back = Baseline::decode(&bytes).unwrap();
        assert_eq!(back.encode().unwrap(), bytes);
        assert_eq!(
            trained().encode().unwrap(),
            bytes,
            "the order of words must not change"
        );
        assert!(back.probability("cheap pills") > 0.9);
        assert!(back.probability("the meeting") < 0.1);
        assert_eq!(back.probability(" \n"), 0.5);
    }

    #[test]
    fn changed_counts_are_refused() {
        let text = String::from_utf8(trained().encode().unwrap()).unwrap();
        let changed = text.replace(
            r#""cheap":{"ham":0,"spam":1}"#,
            r#""cheap":{"ham":0,"spam":9}"#,
        );
        assert_ne!(text, changed);
        assert!(
            Baseline::decode(changed.as_bytes())
                .unwrap_err()
                .contains("checksum")
        );
        assert!(Baseline::decode(b"{}").is_err());
    }
}
