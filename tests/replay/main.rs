//! The promise of replay: from what filters heard when a message came, the same engine comes to the same verdict, score
//! and hits, with nobody to ask; and another engine shows what would have become of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../dns_server/mod.rs"]
mod dns_server;
#[path = "../shared/engine.rs"]
#[allow(dead_code)]
mod engine;
#[path = "../fake_clamd/mod.rs"]
mod fake_clamd;
#[path = "../shared/folder.rs"]
mod folder;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use dns_server::{FakeDns, Question, Reply};
use engine::built;
use fake_clamd::{Act, FakeClamd};
use futures_util::StreamExt;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{MX, NS, PTR, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use jiff::Timestamp;
use mailweir::heard::{Heard, Record as Kept};
use mailweir::history::{Entry, Outcome, Stage, Transaction, Versions, digest};
use mailweir::mail::corpus::Corpus;
use mailweir::mail::{Address, Envelope};
use mailweir::milter::Reply as MilterReply;
use mailweir::server::Engine;

/// A fixed number for a text.
fn lot(text: &str, of: u64) -> u64 {
    let digest = blake3::hash(text.as_bytes());
    u64::from_le_bytes(digest.as_bytes()[..8].try_into().unwrap()) % of
}

fn records(question: &Question, data: impl IntoIterator<Item = RData>) -> Reply {
    let name = Name::from_ascii(&question.name).unwrap_or_else(|_| Name::root());
    let record = |data| Record::from_rdata(name.clone(), 60, data);
    Reply::Records(data.into_iter().map(record).collect())
}

fn txt(question: &Question, text: &str) -> Reply {
    records(question, [RData::TXT(TXT::new(vec![text.to_owned()]))])
}

/// An internet in which most things happen.
fn internet(question: &Question) -> Reply {
    let name = question.name.as_str();
    let host = |text: &str| Name::from_ascii(text).unwrap();
    match lot(name, 60) {
        0 => return Reply::Code(ResponseCode::ServFail),
        1 => return Reply::Silence,
        2 => return Reply::Code(ResponseCode::Refused),
        _ => {}
    }
    // What no list has.
    let unlisted = ["1.0.0.127.", "1.0.0.0.0.0.f.7.", "invalid."];
    if unlisted.iter().any(|test| name.starts_with(test)) {
        return Reply::NxDomain(Some(60));
    }
    if name.ends_with(".bl.test") || name.ends_with(".uri.test") {
        return match (question.kind, lot(name, 5)) {
            (RecordType::A, 0) => Reply::A(vec![[127, 0, 0, 2 + lot(name, 3) as u8]], 60),
            (RecordType::TXT, 0) if name.contains("sesame") => {
                txt(question, "listed, see https://bl.test/?key=sesame")
            }
            (RecordType::TXT, 0) => txt(question, "listed"),
            _ => Reply::NxDomain(Some(60)),
        };
    }
    match question.kind {
        RecordType::TXT if name.starts_with("_dmarc.") => match lot(name, 4) {
            0 => txt(question, "v=DMARC1; p=reject; rua=mailto:a@example.org"),
            1 => txt(question, "v=DMARC1; p=quarantine; pct=50"),
            _ => Reply::NxDomain(Some(60)),
        },
        RecordType::TXT if name.contains("_domainkey") => match lot(name, 3) {
            0 => txt(question, "v=DKIM1; p="),
            1 => txt(question, "v=DKIM1; k=rsa; p=notakey"),
            _ => Reply::NxDomain(Some(60)),
        },
        RecordType::TXT => match lot(name, 6) {
            0 => txt(question, "v=spf1 a mx include:_spf.other.example ~all"),
            1 => txt(question, "v=spf1 ip4:198.51.100.0/24 -all"),
            2 => txt(question, "v=spf1 exists:%{i}.x.example ptr ?all"),
            3 => txt(
                question,
                "v=spf1 include:a.example include:b.example redirect=c.example",
            ),
            _ => Reply::NoData,
        },
        RecordType::A => Reply::A(vec![[198, 51, 100, lot(name, 250) as u8]], 60),
        RecordType::MX => records(
            question,
            [RData::MX(MX::new(10, host("mx.other.example.")))],
        ),
        RecordType::NS => records(question, [RData::NS(NS(host("ns1.other.example.")))]),
        RecordType::PTR => records(question, [RData::PTR(PTR(host("host.other.example.")))]),
        _ => Reply::NoData,
    }
}

/// clamd, that finds something in each seventh message and fails in some.
fn clamd(number: usize) -> Act {
    match number % 77 {
        3 => Act::Reply(b"stream: Heuristics.Encrypted.PDF FOUND\0"),
        5 => Act::Reply(b"stream: scan failed ERROR\0"),
        9 => Act::CloseAfter(100),
        n if n.is_multiple_of(7) => Act::Reply(b"stream: Sanesecurity.Phishing.Fake.1 FOUND\0"),
        11 => Act::Reply(b"stream: Win.Test.EICAR_HDB-1 FOUND\0"),
        _ => Act::Reply(b"stream: OK\0"),
    }
}

const RULES: &str = "version: 1
rules:
  - { id: SAYS_MONEY, description: Money, score: 1.5, when: { text: 'money|dollar' } }
  - { id: SAYS_CLICK, description: Click, score: 2.25, when: { text: 'click (?:here|below)' } }
  - { id: SPF_AND_MONEY, description: Both, score: 1, when: { all: [ { rule: SAYS_MONEY }, { rule: SAYS_CLICK } ] } }
";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules/test.yaml"), RULES).unwrap();
        Place { folder }
    }

    fn engine(&self, dns: &str, clamd: &str, more: &str) -> Engine {
        let yaml = format!(
            "chain: [dnsbl, auth, attachments, greylist, rates, reputation, rules, clamav]
dns: {{ resolvers: ['{dns}'], attempts: 1, timeout: 1s }}
dnsbl:
  timeout: 1s
  guard: {{ failures: 8 }}
  zones:
    - {{ zone: '<key>.bl.test', name: keyed.test, key: sesame, subjects: [client, from], score: 3, txt: true }}
    - {{ zone: uri.test, subjects: [url, url_address, url_ns], score: 1.5 }}
greylist: {{ band: {{ from: 2, to: 6 }} }}
rates: {{ limits: [{{ by: client_network, burst: 40, per: 1h }}] }}
clamav: {{ servers: ['{clamd}'], timeout: 5s }}
rules: {{ path: rules }}
policies:
  - {{ name: strict, for: {{ recipients: [strict.example] }}, thresholds: {{ tag: 2, quarantine: 4, reject: 6 }} }}
  - {{ name: unscanned, for: {{ recipients: [lax.example] }}, skip: [clamav, dnsbl] }}
{more}"
        );
        built(self.folder.path(), &yaml).engine
    }
}

/// Some envelope for a message.
fn envelope(number: usize) -> Envelope {
    let domain = [
        "example.com",
        "sender.example",
        "a.b.example.org",
        "other.example",
    ][number % 4];
    let mut envelope = Envelope {
        helo: Some(format!("mx{}.{domain}", number % 50)),
        sender: Some(Address::new(
            format!("<u{}@{domain}>", number % 90).as_bytes(),
        )),
        recipients: vec![Address::new(b"<bob@here.example>")],
        ..Envelope::default()
    };
    if number.is_multiple_of(5) {
        envelope
            .recipients
            .push(Address::new(b"<eve@strict.example>"));
    }
    if number.is_multiple_of(7) {
        envelope.recipients.push(Address::new(b"<joe@lax.example>"));
    }
    let client = match number % 3 {
        0 => format!("2001:db8:{:x}::{:x}", number % 200, number),
        _ => format!("203.0.{}.{}", number % 100, number % 250),
    };
    envelope.client.addr = Some(client.parse().unwrap());
    envelope
}

async fn examined(engine: &Engine, envelope: Envelope, raw: &Bytes) -> (String, String) {
    let heard = Heard::keeping();
    let (scan, ruling) = engine.hear(envelope, raw.clone(), &heard, true).await;
    let versions = engine.versions();
    let id = ulid::Ulid::new().to_string();
    let transaction = Transaction {
        id: &id,
        received: Timestamp::now(),
        envelope: &scan.envelope,
        stage: Stage::End,
        mail: Some(&scan.mail),
        refused: &[],
        digest: Some(digest(raw)),
        bytes: raw.len(),
        reply: &MilterReply::Accept,
        versions: &versions,
        took: Duration::ZERO,
    };
    for filter in engine.chain.members() {
        filter.concluded(&scan, &ruling.verdict.reports, ruling.verdict.action);
    }
    let entry = Entry::new(&transaction, &ruling.verdict, Some(&ruling), false);
    let record = heard.take().unwrap();
    (
        serde_json::to_string(&entry).unwrap(),
        serde_json::to_string(&record).unwrap(),
    )
}

async fn replayed(engine: &Engine, then: &Entry, raw: Bytes, record: Kept) -> (Entry, Vec<String>) {
    let (scan, ruling, heard) = engine.replay(then.envelope(), raw, record).await;
    let now = then.again(&scan, &ruling, &Versions::default());
    (now, heard.missing())
}

/// What makes two results the same: all but times, versions and what became of the message afterwards.
fn timeless(entry: &Entry) -> Entry {
    let still = |outcomes: &[Outcome]| -> Vec<Outcome> {
        let each = outcomes.iter().cloned();
        each.map(|o| Outcome {
            milliseconds: 0.0,
            ..o
        })
        .collect()
    };
    let mut entry = entry.clone();
    entry.outcomes = still(&entry.outcomes);
    for share in &mut entry.policies {
        share.outcomes = still(&share.outcomes);
    }
    Entry {
        at: Timestamp::UNIX_EPOCH,
        milliseconds: 0.0,
        version: String::new(),
        rules: None,
        model: None,
        ..entry
    }
}

/// Messages of these folders, at most so many of each.
fn messages(mail: &Path, folders: &[(&str, usize)]) -> Vec<Bytes> {
    let each = folders.iter().map(|(folder, most)| {
        let corpus = Corpus::new(mail.join(folder));
        corpus.filter_map(Result::ok).map(|s| s.raw).take(*most)
    });
    each.flatten().collect()
}

const NOBODY: &str = "127.0.0.1:1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_messages_replay_to_the_same_verdicts_scores_and_hits() {
    let Some(mail) = folder::shared("mail") else {
        return;
    };
    let folders = [
        ("sa-open/ham", 400),
        ("sa-open/spam", 500),
        ("modern/phish-2022-2024", 500),
        ("modern/ham-usrp-2019-2022", 300),
        ("bounces", 200),
        ("torture", 300),
    ];
    let all = messages(&mail, &folders);
    assert!(all.len() >= 2000, "{} messages", all.len());
    let (dns, clam) = (
        FakeDns::start(internet).await,
        FakeClamd::start(clamd).await,
    );
    let place = Place::new();
    let engine = place.engine(&dns.addr.to_string(), &clam.server, "");
    let kept: Vec<(Bytes, String, String)> =
        futures_util::stream::iter(all.into_iter().enumerate())
            .map(async |(number, raw)| {
                let (entry, record) = examined(&engine, envelope(number), &raw).await;
                (raw, entry, record)
            })
            .buffered(64)
            .collect()
            .await;
    drop((engine, dns, clam));
    let bytes =
        |of: fn(&(Bytes, String, String)) -> usize| kept.iter().map(of).sum::<usize>() / kept.len();
    println!(
        "{} bytes an entry, {} of what was heard",
        bytes(|k| k.1.len()),
        bytes(|k| k.2.len())
    );

    let engine = place.engine(NOBODY, NOBODY, "");
    let mut verdicts = std::collections::BTreeMap::<String, usize>::new();
    let mut states = std::collections::BTreeMap::<String, usize>::new();
    for (raw, entry, record) in kept {
        assert!(
            !record.contains("sesame"),
            "the key of a list is kept: {record}"
        );
        let then: Entry = serde_json::from_str(&entry).unwrap();
        let heard = &record;
        let record = serde_json::from_str(&record).unwrap();
        let (now, missing) = replayed(&engine, &then, raw, record).await;
        assert!(missing.is_empty(), "{missing:?}");
        if timeless(&now) != timeless(&then) {
            println!("heard: {heard}");
        }
        assert_eq!(timeless(&now), timeless(&then));
        *verdicts.entry(then.verdict.to_string()).or_default() += 1;
        for outcome in &then.outcomes {
            let what = format!("{} {:?}", outcome.filter, outcome.outcome);
            *states.entry(what).or_default() += 1;
        }
    }
    println!("{verdicts:#?}\n{states:#?}");
    // That it was worth the trouble: verdicts, failures and hits of all kinds were among them.
    for verdict in ["deliver", "tag", "quarantine", "reject", "tempfail"] {
        assert!(verdicts.contains_key(verdict), "no {verdict}: {verdicts:?}");
    }
    for state in [
        "dnsbl Unscanned(Timeout)",
        "dnsbl Unscanned(Error)",
        "auth Unscanned(Timeout)",
        "auth Unscanned(Error)",
        "clamav Unscanned(Error)",
        "clamav Unscanned(Encrypted)",
        "greylist Checked",
        "reputation Checked",
        "rates Checked",
    ] {
        assert!(states.contains_key(state), "no {state}: {states:?}");
    }
}

#[tokio::test]
async fn other_rules_and_other_options_show_what_would_have_been() {
    let (dns, clam) = (
        FakeDns::start(|question| match question.name.ends_with("bl.test") {
            true => Reply::A(vec![[127, 0, 0, 2]], 60),
            false => Reply::NxDomain(Some(60)),
        })
        .await,
        FakeClamd::start(|_| Act::Reply(b"stream: Sanesecurity.Phishing.Fake.1 FOUND\0")).await,
    );
    let place = Place::new();
    let engine = place.engine(&dns.addr.to_string(), &clam.server, "");
    let raw = Bytes::from_static(
        b"From: a@sender.example\r\nSubject: x\r\n\r\nSend money to https://shop.example.com/\r\n",
    );
    let (entry, record) = examined(&engine, envelope(1), &raw).await;
    drop((dns, clam));
    let then: Entry = serde_json::from_str(&entry).unwrap();
    let record = || serde_json::from_str::<Kept>(&record).unwrap();
    let score = |entry: &Entry, rule: &str| {
        let mut hits = entry.hits();
        hits.find(|(_, hit)| *hit.rule == *rule)
            .map(|(_, hit)| hit.score)
    };
    assert_eq!(score(&then, "SAYS_MONEY"), Some(1.5));
    assert_eq!(score(&then, "CLAMAV_SPAM"), Some(8.0));

    // Another score, and what a signature means, are looked up anew; nobody is asked.
    let rules = RULES.replace("score: 1.5", "score: 4");
    std::fs::write(place.folder.path().join("rules/test.yaml"), rules).unwrap();
    let engine = place.engine(
        NOBODY,
        NOBODY,
        "thresholds: { tag: 3, quarantine: 30, reject: 40 }\n",
    );
    let (now, missing) = replayed(&engine, &then, raw.clone(), record()).await;
    assert_eq!(score(&now, "SAYS_MONEY"), Some(4.0));
    assert!((now.score - then.score - 2.5).abs() < 1e-9);
    assert!(missing.is_empty());
    assert_eq!(now.verdict, mailweir::filter::Action::Tag);

    // A list that was not asked then is not asked now, and that is said.
    let (_, missing) = {
        let path = place.folder.path().join("mailweir.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("zone: uri.test", "zone: new.test");
        let engine = built(place.folder.path(), &text).engine;
        replayed(&engine, &then, raw, record()).await
    };
    assert!(
        missing.iter().any(|m| m == "A example.com.new.test."),
        "{missing:?}"
    );
}
