//! The field `DKIM-Signature`, and `ARC-Message-Signature`, which is written like it (RFC 6376, sections 3.5 and
//! 6.1.1; RFC 8617, section 4.1.2). mail-auth reads the values; what the RFCs demand beyond that is demanded here.

use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::Canonicalization as Read;

use super::{Dkim, DkimResult};
use crate::auth::tags::Tags;
use crate::dns::domain;
use crate::mail::Mail;

/// Longest field that is read, bytes.
const FIELD_BYTES: usize = 16 << 10;
/// Characters of a signature that tell it from others.
const MARK: usize = 8;
/// Most names in `h=`.
const NAMES: usize = 512;

/// How bytes are made alike before they are hashed (RFC 6376, section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canonicalization {
    /// As they are.
    Simple,
    /// White space does not matter.
    Relaxed,
}

impl From<Read> for Canonicalization {
    fn from(read: Read) -> Canonicalization {
        match read {
            Read::Simple => Canonicalization::Simple,
            Read::Relaxed => Canonicalization::Relaxed,
        }
    }
}

/// A signature that can be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `d=`, in A-labels.
    pub domain: String,
    /// `s=`, in A-labels.
    pub selector: String,
    pub(in crate::auth) algorithm: Algorithm,
    pub(in crate::auth) header: Canonicalization,
    pub(in crate::auth) body: Canonicalization,
    pub(in crate::auth) length: Option<u64>,
    pub(in crate::auth) body_hash: Vec<u8>,
    pub(in crate::auth) signature: Vec<u8>,
    /// `h=`, lower case.
    pub(in crate::auth) names: Vec<String>,
    /// The domain of `i=`, in A-labels.
    pub(in crate::auth) agent: String,
    /// When it ends, seconds since 1970.
    pub(in crate::auth) expires: Option<u64>,
    /// The whole field.
    pub(in crate::auth) field: Vec<u8>,
    mark: String,
}

/// The signatures of a header, in order: at most `most`, those first that sign for a domain of which `first`
/// says so. One that cannot be read comes as its result.
pub fn read(
    header: &Mail,
    most: usize,
    first: impl Fn(&str) -> bool,
) -> Vec<Result<Signature, Box<Dkim>>> {
    let lines = header.headers().zip(header.header_lines());
    let of_dkim = lines.filter(|(header, _)| header.is("DKIM-Signature"));
    let mut signatures: Vec<_> = of_dkim
        // Ten times as many are looked at for those that matter; reading is cheap and verifying is not.
        .take(most.saturating_mul(10))
        .map(|(header, whole)| Signature::of_dkim(header.raw, whole))
        .collect();
    if signatures.len() > most {
        // Stable: those that matter keep their order, and the others theirs.
        signatures.sort_by_key(|s| !s.as_ref().is_ok_and(|s| first(&s.domain)));
        signatures.truncate(most);
    }
    signatures
}

/// The domain that a signature names as its own (RFC 6376, section 3.5, `d=`), as it is written there; `value` is the
/// value of the field. Nothing is verified, and what else the signature holds may be broken.
pub(crate) fn signing_domain(value: &str) -> Option<&str> {
    std::str::from_utf8(Tags::lenient(value.as_bytes()).get("d")?).ok()
}

/// The first characters of `b=`.
fn mark(tags: &Tags<'_>) -> String {
    let base64 = tags.get("b").unwrap_or_default().iter().copied();
    base64
        .filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
        .take(MARK)
        .map(char::from)
        .collect()
}

impl Signature {
    fn of_dkim(value: &[u8], field: &[u8]) -> Result<Signature, Box<Dkim>> {
        let unreadable = |reason: &str| Dkim {
            result: DkimResult::PermError,
            domain: String::new(),
            selector: String::new(),
            algorithm: "",
            mark: String::new(),
            reason: reason.to_owned(),
            failure: None,
        };
        if value.len() > FIELD_BYTES {
            return Err(unreadable("the field is too long").into());
        }
        let tags = Tags::read(value).map_err(|why| Box::new(unreadable(why)))?;
        let named = |tag| tags.word(tag).and_then(|d| domain::labels(&d));
        let known = |reason: &str| {
            Box::new(Dkim {
                domain: named("d").unwrap_or_default(),
                selector: named("s").unwrap_or_default(),
                mark: mark(&tags),
                ..unreadable(reason)
            })
        };
        if tags.get("v") != Some(b"1") {
            return Err(known("the version is not 1"));
        }
        let mut signature = Signature::read(&tags, value, field).map_err(known)?;
        if let Some(query) = tags.items("q")
            && !query.into_iter().any(|way| way == b"dns/txt")
        {
            return Err(known("the key is not in DNS"));
        }
        signature.agent = match tags.get("i") {
            None => signature.domain.clone(),
            Some(agent) => std::str::from_utf8(agent)
                .ok()
                .and_then(|a| domain::name(a.rsplit_once('@')?.1))
                .filter(|agent| domain::is_within(agent, &signature.domain))
                .ok_or_else(|| known("the agent is not of the domain"))?,
        };
        Ok(signature)
    }

    /// What both kinds of field have.
    pub(in crate::auth) fn read(
        tags: &Tags<'_>,
        value: &[u8],
        field: &[u8],
    ) -> Result<Signature, &'static str> {
        for required in ["a", "b", "bh", "d", "h", "s"] {
            if tags.get(required).is_none_or(<[u8]>::is_empty) {
                return Err("a tag is missing");
            }
        }
        let named = |tag| tags.word(tag).and_then(|d| domain::labels(&d));
        // mail-auth asks for a version in DKIM only; the fields agree in all that is read here.
        let read = mail_auth::dkim::Signature::parse(value).map_err(|e| {
            use mail_auth::Error;
            use mail_auth::dkim::DkimError;
            match e {
                Error::Dkim(DkimError::UnsupportedAlgorithm) => "the algorithm is unknown",
                Error::Dkim(DkimError::UnsupportedCanonicalization) => {
                    "the canonicalisation is unknown"
                }
                Error::Base64 => "base64 is broken",
                _ => "it cannot be read",
            }
        })?;
        if read.a == Algorithm::RsaSha1 {
            return Err("SHA-1 proves nothing (RFC 8301)");
        }
        let names: Vec<String> = read.h.iter().map(|n| n.to_ascii_lowercase()).collect();
        if names.len() > NAMES {
            return Err("too many signed fields");
        }
        if !names.iter().any(|name| name == "from") {
            return Err("the From field is not signed");
        }
        let number = |tag| tags.number(tag).map_err(|()| "a number is broken");
        let (timestamp, expires) = (number("t")?, number("x")?);
        if let (Some(from), Some(to)) = (timestamp, expires)
            && to <= from
        {
            return Err("it ends before it begins");
        }
        let domain = tags.word("d").and_then(|d| domain::name(&d));
        Ok(Signature {
            domain: domain.ok_or("the domain is none")?,
            selector: named("s").ok_or("the selector is none")?,
            algorithm: read.a,
            header: read.ch.into(),
            body: read.cb.into(),
            length: number("l")?,
            body_hash: read.bh,
            signature: read.b,
            names,
            agent: String::new(),
            expires,
            field: field.to_vec(),
            mark: mark(tags),
        })
    }

    /// What it asks of the body.
    pub fn body_wanted(&self) -> (Canonicalization, Option<u64>) {
        (self.body, self.length)
    }

    /// Its result where it was not checked.
    pub fn unchecked(&self) -> Dkim {
        self.result(DkimResult::None, "not checked")
    }

    /// Its result.
    pub(in crate::auth) fn result(&self, result: DkimResult, reason: impl Into<String>) -> Dkim {
        Dkim {
            result,
            domain: self.domain.clone(),
            selector: self.selector.clone(),
            algorithm: self.algorithm.name(),
            mark: self.mark.clone(),
            reason: reason.into(),
            failure: None,
        }
    }
}
