//! The answer to `/checkv2`: JSON, in the fields that clients of rspamd read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::shown;
use crate::filter::{Action, Hit};
use crate::milter::Modification;
use crate::server::Inquired;

/// Hosts of URLs that are named.
const URLS: usize = 100;
/// Longest host and message id, bytes.
const URL_BYTES: usize = 500;
/// Pieces of evidence of one symbol.
const OPTIONS: usize = 20;

/// A verdict.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    is_skipped: bool,
    /// As it is: the action says what becomes of the message.
    score: f64,
    required_score: f64,
    action: &'static str,
    thresholds: BTreeMap<&'static str, f64>,
    symbols: BTreeMap<String, Symbol>,
    messages: BTreeMap<&'static str, String>,
    #[serde(rename = "message-id")]
    message_id: String,
    subject: String,
    urls: Vec<String>,
    emails: Vec<String>,
    time_real: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    milter: Option<Milter>,
    /// The id of the message in log, quarantine and `X-Mailweir-Id`.
    id: String,
    verdict: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A rule that hit.
#[derive(Debug, Serialize)]
struct Symbol {
    name: String,
    score: f64,
    metric_score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<String>,
}

/// Changes to the header.
#[derive(Debug, Serialize)]
struct Milter {
    add_headers: BTreeMap<String, String>,
    /// 0 stands for all fields of a name.
    remove_headers: BTreeMap<String, i32>,
}

impl Answer {
    /// The answer for a message that was judged.
    pub(super) fn of(inquired: &Inquired) -> Answer {
        let Inquired {
            verdict,
            ruling,
            scan,
            ..
        } = inquired;
        let action = shown::action(verdict, inquired.kept);
        let required = shown::required(ruling);
        let mut thresholds = BTreeMap::from([("add header", required)]);
        thresholds.extend(shown::reject(ruling).map(|reject| ("reject", reject)));
        let passes = matches!(action, "no action" | "add header");
        let refusal = match action {
            "reject" | "soft reject" => inquired.refusal.clone().or_else(|| {
                let id = &inquired.id;
                Some(format!("5.7.1 Message refused as spam (id {id})"))
            }),
            _ => None,
        };
        let urls = scan.mail.urls().iter().take(URLS);
        Answer {
            is_skipped: false,
            score: verdict.score,
            required_score: required,
            action,
            thresholds,
            symbols: symbols(inquired),
            messages: refusal
                .into_iter()
                .map(|text| ("smtp_message", text))
                .collect(),
            message_id: message_id(inquired),
            subject: scan.mail.subject(),
            urls: urls.map(|url| cut(&url.host, URL_BYTES)).collect(),
            emails: Vec::new(),
            time_real: inquired.elapsed.as_secs_f64(),
            milter: passes.then(|| Milter::of(&inquired.modifications)),
            id: inquired.id.clone(),
            verdict: verdict.action,
            error: None,
        }
    }

    /// The answer where there is no verdict: to come again, or, where that would not help, refused.
    pub(super) fn failed(action: &'static str, why: &str) -> Answer {
        let code = if action == "reject" { "5.3.4" } else { "4.7.1" };
        Answer {
            is_skipped: false,
            score: 0.0,
            required_score: 0.0,
            action,
            thresholds: BTreeMap::new(),
            symbols: BTreeMap::new(),
            messages: BTreeMap::from([("smtp_message", format!("{code} {why}"))]),
            message_id: String::new(),
            subject: String::new(),
            urls: Vec::new(),
            emails: Vec::new(),
            time_real: 0.0,
            milter: None,
            id: String::new(),
            verdict: if action == "reject" {
                Action::Reject
            } else {
                Action::Tempfail
            },
            error: Some(why.to_owned()),
        }
    }
}

impl Milter {
    fn of(modifications: &[Modification]) -> Milter {
        let mut add_headers = BTreeMap::new();
        let mut deleted: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for modification in modifications {
            match modification {
                Modification::InsertHeader { name, value, .. } => {
                    add_headers.insert(name.clone(), value.clone());
                }
                Modification::DeleteHeader { name, index } => {
                    deleted.entry(name.clone()).or_default().insert(*index);
                }
                Modification::DeleteRecipient { .. } | Modification::Hold { .. } => {}
            }
        }
        let of_one = |numbers: &BTreeSet<u32>| match (numbers.len(), numbers.first()) {
            (1, Some(only)) => i32::try_from(*only).unwrap_or(0),
            _ => 0,
        };
        Milter {
            add_headers,
            remove_headers: deleted
                .iter()
                .map(|(n, i)| (n.clone(), of_one(i)))
                .collect(),
        }
    }
}

fn symbols(inquired: &Inquired) -> BTreeMap<String, Symbol> {
    let mut symbols: BTreeMap<String, Symbol> = BTreeMap::new();
    let rules = inquired.engine.rules();
    let live = |hit: &Hit| hit.shadow.is_none();
    for (filter, hit) in inquired.verdict.hits().filter(|(_, hit)| live(hit)) {
        let symbol = symbols.entry(hit.rule.to_string()).or_insert_with(|| {
            let rule = rules.and_then(|set| set.rule(&hit.rule));
            let rule = rule.filter(|_| filter == "rules");
            Symbol::new(&hit.rule, rule.map(|r| r.description().to_owned()))
        });
        symbol.score += hit.score;
        symbol.metric_score += hit.score;
        if !hit.evidence.is_empty() && symbol.options.len() < OPTIONS {
            symbol.options.push(hit.evidence.clone());
        }
    }
    for (filter, reason) in inquired.verdict.unscanned() {
        let name = super::super::unscanned(filter);
        let what = format!("The filter {filter} has not checked the message");
        let mut symbol = Symbol::new(&name, Some(what));
        symbol.options.push(reason.to_string());
        symbols.insert(name, symbol);
    }
    symbols
}

impl Symbol {
    fn new(name: &str, description: Option<String>) -> Symbol {
        Symbol {
            name: name.to_owned(),
            score: 0.0,
            metric_score: 0.0,
            description,
            options: Vec::new(),
        }
    }
}

fn message_id(inquired: &Inquired) -> String {
    let id = inquired.scan.mail.header("Message-ID").unwrap_or_default();
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    match id {
        "" => "undef".to_owned(),
        id => cut(id, URL_BYTES),
    }
}

fn cut(text: &str, bytes: usize) -> String {
    let end = text.floor_char_boundary(bytes);
    text.get(..end).unwrap_or_default().to_owned()
}
