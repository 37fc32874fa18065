//! Several messages that something is done to at one time: those that were ticked, or all that a search finds.
//!
//! Who asks for the latter is first told their number and a digest of their ids, and names the digest when it is to be done:
//! what the search finds meanwhile may be as many and yet others.

use super::act::Act;
use crate::quarantine::{Filter, Quarantine, QuarantineError};
use crate::web::Visitor;
use crate::web::console::Shared;
use crate::web::refusal::sentence;

/// Messages that are worked on at one time.
pub(in crate::web) const MOST: u32 = 1_000;
/// Failures that are listed.
const LISTED: usize = 50;
/// Hexadecimal digits of a digest.
const DIGITS: usize = 32;

/// The messages, the newest first.
#[derive(Debug)]
pub(in crate::web) struct Chosen {
    ids: Vec<String>,
}

/// What became of them.
#[derive(Debug, Default)]
pub(in crate::web) struct Done {
    pub(in crate::web) done: usize,
    pub(in crate::web) failed: usize,
    /// The first that failed, by id, and why.
    pub(in crate::web) failures: Vec<(String, String)>,
}

impl Chosen {
    /// All that a search finds now.
    ///
    /// # Errors
    /// [`QuarantineError::TooMany`] for more than [`MOST`]; the index.
    pub(in crate::web) async fn by(
        quarantine: &Quarantine,
        filter: &Filter,
    ) -> Result<Chosen, QuarantineError> {
        let ids = quarantine.choose(filter, MOST).await?;
        Ok(Chosen { ids })
    }

    /// Those that were ticked; beyond [`MOST`] the last are left out.
    pub(super) fn ticked<'a>(ids: impl Iterator<Item = &'a str>) -> Chosen {
        let ids = ids.map(str::to_ascii_uppercase).take(MOST as usize);
        Chosen { ids: ids.collect() }
    }

    pub(in crate::web) fn count(&self) -> usize {
        self.ids.len()
    }

    /// Stands for these messages and no others.
    pub(in crate::web) fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for id in &self.ids {
            hasher.update(id.as_bytes());
            hasher.update(b"\n");
        }
        hasher.finalize().to_hex().chars().take(DIGITS).collect()
    }

    /// Does it to one after the other, each with its line in the audit log.
    pub(in crate::web) async fn run(self, act: &Act, console: &Shared, visitor: &Visitor) -> Done {
        let mut done = Done::default();
        for id in self.ids {
            match act.run(console, visitor, &id).await {
                Ok(_) => done.done += 1,
                Err(why) => {
                    done.failed += 1;
                    if done.failures.len() < LISTED {
                        done.failures.push((id, sentence(&why)));
                    }
                }
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_others_have_another_digest() {
        let of = |ids: &[&str]| Chosen::ticked(ids.iter().copied()).digest();
        assert_eq!(of(&["01A", "01B"]), of(&["01a", "01b"]));
        assert_ne!(of(&["01A", "01B"]), of(&["01A", "01C"]));
        assert_ne!(of(&["01A", "01B"]), of(&["01A01B"]));
        assert_eq!(of(&[]).len(), DIGITS);
    }
}
