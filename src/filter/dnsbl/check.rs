//! The filter at work on one transaction: each stage sends its questions as soon as it is there, and all
//! answers are waited for at the end of the message. A dropped check cancels what is still on its way.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::plan::{self, Allowance};
use super::round::Round;
use super::subject::{Item, Stage};
use super::{Shared, conclusion};
use crate::filter::{Check, Hit, Outcome, Reason, Scan, compute};
use crate::heard::{Heard, Late};
use crate::mail::{Envelope, Limits, Mail, Spool};

/// Bytes of the header that are looked at before the message is complete.
const HEADER_BYTES: usize = 256 << 10;

/// Why it is not known where documents lead.
const UNOPENED: &str = "the files of the message were not opened in time";

pub(super) struct DnsblCheck {
    shared: Arc<Shared>,
    heard: Heard,
    /// Of each stage, in order, with what it took of the allowance.
    rounds: [Option<(Round, usize)>; Stage::ALL.len()],
    allowance: Allowance,
    /// Why nothing is asked, whatever comes.
    skipped: Option<&'static str>,
    /// Why nothing is asked about the connection.
    unasked: Option<&'static str>,
    /// Whether the files of the message were waited for in vain.
    unopened: bool,
}

impl DnsblCheck {
    pub(super) fn new(shared: Arc<Shared>) -> DnsblCheck {
        let allowance = Allowance::new(shared.settings.queries_per_message);
        DnsblCheck {
            shared,
            heard: Heard::default(),
            rounds: Default::default(),
            allowance,
            skipped: None,
            unasked: None,
            unopened: false,
        }
    }

    /// Sends the questions about `items`; those of an earlier start of the stage are forgotten.
    fn start(&mut self, stage: Stage, items: &[Item]) {
        let Some(place) = self.rounds.get_mut(stage as usize) else {
            return;
        };
        if let Some((_, taken)) = place.take() {
            self.allowance.left += taken;
        }
        if self.skipped.is_some() {
            return;
        }
        let before = self.allowance.left;
        let shared = &self.shared;
        let questions = plan::questions(&shared.lists, items, &mut self.allowance, &shared.metrics);
        if !questions.is_empty() {
            let deadline = Instant::now() + shared.settings.timeout;
            let round = Round::start(shared, questions, deadline, &self.heard);
            *place = Some((round, before - self.allowance.left));
        }
    }

    /// Why a message that was not asked about was not, where only the connection would have been.
    fn idle(&self) -> Option<&'static str> {
        let wanted = &self.shared.settings.sources.wanted;
        self.unasked
            .filter(|_| wanted.iter().all(|s| s.of_connection()))
    }

    /// Asks where documents lead, once they are opened; about nothing that was `asked` about.
    async fn documents(&mut self, scan: &Scan, asked: &[Item]) {
        let sources = &self.shared.settings.sources;
        if !sources.wanted.iter().any(|subject| subject.of_url()) {
            return;
        }
        let deadline = Instant::now() + self.shared.settings.timeout;
        let opened = self
            .heard
            .timed(|| UNOPENED.to_owned(), deadline, scan.content.known());
        match opened.await {
            Ok(Some(content)) => {
                let items = sources.documents(&content, asked);
                self.start(Stage::Documents, &items);
            }
            // No filter in the chain opens them.
            Ok(None) => {}
            Err(Late) => self.unopened = true,
        }
    }

    /// What was not asked although some list wants it.
    fn left_out(&self) -> Vec<(Reason, String)> {
        let settings = &self.shared.settings;
        let mut left_out = Vec::new();
        if self.allowance.exceeded {
            self.shared.metrics.dnsbl_over_limit.inc();
            let most = settings.queries_per_message;
            let why = format!("the message asks for more than {most} look-ups");
            left_out.push((Reason::Limit, why));
        }
        if self.unopened {
            left_out.push((Reason::Timeout, UNOPENED.to_owned()));
        }
        left_out
    }

    fn wants(&self, stage: Stage) -> bool {
        let wanted = &self.shared.settings.sources.wanted;
        self.skipped.is_none() && wanted.iter().any(|s| s.stage() == stage)
    }
}

impl Check for DnsblCheck {
    fn hears(&mut self, heard: &Heard) {
        self.heard = heard.clone();
    }

    fn connect(&mut self, envelope: &Envelope) {
        let sources = &self.shared.settings.sources;
        self.unasked = match envelope.client.addr.map(|a| a.to_canonical()) {
            None => Some("no client address"),
            Some(a) if sources.trusts(a) => Some("trusted network"),
            Some(_) => None,
        };
        let items = sources.connect(envelope);
        self.start(Stage::Connect, &items);
    }

    fn helo(&mut self, envelope: &Envelope) {
        let items = self.shared.settings.sources.helo(envelope);
        self.start(Stage::Helo, &items);
    }

    fn mail(&mut self, envelope: &Envelope) {
        if envelope.authenticated.is_some() {
            self.skipped = Some("authenticated client");
            self.rounds = Default::default();
            return;
        }
        let items = self.shared.settings.sources.mail(envelope);
        self.start(Stage::Mail, &items);
    }

    fn headers(&mut self, envelope: &Envelope, spool: &Arc<Spool>) {
        if self.wants(Stage::Header) {
            let mail = header(spool);
            let items = self.shared.settings.sources.header(envelope, &mail);
            self.start(Stage::Header, &items);
        }
    }

    fn decisive(&mut self) -> Option<Hit> {
        let rounds = self.rounds.iter().flatten();
        rounds
            .filter_map(|(round, _)| conclusion::decisive(&self.shared, round))
            .next()
    }

    fn finish(mut self: Box<Self>, scan: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        async move {
            if let Some(why) = self.skipped {
                return Outcome::Skipped(why);
            }
            if self.wants(Stage::Body) {
                let shared = Arc::clone(&self.shared);
                let items = compute(Arc::clone(&scan), move |scan| {
                    shared.settings.sources.body(&scan.mail)
                });
                let items = items.await;
                self.start(Stage::Body, &items);
                self.documents(&scan, &items).await;
            }
            let rounds = std::mem::take(&mut self.rounds);
            let mut rounds: Vec<Round> = rounds.into_iter().flatten().map(|r| r.0).collect();
            if rounds.is_empty()
                && !self.allowance.exceeded
                && !self.unopened
                && let Some(why) = self.idle()
            {
                return Outcome::Skipped(why);
            }
            // Each question has its own deadline, so this ends with the last of them.
            for round in &mut rounds {
                round.join().await;
            }
            conclusion::outcome(&self.shared, &rounds, self.left_out())
        }
        .boxed()
    }
}

/// The header of a message that is still on its way.
fn header(spool: &Spool) -> Mail {
    let mut bytes = spool.beginning(HEADER_BYTES);
    // Where the whole message is there already its body is not needed.
    let end = memchr::memmem::find(&bytes, b"\r\n\r\n").map(|at| at + 4);
    let end = end.or_else(|| memchr::memmem::find(&bytes, b"\n\n").map(|at| at + 2));
    if let Some(end) = end {
        bytes.truncate(end);
    }
    Mail::parse(bytes, &Limits::default())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Options, build};
    use super::*;
    use crate::config::{Source, parse_yaml};
    use crate::dns::{self, Dns};
    use crate::filter::Build;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn files_that_are_never_opened_are_said_to_be_unscanned() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let source = Source::new("mailweir.yaml", "resolvers: ['127.0.0.1:1']");
        let options: dns::Options = parse_yaml(&source).unwrap();
        let dns = Dns::new(&options, &source, &metrics).unwrap();
        for (subject, more, waits) in [
            ("url", "", true),
            ("client", "", false),
            ("body_email", ", hash: { algorithm: sha1 }", false),
        ] {
            let yaml = format!(
                "timeout: 100ms\nzones: [{{ zone: a.example.org, score: 1, subjects: [{subject}]{more} }}]"
            );
            let source = Source::new("mailweir.yaml", yaml.as_str());
            let options: Options = parse_yaml(&source).unwrap();
            let context = Build {
                source: &source,
                metrics: &metrics,
                base: Path::new("."),
                data_dir: Path::new("."),
            };
            let filter = build(&options, &dns, &context).unwrap_or_else(|p| panic!("{p}"));
            let scan = Arc::new(Scan::default());
            scan.content.expect();
            let outcome = filter.check().finish(scan).await;
            let unopened = Outcome::unscanned(Reason::Timeout, UNOPENED);
            assert_eq!(outcome == unopened, waits, "{subject}: {outcome:?}");
        }
    }
}
