//! The filter at work on one transaction: it needs the whole message and the results of `auth`, so everything is done at
//! the end.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::correspondence::{self, Contact};
use super::lesson::subjects;
use super::standing::points;
use super::{NAME, Shared};
use crate::clock;
use crate::filter::sender::Sender;
use crate::filter::{Check, Hit, Outcome, Scan, told};
use crate::heard::Heard;
use crate::store::{Key, Kind};

/// Every hit whose points are fixed, with its points as shipped and its meaning: docs/reputation.md has the same table.
pub const HITS: &[(&str, f64, &str)] = &[
    (
        "KNOWN_CORRESPONDENT",
        -1.5,
        "a recipient has written to the author, and the domain of From is proven",
    ),
    (
        "REPLY_TO_OURS",
        -1.0,
        "the message answers one that a recipient has sent",
    ),
    (
        "FIRST_CONTACT",
        0.0,
        "no recipient has had mail of the author before, or written there",
    ),
];

/// Hits whose points follow from what was learned of a network or a domain.
const STANDINGS: [&str; 4] = [
    "REPUTATION_NETWORK",
    "REPUTATION_DOMAIN",
    "REPUTATION_UNPROVEN_DOMAIN",
    "REPUTATION_SIGNING_DOMAIN",
];

/// Every hit, by its name.
pub(in crate::filter) fn words() -> Vec<&'static str> {
    let fixed = HITS.iter().map(|(name, ..)| *name);
    fixed.chain(STANDINGS).collect()
}

pub(super) struct ReputationCheck {
    shared: Arc<Shared>,
    heard: Heard,
}

impl ReputationCheck {
    pub(super) fn new(shared: Arc<Shared>) -> ReputationCheck {
        ReputationCheck {
            shared,
            heard: Heard::default(),
        }
    }

    fn hits(&self, scan: &Scan, client: IpAddr, sender: &Sender, now: i64) -> Vec<Hit> {
        let shared = &self.shared;
        let network = shared.settings.strangers.network(client);
        let mut hits: Vec<Hit> = Vec::new();
        for (kind, key) in subjects(sender, &network) {
            if let Some(hit) = self.reputation(kind, &key, now) {
                // Of several domains that have signed, the one that says most.
                match hits.iter_mut().find(|other| other.rule == hit.rule) {
                    Some(other) if other.score.abs() < hit.score.abs() => *other = hit,
                    Some(_) => {}
                    None => hits.push(hit),
                }
            }
        }
        let contact = Contact {
            sender,
            network: &network,
        };
        let found = correspondence::acquaintance(shared, scan, contact, now);
        let scores = &shared.settings.scores;
        if let Some(who) = found.correspondent {
            hits.push(scores.hit("KNOWN_CORRESPONDENT", who));
        }
        if let Some(id) = found.reply_to {
            hits.push(scores.hit("REPLY_TO_OURS", format!("<{id}>")));
        }
        if found.first {
            let author = sender.author.as_deref();
            hits.push(scores.hit("FIRST_CONTACT", author.unwrap_or_default()));
        }
        hits
    }

    fn reputation(&self, kind: Kind, key: &Key, now: i64) -> Option<Hit> {
        let settings = &self.shared.settings;
        let [network, domain, unproven, signing] = STANDINGS;
        let (rule, between) = match kind {
            Kind::Network => (network, settings.network_points),
            Kind::Domain => (domain, settings.domain_points),
            Kind::UnprovenDomain => (unproven, settings.unproven_points),
            _ => (signing, settings.signing_points),
        };
        let known = self.shared.facts.get(kind, key, now);
        let (standing, messages) = settings.scale.standing(known, now);
        let points = points(standing, between);
        (points != 0.0).then(|| {
            let subject = key.subject();
            let evidence = format!("{subject}: {standing:+.2} from {messages:.1} messages");
            Hit::new(rule, points, evidence)
        })
    }
}

impl Check for ReputationCheck {
    fn hears(&mut self, heard: &Heard) {
        self.heard = heard.clone();
    }

    fn finish(self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        async move {
            match self.shared.settings.strangers.client(&scan.envelope) {
                Err(why) => Outcome::Skipped(why),
                Ok(client) => {
                    if let Some(outcome) = told::told(&self.heard, NAME) {
                        if let Outcome::Checked(hits) = &outcome {
                            scan.reputation.give(Arc::new(hits.clone()));
                        }
                        return outcome;
                    }
                    let found = scan.authentication.known().await;
                    let sender = Sender::of(&scan, found.as_deref());
                    let hits = self.hits(&scan, client, &sender, clock::milliseconds());
                    scan.reputation.give(Arc::new(hits.clone()));
                    told::keep(&self.heard, NAME, Outcome::Checked(hits))
                }
            }
        }
        .boxed()
    }
}
