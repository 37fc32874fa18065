//! The filter at work on one transaction.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::triplet::Result as Sight;
use super::{NAME, Shared, address};
use crate::auth::spf::{Identity, SpfResult};
use crate::clock;
use crate::filter::auth::Authenticated;
use crate::filter::{Action, Check, Hit, Outcome, Report, Scan, told};
use crate::heard::Heard;
use crate::mail::{Address, Envelope};

pub(super) struct GreylistCheck {
    shared: Arc<Shared>,
    client: Result<IpAddr, &'static str>,
    heard: Heard,
    /// As triplets know it.
    sender: String,
    /// For a recipient that was put off at RCPT, until the MTA is told.
    waiting: Option<Hit>,
    /// The longest time after which a recipient has come back.
    passed: Option<Duration>,
    /// Which recipients use the filter, in their order, where not all of them do.
    wanted_by: Option<Vec<bool>>,
}

impl GreylistCheck {
    pub(super) fn new(shared: Arc<Shared>) -> GreylistCheck {
        GreylistCheck {
            shared,
            client: Err("no client address"),
            heard: Heard::default(),
            sender: String::new(),
            waiting: None,
            passed: None,
            wanted_by: None,
        }
    }

    /// Whether recipients are answered at RCPT. The null sender is not: who only asks whether an address is there, as
    /// servers do with a sender's, would be told to wait for what will not come.
    fn at_rcpt(&self) -> bool {
        self.shared.settings.band.is_none() && !self.sender.is_empty()
    }

    /// One attempt for one recipient; a hit where it is put off.
    fn attempt(&mut self, origin: &str, recipient: &Address) -> Option<Hit> {
        let recipient = address::recipient(recipient.text());
        let triplets = &self.shared.triplets;
        let sight = triplets.attempt(clock::milliseconds(), origin, &self.sender, &recipient);
        let results = &self.shared.metrics.greylist;
        results.with_label_values(&[sight.name()]).inc();
        let (wait, why) = match sight {
            Sight::Deferred(wait) => (wait, "for the first time"),
            Sight::Early(wait) => (wait, "again, too early"),
            Sight::Passed(waited) => {
                self.passed = self.passed.max(Some(waited));
                return None;
            }
            Sight::Known | Sight::White | Sight::Correspondent => return None,
        };
        let evidence = format!("{origin} {why}, to pass in {} s", seconds(wait));
        Some(Hit::new("GREYLISTED", 0.0, evidence).deferring(wait))
    }

    fn concluded(self) -> Outcome {
        let hit = |waited| {
            let evidence = format!("again after {} s", seconds(waited));
            Hit::new("GREYLIST_PASSED", 0.0, evidence)
        };
        Outcome::Checked(self.passed.map(hit).into_iter().collect())
    }

    /// All recipients of a complete message who use the filter: the one that has to wait longest decides.
    fn all(mut self, origin: &str, envelope: &Envelope) -> Outcome {
        let mut longest: Option<Hit> = None;
        let wanted_by = self.wanted_by.take();
        let wants = |n: usize| wanted_by.as_ref().is_none_or(|w| w.get(n) != Some(&false));
        for (_, recipient) in (0..).zip(&envelope.recipients).filter(|(n, _)| wants(*n)) {
            if let Some(hit) = self.attempt(origin, recipient)
                && longest
                    .as_ref()
                    .is_none_or(|l| l.retry_after < hit.retry_after)
            {
                longest = Some(hit);
            }
        }
        match longest {
            Some(hit) => Outcome::Checked(vec![hit]),
            None => self.concluded(),
        }
    }

    fn weighed(mut self, scan: &Scan, reports: &[Report]) -> Outcome {
        let client = match self.client {
            Ok(client) => client,
            Err(why) => return Outcome::Skipped(why),
        };
        if self.at_rcpt() {
            if let Some(outcome) = told::told(&self.heard, NAME) {
                return outcome;
            }
            let heard = self.heard.clone();
            // The MTA did not ask at RCPT.
            let outcome = match self.waiting.take() {
                Some(hit) => Outcome::Checked(vec![hit]),
                None => self.concluded(),
            };
            return told::keep(&heard, NAME, outcome);
        }
        let hits = || reports.iter().flat_map(|r| r.outcome.hits());
        if hits().any(|hit| hit.decisive == Some(Action::Deliver)) {
            return Outcome::Skipped("delivered whatever the score");
        }
        if let Some(band) = self.shared.settings.band
            && !band.holds(hits().map(|hit| hit.score).sum())
        {
            return Outcome::Skipped("score outside of the band");
        }
        let authenticated = scan.authentication.get();
        let settings = &self.shared.settings;
        let proven = authenticated.iter().flat_map(|found| found.domains());
        if proven
            .into_iter()
            .any(|domain| settings.exempt.holds(domain))
        {
            return Outcome::Skipped(LARGE);
        }
        if let Some(outcome) = told::told(&self.heard, NAME) {
            return outcome;
        }
        let origin = match authenticated.as_deref().and_then(sent_for) {
            Some(domain) => domain.to_owned(),
            None => settings.strangers.network(client),
        };
        let heard = self.heard.clone();
        told::keep(&heard, NAME, self.all(&origin, &scan.envelope))
    }
}

const LARGE: &str = "large sender";

/// The domain for which SPF lets the client send: its second attempt may come from any of its networks.
fn sent_for(found: &Authenticated) -> Option<&str> {
    let spf = found.spf.as_ref()?;
    let passed = spf.result == SpfResult::Pass && spf.identity == Identity::MailFrom;
    passed.then_some(spf.domain.as_str())
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs_f64().ceil() as u64
}

impl Check for GreylistCheck {
    fn hears(&mut self, heard: &Heard) {
        self.heard = heard.clone();
    }

    fn mail(&mut self, envelope: &Envelope) {
        let settings = &self.shared.settings;
        self.client = settings.strangers.client(envelope);
        let name = envelope.client.name.as_deref();
        if self.client.is_ok() && name.is_some_and(|name| settings.exempt.holds(name)) {
            self.client = Err(LARGE);
        }
        let sender = envelope.sender.as_ref();
        self.sender = address::sender(sender.map_or("", |sender| sender.text()));
    }

    fn rcpt(&mut self, envelope: &Envelope) {
        if !self.at_rcpt() || self.heard.is_telling() {
            return;
        }
        if let (Ok(client), Some(recipient)) = (self.client, envelope.recipients.last()) {
            let origin = self.shared.settings.strangers.network(client);
            if let Some(hit) = self.attempt(&origin, recipient) {
                self.waiting = Some(hit);
            }
        }
    }

    fn wanted_by(&mut self, recipients: Vec<bool>) {
        self.wanted_by = Some(recipients);
    }

    fn refuse_rcpt(&mut self) -> Option<Hit> {
        self.waiting.take()
    }

    fn weighs(&self) -> bool {
        true
    }

    fn weigh(self: Box<Self>, scan: &Arc<Scan>, reports: &[Report]) -> Outcome {
        self.weighed(scan, reports)
    }

    fn finish(self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        std::future::ready(self.weighed(&scan, &[])).boxed()
    }
}
