//! The real daemon with a DNS list, a rule, a model and a ClamAV server that do as a script says.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::dns_server::{FakeDns, Reply};
use crate::fake_clamd::{Act, FakeClamd};
use crate::mta::Session;

/// Clients with this address are listed in `bl.example.org`, decisively.
pub(crate) const LISTED: &str = "192.0.2.66";

const RULES: &str = "version: 1
rules:
  - id: HOLD_THIS
    description: The subject of a message that the test wants held
    score: 9
    labels: [held]
    when: { subject: '^hold this$' }
";

/// Messages of each class that the model has learned.
pub(crate) const LEARNED: u32 = 50;

/// `mailweir serve` on ephemeral ports; killed when dropped.
pub(crate) struct Daemon {
    process: Child,
    milter: SocketAddr,
    /// Where `/metrics` is.
    pub(crate) metrics: SocketAddr,
    _dir: tempfile::TempDir,
    _servers: (FakeDns, FakeClamd),
    _runtime: tokio::runtime::Runtime,
}

impl Daemon {
    /// Starts one; `clamd` gives the answer to the n-th scan, from 0.
    pub(crate) fn start(clamd: fn(usize) -> &'static [u8]) -> Daemon {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (dns, clamd) = runtime.block_on(async move {
            let dns = FakeDns::start(|q| match q.name.as_str() {
                "66.2.0.192.bl.example.org" | "2.0.0.127.bl.example.org" => {
                    Reply::A(vec![[127, 0, 0, 2]], 60)
                }
                _ => Reply::NxDomain(Some(60)),
            });
            let clamd = FakeClamd::start(move |n| Act::Reply(clamd(n)));
            let clamd = clamd.await;
            let day = std::time::Duration::from_secs(86_400);
            clamd.says_version(&crate::fake_clamd::version(27_800, day));
            (dns.await, clamd)
        });
        let dir = tempfile::tempdir().unwrap();
        for folder in ["rules", "data"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        std::fs::write(dir.path().join("rules/test.yaml"), RULES).unwrap();
        train(dir.path());
        let config = dir.path().join("mailweir.yaml");
        std::fs::write(&config, configuration(&dns, &clamd)).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_mailweir"))
            .args(["serve", "--config"])
            .arg(&config)
            .arg("--data-dir")
            .arg(dir.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (milter, metrics) = announced(&mut process);
        Daemon {
            process,
            milter,
            metrics,
            _dir: dir,
            _servers: (dns, clamd),
            _runtime: runtime,
        }
    }

    /// A new milter connection.
    pub(crate) fn connect(&self) -> Session {
        Session::open(self.milter)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(dns: &FakeDns, clamd: &FakeClamd) -> String {
    format!(
        "milter: {{ listen: [\"127.0.0.1:0\"] }}
http: {{ listen: \"127.0.0.1:0\" }}
chain: [dnsbl, auth, attachments, greylist, rates, reputation, rules, bayes, clamav]
thresholds: {{ tag: 5, quarantine: 8, reject: 15 }}
dns: {{ resolvers: [\"{}\"] }}
dnsbl:
  zones: [ {{ zone: bl.example.org, score: 9, decisive: reject }} ]
greylist: {{ band: {{ from: 90, to: null }} }}
rates: {{ limits: [{{ by: client_network, burst: 1000, per: 1h }}] }}
rules: {{ path: rules }}
bayes: {{ scores: [[0, 0], [1, 0]] }}
clamav: {{ servers: [\"{}\"] }}
log: {{ level: error }}
",
        dns.addr, clamd.server
    )
}

/// A small model where the daemon looks for it; its opinions are worth no points.
fn train(dir: &Path) {
    let message = |n: u32, text: &str| {
        format!(
            "From {n}@example.net Tue Nov 17 10:00:00 2026\nFrom: {n}@example.net\n\
             Subject: {text} {n}\n\nNumber {n}: {text}.\n\n"
        )
    };
    let mbox = |name: &str, text: &str| {
        let path = dir.join(name);
        let all: String = (0..LEARNED).map(|n| message(n, text)).collect();
        std::fs::write(&path, all).unwrap();
        path
    };
    let trained = Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .arg("train")
        .arg("--ham")
        .arg(mbox("ham.mbox", "minutes of the garden club"))
        .arg("--spam")
        .arg(mbox("spam.mbox", "cheap watches, buy now"))
        .arg("--model")
        .arg(dir.join("data/model.mwb"))
        .output()
        .unwrap();
    assert!(trained.status.success(), "{trained:?}");
}

/// The addresses of milter and metrics, from what the daemon prints.
fn announced(process: &mut Child) -> (SocketAddr, SocketAddr) {
    let (mut milter, mut metrics) = (None, None);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    while milter.is_none() || metrics.is_none() {
        let line = lines.next().expect("the daemon has ended").unwrap();
        if let Some(address) = line.strip_prefix("milter: ") {
            milter = address.parse().ok();
        }
        if let Some(url) = line.strip_prefix("metrics: http://") {
            metrics = url.strip_suffix("/metrics").unwrap().parse().ok();
        }
    }
    (milter.unwrap(), metrics.unwrap())
}
