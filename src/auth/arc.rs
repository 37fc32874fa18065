//! ARC (RFC 8617): what earlier hosts saw before they changed a message, sealed by each in turn.
//!
//! In: the header, the hash of the body, keys from DNS. Out: whether the chain holds, who sealed it, and what
//! each sealer said it saw. A chain says nothing by itself: whoever seals can write anything. It counts
//! where the sealer is trusted. Bounds: fifty sets (section 4.2.1), each key fetched once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use mail_auth::arc::{ChainValidation, Seal as ReadSeal};
use mail_auth::common::crypto::Algorithm;

use super::dkim::{
    BodyHashes, Canonicalization, Fields, Key, KeyProblem, Signature, cryptography, fetch_key, fits,
};
use super::names::{Failure, Names};
use super::tags::Tags;
use crate::dns::domain;
use crate::mail::Mail;

/// Most sets of a chain (section 4.2.1).
const SETS: u32 = 50;
/// Longest field that is read, bytes.
const FIELD_BYTES: usize = 32 << 10;

/// The state of a chain (section 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArcResult {
    /// There is no chain.
    None,
    /// It holds.
    Pass,
    /// It is broken.
    Fail,
    /// DNS could not tell.
    TempError,
}

impl ArcResult {
    /// The word used in headers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            ArcResult::None => "none",
            ArcResult::Pass => "pass",
            ArcResult::Fail => "fail",
            ArcResult::TempError => "temperror",
        }
    }
}

/// A chain, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arc {
    /// Whether it holds.
    pub result: ArcResult,
    /// What is wrong; a text of ours.
    pub reason: String,
    /// The domains that sealed it, in A-labels, the first sealer first.
    pub sealers: Vec<String>,
    /// What each of them said it saw: the value of `ARC-Authentication-Results` behind the instance.
    pub seen: Vec<Vec<u8>>,
    /// Why DNS could not tell, for `temperror`.
    pub failure: Option<Failure>,
}

impl Arc {
    /// What somebody else has found, without what lies behind it.
    pub fn told(result: ArcResult) -> Arc {
        Arc::new(result, "")
    }

    fn new(result: ArcResult, reason: impl Into<String>) -> Arc {
        Arc {
            result,
            reason: reason.into(),
            sealers: Vec::new(),
            seen: Vec::new(),
            failure: None,
        }
    }
}

/// A chain whose fields have been read.
#[derive(Debug)]
pub enum Chain {
    /// There is none.
    None,
    /// It cannot hold, and why.
    Broken(&'static str),
    /// It may hold.
    Sets(Vec<Set>),
}

/// What one host added.
#[derive(Debug)]
pub struct Set {
    results: Vec<u8>,
    seen: Vec<u8>,
    message: Vec<u8>,
    seal: Vec<u8>,
    signature: Signature,
    sealed: Seal,
}

/// `ARC-Seal`.
#[derive(Debug)]
struct Seal {
    domain: String,
    selector: String,
    algorithm: Algorithm,
    signature: Vec<u8>,
    validation: ChainValidation,
}

/// The fields of a set, in the order in which a seal covers them.
const FIELDS: [&str; 3] = [
    "ARC-Authentication-Results",
    "ARC-Message-Signature",
    "ARC-Seal",
];

/// A whole field and its value.
type Field<'a> = (&'a [u8], &'a [u8]);

impl Chain {
    /// Reads the chain of a header (section 5.2, steps 1 to 3).
    pub fn read(header: &Mail) -> Chain {
        let mut sets: BTreeMap<u32, [Option<Field<'_>>; 3]> = BTreeMap::new();
        for (field, whole) in header.headers().zip(header.header_lines()) {
            let Some(kind) = FIELDS.iter().position(|name| field.is(name)) else {
                continue;
            };
            if field.raw.len() > FIELD_BYTES {
                return Chain::Broken("a field is too long");
            }
            let instance = match kind {
                0 => instance_of_results(field.raw).map(|(instance, _)| instance),
                _ => instance_of_tags(field.raw),
            };
            let Some(instance) = instance.filter(|i| (1..=SETS).contains(i)) else {
                return Chain::Broken("a field without a number");
            };
            let set = sets.entry(instance).or_default();
            match set.get_mut(kind) {
                Some(place @ None) => *place = Some((whole, field.raw)),
                _ => return Chain::Broken("a number stands twice"),
            }
        }
        if sets.is_empty() {
            return Chain::None;
        }
        let mut read = Vec::with_capacity(sets.len());
        for (expected, (instance, collected)) in (1..).zip(sets) {
            let [Some(results), Some(message), Some(seal)] = collected else {
                return Chain::Broken("a set is not complete");
            };
            if instance != expected {
                return Chain::Broken("a set is missing");
            }
            match Set::read(results, message, seal) {
                Ok(set) => read.push(set),
                Err(why) => return Chain::Broken(why),
            }
        }
        for (number, set) in read.iter().enumerate() {
            let fits = match number {
                0 => set.sealed.validation == ChainValidation::None,
                _ => set.sealed.validation == ChainValidation::Pass,
            };
            if !fits {
                return Chain::Broken("an earlier host found it broken");
            }
        }
        Chain::Sets(read)
    }

    /// What the newest signature asks of the body.
    pub fn body_wanted(&self) -> Option<(Canonicalization, Option<u64>)> {
        match self {
            Chain::Sets(sets) => Some(sets.last()?.signature.body_wanted()),
            _ => None,
        }
    }

    /// Fetches every key of the chain once, all at the same time.
    pub async fn fetch_keys(&self, names: &dyn Names) -> Keys {
        let Chain::Sets(sets) = self else {
            return Keys {
                fetched: BTreeMap::new(),
                late: false,
            };
        };
        let mut wanted: Vec<(&str, &str)> = sets
            .iter()
            .map(|s| (s.sealed.selector.as_str(), s.sealed.domain.as_str()))
            .collect();
        if let Some(last) = sets.last() {
            wanted.push((&last.signature.selector, &last.signature.domain));
        }
        wanted.sort_unstable();
        wanted.dedup();
        let fetched = wanted.iter().map(async |(selector, domain)| {
            let key = fetch_key(names, selector, domain).await;
            ((selector.to_string(), domain.to_string()), key)
        });
        Keys {
            fetched: join_all(fetched).await.into_iter().collect(),
            late: false,
        }
    }

    /// Verifies the newest signature and all seals (section 5.2, steps 4 to 7).
    pub fn verify(&self, keys: &Keys, header: &Fields<'_>, body: &BodyHashes) -> Arc {
        let sets = match self {
            Chain::None => return Arc::new(ArcResult::None, ""),
            Chain::Broken(why) => return Arc::new(ArcResult::Fail, *why),
            Chain::Sets(sets) => sets,
        };
        let mut arc = match verify(sets, keys, header, body) {
            Ok(()) => Arc::new(ArcResult::Pass, ""),
            Err(KeyProblem::Permanent(why)) => Arc::new(ArcResult::Fail, why),
            Err(KeyProblem::Temporary(failure)) => {
                let mut arc = Arc::new(ArcResult::TempError, failure.detail.as_str());
                arc.failure = Some(failure);
                arc
            }
        };
        arc.sealers = sets.iter().map(|s| s.sealed.domain.clone()).collect();
        arc.seen = sets.iter().map(|s| s.seen.clone()).collect();
        arc
    }
}

/// The keys of a chain by selector and domain.
#[derive(Debug)]
pub struct Keys {
    fetched: BTreeMap<(String, String), Result<Key, KeyProblem>>,
    late: bool,
}

impl Keys {
    /// No key has come in time.
    pub fn late() -> Keys {
        Keys {
            fetched: BTreeMap::new(),
            late: true,
        }
    }

    fn get(&self, selector: &str, domain: &str) -> Result<&Key, KeyProblem> {
        match self.fetched.get(&(selector.to_owned(), domain.to_owned())) {
            Some(Ok(key)) => Ok(key),
            Some(Err(problem)) => Err(problem.clone()),
            None if self.late => Err(KeyProblem::Temporary(Failure::timeout())),
            None => Err(KeyProblem::Permanent("there is no key")),
        }
    }
}

fn verify(
    sets: &[Set],
    keys: &Keys,
    header: &Fields<'_>,
    body: &BodyHashes,
) -> Result<(), KeyProblem> {
    let newest = sets.last().ok_or(KeyProblem::Permanent("no set"))?;
    let signature = &newest.signature;
    let key = keys.get(&signature.selector, &signature.domain)?;
    fits(signature, key, header, body).map_err(KeyProblem::Permanent)?;
    let mut signed: Vec<&[u8]> = Vec::with_capacity(sets.len() * 3);
    for set in sets {
        signed.extend([&set.results[..], &set.message]);
        let key = keys.get(&set.sealed.selector, &set.sealed.domain)?;
        cryptography(
            key,
            &signed,
            &set.seal,
            Canonicalization::Relaxed,
            &set.sealed.signature,
            set.sealed.algorithm,
        )
        .map_err(|_| KeyProblem::Permanent("a seal does not fit"))?;
        signed.push(&set.seal);
    }
    Ok(())
}

impl Set {
    fn read(results: Field<'_>, message: Field<'_>, seal: Field<'_>) -> Result<Set, &'static str> {
        let tags = Tags::read(message.1).map_err(|_| "a signature cannot be read")?;
        let signature = Signature::read(&tags, message.1, message.0)
            .map_err(|_| "a signature cannot be used")?;
        // It would seal itself (section 4.1.2).
        if signature.names.iter().any(|name| name == "arc-seal") {
            return Err("a signature covers a seal");
        }
        Ok(Set {
            results: results.0.to_vec(),
            seen: instance_of_results(results.1).map_or(Vec::new(), |(_, rest)| rest.to_vec()),
            message: message.0.to_vec(),
            seal: seal.0.to_vec(),
            signature,
            sealed: Seal::read(seal.1).ok_or("a seal cannot be used")?,
        })
    }
}

impl Seal {
    fn read(value: &[u8]) -> Option<Seal> {
        let tags = Tags::read(value).ok()?;
        for required in ["a", "b", "cv", "d", "i", "s"] {
            tags.get(required).filter(|value| !value.is_empty())?;
        }
        let read = ReadSeal::parse(value).ok()?;
        if read.a == Algorithm::RsaSha1 || tags.number("t").is_err() {
            return None;
        }
        Some(Seal {
            domain: domain::name(&read.d)?,
            selector: domain::labels(&read.s)?,
            algorithm: read.a,
            signature: read.b,
            validation: read.cv,
        })
    }
}

fn instance_of_tags(value: &[u8]) -> Option<u32> {
    u32::try_from(Tags::lenient(value).number("i").ok()??).ok()
}

/// The instance of `ARC-Authentication-Results`, and what follows it.
fn instance_of_results(value: &[u8]) -> Option<(u32, &[u8])> {
    let end = memchr::memchr(b';', value)?;
    let (first, rest) = value.split_at_checked(end)?;
    Some((instance_of_tags(first)?, rest.get(1..)?))
}
