//! The filter at work on one transaction: all lists are asked at once as soon as the client is known,
//! and waited for at the end of the message. A dropped check cancels what is still on its way.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::Shared;
use super::answer::Answer;
use super::zone::Zone;
use crate::dns::{Failure, Kind, Share};
use crate::filter::{Check, Hit, Outcome, Reason, Scan};
use crate::mail::Envelope;

/// Longest detail of a failure, bytes.
const DETAIL_BYTES: usize = 512;

/// What one list said: hits, possibly none, or a failure.
type Said = Result<Vec<Hit>, Failure>;

pub(super) struct DnsblCheck {
    shared: Arc<Shared>,
    state: State,
}

enum State {
    Skipped(&'static str),
    Asking {
        client: IpAddr,
        /// One place for each list, in the order of the configuration; empty until it has answered.
        said: Arc<Mutex<Vec<Option<Said>>>>,
        task: AbortOnDropHandle<()>,
    },
}

impl DnsblCheck {
    pub(super) fn new(shared: Arc<Shared>) -> DnsblCheck {
        DnsblCheck {
            shared,
            state: State::Skipped("no client address"),
        }
    }

    fn start(&self, client: IpAddr) -> State {
        let shared = Arc::clone(&self.shared);
        let deadline = Instant::now() + shared.settings.timeout;
        let said = Arc::new(Mutex::new(vec![None; shared.settings.zones.len()]));
        let places = Arc::clone(&said);
        let task = tokio::spawn(async move {
            let zones = shared.settings.zones.iter().zip(&shared.shares).enumerate();
            join_all(zones.map(|(place, (zone, share))| {
                let (shared, places) = (&shared, &places);
                async move {
                    let answer = ask(shared, zone, share, client, deadline).await;
                    let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(empty) = places.get_mut(place) {
                        *empty = Some(answer);
                    }
                }
            }))
            .await;
        });
        State::Asking {
            client,
            said,
            task: AbortOnDropHandle::new(task),
        }
    }
}

async fn ask(
    shared: &Shared,
    zone: &Zone,
    share: &Share,
    client: IpAddr,
    deadline: Instant,
) -> Said {
    if client.is_ipv6() && !zone.ipv6 {
        return Ok(Vec::new());
    }
    let refused = |detail: String| Err(Failure::error(detail));
    match shared.lookups.ask(zone, share, client, deadline).await? {
        Answer::NotListed => Ok(Vec::new()),
        Answer::Listed(codes) => Ok(zone.hits(client, &codes)),
        Answer::Refused(code) => refused(format!("the list refuses to answer ({code})")),
        Answer::Bogus(code) if code.is_loopback() => {
            refused("the list knows 127.0.0.1, so it lists everything".to_owned())
        }
        Answer::Bogus(code) => refused(format!("the answer is no code of a list ({code})")),
    }
}

impl Check for DnsblCheck {
    fn connect(&mut self, envelope: &Envelope) {
        let settings = &self.shared.settings;
        self.state = match envelope.client.addr.map(|a| a.to_canonical()) {
            None => State::Skipped("no client address"),
            Some(a) if settings.trusted.iter().any(|n| n.contains(&a)) => {
                State::Skipped("trusted network")
            }
            Some(a) => self.start(a),
        };
    }

    fn mail(&mut self, envelope: &Envelope) {
        if envelope.authenticated.is_some() && matches!(self.state, State::Asking { .. }) {
            self.state = State::Skipped("authenticated client");
        }
    }

    fn decisive(&mut self) -> Option<Hit> {
        let State::Asking { said, .. } = &self.state else {
            return None;
        };
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hits = said.iter().flatten().flatten().flatten();
        hits.find(|hit| hit.decisive.is_some()).cloned()
    }

    fn finish(self: Box<Self>, _scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        async move {
            match self.state {
                State::Skipped(why) => Outcome::Skipped(why),
                State::Asking { client, said, task } => {
                    // Each list has the deadline of its own, so this ends with the last of them.
                    if let Err(e) = task.await
                        && e.is_panic()
                    {
                        std::panic::resume_unwind(e.into_panic());
                    }
                    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    outcome(client, &self.shared.settings.zones, &said)
                }
            }
        }
        .boxed()
    }
}

fn reason(kind: Kind) -> Reason {
    match kind {
        Kind::Down => Reason::Down,
        Kind::Timeout => Reason::Timeout,
        Kind::Error => Reason::Error,
    }
}

/// Puts together what the lists said. The outcome depends on the answers alone, not on their order.
fn outcome(client: IpAddr, zones: &[Zone], said: &[Option<Said>]) -> Outcome {
    let mut hits = Vec::new();
    let mut failures: Vec<(&Zone, Reason, &str)> = Vec::new();
    for (zone, said) in zones.iter().zip(said) {
        match said {
            Some(Ok(found)) => hits.extend(found.iter().cloned()),
            Some(Err(failure)) => failures.push((zone, reason(failure.kind), &failure.detail)),
            None => failures.push((zone, Reason::Timeout, "no answer in time")),
        }
    }
    let Some(reason) = failures.iter().map(|(_, reason, _)| *reason).min() else {
        return Outcome::Checked(hits);
    };
    let each: Vec<String> = failures
        .iter()
        .map(|(zone, _, detail)| format!("{}: {detail}", zone.name))
        .collect();
    let mut detail = format!("{client}: {}", each.join("; "));
    // Zones, addresses and details are ASCII.
    detail.truncate(DETAIL_BYTES);
    Outcome::Unscanned {
        reason,
        detail,
        hits,
    }
}
