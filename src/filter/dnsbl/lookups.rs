//! Look-ups in lists. In: a client and a list. Out: an [`Answer`], from the shared resolver, counted in the
//! metrics. Each list has its share of the questions in flight, so that a dead one holds up only itself.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::question::{never_listed, question};
use super::zone::Zone;
use crate::dns::{Dns, Failure, Kind, RData, RecordType, Share};
use crate::metrics::Metrics;

/// Look-ups shared by all sessions.
pub(super) struct Lookups {
    dns: Dns,
    verify_lists: bool,
    metrics: Arc<Metrics>,
}

impl Lookups {
    pub(super) fn new(dns: Dns, verify_lists: bool, metrics: Arc<Metrics>) -> Lookups {
        Lookups {
            dns,
            verify_lists,
            metrics,
        }
    }

    /// What `zone` says about `client`, counted once in the metrics.
    pub(super) async fn ask(
        &self,
        zone: &Zone,
        share: &Share,
        client: IpAddr,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let outcome = match timeout_at(deadline, self.verified(zone, share, client)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::timeout()),
        };
        let result = match &outcome {
            Ok((_, false)) => "cached",
            Ok((answer, true)) => match answer {
                Answer::NotListed => "not_listed",
                Answer::Listed(_) => "listed",
                Answer::Refused(_) => "refused",
                Answer::Bogus(_) => "bogus",
            },
            Err(failure) if failure.kind == Kind::Timeout => "timeout",
            Err(_) => "error",
        };
        self.metrics
            .dnsbl_lookups
            .with_label_values(&[zone.name.as_str(), result])
            .inc();
        outcome.map(|(answer, _)| answer)
    }

    /// A listing counts only while the list does not know the address that none may know: one that
    /// does has been switched off or taken over, and lists the whole world.
    async fn verified(
        &self,
        zone: &Zone,
        share: &Share,
        client: IpAddr,
    ) -> Result<(Answer, bool), Failure> {
        let (answer, fresh) = self.asked(zone, share, client).await?;
        if !self.verify_lists {
            return Ok((answer, fresh));
        }
        let Answer::Listed(codes) = &answer else {
            return Ok((answer, fresh));
        };
        match self.asked(zone, share, never_listed(client)).await {
            Ok((Answer::Listed(_), _)) => {
                let code = codes.first().copied().unwrap_or(Ipv4Addr::LOCALHOST);
                Ok((Answer::Bogus(code), true))
            }
            // A list that fails on this question alone has still answered the one that matters.
            _ => Ok((answer, fresh)),
        }
    }

    /// The answer, and whether a question was sent for it.
    pub(super) async fn asked(
        &self,
        zone: &Zone,
        share: &Share,
        client: IpAddr,
    ) -> Result<(Answer, bool), Failure> {
        let timer = self
            .metrics
            .dnsbl_seconds
            .with_label_values(&[zone.name.as_str()])
            .start_timer();
        let name = question(client, &zone.zone);
        let found = self.dns.lookup(&name, RecordType::A, share).await;
        match &found {
            Ok(found) if !found.fresh => timer.stop_and_discard(),
            _ => timer.stop_and_record(),
        };
        let found = found?;
        let addresses = found.records.iter().filter_map(|record| match record {
            RData::A(a) => Some(a.0),
            _ => None,
        });
        Ok((Answer::read(addresses), found.fresh))
    }
}
