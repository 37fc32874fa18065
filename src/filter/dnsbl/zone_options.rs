//! One list of the `dnsbl` section, as written.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::secret::Secret;
use super::subject::Subject;
use crate::config::unwritten;
use crate::filter::Action;

/// One list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneOptions {
    /// The zone to ask, `bl.example.org`; `<key>` in it stands for the query key.
    pub zone: Spanned<String>,
    /// The query key, which is shown nowhere.
    #[serde(default)]
    pub key: Option<Spanned<Secret>>,
    /// A file that holds the query key.
    #[serde(default)]
    pub key_file: Option<Spanned<PathBuf>>,
    /// What evidence, log and metrics call the list. Default: the zone without the key.
    #[serde(default)]
    pub name: Option<Spanned<String>>,
    /// Whether it is asked at all. Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What the list is asked about. Default: the address of the client.
    #[serde(default = "client")]
    pub subjects: Vec<Spanned<Subject>>,
    /// Which form of a host name is asked about. Default: the registered domain.
    #[serde(default)]
    pub names: Option<Spanned<Names>>,
    /// How addresses and URLs are hashed, for lists of hashes.
    #[serde(default)]
    pub hash: Option<Spanned<HashOptions>>,
    /// Which hops of the subject `received` count. Default: all.
    #[serde(default)]
    pub hops: Option<Spanned<HopOptions>>,
    /// How many values of one subject of a message are asked about. Default 20.
    #[serde(default = "twenty")]
    pub max: Spanned<usize>,
    /// Whether the list is asked for IPv4 addresses. Default true.
    #[serde(default = "yes")]
    pub ipv4: bool,
    /// Whether the list is asked for IPv6 addresses too. Default true.
    #[serde(default = "yes")]
    pub ipv6: bool,
    /// Id of the hit of a listing that no entry of `codes` takes. Default: `DNSBL_` and the name in
    /// capitals, with `_` for every other character.
    #[serde(default)]
    pub id: Option<Spanned<String>>,
    /// Points of such a listing. Without it, listings that no entry of `codes` takes do not count.
    #[serde(default)]
    pub score: Option<Spanned<f64>>,
    /// Whether such a listing settles the fate of the message.
    #[serde(default)]
    pub decisive: Option<Spanned<Decisive>>,
    /// Whether such a listing keeps other lists from counting against what is listed; for allow lists.
    #[serde(default)]
    pub exempt: Option<Spanned<bool>>,
    /// What the answers of the list mean, where it gives several.
    #[serde(default)]
    pub codes: Vec<CodeOptions>,
    /// Answers by which the list refuses to serve, beside those that every list has for it.
    #[serde(default)]
    pub refusals: Vec<Spanned<String>>,
    /// Whether it lists the good. Default false.
    #[serde(default)]
    pub allow: bool,
    /// Whether the reason that the list gives in a TXT record is fetched for the evidence. Default true.
    #[serde(default = "yes")]
    pub txt: bool,
    /// The test entries of the list. Default: those of RFC 5782 where it has addresses or names.
    #[serde(default)]
    pub test: Option<Spanned<TestOptions>>,
    /// Whether a message counts as unscanned when this list could not be asked. Default true.
    #[serde(default = "yes")]
    pub required: bool,
}

fn yes() -> bool {
    true
}

fn client() -> Vec<Spanned<Subject>> {
    vec![unwritten(Subject::Client)]
}

fn twenty() -> Spanned<usize> {
    unwritten(20)
}

/// Which form of a host name a list is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// The part that somebody registered, by the Public Suffix List.
    #[default]
    Registered,
    /// The name as it is.
    Host,
    /// Both.
    Both,
}

/// How a list of hashes wants its questions.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashOptions {
    /// The hash.
    pub algorithm: Algorithm,
    /// How it is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Whether all forms of a mailbox are one: no tag after `+`, no dots and one domain for Gmail. Default
    /// true.
    #[serde(default = "yes")]
    pub canonical: bool,
}

/// The hash of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
}

/// How a hash is written as a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal.
    #[default]
    Hex,
    /// Base 32 (RFC 4648, section 6) without padding.
    Base32,
}

/// Hops of `Received` that count: 1 is the newest one outside of the trusted networks, -1 the oldest.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HopOptions {
    /// The first that counts. Default 1.
    #[serde(default = "newest")]
    pub first: i32,
    /// The last that counts. Default -1.
    #[serde(default = "oldest")]
    pub last: i32,
}

fn newest() -> i32 {
    1
}

fn oldest() -> i32 {
    -1
}

/// Entries that tell a working list from one that is not: addresses, names, or what is to be hashed. What is
/// not written is as RFC 5782 has it; null says that there is no such entry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TestOptions {
    /// What the list has for sure.
    #[serde(deserialize_with = "written")]
    pub listed: Option<Option<Spanned<String>>>,
    /// What it has not for sure.
    #[serde(deserialize_with = "written")]
    pub unlisted: Option<Option<Spanned<String>>>,
}

/// A key that was written, be it as null.
fn written<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Spanned<String>>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The meaning of some answers of a list: those in `codes`, or those with a bit of `mask`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeOptions {
    /// Addresses in 127.0.0.0/8, ranges `first..last` that hold both ends, or addresses with `*` for an
    /// octet.
    #[serde(default)]
    pub codes: Option<Spanned<Vec<Spanned<String>>>>,
    /// Bits of the last three octets; one of them in an answer is enough.
    #[serde(default)]
    pub mask: Option<Spanned<u32>>,
    /// Id of the hit.
    pub id: Spanned<String>,
    /// Points.
    pub score: Spanned<f64>,
    /// Whether it settles the fate of the message.
    #[serde(default)]
    pub decisive: Option<Spanned<Decisive>>,
    /// Whether it keeps other lists from counting against what is listed; for allow lists.
    #[serde(default)]
    pub exempt: Option<Spanned<bool>>,
}

/// The actions that a listing may settle on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decisive {
    /// Refuse for good.
    Reject,
    /// Hold back.
    Quarantine,
    /// Set the score aside; for allow lists.
    Deliver,
}

impl Decisive {
    /// The action of the verdict.
    pub fn action(self) -> Action {
        match self {
            Decisive::Reject => Action::Reject,
            Decisive::Quarantine => Action::Quarantine,
            Decisive::Deliver => Action::Deliver,
        }
    }
}
