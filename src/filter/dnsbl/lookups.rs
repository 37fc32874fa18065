//! Look-ups in lists. In: a value and a list. Out: what the list has, or why it could not be asked, counted
//! in the metrics and told to the guard of the list. A list that is out of use is not asked. Each list has
//! its share of the questions in flight, so that a dead one holds up only itself.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::guard::{Cause, Watch};
use super::settings::Guarding;
use super::subject::Value;
use super::zone::Zone;
use crate::dns::{Dns, Failure, Found, Kind, RData, RecordType, Share};
use crate::heard::{Heard, Late};
use crate::metrics::Metrics;

/// Longest wait for the reason of a listing.
const REASON_TIMEOUT: Duration = Duration::from_secs(1);

/// A list in use: its zone, its share of the questions, and what is known of its health.
#[derive(Debug)]
pub(super) struct List {
    pub(super) zone: Zone,
    pub(super) share: Share,
    pub(super) watch: Watch,
}

/// A listing: the codes, and the reason that the list gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) codes: Vec<Ipv4Addr>,
    pub(super) reason: Option<String>,
}

/// An answer with how it came.
struct Asked {
    answer: Answer,
    /// For how long a question was on its way for it; `None` for an answer that was there.
    took: Option<Duration>,
}

/// Look-ups shared by all sessions.
pub(super) struct Lookups {
    pub(super) dns: Dns,
    verify_lists: bool,
    guarding: Guarding,
    metrics: Arc<Metrics>,
}

impl Lookups {
    pub(super) fn new(
        dns: Dns,
        verify_lists: bool,
        guarding: Guarding,
        metrics: Arc<Metrics>,
    ) -> Lookups {
        Lookups {
            dns,
            verify_lists,
            guarding,
            metrics,
        }
    }

    /// Counts a look-up.
    fn count(&self, list: &List, result: &str) {
        self.metrics
            .dnsbl_lookups
            .with_label_values(&[list.zone.name.as_str(), result])
            .inc();
    }

    /// What `list` says about `value`, for the one called `by`, as no other question of the message is; `None` when it does not know it, or is not asked about such a value.
    ///
    /// # Errors
    /// It could not be asked before `deadline`, or what it said is no answer of a list.
    pub(super) async fn ask(
        &self,
        list: &List,
        value: &Value,
        by: &str,
        deadline: Instant,
        heard: &Heard,
    ) -> Result<Option<Listing>, Failure> {
        let Some(name) = list.zone.question(value) else {
            return Ok(None);
        };
        let verified = self.verified(list, &name, value, by, heard);
        let asker = || format!("{by}: {}", list.zone.shown(&name));
        let out_of_use = |why: &str| Failure {
            kind: Kind::Down,
            detail: format!("out of use: {why}"),
        };
        if heard.is_telling() {
            if let Some(why) = heard.was_out_of_use(asker) {
                return Err(out_of_use(&why));
            }
            let asked = heard.timed(asker, deadline, verified).await;
            let asked = asked.unwrap_or_else(|Late| Err(Failure::timeout()))?;
            return self
                .listing(list, &name, asked.answer, by, deadline, heard)
                .await;
        }
        if let Some(why) = list.watch.out_of_use() {
            self.count(list, "skipped");
            let why = why.to_string();
            heard.out_of_use(asker, &why);
            return Err(out_of_use(&why));
        }
        let asked = heard.timed(asker, deadline, verified).await;
        let asked = asked.unwrap_or_else(|Late| Err(Failure::timeout()));
        let (result, cause) = self.judged(&asked);
        self.count(list, result);
        match cause {
            Some(cause) => list.watch.failed(&list.zone.name, cause),
            None if asked.as_ref().is_ok_and(|a| a.took.is_some()) => list.watch.answered(),
            None => {}
        }
        self.listing(list, &name, asked?.answer, by, deadline, heard)
            .await
    }

    /// What an answer to the question `name` says.
    async fn listing(
        &self,
        list: &List,
        name: &str,
        answer: Answer,
        by: &str,
        deadline: Instant,
        heard: &Heard,
    ) -> Result<Option<Listing>, Failure> {
        match answer {
            Answer::NotListed => Ok(None),
            Answer::Listed(codes) => {
                let reason = match list.zone.txt {
                    // Seldom, and large.
                    true => Box::pin(self.reason(list, name, by, deadline, heard)).await,
                    false => None,
                };
                Ok(Some(Listing { codes, reason }))
            }
            Answer::Refused(code) => Err(Failure::error(format!(
                "the list refuses to answer ({code})"
            ))),
            Answer::Bogus(code) if code.is_loopback() => Err(Failure::error(
                "the list knows what none may know, so it lists everything",
            )),
            Answer::Bogus(code) => Err(Failure::error(format!(
                "the answer is no code of a list ({code})"
            ))),
        }
    }

    /// The label of the metric, and what the list is to blame for.
    fn judged(&self, asked: &Result<Asked, Failure>) -> (&'static str, Option<Cause>) {
        match asked {
            // One answer is counted against the list once, however often it is of use.
            Ok(Asked { took: None, .. }) => ("cached", None),
            Ok(Asked {
                answer,
                took: Some(took),
            }) => {
                let slow = (*took > self.guarding.slow).then_some(Cause::Slow);
                match answer {
                    Answer::NotListed => ("not_listed", slow),
                    Answer::Listed(_) => ("listed", slow),
                    Answer::Refused(_) => ("refused", Some(Cause::Refused)),
                    Answer::Bogus(code) if code.is_loopback() => ("bogus", Some(Cause::Everything)),
                    Answer::Bogus(_) => ("bogus", Some(Cause::Bogus)),
                }
            }
            Err(failure) => match failure.kind {
                Kind::Timeout => ("timeout", Some(Cause::Timeout)),
                Kind::Error => ("error", Some(Cause::Error)),
                Kind::Down => ("error", Some(Cause::Down)),
            },
        }
    }

    /// A listing counts only while the list does not know what none may know: one that does has been
    /// switched off or taken over, and lists the whole world.
    async fn verified(
        &self,
        list: &List,
        name: &str,
        value: &Value,
        by: &str,
        heard: &Heard,
    ) -> Result<Asked, Failure> {
        let asked = self.question(list, name, by, heard).await?;
        let Answer::Listed(codes) = &asked.answer else {
            return Ok(asked);
        };
        let test = match self.verify_lists {
            true => list
                .zone
                .unlisted(value)
                .and_then(|v| list.zone.question(&v)),
            false => None,
        };
        let Some(test) = test else {
            return Ok(asked);
        };
        match self.question(list, &test, by, heard).await {
            Ok(Asked {
                answer: Answer::Listed(_),
                ..
            }) => Ok(Asked {
                answer: Answer::Bogus(codes.first().copied().unwrap_or(Ipv4Addr::LOCALHOST)),
                took: asked.took,
            }),
            // A list that fails on this question alone has still answered the one that matters.
            _ => Ok(asked),
        }
    }

    /// Asks for the codes under one name.
    async fn question(
        &self,
        list: &List,
        name: &str,
        by: &str,
        heard: &Heard,
    ) -> Result<Asked, Failure> {
        let asked = self.dns.lookup(name, RecordType::A, &list.share);
        let shown = list.zone.shown(name);
        let found = heard.dns(by, &shown, RecordType::A, asked).await?;
        Ok(self.read(list, &found))
    }

    /// The same, whatever is kept.
    pub(super) async fn anew(&self, list: &List, name: &str) -> Result<Answer, Failure> {
        let found = self.dns.refresh(name, RecordType::A, &list.share).await?;
        Ok(self.read(list, &found).answer)
    }

    fn read(&self, list: &List, found: &Found) -> Asked {
        if let Some(took) = found.took {
            self.metrics
                .dnsbl_seconds
                .with_label_values(&[list.zone.name.as_str()])
                .observe(took.as_secs_f64());
        }
        let addresses = found.records.iter().filter_map(|record| match record {
            RData::A(a) => Some(a.0),
            _ => None,
        });
        Asked {
            answer: Answer::read(addresses, &list.zone.refusals),
            took: found.took,
        }
    }

    /// The reason of a listing. It says nothing about the message, so it may be missing.
    async fn reason(
        &self,
        list: &List,
        name: &str,
        by: &str,
        deadline: Instant,
        heard: &Heard,
    ) -> Option<String> {
        let limit = deadline.min(Instant::now() + REASON_TIMEOUT);
        let asked = async {
            let asked = self.dns.lookup(name, RecordType::TXT, &list.share).await;
            asked.map(|found| list.zone.without_key(found))
        };
        let shown = list.zone.shown(name);
        let asked = heard.dns(by, &shown, RecordType::TXT, asked);
        let found: Found = timeout_at(limit, asked).await.ok()?.ok()?;
        let mut reasons: Vec<Vec<u8>> = found
            .records
            .iter()
            .filter_map(|record| match record {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            })
            .collect();
        // Servers change the order of records from answer to answer.
        reasons.sort_unstable();
        list.zone.reason(reasons.first()?)
    }
}
