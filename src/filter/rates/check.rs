//! The filter at work on one transaction. At RCPT it looks whether the recipient still fits; at the end of the message it
//! counts the message, unless a limit that defers has no room for it any more.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::limit::Limit;
use super::options::{By, Count, RateAction};
use super::{NAME, Shared, bucket};
use crate::clock;
use crate::filter::auth::Authenticated;
use crate::filter::sender::{self, Sender};
use crate::filter::{Check, Hit, Outcome, Scan, told};
use crate::heard::Heard;
use crate::mail::{Address, Envelope};
use crate::store::{Key, Kind};

pub(super) struct RatesCheck {
    shared: Arc<Shared>,
    from: From,
    heard: Heard,
    /// For a recipient that does not fit, until the MTA is told: the name of the limit, and the hit.
    refused: Option<(String, Hit)>,
}

/// Where a message comes from.
#[derive(Clone, Debug)]
enum From {
    /// A login.
    User(String),
    /// A client of somebody else's.
    Stranger(IpAddr),
    /// Nobody who is limited.
    Ours(&'static str),
}

/// A bucket that a message goes into.
struct Use<'a> {
    limit: &'a Limit,
    /// The name of the limit, and whose it is.
    key: Key,
    amount: f64,
}

impl<'a> Use<'a> {
    fn new(limit: &'a Limit, subject: &Subject, amount: f64) -> Use<'a> {
        let key = match subject {
            Subject::Whole(whose) => Key::new(&[&limit.name, whose]),
            Subject::From(whose, network) => Key::new(&[&limit.name, whose, network]),
        };
        Use { limit, key, amount }
    }

    fn hit(&self, level: f64) -> Hit {
        let limit = self.limit;
        let what = match limit.count {
            Count::Messages => "messages",
            Count::Recipients => "recipients",
        };
        let words = self.key.subject().split(Key::SEPARATOR).skip(1);
        let subject = words.collect::<Vec<_>>().join(" from ");
        let evidence = format!(
            "{subject}: {:.1} {what}, {} in {} s allowed",
            level + self.amount,
            limit.burst,
            limit.per.as_secs_f64()
        );
        Hit::new(limit.rule(), 0.0, evidence)
    }
}

/// Whose bucket is meant.
enum Subject {
    Whole(String),
    /// A domain that may be anybody's, in the messages of one network.
    From(String, String),
}

impl RatesCheck {
    pub(super) fn new(shared: Arc<Shared>) -> RatesCheck {
        RatesCheck {
            shared,
            heard: Heard::default(),
            from: From::Ours("no client address"),
            refused: None,
        }
    }

    /// Whose bucket of a limit that needs no message is meant.
    fn subject(&self, limit: &Limit) -> Option<Subject> {
        let subject = match (limit.by, &self.from) {
            (By::AuthenticatedUser, From::User(login)) => login.clone(),
            (By::ClientNetwork, From::Stranger(client)) => {
                self.shared.settings.strangers.network(*client)
            }
            _ => return None,
        };
        Some(Subject::Whole(subject))
    }

    fn is_stranger(&self) -> bool {
        matches!(self.from, From::Stranger(_))
    }

    /// The bucket of a recipient.
    fn of_recipient<'a>(&self, limit: &'a Limit, recipient: &Address) -> Option<Use<'a>> {
        let counts = limit.by == By::Recipient && self.is_stranger();
        counts.then(|| {
            let address = sender::address(recipient.text());
            let address = address.unwrap_or_else(|| recipient.text().to_lowercase());
            Use::new(limit, &Subject::Whole(address), 1.0)
        })
    }

    /// The level of a bucket.
    fn level(&self, used: &Use<'_>, now: i64) -> f64 {
        let known = self.shared.facts.get(Kind::Rate, &used.key, now);
        bucket::level(used.limit, known, now)
    }

    fn exceeded(&self, limit: &str) {
        let exceeded = &self.shared.metrics.rates_exceeded;
        exceeded.with_label_values(&[limit]).inc();
    }

    /// The limit, and a hit, where the newest recipient does not fit any more.
    fn too_much(&self, envelope: &Envelope) -> Option<(String, Hit)> {
        let recipients = envelope.recipients.len() as f64;
        let now = clock::milliseconds();
        let mut limits = self.shared.settings.limits.iter();
        limits.find_map(|limit| {
            if !limit.at_rcpt() {
                return None;
            }
            let used = match self.subject(limit) {
                Some(subject) => {
                    let amount = match limit.count {
                        Count::Messages => 1.0,
                        Count::Recipients => recipients,
                    };
                    Use::new(limit, &subject, amount)
                }
                None => self.of_recipient(limit, envelope.recipients.last()?)?,
            };
            let level = self.level(&used, now);
            let wait = bucket::excess(limit, level, used.amount)?;
            Some((limit.name.clone(), used.hit(level).deferring(wait)))
        })
    }

    /// The buckets that a complete message goes into.
    fn uses(&self, scan: &Scan, authenticated: Option<&Authenticated>) -> Vec<Use<'_>> {
        let recipients = &scan.envelope.recipients;
        let mut uses = Vec::new();
        for limit in &self.shared.settings.limits {
            let amount = match limit.count {
                Count::Messages => 1.0,
                Count::Recipients => recipients.len() as f64,
            };
            let subject = match (limit.by, &self.from) {
                (By::SenderDomain, From::Stranger(client)) => {
                    self.domain(*client, scan, authenticated)
                }
                _ => self.subject(limit),
            };
            uses.extend(subject.map(|subject| Use::new(limit, &subject, amount)));
            let each = recipients.iter();
            uses.extend(each.filter_map(|recipient| self.of_recipient(limit, recipient)));
        }
        uses
    }

    /// The domain of the sender, with the network where it is not proven.
    fn domain(
        &self,
        client: IpAddr,
        scan: &Scan,
        authenticated: Option<&Authenticated>,
    ) -> Option<Subject> {
        let sender = Sender::of(scan, authenticated);
        let domain = sender.domain?;
        if sender.proven {
            return Some(Subject::Whole(domain));
        }
        let network = self.shared.settings.strangers.network(client);
        Some(Subject::From(domain, network))
    }

    fn concluded(&self, uses: &[Use<'_>]) -> Outcome {
        let now = clock::milliseconds();
        let mut hits = Vec::new();
        let mut deferred: Option<(Duration, Hit)> = None;
        for used in uses {
            let level = self.level(used, now);
            let Some(wait) = bucket::excess(used.limit, level, used.amount) else {
                continue;
            };
            match used.limit.action {
                // Into an empty bucket goes whatever comes: it would never fit.
                RateAction::Defer if level <= 0.0 => {}
                RateAction::Defer => {
                    self.exceeded(&used.limit.name);
                    if deferred.as_ref().is_none_or(|(longest, _)| *longest < wait) {
                        deferred = Some((wait, used.hit(level)));
                    }
                }
                RateAction::Score(points) => {
                    self.exceeded(&used.limit.name);
                    let mut hit = used.hit(level);
                    hit.score = points;
                    hits.push(hit);
                }
            }
        }
        if let Some((wait, hit)) = deferred {
            return Outcome::Checked(vec![hit.deferring(wait)]);
        }
        for used in uses {
            let pour = |known| Some(bucket::poured(used.limit, known, now, used.amount));
            self.shared.facts.update(Kind::Rate, &used.key, now, pour);
        }
        Outcome::Checked(hits)
    }
}

impl Check for RatesCheck {
    fn hears(&mut self, heard: &Heard) {
        self.heard = heard.clone();
    }

    fn mail(&mut self, envelope: &Envelope) {
        let client = self.shared.settings.strangers.client(envelope);
        self.from = match (&envelope.authenticated, client) {
            (Some(login), _) => From::User(login.to_lowercase()),
            (None, Ok(client)) => From::Stranger(client),
            (None, Err(why)) => From::Ours(why),
        };
    }

    fn rcpt(&mut self, envelope: &Envelope) {
        if !self.heard.is_telling()
            && let Some(refused) = self.too_much(envelope)
        {
            self.refused = Some(refused);
        }
    }

    fn refuse_rcpt(&mut self) -> Option<Hit> {
        let (limit, hit) = self.refused.take()?;
        self.exceeded(&limit);
        Some(hit)
    }

    fn finish(self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        async move {
            if let From::Ours(why) = self.from {
                return Outcome::Skipped(why);
            }
            if let Some(outcome) = told::told(&self.heard, NAME) {
                return outcome;
            }
            let by_domain = |limit: &Limit| limit.by == By::SenderDomain;
            let wanted = self.shared.settings.limits.iter().any(by_domain);
            let authenticated = match wanted && self.is_stranger() {
                true => scan.authentication.known().await,
                false => None,
            };
            let outcome = self.concluded(&self.uses(&scan, authenticated.as_deref()));
            told::keep(&self.heard, NAME, outcome)
        }
        .boxed()
    }
}
