//! The filter over a test zone, and messages through it.

use std::sync::Arc;

use bytes::Bytes;
use mailweir::filter::auth::{Authenticated, Options, build};
use mailweir::filter::{Check, Filter, Outcome, Scan};
use mailweir::mail::{Address, Envelope, Limits, Mail, Spool};
use mailweir::metrics::Metrics;

use crate::dns_server::FakeDns;
use crate::parts::{beside, options};
use crate::resolver;

pub(crate) struct Fixture {
    pub(crate) filter: Arc<dyn Filter>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Fixture {
    /// The filter with the options `yaml`, asking `dns`.
    pub(crate) fn new(dns: &FakeDns, yaml: &str) -> Fixture {
        let metrics = Arc::new(Metrics::new().unwrap());
        let filter = from_yaml(yaml, &resolver(dns, &metrics), &metrics).unwrap();
        Fixture { filter, metrics }
    }

    /// A whole message, as it comes by milter.
    pub(crate) async fn examine(
        &self,
        envelope: &Envelope,
        raw: &[u8],
    ) -> (Outcome, Option<Arc<Authenticated>>) {
        let mut check = self.filter.check();
        check.connect(envelope);
        check.helo(envelope);
        check.mail(envelope);
        let spool = Arc::new(Spool::new());
        let header = raw
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .map_or(raw.len(), |at| at + 4);
        spool.push(&raw[..header]);
        if header == raw.len() && !raw.ends_with(b"\r\n\r\n") {
            spool.push(b"\r\n");
        }
        check.headers(envelope, &spool);
        for piece in raw[header..].chunks(777) {
            spool.push(piece);
        }
        finish(check, envelope, spool.complete()).await
    }
}

pub(crate) async fn finish(
    check: Box<dyn Check>,
    envelope: &Envelope,
    raw: Bytes,
) -> (Outcome, Option<Arc<Authenticated>>) {
    let scan = Arc::new(Scan {
        envelope: envelope.clone(),
        mail: Mail::parse(raw, &Limits::default()),
        ..Scan::default()
    });
    let outcome = check.finish(Arc::clone(&scan)).await;
    (outcome, scan.authentication.get())
}

pub(crate) fn from_yaml(
    yaml: &str,
    dns: &mailweir::dns::Dns,
    metrics: &Arc<Metrics>,
) -> Result<Arc<dyn Filter>, String> {
    let (source, options) = options::<Options>(yaml)?;
    build(&options, dns, &beside(&source, metrics)).map_err(|p| p.to_string())
}

/// A client outside, with an envelope sender.
pub(crate) fn envelope(client: &str, sender: &str) -> Envelope {
    let mut envelope = Envelope {
        helo: Some("mail.example.org".into()),
        sender: Some(Address::new(sender.as_bytes())),
        mta: Some("mx.example.net".into()),
        ..Envelope::default()
    };
    envelope.client.addr = Some(client.parse().unwrap());
    envelope
}

pub(crate) fn rules(outcome: &Outcome) -> Vec<&str> {
    outcome.hits().iter().map(|h| &*h.rule).collect()
}
