//! What the filters that remember senders cost a message: greylist in a band, four limits, reputation and correspondents, with
//! a hundred thousand facts of each kind in memory. The message is parsed beforehand; writing the facts is another
//! task's work and measured apart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use mailweir::config::{Config, Overrides};
use mailweir::filter::{Filter, Scan};
use mailweir::mail::{Address, Envelope, Limits, Mail};
use mailweir::metrics::Metrics;
use mailweir::server::Engine;
use mailweir::store::{Fact, Facts, FactsFile, Key, Kind};
use tokio_util::sync::CancellationToken;

const FACTS: usize = 100_000;

const CONFIG: &str = "chain: [greylist, rates, reputation]
dns: { resolvers: ['127.0.0.1:9'] }
greylist: { band: { from: -99, to: null }, delay: 1s }
rates:
  limits:
    - { by: client_network, burst: 1000000, per: 1h }
    - { by: client_network, name: network_recipients, count: recipients, burst: 1000000, per: 1d }
    - { by: sender_domain, burst: 1000000, per: 1h }
    - { by: recipient, burst: 1000000, per: 1h }
";

fn envelope(number: usize) -> Envelope {
    let mut envelope = Envelope {
        helo: Some("mail.example.org".into()),
        sender: Some(Address::new(
            format!("<ann@sender-{}.example>", number % 5000).as_bytes(),
        )),
        recipients: vec![Address::new(
            format!("<bob-{}@example.net>", number % 500).as_bytes(),
        )],
        ..Envelope::default()
    };
    let [_, _, b, c] = u32::try_from(number % 20_000).unwrap().to_be_bytes();
    envelope.client.addr = Some([203, b, c, 7].into());
    envelope
}

fn scans() -> Vec<Arc<Scan>> {
    (0..5000)
        .map(|number| {
            let raw = format!(
                "From: Ann <ann@sender-{number}.example>\r\nTo: bob@example.net\r\nSubject: lunch\r\n\
                 Message-ID: <{number}@sender.example>\r\nIn-Reply-To: <a{number}@example.net>\r\n\
                 References: <b{number}@example.net> <c{number}@example.net>\r\n\r\nAt noon.\r\n"
            );
            Arc::new(Scan {
                envelope: envelope(number),
                mail: Mail::parse(raw.into(), &Limits::default()),
                ..Scan::default()
            })
        })
        .collect()
}

fn filled(facts: &Facts) {
    let now = jiff::Timestamp::now().as_millisecond();
    let fact = Fact {
        since: now,
        at: now,
        expires: now + 86_400_000,
        count: 1.0,
        total: 0.5,
    };
    for kind in Kind::ALL {
        for number in 0..FACTS {
            let key = Key::new(&["filler", &number.to_string()]);
            facts.update(kind, &key, now, |_| Some(fact));
        }
    }
}

/// One message through all stages and the learning behind it.
async fn message(engine: &Engine, scan: &Arc<Scan>) {
    let envelope = &scan.envelope;
    let mut checks = engine.chain.begin();
    checks.connect(envelope);
    checks.helo(envelope);
    checks.mail(envelope);
    checks.rcpt(envelope);
    checks.refuse_rcpt(|_| true);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let reports = checks.finish(Arc::clone(scan), deadline).await;
    let selected = engine.select(envelope);
    let verdict = engine.rule(&selected, scan, reports, false).verdict;
    let learn = |filter: &Arc<dyn Filter>| {
        filter.concluded(scan, &verdict.reports, verdict.action);
    };
    engine.chain.members().iter().for_each(learn);
}

fn senders(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailweir.yaml");
    std::fs::write(&path, CONFIG).unwrap();
    let config = Config::load(Some(&path), &Overrides::default()).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let facts = Arc::new(Facts::new(Arc::clone(&metrics)));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let engine = runtime
        .block_on(async { Engine::build_beside(&config, &metrics, None, Some(&facts)).unwrap() });
    filled(&facts);
    let scans = scans();
    let mut number = 0;
    c.bench_function("senders/message", |b| {
        b.iter_custom(|times| {
            runtime.block_on(async {
                let started = Instant::now();
                for _ in 0..times {
                    number += 1;
                    message(&engine, &scans[number % scans.len()]).await;
                }
                started.elapsed()
            })
        });
    });

    // The facts that a second of 1000 messages changes, about nine of each.
    c.bench_function("senders/write 9000 facts", |b| {
        b.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                let folder = tempfile::tempdir().unwrap();
                let fresh = Arc::new(Facts::new(Arc::clone(&metrics)));
                fresh.allow(Kind::Rate, FACTS);
                runtime.block_on(async {
                    let keeper =
                        FactsFile::open(folder.path(), Arc::clone(&fresh), Arc::clone(&metrics))
                            .await;
                    for number in 0..9000 {
                        let key =
                            Key::new(&["client_network", "203.0.113.0/24", &number.to_string()]);
                        let fact = Fact {
                            expires: i64::MAX,
                            ..Fact::default()
                        };
                        fresh.update(Kind::Rate, &key, 0, |_| Some(fact));
                    }
                    let stop = CancellationToken::new();
                    stop.cancel();
                    let started = Instant::now();
                    keeper.run(stop).await;
                    spent += started.elapsed();
                });
            }
            spent
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(5));
    targets = senders
}
criterion_main!(benches);
