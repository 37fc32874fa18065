//! Results as hits: their names, their points, what they show.

use super::options::Honour;
use super::summary::{Authenticated, Disposition};
use crate::auth::arc::ArcResult;
use crate::auth::dkim::{Dkim, DkimResult};
use crate::auth::dmarc::{DmarcResult, Policy};
use crate::auth::iprev::IprevResult;
use crate::auth::spf::{Identity, SpfResult};
use crate::filter::Hit;
use crate::filter::scores::Scores;

/// Every hit with its points as shipped and its meaning: docs/authentication.md has the same table.
pub const HITS: &[(&str, f64, &str)] = &[
    (
        "SPF_PASS",
        0.0,
        "the client may send for the domain of the envelope sender",
    ),
    ("SPF_FAIL", 2.0, "the domain says that the client may not"),
    (
        "SPF_SOFTFAIL",
        0.8,
        "the domain says that the client probably may not",
    ),
    (
        "SPF_NEUTRAL",
        0.1,
        "the domain says nothing about the client",
    ),
    ("SPF_NONE", 0.2, "the domain has no SPF record"),
    ("SPF_PERMERROR", 0.6, "the SPF record cannot be used"),
    ("DKIM_VALID", 0.0, "a signature is good"),
    (
        "DKIM_VALID_AUTHOR",
        -0.1,
        "a good signature is of the domain of From, or aligned with it",
    ),
    ("DKIM_INVALID", 0.3, "there are signatures and none is good"),
    (
        "DKIM_PARTIAL",
        0.5,
        "a signature leaves a part of the body unsigned",
    ),
    ("DKIM_NONE", 0.1, "there is no signature"),
    (
        "DMARC_PASS",
        -0.2,
        "the domain of From stands behind the message",
    ),
    ("DMARC_NONE", 0.2, "the domain of From has no DMARC policy"),
    (
        "DMARC_FAIL",
        0.8,
        "nothing shows that the domain of From stands behind it; no action is asked for",
    ),
    (
        "DMARC_QUARANTINE",
        3.0,
        "the same, and the domain asks to treat it as suspicious",
    ),
    (
        "DMARC_REJECT",
        5.0,
        "the same, and the domain asks to refuse it",
    ),
    (
        "DMARC_EXEMPT",
        0.0,
        "DMARC fails and a trusted ARC sealer or a mailing list excuses it",
    ),
    ("ARC_VALID", 0.0, "the ARC chain holds"),
    ("ARC_INVALID", 0.2, "the ARC chain is broken"),
    (
        "REVERSE_DNS_VALID",
        0.0,
        "the client has a name that leads back to it",
    ),
    ("REVERSE_DNS_NONE", 1.2, "the client has no name"),
    (
        "REVERSE_DNS_MISMATCH",
        0.8,
        "no name of the client leads back to it",
    ),
    (
        "RESULTS_FORGED",
        0.5,
        "the message brought results along that claim to be ours",
    ),
];

/// The hits of a message. `forged`: fields of ours that it brought along.
pub(super) fn hits(
    scores: &Scores,
    (reject, quarantine): (Honour, Honour),
    summary: &Authenticated,
    forged: usize,
) -> Vec<Hit> {
    let mut hits = Vec::new();
    let client = summary.client.map(|c| c.to_string()).unwrap_or_default();
    if let Some(iprev) = &summary.iprev {
        let claimed = iprev.name.as_deref().unwrap_or("no name");
        let name = match iprev.result {
            IprevResult::Pass => Some("REVERSE_DNS_VALID"),
            IprevResult::PermError => Some("REVERSE_DNS_NONE"),
            IprevResult::Fail => Some("REVERSE_DNS_MISMATCH"),
            IprevResult::TempError => None,
        };
        hits.extend(name.map(|name| scores.hit(name, format!("{client}: {claimed}"))));
    }
    if let Some(spf) = &summary.spf {
        let name = match spf.result {
            SpfResult::Pass => Some("SPF_PASS"),
            SpfResult::Fail => Some("SPF_FAIL"),
            SpfResult::SoftFail => Some("SPF_SOFTFAIL"),
            SpfResult::Neutral => Some("SPF_NEUTRAL"),
            SpfResult::None => Some("SPF_NONE"),
            SpfResult::PermError => Some("SPF_PERMERROR"),
            SpfResult::TempError => None,
        };
        let of = match spf.identity {
            Identity::MailFrom => "MAIL",
            Identity::Helo => "HELO",
        };
        let evidence = format!("{client} for {of} {}: {}", spf.domain, spf.reason);
        hits.extend(name.map(|name| scores.hit(name, evidence)));
    }
    dkim(scores, summary, &mut hits);
    if let Some(arc) = &summary.arc {
        match arc.result {
            ArcResult::Pass => {
                hits.push(scores.hit("ARC_VALID", format!("sealed by {}", arc.sealers.join(", "))));
            }
            ArcResult::Fail => hits.push(scores.hit("ARC_INVALID", arc.reason.as_str())),
            ArcResult::None | ArcResult::TempError => {}
        }
    }
    dmarc(scores, (reject, quarantine), summary, &mut hits);
    if forged > 0 {
        let evidence = format!("{forged} fields, removed");
        hits.push(scores.hit("RESULTS_FORGED", evidence));
    }
    hits
}

fn dkim(scores: &Scores, summary: &Authenticated, hits: &mut Vec<Hit>) {
    let with = |result: DkimResult| summary.dkim.iter().filter(move |d| d.result == result);
    let shown = |d: &Dkim| match d.reason.as_str() {
        "" => format!("{} ({})", d.domain, d.selector),
        why => format!("{} ({}): {why}", d.domain, d.selector),
    };
    let all = |signatures: Vec<&Dkim>| {
        let each: Vec<String> = signatures.into_iter().map(shown).collect();
        each.join("; ")
    };
    let valid: Vec<&Dkim> = with(DkimResult::Pass).collect();
    let partial: Vec<&Dkim> = with(DkimResult::Policy).collect();
    let bad = with(DkimResult::Fail).chain(with(DkimResult::PermError));
    let bad: Vec<&Dkim> = bad.collect();
    if summary.dkim.is_empty() {
        hits.push(scores.hit("DKIM_NONE", ""));
    }
    if !valid.is_empty() {
        hits.push(scores.hit("DKIM_VALID", all(valid)));
    } else if !bad.is_empty() {
        hits.push(scores.hit("DKIM_INVALID", all(bad)));
    }
    if !partial.is_empty() {
        hits.push(scores.hit("DKIM_PARTIAL", all(partial)));
    }
    let aligned = summary.dmarc.iter().flat_map(|d| &d.dkim_aligned);
    let aligned: Vec<&str> = aligned.map(String::as_str).collect();
    if !aligned.is_empty() {
        hits.push(scores.hit("DKIM_VALID_AUTHOR", aligned.join(", ")));
    }
}

fn dmarc(
    scores: &Scores,
    (reject, quarantine): (Honour, Honour),
    summary: &Authenticated,
    hits: &mut Vec<Hit>,
) {
    let Some(dmarc) = &summary.dmarc else {
        return;
    };
    let domain = dmarc.domain.as_str();
    match (dmarc.result, &summary.disposition) {
        (DmarcResult::None, _) => hits.push(scores.hit("DMARC_NONE", domain)),
        (DmarcResult::Pass, _) => {
            let by = match (dmarc.spf_aligned, dmarc.dkim_aligned.is_empty()) {
                (true, false) => "DKIM and SPF",
                (true, true) => "SPF",
                (false, _) => "DKIM",
            };
            hits.push(scores.hit("DMARC_PASS", format!("{domain} by {by}")));
        }
        (DmarcResult::Fail, Some(Disposition::Sealed(sealer))) => {
            let evidence = format!("{domain}: passed when {sealer} sealed it");
            hits.push(scores.hit("DMARC_EXEMPT", evidence));
        }
        (DmarcResult::Fail, Some(Disposition::MailingList(list))) => {
            hits.push(scores.hit("DMARC_EXEMPT", format!("{domain}: sent by the list {list}")));
        }
        (DmarcResult::Fail, disposition) => {
            let policy = disposition
                .as_ref()
                .map_or(Policy::None, Disposition::policy);
            let (name, honour) = match policy {
                Policy::None => ("DMARC_FAIL", Honour::Score),
                Policy::Quarantine => ("DMARC_QUARANTINE", quarantine),
                Policy::Reject => ("DMARC_REJECT", reject),
            };
            let spared = match disposition {
                Some(Disposition::Spared(_)) => ", spared by pct",
                _ => "",
            };
            let evidence = format!("{domain} asks for {}{spared}", dmarc.policy.name());
            let hit = scores.hit(name, evidence);
            hits.push(match honour.action() {
                Some(action) => hit.decisive(action),
                None => hit,
            });
        }
        (DmarcResult::TempError, _) => {}
    }
}
