//! The configuration file as written. Every key has a default; unknown keys are errors.

use std::path::PathBuf;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::{ByteSize, Seconds};
use crate::dns;
use crate::events;
use crate::filter::{attachments, auth, bayes, clamav, dnsbl, greylist, rates, reputation, rules};
use crate::history;
use crate::policy;
use crate::quarantine;
use crate::router::Hold;
use crate::scanners;
use crate::server::{Address, Listen};
use crate::web;

/// A value that nobody wrote, so that it has no place in a file.
pub(crate) fn unwritten<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Location::UNKNOWN, Location::UNKNOWN)
}

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// Where the daemon keeps its own files.
    pub data_dir: PathBuf,
    /// How often the files are looked at for changes; null: only SIGHUP reloads.
    pub watch: Option<Spanned<Seconds>>,
    /// The milter side.
    pub milter: MilterSection,
    /// The HTTP listener for metrics and health.
    pub http: HttpSection,
    /// Other protocols in which verdicts are asked for.
    pub scanners: scanners::Options,
    /// The console in a browser.
    pub console: web::Options,
    /// Bounds of memory and of parsing.
    pub limits: LimitsSection,
    /// From end of message to the verdict, at most.
    pub deadline: Spanned<Seconds>,
    /// Scores from which on something happens.
    pub thresholds: Spanned<ThresholdsSection>,
    /// The filters, in order.
    pub chain: Vec<Spanned<FilterName>>,
    /// The resolver that filters share.
    pub dns: dns::Options,
    /// Options of the filter `dnsbl`.
    pub dnsbl: dnsbl::Options,
    /// Options of the filter `auth`.
    pub auth: auth::Options,
    /// Options of the filter `attachments`.
    pub attachments: attachments::Options,
    /// Options of the filter `greylist`.
    pub greylist: greylist::Options,
    /// Options of the filter `rates`.
    pub rates: rates::Options,
    /// Options of the filter `reputation`.
    pub reputation: reputation::Options,
    /// Options of the filter `rules`.
    pub rules: rules::Options,
    /// Options of the filter `bayes`.
    pub bayes: bayes::Options,
    /// Options of the filter `clamav`.
    pub clamav: clamav::Options,
    /// What holds for which recipients, in order.
    pub policies: Vec<policy::PolicyOptions>,
    /// Senders whose score is set aside, for all inbound mail.
    pub allow: Vec<Spanned<policy::AllowOptions>>,
    /// Senders who are not wanted, for all inbound mail.
    pub deny: Vec<Spanned<policy::DenyOptions>>,
    /// What is done when recipients of one message want different things.
    pub conflict: policy::Conflict,
    /// What is done instead of splitting where the MTA does not let us.
    pub conflict_fallback: Option<Spanned<policy::ConflictFallback>>,
    /// Which mail is outbound, and what it passes.
    pub outbound: policy::OutboundOptions,
    /// What becomes of messages that are held back: store or mta.
    pub hold: Hold,
    /// The quarantine store.
    pub quarantine: quarantine::Options,
    /// Events to the outside.
    pub events: events::Options,
    /// The history of verdicts.
    pub history: history::Options,
    /// The log.
    pub log: LogSection,
}

impl Default for File {
    fn default() -> Self {
        File {
            data_dir: PathBuf::from("/var/lib/mailweir"),
            watch: Some(unwritten(Seconds::new(2))),
            milter: MilterSection::default(),
            http: HttpSection::default(),
            scanners: scanners::Options::default(),
            console: web::Options::default(),
            limits: LimitsSection::default(),
            deadline: unwritten(Seconds::new(120)),
            thresholds: unwritten(ThresholdsSection::default()),
            chain: [
                FilterName::Dnsbl,
                FilterName::Auth,
                FilterName::Attachments,
                FilterName::Rules,
                FilterName::Bayes,
                FilterName::Clamav,
            ]
            .map(unwritten)
            .to_vec(),
            dns: dns::Options::default(),
            dnsbl: dnsbl::Options::default(),
            auth: auth::Options::default(),
            attachments: attachments::Options::default(),
            greylist: greylist::Options::default(),
            rates: rates::Options::default(),
            reputation: reputation::Options::default(),
            rules: rules::Options::default(),
            bayes: bayes::Options::default(),
            clamav: clamav::Options::default(),
            policies: Vec::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            conflict: policy::Conflict::default(),
            conflict_fallback: None,
            outbound: policy::OutboundOptions::default(),
            hold: Hold::default(),
            quarantine: quarantine::Options::default(),
            events: events::Options::default(),
            history: history::Options::default(),
            log: LogSection::default(),
        }
    }
}

/// A member of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterName {
    /// DNS block lists.
    Dnsbl,
    /// Sender authentication.
    Auth,
    /// What is attached, and what archives hold.
    Attachments,
    /// Greylisting.
    Greylist,
    /// Limits on rates.
    Rates,
    /// Reputation and correspondents.
    Reputation,
    /// Regex rules.
    Rules,
    /// The Bayesian classifier.
    Bayes,
    /// ClamAV.
    Clamav,
}

impl FilterName {
    /// The word used in configuration, metrics, logs and headers.
    pub fn name(self) -> &'static str {
        match self {
            FilterName::Dnsbl => "dnsbl",
            FilterName::Auth => "auth",
            FilterName::Attachments => "attachments",
            FilterName::Greylist => "greylist",
            FilterName::Rates => "rates",
            FilterName::Reputation => "reputation",
            FilterName::Rules => "rules",
            FilterName::Bayes => "bayes",
            FilterName::Clamav => "clamav",
        }
    }
}

/// `milter:`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MilterSection {
    /// Where MTAs connect.
    pub listen: Vec<Listen>,
    /// Permissions of unix sockets, octal.
    pub socket_mode: Spanned<String>,
    /// Group of unix sockets.
    pub socket_group: Option<Spanned<String>>,
    /// Connections at the same time.
    pub connections: Spanned<usize>,
    /// Within a message.
    pub read_timeout: Spanned<Seconds>,
    /// For the MTA to take a reply.
    pub write_timeout: Spanned<Seconds>,
    /// Between messages.
    pub idle_timeout: Spanned<Seconds>,
    /// Between two signs of life while a verdict is pending.
    pub progress_interval: Spanned<Seconds>,
    /// For sessions to end after SIGTERM.
    pub drain: Spanned<Seconds>,
}

impl Default for MilterSection {
    fn default() -> Self {
        MilterSection {
            listen: vec![Address::Tcp(([127, 0, 0, 1], 8895).into()).into()],
            socket_mode: unwritten("0660".to_owned()),
            socket_group: None,
            connections: unwritten(512),
            read_timeout: unwritten(Seconds::new(300)),
            write_timeout: unwritten(Seconds::new(30)),
            idle_timeout: unwritten(Seconds::new(600)),
            progress_interval: unwritten(Seconds::new(5)),
            drain: unwritten(Seconds::new(30)),
        }
    }
}

/// `http:`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSection {
    /// Address for `/metrics`, `/healthz`, `/readyz`; null switches it off.
    pub listen: Option<std::net::SocketAddr>,
}

impl Default for HttpSection {
    fn default() -> Self {
        HttpSection {
            listen: Some(([127, 0, 0, 1], 8896).into()),
        }
    }
}

/// `limits:`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Bytes of one message.
    pub message: Spanned<ByteSize>,
    /// Bytes of all messages in memory.
    pub total: Spanned<ByteSize>,
    /// Header fields that filters look at.
    pub fields: Spanned<usize>,
    /// MIME containers in containers.
    pub depth: Spanned<usize>,
    /// MIME parts.
    pub parts: Spanned<usize>,
    /// Bytes of text that filters look at.
    pub text: Spanned<ByteSize>,
    /// URLs of a message.
    pub urls: Spanned<usize>,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let parsing = crate::mail::Limits::default();
        LimitsSection {
            message: unwritten(ByteSize::mib(64)),
            total: unwritten(ByteSize::mib(512)),
            fields: unwritten(parsing.fields),
            depth: unwritten(parsing.depth),
            parts: unwritten(parsing.parts),
            text: unwritten(ByteSize(parsing.text_bytes as u64)),
            urls: unwritten(parsing.urls),
        }
    }
}

/// `thresholds:`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThresholdsSection {
    /// Mark as spam.
    pub tag: Option<f64>,
    /// Hold back.
    pub quarantine: Option<f64>,
    /// Refuse.
    pub reject: Option<f64>,
}

impl Default for ThresholdsSection {
    fn default() -> Self {
        let crate::verdict::Thresholds {
            tag,
            quarantine,
            reject,
        } = crate::verdict::Thresholds::default();
        ThresholdsSection {
            tag,
            quarantine,
            reject,
        }
    }
}

/// `log:`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// Lines for people or JSON objects.
    pub format: LogFormat,
}

/// `log.level`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What went wrong.
    Error,
    /// And what may go wrong.
    Warn,
    /// And a line for each message.
    #[default]
    Info,
    /// And how it came about.
    Debug,
}

/// `log.format`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
