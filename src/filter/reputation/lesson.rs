//! What a message teaches, once a verdict has been reached.
//!
//! Mail from outside teaches what its network and domains send, by the points of the other filters; a delivered one also
//! makes its author a contact of its recipients. Mail that our users send teaches whom they write to. What could not be
//! checked as a whole teaches nothing, nor what was put off: it comes again.

use super::correspondence::{self, Contact};
use super::{NAME, Shared};
use crate::filter::sender::Sender;
use crate::filter::{Action, Hit, Outcome, Report, Scan};
use crate::mail::Direction;
use crate::store::{Key, Kind};

/// The words of the metric.
pub(super) const NAMES: [&str; 3] = ["ham", "spam", "between"];

impl Shared {
    pub(super) fn learn(&self, scan: &Scan, reports: &[Report], action: Action, now: i64) {
        let envelope = &scan.envelope;
        if envelope.authenticated.is_some() || envelope.direction == Direction::Outbound {
            if action == Action::Deliver {
                correspondence::sent(self, scan, now);
            }
            return;
        }
        let Ok(client) = self.settings.strangers.client(&scan.envelope) else {
            return;
        };
        let Some(spam) = self.spam(reports, action) else {
            return;
        };
        let [ham, all_spam, between] = NAMES;
        let lesson = match spam {
            s if s <= 0.0 => ham,
            s if s >= 1.0 => all_spam,
            _ => between,
        };
        let lessons = &self.metrics.reputation_lessons;
        lessons.with_label_values(&[lesson]).inc();
        let sender = Sender::of(scan, scan.authentication.get().as_deref());
        let network = self.settings.strangers.network(client);
        for (kind, key) in subjects(&sender, &network) {
            let learned = |known| Some(self.settings.scale.learned(known, now, spam));
            self.facts.update(kind, &key, now, learned);
        }
        if action == Action::Deliver {
            let contact = Contact {
                sender: &sender,
                network: &network,
            };
            correspondence::received(self, scan, contact, now);
        }
    }

    /// How much of spam the other filters found a message to be, from 0 to 1; `None` where it teaches nothing.
    fn spam(&self, reports: &[Report], action: Action) -> Option<f64> {
        if reports.is_empty() || action == Action::Tempfail {
            return None;
        }
        let unseen = |r: &Report| matches!(r.outcome, Outcome::Unscanned { .. });
        if reports.iter().any(unseen) {
            return None;
        }
        let others = || reports.iter().filter(|r| r.filter != NAME);
        let mut hits = others().flat_map(|r| r.outcome.hits());
        // What stands behind a decisive hit was not asked: the sum says too little.
        if hits.any(Hit::ends) {
            return Some(1.0);
        }
        let hits = others().flat_map(|r| r.outcome.hits());
        let score: f64 = hits.map(|hit| hit.score).sum();
        let (ham, spam) = (self.settings.ham, self.settings.spam);
        Some(((score - ham) / (spam - ham)).clamp(0.0, 1.0))
    }
}

/// Whose reputation a message adds to, and is judged by.
pub(super) fn subjects(sender: &Sender, network: &str) -> Vec<(Kind, Key)> {
    let mut subjects = vec![(Kind::Network, Key::new(&[network]))];
    if let Some(domain) = &sender.domain {
        let kind = match sender.proven {
            true => Kind::Domain,
            false => Kind::UnprovenDomain,
        };
        subjects.push((kind, Key::new(&[domain])));
    }
    let others = sender.signers.iter().filter(|signer| {
        // Counted once.
        !(sender.proven && sender.domain.as_ref() == Some(signer))
    });
    subjects.extend(others.map(|signer| (Kind::SigningDomain, Key::new(&[signer]))));
    subjects
}
