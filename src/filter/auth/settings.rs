//! Options checked and turned into what the filter runs with. In: [`Options`] and their file. Out: [`Settings`], or
//! every problem found, each with its place.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde_saphyr::Spanned;

use super::authserv::{self, Authserv};
use super::hits::HITS;
use super::options::{Honour, Options};
use crate::config::{Findings, Problems, Seconds, Source};
use crate::dns::domain;
use crate::filter::scores::Scores;
use crate::filter::{FailureAction, FailurePolicy, trusted};

/// What the filter runs with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) authserv: Arc<Authserv>,
    pub(super) trusted: Vec<IpNet>,
    pub(super) sealers: Vec<String>,
    pub(super) timeout: Duration,
    pub(super) max_signatures: usize,
    pub(super) max_lookups: usize,
    pub(super) reject: Honour,
    pub(super) quarantine: Honour,
    pub(super) mailing_lists: Vec<String>,
    pub(super) scores: Scores,
    pub(super) on_failure: FailurePolicy,
}

impl Settings {
    /// Checks `options`.
    pub(super) fn check(options: &Options, source: &Source) -> Result<Settings, Problems> {
        let mut findings = Findings::new(source);
        findings.within(&options.max_signatures, 1, 100, "signatures");
        findings.within(&options.max_lookups, 10, 10_000, "look-ups");
        findings.within(
            &options.timeout,
            Seconds::millis(100),
            Seconds::new(120),
            "",
        );
        if options.dmarc.quarantine.value == Honour::Reject {
            findings.wrong_with_help(
                &options.dmarc.quarantine,
                "a domain that asks for quarantine does not ask for refusal",
                "write score or quarantine",
            );
        }
        let scores = Scores::check(HITS, &options.scores, source, &mut findings);
        let trusted = trusted::networks(options.trusted_networks.as_deref(), &mut findings);
        let own = options.authserv_id.as_ref();
        let settings = Settings {
            authserv: Arc::new(Authserv {
                own: own.map(|id| authserv_id(id, &mut findings)),
                host: authserv::host(),
                others: options
                    .trusted_authserv_ids
                    .iter()
                    .map(|id| authserv_id(id, &mut findings))
                    .collect(),
                trusted: trusted.clone(),
                written: options.results_header,
            }),
            trusted,
            sealers: domains(&options.trusted_arc_sealers, &mut findings),
            timeout: options.timeout.value.0,
            max_signatures: options.max_signatures.value,
            max_lookups: options.max_lookups.value,
            reject: options.dmarc.reject,
            quarantine: options.dmarc.quarantine.value,
            mailing_lists: domains(&options.dmarc.mailing_lists, &mut findings),
            scores,
            on_failure: options.on_failure.over(FailureAction::Deliver),
        };
        findings.finish(settings)
    }

    /// Whether a client is one of ours.
    pub(super) fn trusts(&self, client: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&client))
    }
}

/// An id that needs no quotes in the field: of the characters of a name.
fn authserv_id(written: &Spanned<String>, findings: &mut Findings<'_>) -> String {
    let id = written.value.to_lowercase();
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if id.is_empty() || id.len() > 253 || !id.bytes().all(good) {
        findings.wrong_with_help(
            written,
            "not the id of a server",
            "write a name of letters, digits, hyphens and dots, such as mx.example.org",
        );
    }
    id
}

fn domains(written: &[Spanned<String>], findings: &mut Findings<'_>) -> Vec<String> {
    let mut domains = Vec::new();
    for entry in written {
        match domain::name(&entry.value) {
            Some(domain) => domains.push(domain),
            None => findings.wrong_with_help(
                entry,
                "not a domain",
                "write a name such as example.org; all below it is meant too",
            ),
        }
    }
    domains
}
