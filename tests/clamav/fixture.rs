//! The filter as the configuration makes it, and messages on their way to it.

use super::*;

pub(crate) struct Fixture {
    pub(crate) filter: Arc<dyn Filter>,
    pub(crate) metrics: Arc<Metrics>,
}

pub(crate) fn from_yaml(yaml: &str) -> Result<Fixture, String> {
    let (source, options) = options::<Options>(yaml)?;
    let metrics = Arc::new(Metrics::new().unwrap());
    let filter = build(&options, &beside(&source, &metrics)).map_err(|p| p.to_string())?;
    Ok(Fixture { filter, metrics })
}

pub(crate) fn fixture(servers: &[&str], rest: &str) -> Fixture {
    let servers: Vec<_> = servers.iter().map(|s| format!("\"{s}\"")).collect();
    from_yaml(&format!("servers: [{}]\n{rest}\n", servers.join(", "))).unwrap()
}

/// One message on its way.
pub(crate) struct Transfer {
    pub(crate) check: Box<dyn Check>,
    pub(crate) spool: Arc<Spool>,
}

impl Fixture {
    /// The header has arrived.
    pub(crate) fn begin(&self) -> Transfer {
        let mut check = self.filter.check();
        let envelope = Envelope::default();
        check.connect(&envelope);
        let spool = Arc::new(Spool::new());
        spool.push(b"Subject: test\r\n\r\n");
        check.headers(&envelope, &spool);
        Transfer { check, spool }
    }

    pub(crate) async fn scan(&self, body: &[u8]) -> Outcome {
        let transfer = self.begin();
        for part in body.chunks(50_000) {
            transfer.spool.push(part);
            tokio::task::yield_now().await;
        }
        transfer.finish().await.0
    }

    pub(crate) fn counted(&self, server: &str, result: &str) -> u64 {
        self.metrics
            .clamav_scans
            .with_label_values(&[server, result])
            .get()
    }

    /// Puts it in force and waits until every server has told its version.
    pub(crate) async fn in_force(&self, servers: &[&FakeClamd]) {
        self.filter.in_force(&self.metrics);
        for clamd in servers {
            clamd.until(|c| c.versions > 0).await;
            let known = || self.known_version(&clamd.server) > 0;
            until(known, "the version to be known").await;
        }
    }

    pub(crate) fn known_version(&self, server: &str) -> i64 {
        let versions = &self.metrics.clamav_signatures;
        versions.with_label_values(&[server]).get()
    }

    pub(crate) fn up(&self, server: &str) -> i64 {
        self.metrics.clamav_up.with_label_values(&[server]).get()
    }

    pub(crate) fn running(&self, server: &str) -> i64 {
        self.metrics
            .clamav_running
            .with_label_values(&[server])
            .get()
    }
}

impl Transfer {
    /// The message is complete: the outcome, and all that was sent.
    pub(crate) async fn finish(self) -> (Outcome, Bytes) {
        let raw = self.spool.complete();
        let scan = Scan {
            envelope: Envelope::default(),
            mail: Mail::parse(raw.clone(), &Limits::default()),
            ..Scan::default()
        };
        (self.check.finish(Arc::new(scan)).await, raw)
    }
}

#[track_caller]
pub(crate) fn unscanned(outcome: &Outcome, reason: Reason, words: &str) {
    match outcome {
        Outcome::Unscanned {
            reason: r, detail, ..
        } if *r == reason && detail.contains(words) => {}
        other => panic!("not {reason} with {words:?}: {other:?}"),
    }
}

pub(crate) fn clean() -> Outcome {
    Outcome::Checked(vec![])
}

/// Waits for something that shows no sign when it has happened.
pub(crate) async fn until(happened: impl Fn() -> bool, what: &str) {
    let start = Instant::now();
    while !happened() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "waited for {what}"
        );
        tokio::task::yield_now().await;
    }
}

/// The address of a server that is not there.
pub(crate) async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A body of many chunks in which no place looks like another.
pub(crate) fn body(bytes: usize) -> Vec<u8> {
    let mut state: u32 = 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}
