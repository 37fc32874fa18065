//! What is worked on while the body arrives: keys, policies and hashes.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use super::Shared;
use crate::auth::arc::{self, Chain, Keys};
use crate::auth::dkim::{
    BodyHasher, BodyHashes, Dkim, Fields, Key, KeyProblem, Signature, fetch_key, read, verify,
};
use crate::auth::dmarc::Author;
use crate::auth::{Failure, Names};
use crate::dns::domain;
use crate::heard::{Heard, Late};
use crate::mail::{Limits, Mail, Spool};

/// Longest header that is looked at, bytes.
const HEADER_BYTES: usize = 1 << 20;
/// Most domains of From that are looked at.
const AUTHORS: usize = 4;
/// Bytes of the body that are hashed at a time.
const PIECE: usize = 64 << 10;
/// Bytes after which other sessions have their turn.
const TURN: usize = 512 << 10;

/// All that signatures and policies need, but for the verification itself.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) header: Mail,
    pub(super) signatures: Vec<Result<Signature, Box<Dkim>>>,
    /// The key of each signature that could be read, in their order.
    pub(super) keys: Vec<Result<Key, KeyProblem>>,
    pub(super) chain: Chain,
    pub(super) chain_keys: Keys,
    pub(super) authors: Vec<Author>,
    pub(super) body: BodyHashes,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsigned {
    /// The header is longer than one that is looked at.
    TooLong,
    /// The message was given up.
    Aborted,
}

impl Signed {
    /// Works through a message whose header is complete in `spool`; ends with its body.
    pub(super) async fn gather(
        shared: &Shared,
        names: &dyn Names,
        spool: &Arc<Spool>,
        heard: &Heard,
    ) -> Result<Signed, Unsigned> {
        let settings = &shared.settings;
        let deadline = Instant::now() + settings.timeout;
        let start = spool.read(0, HEADER_BYTES).await;
        let start = start.map_err(|_| Unsigned::Aborted)?.unwrap_or_default();
        let limits = Limits {
            fields: usize::MAX,
            ..Limits::default()
        };
        let header = match Mail::parse_header(&start, &limits) {
            Some(header) => header,
            None if start.len() >= HEADER_BYTES => return Err(Unsigned::TooLong),
            // A message without a body, in a file.
            None => Mail::parse(start, &limits),
        };
        let body_at = header.raw().len() - header.raw_body().len();
        let bare_lf = memchr::memchr(b'\n', header.raw())
            .is_some_and(|at| at == 0 || header.raw().get(at - 1) != Some(&b'\r'));
        let domains = author_domains(&header);
        let related = |signer: &str| {
            let near = |author: &String| {
                domain::name(author)
                    .is_some_and(|a| domain::is_within(signer, &a) || domain::is_within(&a, signer))
            };
            domains.iter().any(near)
        };
        let signatures = read(&header, settings.max_signatures, related);
        let chain = Chain::read(&header);
        let readable = || signatures.iter().flatten();
        let mut hasher = BodyHasher::new(
            readable()
                .map(Signature::body_wanted)
                .chain(chain.body_wanted()),
            bare_lf,
        );
        let late = || KeyProblem::Temporary(Failure::timeout());
        let keys = join_all(readable().map(async |signature| {
            let key = fetch_key(names, &signature.selector, &signature.domain);
            let what = || format!("key {} {}", signature.selector, signature.domain);
            let key = heard.timed(what, deadline, key).await;
            key.unwrap_or_else(|Late| Err(late()))
        }));
        let chain_keys = async {
            let keys = chain.fetch_keys(names);
            let keys = heard.timed(|| "arc".to_owned(), deadline, keys).await;
            keys.unwrap_or_else(|Late| Keys::late())
        };
        let signers: Vec<&str> = readable().map(|s| s.domain.as_str()).collect();
        let authors = join_all(domains.iter().map(async |domain| {
            let author = Author::discover(names, domain, &signers);
            let author = heard
                .timed(|| format!("author {domain}"), deadline, author)
                .await;
            author.unwrap_or_else(|Late| Author::unknown(domain, Failure::timeout()))
        }));
        let hashed = hash(&mut hasher, spool, body_at);
        let (((keys, chain_keys), authors), hashed) =
            join(join(join(keys, chain_keys), authors), hashed).await;
        hashed?;
        Ok(Signed {
            keys,
            chain_keys,
            authors,
            body: hasher.finish(),
            header,
            signatures,
            chain,
        })
    }

    /// Verifies each signature and the chain; `now`: seconds since 1970.
    pub(super) fn verify(&self, now: u64) -> (Vec<Dkim>, arc::Arc) {
        let fields = Fields::of(&self.header);
        let mut keys = self.keys.iter();
        let each = self.signatures.iter().map(|signature| match signature {
            Ok(signature) => match keys.next() {
                Some(key) => verify(signature, key, &fields, &self.body, now),
                None => signature.unchecked(),
            },
            Err(unreadable) => Dkim::clone(unreadable),
        });
        let signatures = each.collect();
        let chain = self.chain.verify(&self.chain_keys, &fields, &self.body);
        (signatures, chain)
    }
}

/// The domains of all From fields, as written, each once.
fn author_domains(header: &Mail) -> Vec<String> {
    let mut domains = Vec::new();
    for mailbox in header.mailboxes("From") {
        let Some(domain) = mailbox.domain() else {
            continue;
        };
        let domain = domain.trim_end_matches('.').to_lowercase();
        if !domains.contains(&domain) && domains.len() < AUTHORS {
            domains.push(domain);
        }
    }
    domains
}

/// Hashes the body as it arrives.
async fn hash(hasher: &mut BodyHasher, spool: &Arc<Spool>, body_at: usize) -> Result<(), Unsigned> {
    if hasher.is_idle() {
        return Ok(());
    }
    let (mut at, mut turn) = (body_at, 0);
    while let Some(piece) = spool.read(at, PIECE).await.map_err(|_| Unsigned::Aborted)? {
        hasher.update(&piece);
        at += piece.len();
        turn += piece.len();
        if turn >= TURN {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}
