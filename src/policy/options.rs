//! `policies:`, `allow:` and `deny:` of the configuration, as written.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};
use serde_saphyr::Spanned;

use crate::config::{FilterName, unwritten};
use crate::filter::Action;
use crate::mail::Direction;

/// One policy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyOptions {
    /// Its name in headers, log and metrics: `a-z`, `0-9`, `_` and `-`.
    pub name: Spanned<String>,
    /// For which mail it is; all conditions must hold. Default: all inbound mail.
    #[serde(default, rename = "for")]
    pub scope: ScopeOptions,
    /// Scores from which on something happens; what is left out is as in `thresholds` of the file.
    #[serde(default)]
    pub thresholds: Option<Spanned<ThresholdOptions>>,
    /// Filters that say nothing to these recipients. Default: none; for outbound mail `outbound.skip`.
    #[serde(default)]
    pub skip: Option<Vec<Spanned<FilterName>>>,
    /// Senders whose score is set aside.
    #[serde(default)]
    pub allow: Vec<Spanned<AllowOptions>>,
    /// Senders who are not wanted.
    #[serde(default)]
    pub deny: Vec<Spanned<DenyOptions>>,
    /// Languages of the mail that is expected.
    #[serde(default)]
    pub language: Option<Spanned<LanguageOptions>>,
    /// What is done instead of tag, quarantine and reject.
    #[serde(default)]
    pub actions: ActionOptions,
}

/// `for:` of a policy. A condition that is not given holds for all mail.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeOptions {
    /// Addresses, and domains with all below them, of recipients.
    pub recipients: Vec<Spanned<String>>,
    /// Files of such entries, one a line.
    pub lists: Vec<Spanned<PathBuf>>,
    /// Which way the mail goes. Default: inbound.
    pub direction: Direction,
    /// Addresses and blocks of clients.
    pub networks: Vec<Spanned<String>>,
    /// Logins of clients.
    pub users: Vec<Spanned<String>>,
}

/// `thresholds:` of a policy: what is left out is inherited, null is never.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThresholdOptions {
    /// Mark as spam.
    #[serde(deserialize_with = "given")]
    pub tag: Option<Option<f64>>,
    /// Hold back.
    #[serde(deserialize_with = "given")]
    pub quarantine: Option<Option<f64>>,
    /// Refuse.
    #[serde(deserialize_with = "given")]
    pub reject: Option<Option<f64>>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<f64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// An item of `allow:`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AllowOptions {
    /// Addresses, and domains with all below them.
    pub senders: Vec<Spanned<String>>,
    /// A file of such entries, one a line.
    pub list: Option<Spanned<PathBuf>>,
    /// Whether an entry counts although nothing proves that the sender is who it says. Default false.
    #[serde(rename = "unsafe")]
    pub unproven: bool,
}

/// An item of `deny:`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DenyOptions {
    /// Addresses, and domains with all below them.
    pub senders: Vec<Spanned<String>>,
    /// A file of such entries, one a line.
    pub list: Option<Spanned<PathBuf>>,
    /// What a hit does. Default: reject.
    pub action: DenyAction,
    /// Points of a hit, with `action: score`.
    pub score: Option<Spanned<f64>>,
}

/// What is done with mail of a denied sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyAction {
    /// Refused.
    #[default]
    Reject,
    /// Held back.
    Quarantine,
    /// It gets points.
    Score,
}

/// `language:` of a policy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageOptions {
    /// ISO 639 codes of two or three letters.
    pub expected: Vec<Spanned<String>>,
    /// Points of mail in another language. Default 2.
    #[serde(default = "points")]
    pub score: Spanned<f64>,
    /// Letters that a text must have before anything is said of it, 20 to 500. Default 100.
    #[serde(default = "letters")]
    pub min_letters: Spanned<usize>,
    /// How sure it must be, 0 to 1. Default 0.8.
    #[serde(default = "confidence")]
    pub confidence: Spanned<f64>,
}

fn points() -> Spanned<f64> {
    unwritten(2.0)
}

fn letters() -> Spanned<usize> {
    unwritten(100)
}

fn confidence() -> Spanned<f64> {
    unwritten(0.8)
}

/// `actions:` of a policy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionOptions {
    /// Instead of tag: deliver, quarantine or reject.
    pub tag: Option<Spanned<Action>>,
    /// Instead of quarantine: tag, reject or discard.
    pub quarantine: Option<Spanned<Action>>,
    /// Instead of reject: tag, quarantine or discard.
    pub reject: Option<Spanned<Action>>,
}

/// What is done when recipients of one message want different things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Each gets what their policy says: those who would not get it are dropped from the envelope.
    #[default]
    Split,
    /// The strictest verdict holds for all.
    Strictest,
    /// The mildest verdict holds for all.
    Mildest,
}

/// What is done instead where recipients cannot be dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictFallback {
    /// The strictest verdict holds for all.
    #[default]
    Strictest,
    /// The mildest verdict holds for all.
    Mildest,
}
