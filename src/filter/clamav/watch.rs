//! The task that looks after the servers while the filter is in force: asks those in use for their health, and looks
//! whether those left alone are back, also when no message comes.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::failover::Shared;

/// Goes on until it is dropped.
pub(super) async fn keep(shared: Arc<Shared>) {
    let Shared { settings, pool, .. } = &*shared;
    let pause = settings.interval.min(settings.patience.retry_after);
    let mut due = Instant::now();
    loop {
        pool.probe();
        if due <= Instant::now() {
            due = Instant::now() + settings.interval;
            let in_use = pool.servers.iter().filter(|s| s.breaker.is_closed());
            join_all(in_use.map(|s| s.examine(settings.limits.connect))).await;
        }
        tokio::time::sleep(pause).await;
    }
}
