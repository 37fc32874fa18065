//! The filter at work on one transaction. Reverse DNS begins at CONNECT, SPF at MAIL, keys, policies and the hash of
//! the body at the end of the header; a dropped check cancels what is still on its way.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::authserv::FIELD;
use super::excuse::{disposition, strictest};
use super::signed::{Signed, Unsigned};
use super::summary::{Authenticated, Disposition};
use super::{Shared, header, hits};
use crate::auth::dmarc::{Author, Dmarc};
use crate::auth::iprev::{self, Iprev, IprevResult};
use crate::auth::spf::{self, Identity, Query, Spf, SpfResult};
use crate::auth::{Failure, Kind, Questions};
use crate::filter::{Check, Outcome, Reason, Scan, offload};
use crate::heard::{Heard, Late};
use crate::mail::{Envelope, Spool};

/// Longest detail of a failure, bytes.
const DETAIL_BYTES: usize = 512;

pub(super) struct AuthCheck {
    shared: Arc<Shared>,
    heard: Heard,
    state: State,
}

enum State {
    Skipped(&'static str),
    /// The client is one of ours: what another server of ours has found is believed.
    Inside(IpAddr),
    Outside(Work),
}

/// What is on its way.
struct Work {
    client: IpAddr,
    heard: Heard,
    questions: Arc<Questions>,
    iprev: AbortOnDropHandle<Iprev>,
    spf: Option<AbortOnDropHandle<Spf>>,
    signed: Option<AbortOnDropHandle<Result<Signed, Unsigned>>>,
}

impl AuthCheck {
    pub(super) fn new(shared: Arc<Shared>) -> AuthCheck {
        AuthCheck {
            shared,
            heard: Heard::default(),
            state: State::Skipped("no client address"),
        }
    }
}

impl Check for AuthCheck {
    fn hears(&mut self, heard: &Heard) {
        self.heard = heard.clone();
    }

    fn connect(&mut self, envelope: &Envelope) {
        let shared = &self.shared;
        self.state = match envelope.client.addr.map(|a| a.to_canonical()) {
            None => State::Skipped("no client address"),
            Some(client) if shared.settings.trusts(client) => State::Inside(client),
            Some(client) => State::Outside(Work::begin(shared, client, &self.heard)),
        };
    }

    fn mail(&mut self, envelope: &Envelope) {
        if envelope.authenticated.is_some() {
            self.state = State::Skipped("authenticated client");
        }
        if let State::Outside(work) = &mut self.state {
            work.spf = work.check_spf(&self.shared, envelope);
        }
    }

    fn headers(&mut self, _envelope: &Envelope, spool: &Arc<Spool>) {
        if let State::Outside(work) = &mut self.state {
            let (shared, names) = (Arc::clone(&self.shared), work.questions.by("signed"));
            let spool = Arc::clone(spool);
            let heard = self.heard.clone();
            let gather = async move { Signed::gather(&shared, &names, &spool, &heard).await };
            work.signed = Some(AbortOnDropHandle::new(tokio::spawn(gather)));
        }
    }

    fn finish(self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        async move {
            let shared = self.shared;
            match self.state {
                State::Skipped(why) => Outcome::Skipped(why),
                State::Inside(client) => inside(&shared, client, &scan),
                State::Outside(work) => work.finish(&shared, &scan).await,
            }
        }
        .boxed()
    }
}

impl Work {
    fn begin(shared: &Arc<Shared>, client: IpAddr, heard: &Heard) -> Work {
        let questions = Arc::new(Questions::new(
            shared.dns.clone(),
            Arc::clone(&shared.share),
            shared.settings.max_lookups,
            heard.clone(),
        ));
        let (names, deadline) = (
            questions.by("iprev"),
            Instant::now() + shared.settings.timeout,
        );
        let during = heard.clone();
        let check = async move {
            let work = iprev::check(&names, client);
            let checked = during.timed(|| "iprev".to_owned(), deadline, work).await;
            checked.unwrap_or_else(|Late| Iprev {
                result: IprevResult::TempError,
                name: None,
                failure: Some(Failure::timeout()),
            })
        };
        Work {
            client,
            heard: heard.clone(),
            questions,
            iprev: AbortOnDropHandle::new(tokio::spawn(check)),
            spf: None,
            signed: None,
        }
    }

    fn check_spf(&self, shared: &Shared, envelope: &Envelope) -> Option<AbortOnDropHandle<Spf>> {
        let sender = envelope.sender.as_ref()?.text().to_owned();
        let helo = envelope.helo.clone().unwrap_or_default();
        let deadline = Instant::now() + shared.settings.timeout;
        let (names, heard) = (self.questions.by("spf"), self.heard.clone());
        let client = self.client;
        let check = async move {
            let query = Query {
                client,
                helo: &helo,
                sender: &sender,
            };
            let work = spf::check(&names, query);
            match heard.timed(|| "spf".to_owned(), deadline, work).await {
                Ok(spf) => spf,
                Err(Late) => late(&helo, &sender),
            }
        };
        Some(AbortOnDropHandle::new(tokio::spawn(check)))
    }

    async fn finish(self, shared: &Arc<Shared>, scan: &Arc<Scan>) -> Outcome {
        let mut summary = Authenticated {
            client: Some(self.client),
            iprev: joined(self.iprev).await,
            ..Authenticated::default()
        };
        if let Some(spf) = self.spf {
            summary.spf = joined(spf).await;
        }
        let signed = match self.signed {
            Some(signed) => joined(signed).await,
            None => None,
        };
        let mut unread = None;
        match signed {
            Some(Ok(signed)) => {
                let authors;
                (summary, authors) = verified(signed, summary, self.heard.now()).await;
                let deadline = Instant::now() + shared.settings.timeout;
                let names = self.questions.by("dmarc");
                let judged = join_all(authors.iter().map(async |author| {
                    let judged = author.judge(&names, summary.spf.as_ref(), &summary.dkim);
                    let what = || format!("dmarc {}", author.domain());
                    let judged = self.heard.timed(what, deadline, judged).await;
                    let late = || Dmarc::temporary(author.domain(), Failure::timeout());
                    judged.unwrap_or_else(|Late| late())
                }));
                summary.dmarc = strictest(judged.await);
            }
            Some(Err(Unsigned::TooLong)) => unread = Some("the header is longer than 1 MiB"),
            Some(Err(Unsigned::Aborted)) | None => unread = Some("the message is not there"),
        }
        let raw = scan.mail.raw();
        let lot = || {
            let digest = blake3::hash(raw);
            let (first, _) = digest
                .as_bytes()
                .split_first_chunk()
                .unwrap_or((&[0; 8], &[]));
            u8::try_from(u64::from_le_bytes(*first) % 100).unwrap_or(0)
        };
        summary.disposition = disposition(&shared.settings, &summary, lot);
        let authserv = &shared.settings.authserv;
        summary.header = header::value(&authserv.id(&scan.envelope), &scan.envelope, &summary);
        conclude(shared, scan, summary, unread, self.questions.exhausted())
    }
}

/// What a task gave. A panic in it is one of the session.
async fn joined<T>(task: AbortOnDropHandle<T>) -> Option<T> {
    match task.await {
        Ok(value) => Some(value),
        Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
        Err(_) => None,
    }
}

/// Verifies signatures and chain; off the async threads where there is much to hash.
/// `now`: seconds since 1970.
async fn verified(
    signed: Signed,
    mut summary: Authenticated,
    now: u64,
) -> (Authenticated, Vec<Author>) {
    let bytes = signed.header.raw().len() * (1 + signed.signatures.len());
    offload(bytes, move || {
        let (signatures, chain) = signed.verify(now);
        summary.dkim = signatures;
        summary.arc = Some(chain);
        (summary, signed.authors)
    })
    .await
}

fn late(helo: &str, sender: &str) -> Spf {
    let domain = sender.rsplit_once('@').map(|(_, domain)| domain);
    Spf {
        result: SpfResult::TempError,
        identity: match domain {
            Some(_) => Identity::MailFrom,
            None => Identity::Helo,
        },
        domain: domain.unwrap_or(helo).to_owned(),
        reason: "no answer in time".to_owned(),
        failure: Some(Failure::timeout()),
    }
}

/// What another server of ours has found on a message that it hands over.
fn inside(shared: &Arc<Shared>, client: IpAddr, scan: &Arc<Scan>) -> Outcome {
    let authserv = &shared.settings.authserv;
    let fields = scan.mail.headers_named(FIELD);
    let ours = fields.filter(|field| authserv.is_ours(field.raw, &scan.envelope));
    let mut values = ours.map(|field| field.raw).take(10).peekable();
    if values.peek().is_none() {
        return Outcome::Skipped("trusted network");
    }
    let mut summary = Authenticated::of_fields(client, values);
    summary.disposition = disposition(&shared.settings, &summary, || 0);
    conclude(shared, scan, summary, None, false)
}

/// Counts, gives the results to whoever wants them, and makes the outcome.
fn conclude(
    shared: &Shared,
    scan: &Scan,
    summary: Authenticated,
    unread: Option<&str>,
    exhausted: bool,
) -> Outcome {
    let settings = &shared.settings;
    count(shared, &summary);
    let fields = scan.mail.headers_named(FIELD);
    let is_forged = |value: &[u8]| settings.authserv.is_forged(value, &scan.envelope);
    let forged = fields.filter(|field| is_forged(field.raw)).count();
    shared.metrics.auth_forged.inc_by(forged as u64);
    let honour = (settings.reject, settings.quarantine);
    let hits = hits::hits(&settings.scores, honour, &summary, forged);
    let summary = Arc::new(summary);
    scan.authentication.give(Arc::clone(&summary));
    let failures = failures(&summary);
    if let Some(why) = unread {
        return Outcome::Unscanned {
            reason: Reason::Limit,
            detail: why.to_owned(),
            hits,
        };
    }
    let Some(reason) = failures.iter().map(|(_, failure)| reason(failure)).min() else {
        return Outcome::Checked(hits);
    };
    let each: Vec<String> = failures
        .iter()
        .map(|(method, failure)| format!("{method}: {failure}"))
        .collect();
    let mut detail = each.join("; ");
    // Details of failures are ASCII.
    detail.truncate(DETAIL_BYTES);
    Outcome::Unscanned {
        reason: if exhausted { Reason::Limit } else { reason },
        detail,
        hits,
    }
}

/// What DNS could not tell, each method once.
fn failures(summary: &Authenticated) -> Vec<(&'static str, &Failure)> {
    let iprev = summary.iprev.as_ref().and_then(|i| i.failure.as_ref());
    let spf = summary.spf.as_ref().and_then(|s| s.failure.as_ref());
    let dkim = summary.dkim.iter().find_map(|d| d.failure.as_ref());
    let arc = summary.arc.as_ref().and_then(|a| a.failure.as_ref());
    let dmarc = summary.dmarc.as_ref().and_then(|d| d.failure.as_ref());
    [
        ("iprev", iprev),
        ("spf", spf),
        ("dkim", dkim),
        ("arc", arc),
        ("dmarc", dmarc),
    ]
    .into_iter()
    .filter_map(|(method, failure)| Some((method, failure?)))
    .collect()
}

fn reason(failure: &Failure) -> Reason {
    match failure.kind {
        Kind::Down => Reason::Down,
        Kind::Timeout => Reason::Timeout,
        Kind::Error => Reason::Error,
    }
}

fn count(shared: &Shared, summary: &Authenticated) {
    let counted = |method: &str, result: &str| {
        let labels = [method, result];
        shared.metrics.auth_results.with_label_values(&labels).inc();
    };
    if let Some(iprev) = &summary.iprev {
        counted("iprev", iprev.result.name());
    }
    if let Some(spf) = &summary.spf {
        counted("spf", spf.result.name());
    }
    for dkim in &summary.dkim {
        counted("dkim", dkim.result.name());
    }
    if summary.dkim.is_empty() {
        counted("dkim", "none");
    }
    if let Some(arc) = &summary.arc {
        counted("arc", arc.result.name());
    }
    if let Some(dmarc) = &summary.dmarc {
        counted("dmarc", dmarc.result.name());
    }
    if let Some(name) = summary.disposition.as_ref().map(Disposition::name) {
        let counter = &shared.metrics.auth_dispositions;
        counter.with_label_values(&[name]).inc();
    }
}
