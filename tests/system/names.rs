//! Name servers for tests that are not asynchronous themselves.

use tokio::runtime::Runtime;

use super::dns_server::{FakeDns, Question, Reply};
use super::place::PATIENCE;

/// A scripted name server with the runtime that it lives on.
pub(crate) struct Names {
    dns: FakeDns,
    runtime: Runtime,
}

impl Names {
    pub(crate) fn start(handler: impl Fn(&Question) -> Reply + Send + Sync + 'static) -> Names {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let dns = runtime.block_on(FakeDns::start(handler));
        Names { dns, runtime }
    }

    /// `address:port`.
    pub(crate) fn address(&self) -> String {
        self.dns.addr.to_string()
    }

    /// Names asked for so far, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.dns.questions().into_iter().map(|q| q.name).collect()
    }

    /// Waits until so many questions have come.
    pub(crate) fn wait_for(&self, count: usize) {
        let asked = async { tokio::time::timeout(PATIENCE, self.dns.asked(count)).await };
        let in_time = self.runtime.block_on(asked).is_ok();
        assert!(in_time, "{count} questions; asked: {:?}", self.asked());
    }
}
