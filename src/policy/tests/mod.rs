//! Policies as they are written, and the verdicts that they give.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::auth::dkim::{Dkim, DkimResult};
use crate::auth::dmarc::{Dmarc, DmarcResult};
use crate::auth::spf::{Identity, Spf, SpfResult};
use crate::config::{Config, File, FilterName, Problems, Source, parse_yaml};
use crate::filter::auth::Authenticated;
use crate::filter::{Action, FailureAction, Hit, Outcome, Reason, Report, Scan};
use crate::mail::{Address, Direction, Envelope, Limits, Mail};
use crate::verdict::{DecidedBy, Thresholds, Verdict};

mod by_policy;
mod listed;
mod settling;
mod written;

const CHAIN: [FilterName; 5] = [
    FilterName::Dnsbl,
    FilterName::Auth,
    FilterName::Rules,
    FilterName::Bayes,
    FilterName::Clamav,
];

fn read_in(folder: &Path, yaml: &str) -> Result<Policies, Problems> {
    let source = Source::new("mailweir.yaml", yaml);
    let file: File = parse_yaml(&source)?;
    Policies::build(&file, &source, folder, &Thresholds::default(), &CHAIN)
}

fn read(yaml: &str) -> Policies {
    let folder = tempfile::tempdir().unwrap();
    read_in(folder.path(), yaml).unwrap_or_else(|problems| panic!("{problems}"))
}

fn mail_to(recipients: &[&str]) -> Envelope {
    Envelope {
        sender: Some(Address::new(b"<ann@sender.example>")),
        recipients: recipients
            .iter()
            .map(|r| Address::new(r.as_bytes()))
            .collect(),
        ..Envelope::default()
    }
}

fn scan(envelope: Envelope, from: &str) -> Scan {
    let raw = format!("From: {from}\r\nSubject: x\r\n\r\nhello\r\n");
    Scan {
        envelope,
        mail: Mail::parse(raw.into(), &Limits::default()),
        ..Scan::default()
    }
}

fn report(filter: &'static str, hits: Vec<Hit>) -> Report {
    Report {
        filter,
        outcome: Outcome::Checked(hits),
        elapsed: Duration::ZERO,
    }
}

/// What the chain says: points of `rules` and `bayes`, and a virus or not.
fn chain(rules: f64, bayes: f64, virus: bool) -> Vec<Report> {
    let virus = virus.then(|| Hit::new("VIRUS", 0.0, "Eicar").decisive(Action::Reject));
    vec![
        report("dnsbl", Vec::new()),
        report("auth", Vec::new()),
        report("rules", vec![Hit::new("R", rules, "")]),
        report("bayes", vec![Hit::new("B", bayes, "")]),
        report("clamav", virus.into_iter().collect()),
    ]
}

fn rule(policies: &Policies, scan: &Scan, reports: Vec<Report>, can_drop: bool) -> Ruling {
    let envelope = &scan.envelope;
    let selected: Vec<_> = envelope
        .recipients
        .iter()
        .map(|r| policies.select(envelope, Some(r)))
        .collect();
    policies.rule(&selected, scan, reports, can_drop, |_, _| {
        FailureAction::Tempfail
    })
}

fn verdict(policies: &Policies, scan: &Scan, reports: Vec<Report>) -> Verdict {
    rule(policies, scan, reports, true).verdict
}
