//! What a check says: hits, or why it has none.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What becomes of a message, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Deliver as it is.
    Deliver,
    /// Deliver, marked as spam in the header.
    Tag,
    /// Hold back in the quarantine.
    Quarantine,
    /// Refuse for now (4yz); the sender tries again.
    Tempfail,
    /// Accept and drop; a copy is kept in the quarantine.
    Discard,
    /// Refuse for good (5yz).
    Reject,
}

impl Action {
    /// Every action, mildest first.
    pub const ALL: [Action; 6] = [
        Action::Deliver,
        Action::Tag,
        Action::Quarantine,
        Action::Tempfail,
        Action::Discard,
        Action::Reject,
    ];

    /// The word used in configuration, metrics, logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Action::Deliver => "deliver",
            Action::Tag => "tag",
            Action::Quarantine => "quarantine",
            Action::Tempfail => "tempfail",
            Action::Discard => "discard",
            Action::Reject => "reject",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Id of the rule, list or signature family: `[A-Z0-9_]`, at most 64 bytes; safe in headers and labels.
    pub rule: Arc<str>,
    /// Points; 0 is allowed, negative speaks for the message.
    pub score: f64,
    /// What matched and where, as found: to be escaped wherever it is shown. At most 256 bytes.
    #[serde(default)]
    pub evidence: String,
    /// Decides with that action, whatever the score; see [`Hit::ends`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisive: Option<Action>,
    /// The points that it would have: it only shows what a rule on trial would do. The score is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<f64>,
    /// The points that it had before the cap of its group took some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncapped: Option<f64>,
    /// Words that it puts on the message: `[a-z][a-z0-9_-]*`, at most 32 bytes each, 8 of them; safe in
    /// headers and labels of metrics.
    #[serde(default, skip_serializing_if = "no_labels")]
    pub labels: Arc<[Arc<str>]>,
    /// With a decisive `tempfail`: after how long another attempt may do better, for the reply. Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub retry_after: Option<Duration>,
}

fn no_labels(labels: &Arc<[Arc<str>]>) -> bool {
    labels.is_empty()
}

/// A span of time as a number of seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        wait: &Option<Duration>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        wait.map(|wait| wait.as_secs_f64()).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Duration>, D::Error> {
        let wait = Option::<f64>::deserialize(d)?;
        Ok(wait.and_then(|wait| Duration::try_from_secs_f64(wait).ok()))
    }
}

/// Longest evidence of a hit, bytes.
pub const EVIDENCE_BYTES: usize = 256;

impl Hit {
    /// A hit with points. Evidence is cut to [`EVIDENCE_BYTES`] at a character.
    pub fn new(rule: impl Into<Arc<str>>, score: f64, evidence: impl Into<String>) -> Hit {
        let mut evidence = evidence.into();
        if evidence.len() > EVIDENCE_BYTES {
            let end = (0..=EVIDENCE_BYTES)
                .rev()
                .find(|i| evidence.is_char_boundary(*i))
                .unwrap_or(0);
            evidence.truncate(end);
        }
        Hit {
            rule: rule.into(),
            score,
            evidence,
            decisive: None,
            shadow: None,
            uncapped: None,
            labels: Arc::default(),
            retry_after: None,
        }
    }

    /// Whether it ends the evaluation. A decisive hit that delivers does not: it sets the score aside, and
    /// other filters may still refuse the message.
    pub fn ends(&self) -> bool {
        self.decisive.is_some_and(|action| action > Action::Deliver)
    }

    /// The same hit, refusing for now; another attempt may do better after `wait`.
    pub fn deferring(self, wait: Duration) -> Hit {
        Hit {
            retry_after: Some(wait),
            ..self.decisive(Action::Tempfail)
        }
    }

    /// The same hit, ending the evaluation with `action`.
    pub fn decisive(mut self, action: Action) -> Hit {
        self.decisive = Some(action);
        self
    }
}

/// Why a message, or a part of it, was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The service could not be reached.
    Down,
    /// The service did not answer in time.
    Timeout,
    /// The message is larger than the check or its service takes.
    TooLarge,
    /// A limit inside the message was reached (depth, parts, ratio).
    Limit,
    /// The content is encrypted.
    Encrypted,
    /// The service answered with an error, or with something that is no answer.
    Error,
    /// The service found nothing, by knowledge too old to rely on.
    Outdated,
}

impl Reason {
    /// Every reason, for tables and metrics.
    pub const ALL: [Reason; 7] = [
        Reason::Down,
        Reason::Timeout,
        Reason::TooLarge,
        Reason::Limit,
        Reason::Encrypted,
        Reason::Error,
        Reason::Outdated,
    ];

    /// The word used in configuration, metrics, logs and headers.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Down => "down",
            Reason::Timeout => "timeout",
            Reason::TooLarge => "too_large",
            Reason::Limit => "limit",
            Reason::Encrypted => "encrypted",
            Reason::Error => "error",
            Reason::Outdated => "outdated",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The end of a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The message was checked; an empty list means that nothing was found.
    Checked(Vec<Hit>),
    /// The check does not apply to this message (and that is fine): why, in a few fixed words.
    Skipped(&'static str),
    /// The check should have been made and was not. What was found nevertheless is kept in `hits`.
    Unscanned {
        /// The class of failure, which selects the policy.
        reason: Reason,
        /// What happened, for log and explanation; to be escaped wherever it is shown.
        detail: String,
        /// Hits found before the failure.
        hits: Vec<Hit>,
    },
}

impl Outcome {
    /// An unscanned outcome without hits.
    pub fn unscanned(reason: Reason, detail: impl Into<String>) -> Outcome {
        Outcome::Unscanned {
            reason,
            detail: detail.into(),
            hits: Vec::new(),
        }
    }

    /// The hits, whatever the outcome.
    pub fn hits(&self) -> &[Hit] {
        match self {
            Outcome::Checked(hits) | Outcome::Unscanned { hits, .. } => hits,
            Outcome::Skipped(_) => &[],
        }
    }

    /// `checked`, `skipped`, or the reason: the label of the outcome metric.
    pub fn label(&self) -> &'static str {
        match self {
            Outcome::Checked(_) => "checked",
            Outcome::Skipped(_) => "skipped",
            Outcome::Unscanned { reason, .. } => reason.name(),
        }
    }
}
