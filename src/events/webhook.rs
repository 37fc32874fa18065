//! The task that sends events: batches, signed, again and again until they are taken.
//!
//! A request is `POST` with `{"events": [...]}`. Its signature is `t=TIME,v1=MAC`: HMAC-SHA256 over the time, a dot and
//! the body, in hexadecimal. Any status of 200 to 299 takes the batch; everything else, redirects too, is tried again,
//! first after a second, then after twice as long each time, up to `retry`, by chance up to a quarter earlier.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use ring::hmac;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::options::Hook;
use super::spool::{Batch, Spool};
use crate::filter::bayes::Random;
use crate::https::Client;
use crate::metrics::Metrics;

/// The first wait after a failure.
const FIRST: Duration = Duration::from_secs(1);
/// For what is left when the daemon ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 64 << 10;

/// The sender.
pub(super) struct Webhook {
    hook: Hook,
    spool: Arc<Spool>,
    client: Client,
    key: hmac::Key,
    random: Random,
    metrics: Arc<Metrics>,
}

/// What became of a request; the label `result` of `mailweir_webhook_requests_total`.
enum Sent {
    Taken,
    Refused(u16),
    Late,
    Failed(io::Error),
}

impl Webhook {
    pub(super) fn new(hook: Hook, spool: Arc<Spool>, metrics: Arc<Metrics>) -> io::Result<Webhook> {
        let client = Client::new(hook.ca_file.as_deref())?;
        let seed = Timestamp::now().as_nanosecond().unsigned_abs();
        Ok(Webhook {
            key: hmac::Key::new(hmac::HMAC_SHA256, hook.secret.0.as_bytes()),
            client,
            hook,
            spool,
            random: Random(u64::try_from(seed & u128::from(u64::MAX)).unwrap_or(1) | 1),
            metrics,
        })
    }

    /// Sends until `stop` is cancelled, and then for a few seconds what is left, as far as it is taken at once.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let ended = stop.clone();
        let late = async {
            ended.cancelled().await;
            sleep(FAREWELL).await;
        };
        tokio::select! {
            () = self.work(&stop) => {}
            () = late => {}
        }
    }

    async fn work(&mut self, stop: &CancellationToken) {
        let mut wait = FIRST;
        while !stop.is_cancelled() {
            match self.round().await {
                // There may be more already.
                Ok(true) => wait = FIRST,
                Ok(false) => {
                    wait = FIRST;
                    // More of them make one request.
                    let more = async {
                        self.spool.grown().await;
                        sleep(self.hook.wait).await;
                    };
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = more => {}
                    }
                }
                Err(()) => {
                    let part = u32::try_from(self.random.next() % 256).unwrap_or(0);
                    let shorter = wait - wait * part / 1024;
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = sleep(shorter) => {}
                    }
                    wait = (wait * 2).min(self.hook.retry);
                }
            }
        }
        while let Ok(true) = self.round().await {}
    }

    /// Sends one batch; whether there was one.
    async fn round(&mut self) -> Result<bool, ()> {
        let (spool, most) = (self.spool.clone(), self.hook.batch);
        let next = tokio::task::spawn_blocking(move || spool.next(most)).await;
        let batch = match next {
            Ok(Ok(Some(batch))) => batch,
            Ok(Ok(None)) => return Ok(false),
            Ok(Err(error)) => {
                tracing::error!(%error, "events for the webhook cannot be read");
                return Err(());
            }
            Err(_) => return Err(()),
        };
        match self.send(&batch).await {
            Sent::Taken => {
                let count = batch.lines.len() as u64;
                self.count("taken");
                self.metrics.webhook_events.inc_by(count);
                let now = Timestamp::now().as_millisecond() as f64 / 1000.0;
                self.metrics.webhook_taken.set(now);
                let spool = self.spool.clone();
                let kept = tokio::task::spawn_blocking(move || spool.taken(&batch)).await;
                if let Ok(Err(error)) = kept {
                    tracing::error!(%error, "what the webhook has taken cannot be noted; it may be sent again");
                }
                return Ok(true);
            }
            Sent::Refused(status) => {
                self.count("refused");
                tracing::warn!(
                    status,
                    "the webhook has not taken events; they are sent again"
                );
            }
            Sent::Late => {
                self.count("timeout");
                tracing::warn!("the webhook has not answered in time; events are sent again");
            }
            Sent::Failed(error) => {
                self.count("error");
                let error = error.to_string().escape_debug().to_string();
                tracing::warn!(
                    error,
                    "the webhook cannot be reached; events are sent again"
                );
            }
        }
        Err(())
    }

    async fn send(&self, batch: &Batch) -> Sent {
        let body = body(batch);
        let time = Timestamp::now().as_second().to_string();
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(&body);
        let mac = data_encoding::HEXLOWER.encode(mac.sign().as_ref());
        let signature = format!("t={time},v1={mac}");
        match timeout(self.hook.timeout, self.post(body, &signature)).await {
            Ok(Ok(status)) if status.is_success() => Sent::Taken,
            Ok(Ok(status)) => Sent::Refused(status.as_u16()),
            Ok(Err(error)) => Sent::Failed(error),
            Err(_) => Sent::Late,
        }
    }

    /// Gives the status of the answer; what else it says is of no interest.
    async fn post(&self, body: Bytes, signature: &str) -> io::Result<StatusCode> {
        let target = &self.hook.target;
        let request = target
            .request(Method::POST)
            .header(CONTENT_TYPE, "application/json")
            .header("X-Mailweir-Signature", signature)
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        let answer = self.client.send(target, request, ANSWER_BYTES).await?;
        Ok(answer.status())
    }

    fn count(&self, result: &str) {
        let requests = &self.metrics.webhook_requests;
        requests.with_label_values(&[result]).inc();
    }
}

/// The lines are JSON objects already.
fn body(batch: &Batch) -> Bytes {
    let mut body = b"{\"events\":[".to_vec();
    for (i, line) in batch.lines.iter().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        body.extend_from_slice(line);
    }
    body.extend_from_slice(b"]}");
    body.into()
}
