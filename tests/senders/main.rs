//! The promises of the filters that remember senders: greylist, rates, reputation. Whole engines, as the daemon builds
//! them from a configuration file, over a test zone; time passes by making facts older.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../dns_server/mod.rs"]
mod dns_server;
#[path = "../shared/engine.rs"]
mod engine;
#[path = "../authentication/signer.rs"]
mod signer;
#[path = "../authentication/zone.rs"]
mod zone;

mod greylist;
mod rates;
mod reputation;

use std::sync::Arc;
use std::time::Duration;

use dns_server::FakeDns;
use engine::{Built, built};
use mailweir::filter::Hit;
use mailweir::mail::{Address, Envelope};
use mailweir::metrics::Metrics;
use mailweir::server::Engine;
use mailweir::store::{Fact, Facts, Key, Kind};
use mailweir::verdict::Verdict;
use zone::Zone;

/// Words that the rules of the tests look for, with what they are worth.
const RULES: &str = "version: 1
rules:
  - { id: FOUR, description: Four points, score: 4, when: { raw_body: 'word-four' } }
  - { id: NINE, description: Nine points, score: 9, when: { raw_body: 'word-nine' } }
  - { id: FRIEND, description: Delivered, score: 0, decisive: deliver, when: { raw_body: 'word-friend' } }
  - { id: STRANGER, description: Never seen, score: 0.1, when: { raw_body: 'word-known', reputation: { equals: FIRST_CONTACT } } }
  - { id: PROVEN, description: Sent by its domain, score: 0.1, when: { raw_body: 'word-known', auth_spf: { equals: pass }, auth_domain: { domains: example.org } } }
  - { id: SIGNED, description: Signed by its domain, score: 0.1, when: { raw_body: 'word-known', auth_dkim: { result: { equals: pass }, domain: { domains: example.org } } } }
  - { id: FOE, description: Refused, score: 0, decisive: reject, when: { raw_body: 'word-foe' } }
";

struct Fixture {
    metrics: Arc<Metrics>,
    facts: Arc<Facts>,
    engine: Engine,
    _dns: FakeDns,
    _folder: tempfile::TempDir,
}

impl Fixture {
    /// The engine of this configuration, asking a server of `zone`.
    async fn new(zone: Zone, yaml: &str) -> Fixture {
        let dns = zone.serve().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules/test.yaml"), RULES).unwrap();
        let common = format!(
            "dns: {{ resolvers: [\"{}\"], attempts: 1 }}\nrules: {{ path: rules }}\n",
            dns.addr
        );
        let Built {
            engine,
            metrics,
            facts,
        } = built(folder.path(), &(common + yaml));
        Fixture {
            metrics,
            facts,
            engine,
            _dns: dns,
            _folder: folder,
        }
    }

    /// A whole message, with what filters learn of it.
    async fn send(&self, envelope: Envelope, raw: &str) -> Verdict {
        let (scan, verdict) = self.engine.examine(envelope, raw.to_owned().into()).await;
        for filter in self.engine.chain.members() {
            filter.concluded(&scan, &verdict.reports, verdict.action);
        }
        verdict
    }

    /// Makes a fact older.
    fn age(&self, kind: Kind, words: &[&str], by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap();
        let aged = self.facts.update(kind, &Key::new(words), 0, |known| {
            known.map(|fact| Fact {
                since: fact.since - by,
                at: fact.at - by,
                expires: fact.expires - by,
                ..fact
            })
        });
        assert!(aged.is_some(), "there is no such fact: {words:?}");
    }

    fn fact(&self, kind: Kind, words: &[&str]) -> Option<Fact> {
        self.facts.get(kind, &Key::new(words), 0)
    }

    fn greylisted(&self, result: &str) -> u64 {
        self.metrics.greylist.with_label_values(&[result]).get()
    }
}

/// A client with a sender and recipients.
fn envelope(client: &str, sender: &str, recipients: &[&str]) -> Envelope {
    let mut envelope = Envelope {
        helo: Some("mail.example.org".into()),
        sender: Some(Address::new(sender.as_bytes())),
        recipients: recipients
            .iter()
            .map(|r| Address::new(r.as_bytes()))
            .collect(),
        mta: Some("mx.example.net".into()),
        ..Envelope::default()
    };
    envelope.client.addr = Some(client.parse().unwrap());
    envelope
}

/// One of our users, sending.
fn by_user(login: &str, sender: &str, recipients: &[&str]) -> Envelope {
    Envelope {
        authenticated: Some(login.to_owned()),
        ..envelope("198.51.100.200", sender, recipients)
    }
}

fn message(from: &str, words: &str) -> String {
    format!(
        "From: Ann <{from}>\r\nTo: bob@example.net\r\nSubject: lunch\r\n\
         Message-ID: <1@example.net>\r\n\r\n{words}\r\n"
    )
}

/// A domain whose mail may come from two networks.
fn proven() -> Zone {
    Zone::default().txt(
        "example.org",
        "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all",
    )
}

fn hit<'a>(verdict: &'a Verdict, rule: &str) -> Option<&'a Hit> {
    verdict
        .hits()
        .map(|(_, hit)| hit)
        .find(|hit| &*hit.rule == rule)
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}
