//! Promises of the server that need a filter made for the purpose: bounds, panics, peers that vanish.
//! The server runs in the test's own process, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use futures_util::future::BoxFuture;
use mailweir::filter::{
    Chain, Check, FailureAction, FailurePolicy, Filter, OnFailure, Outcome, Scan,
};
use mailweir::history::History;
use mailweir::mail::Direction;
use mailweir::mail::Limits;
use mailweir::metrics::Metrics;
use mailweir::milter::{Mta, MtaReply, Steps};
use mailweir::quarantine::{self, Quarantine};
use mailweir::router::Hold;
use mailweir::server::{self, Address, Budget, Engine, Listener, Services, Settings, SocketAccess};
use mailweir::verdict::Thresholds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the one filter does at end of message.
#[derive(Clone)]
enum Act {
    Pass,
    Panic,
    /// Says that it waits, then waits for ever; the flag is set when it is dropped.
    Hang(Arc<Notify>, Arc<AtomicBool>),
}

struct Scripted {
    act: Act,
    failure: FailurePolicy,
}

impl Filter for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn failure_policy(&self) -> &FailurePolicy {
        &self.failure
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(ScriptedCheck(self.act.clone()))
    }
}

struct ScriptedCheck(Act);

struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Check for ScriptedCheck {
    fn finish(self: Box<Self>, _: Arc<Scan>) -> BoxFuture<'static, Outcome> {
        Box::pin(async move {
            match self.0 {
                Act::Pass => {}
                Act::Panic => panic!("as the test wants it"),
                Act::Hang(waiting, flag) => {
                    let _dropped = Dropped(flag);
                    waiting.notify_one();
                    std::future::pending::<()>().await;
                }
            }
            Outcome::Checked(Vec::new())
        })
    }
}

struct Daemon {
    address: Address,
    metrics: Arc<Metrics>,
    drain: CancellationToken,
    served: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

fn settings() -> Settings {
    Settings {
        connections: 8,
        message_bytes: 1 << 20,
        total_bytes: 4 << 20,
        read_timeout: PATIENCE,
        write_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        progress_interval: Duration::from_millis(20),
        drain: Duration::from_millis(50),
    }
}

async fn daemon(act: Act, deadline: Duration, settings: Settings) -> Daemon {
    daemon_for(Direction::Inbound, act, deadline, settings).await
}

/// The same with a listener for mail of that direction.
async fn daemon_for(
    profile: Direction,
    act: Act,
    deadline: Duration,
    settings: Settings,
) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let failure = OnFailure::default().over(FailureAction::Tempfail);
    let engine = Engine::new(
        Chain::new(vec![Arc::new(Scripted { act, failure })]),
        Thresholds::default(),
        Hold::Store,
        deadline,
        Limits::default(),
    );
    let options = quarantine::Options::default();
    let quarantine = Quarantine::open(&options, folder.path(), metrics.clone())
        .await
        .unwrap();
    let services = Arc::new(Services {
        events: mailweir::events::Events::none(),
        engine: ArcSwap::from_pointee(engine),
        quarantine: Arc::new(quarantine),
        history: History::off(metrics.clone()),
        budget: Budget::new(settings.total_bytes, metrics.bytes_in_flight.clone()),
        metrics: metrics.clone(),
        settings,
        model: server::ModelPlace {
            path: folder.path().join("model.mwb"),
            engine: mailweir::filter::bayes::EngineKind::Osb,
        },
        reloads: tokio::sync::watch::Sender::default(),
        reload_problem: arc_swap::ArcSwapOption::empty(),
    });
    let access = SocketAccess {
        mode: 0o600,
        group: None,
    };
    let any = Address::Tcp(([127, 0, 0, 1], 0).into());
    let listener = Listener::bind(&any, &access).await.unwrap();
    let address = listener.address().unwrap();
    let drain = CancellationToken::new();
    let served = tokio::spawn(server::serve(
        vec![(listener, profile)],
        services,
        drain.clone(),
    ));
    Daemon {
        address,
        metrics,
        drain,
        served,
        _folder: folder,
    }
}

impl Daemon {
    async fn connect(&self) -> Peer {
        let (peer, steps) = self.offer(Steps(0)).await;
        // No filter of these tests works before end of message, so nothing before it is answered.
        let silent = Steps::NR_CONNECT.with(Steps::NR_RCPT).with(Steps::NR_BODY);
        assert!(steps.has(silent));
        peer
    }

    /// A connection past negotiation, all offered but these steps; and what was agreed on.
    async fn offer(&self, but: Steps) -> (Peer, Steps) {
        let Address::Tcp(address) = &self.address else {
            panic!("TCP it is");
        };
        let mut peer = Peer {
            stream: TcpStream::connect(address).await.unwrap(),
            input: BytesMut::new(),
        };
        let mut out = BytesMut::new();
        Mta::offer(&mut out);
        // The steps are the last of three words.
        let at = out.len() - 4;
        let offered = u32::from_be_bytes(out[at..].try_into().unwrap()) & !but.0;
        out[at..].copy_from_slice(&offered.to_be_bytes());
        peer.send(&out).await;
        match peer.reply().await {
            Some(MtaReply::Negotiated(_, _, steps, _)) => (peer, steps),
            other => panic!("no negotiation: {other:?}"),
        }
    }

    /// Waits until a metric has a value.
    async fn until(&self, what: impl Fn(&Metrics) -> bool) {
        let waiting = async {
            while !what(&self.metrics) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("in time");
    }

    fn ended(&self, cause: &str) -> u64 {
        self.metrics.session_ends.with_label_values(&[cause]).get()
    }
}

struct Peer {
    stream: TcpStream,
    input: BytesMut,
}

impl Peer {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next reply that is not PROGRESS; `None` when the connection ends.
    async fn reply(&mut self) -> Option<MtaReply> {
        loop {
            match Mta::decode(&mut self.input).unwrap() {
                Some(MtaReply::Progress) => continue,
                Some(reply) => return Some(reply),
                None => {}
            }
            let read = self.stream.read_buf(&mut self.input);
            match tokio::time::timeout(PATIENCE, read).await.expect("in time") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Everything of a message up to, not including, its end.
    fn message(body: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        Mta::connect("mail.example.net", [192, 0, 2, 1].into(), &mut out);
        Mta::command(b'H', &[b"mail.example.net"], &mut out);
        Mta::command(b'M', &[b"<a@example.net>"], &mut out);
        Mta::command(b'R', &[b"<b@example.org>"], &mut out);
        Mta::command(b'L', &[b"Subject", b" test"], &mut out);
        Mta::command(b'N', &[], &mut out);
        for chunk in body.chunks(65535) {
            Mta::body(chunk, &mut out);
        }
        out
    }

    async fn deliver(&mut self, body: &[u8]) -> Option<MtaReply> {
        let mut out = Peer::message(body);
        Mta::command(b'E', &[], &mut out);
        self.send(&out).await;
        loop {
            match self.reply().await {
                Some(MtaReply::InsertHeader(..) | MtaReply::ChangeHeader(..)) => {}
                other => return other,
            }
        }
    }
}

fn text(reply: Option<MtaReply>) -> String {
    match reply {
        Some(MtaReply::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_panic_costs_one_session_which_is_answered_tempfail() {
    let daemon = daemon(Act::Panic, PATIENCE, settings()).await;
    let mut other = daemon.connect().await;
    let mut peer = daemon.connect().await;
    assert!(text(peer.deliver(b"x\r\n").await).starts_with("451 4.7.1 "));
    assert_eq!(peer.reply().await, None, "this session is over");
    daemon.until(|m| m.panics.get() == 1).await;
    daemon.until(|_| daemon.ended("panic") == 1).await;
    assert!(
        text(other.deliver(b"x\r\n").await).starts_with("451 "),
        "the daemon lives"
    );
    daemon.until(|m| m.bytes_in_flight.get() == 0).await;
}

#[tokio::test]
async fn at_the_deadline_a_filter_that_hangs_is_unscanned() {
    let act = Act::Hang(Arc::default(), Arc::default());
    let daemon = daemon(act, Duration::from_millis(80), settings()).await;
    let mut peer = daemon.connect().await;
    assert!(text(peer.deliver(b"x\r\n").await).starts_with("451 4.7.1 "));
    let label = ["scripted", "timeout"];
    assert_eq!(daemon.metrics.unscanned.with_label_values(&label).get(), 1);
}

#[tokio::test]
async fn while_the_verdict_is_pending_the_mta_hears_progress() {
    let act = Act::Hang(Arc::default(), Arc::default());
    let daemon = daemon(act, PATIENCE, settings()).await;
    let mut peer = daemon.connect().await;
    let mut out = Peer::message(b"x\r\n");
    Mta::command(b'E', &[], &mut out);
    peer.send(&out).await;
    for _ in 0..3 {
        let reply = loop {
            if let Some(reply) = Mta::decode(&mut peer.input).unwrap() {
                break reply;
            }
            assert_ne!(peer.stream.read_buf(&mut peer.input).await.unwrap(), 0);
        };
        assert_eq!(reply, MtaReply::Progress);
    }
}

#[tokio::test]
async fn when_the_mta_gives_up_the_work_is_cancelled() {
    let (waiting, dropped) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let act = Act::Hang(waiting.clone(), dropped.clone());
    let daemon = daemon(act, PATIENCE, settings()).await;
    let mut peer = daemon.connect().await;
    let mut out = Peer::message(b"x\r\n");
    Mta::command(b'E', &[], &mut out);
    peer.send(&out).await;
    tokio::time::timeout(PATIENCE, waiting.notified())
        .await
        .expect("the check runs");
    drop(peer);
    daemon.until(|_| dropped.load(Ordering::SeqCst)).await;
    daemon.until(|m| m.transactions_aborted.get() == 1).await;
    daemon.until(|m| m.bytes_in_flight.get() == 0).await;
}

#[tokio::test]
async fn one_message_and_all_together_are_bounded() {
    let mut bounds = settings();
    bounds.message_bytes = 100_000;
    bounds.total_bytes = 150_000;
    let daemon = daemon(Act::Pass, PATIENCE, bounds).await;

    let mut peer = daemon.connect().await;
    assert!(text(peer.deliver(&[b'x'; 100_000]).await).starts_with("552 5.3.4 "));
    assert_eq!(
        daemon
            .metrics
            .over_limit
            .with_label_values(&["message"])
            .get(),
        1
    );

    let mut holder = daemon.connect().await;
    holder.send(&Peer::message(&[b'x'; 90_000])).await;
    daemon.until(|m| m.bytes_in_flight.get() > 90_000).await;
    assert!(text(peer.deliver(&[b'x'; 90_000]).await).starts_with("452 4.3.1 "));
    assert_eq!(
        daemon
            .metrics
            .over_limit
            .with_label_values(&["total"])
            .get(),
        1
    );

    drop(holder);
    daemon.until(|m| m.bytes_in_flight.get() == 0).await;
    assert_eq!(
        peer.deliver(&[b'x'; 90_000]).await,
        Some(MtaReply::Continue)
    );
}

#[tokio::test]
async fn an_mta_that_cannot_skip_hears_at_once_that_a_message_is_too_large() {
    let mut bounds = settings();
    bounds.message_bytes = 100_000;
    let daemon = daemon(Act::Pass, PATIENCE, bounds).await;
    let (mut peer, _) = daemon.offer(Steps::SKIP.with(Steps::NR_BODY)).await;
    peer.send(&Peer::message(&[b'x'; 120_000])).await;
    assert_eq!(
        peer.reply().await,
        Some(MtaReply::Continue),
        "the first chunk"
    );
    assert!(text(peer.reply().await).starts_with("552 5.3.4 "));
    let answers = &daemon.metrics.early_answers;
    let count = |action| answers.with_label_values(&["body", action]).get();
    assert_eq!((count("reject"), count("tempfail")), (1, 0));
    // The next message on the connection is one of its own.
    let mut out = Peer::message(b"x\r\n");
    Mta::command(b'E', &[], &mut out);
    peer.send(&out).await;
    assert_eq!(peer.reply().await, Some(MtaReply::Continue), "the chunk");
    loop {
        match peer.reply().await {
            Some(MtaReply::InsertHeader(..)) => {}
            other => break assert_eq!(other, Some(MtaReply::Continue)),
        }
    }
}

#[tokio::test]
async fn mail_of_a_listener_goes_its_way_also_without_connect() {
    let daemon = daemon_for(Direction::Outbound, Act::Pass, PATIENCE, settings()).await;
    let mut peer = daemon.connect().await;
    let whole = Peer::message(b"x\r\n");
    let connect = 4 + u32::from_be_bytes(whole[..4].try_into().unwrap()) as usize;
    let mut out = BytesMut::from(&whole[connect..]);
    Mta::command(b'E', &[], &mut out);
    // A session without CONNECT, and one behind another.
    for before in [&b""[..], b"\0\0\0\x01K"] {
        peer.send(before).await;
        peer.send(&out).await;
        while let Some(reply) = peer.reply().await {
            match reply {
                MtaReply::InsertHeader(..) => {}
                reply => {
                    assert_eq!(reply, MtaReply::Continue);
                    break;
                }
            }
        }
    }
    let recipients = &daemon.metrics.policy_recipients;
    let outbound = recipients.with_label_values(&["outbound", "deliver"]);
    assert_eq!(outbound.get(), 2);
}

#[tokio::test]
async fn connections_are_bounded_and_the_place_is_given_back() {
    let mut bounds = settings();
    bounds.connections = 1;
    let daemon = daemon(Act::Pass, PATIENCE, bounds).await;
    let first = daemon.connect().await;
    let Address::Tcp(address) = &daemon.address else {
        panic!("TCP it is");
    };
    let mut second = TcpStream::connect(address).await.unwrap();
    let mut nothing = Vec::new();
    let read = second.read_to_end(&mut nothing);
    let closed = tokio::time::timeout(PATIENCE, read)
        .await
        .expect("closed at once");
    assert!(closed.map_or(true, |n| n == 0));
    assert_eq!(daemon.metrics.sessions_refused.get(), 1);
    drop(first);
    daemon.until(|m| m.sessions_open.get() == 0).await;
    let mut third = daemon.connect().await;
    assert_eq!(third.deliver(b"x\r\n").await, Some(MtaReply::Continue));
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_let_go() {
    let mut bounds = settings();
    bounds.idle_timeout = Duration::from_millis(30);
    let daemon = daemon(Act::Pass, PATIENCE, bounds).await;
    let mut peer = daemon.connect().await;
    assert_eq!(peer.reply().await, None);
    daemon.until(|_| daemon.ended("idle") == 1).await;
}

#[tokio::test]
async fn a_peer_that_stops_in_the_middle_is_let_go() {
    let mut bounds = settings();
    bounds.read_timeout = Duration::from_millis(30);
    let daemon = daemon(Act::Pass, PATIENCE, bounds).await;
    let mut peer = daemon.connect().await;
    peer.send(&Peer::message(b"half a message")).await;
    assert_eq!(peer.reply().await, None);
    daemon.until(|_| daemon.ended("read_timeout") == 1).await;
    assert_eq!(daemon.metrics.transactions_aborted.get(), 1);
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_let_go() {
    let mut bounds = settings();
    bounds.write_timeout = Duration::from_millis(50);
    let daemon = daemon(Act::Pass, PATIENCE, bounds).await;
    let peer = daemon.connect().await;
    // Replies pile up until no buffer takes more; then nothing is read either, so writing stops too.
    let (_unread, mut writer) = peer.stream.into_split();
    let mut message = Peer::message(b"x\r\n");
    Mta::command(b'E', &[], &mut message);
    let flood = async { while writer.write_all(&message).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, flood)
        .await
        .expect("the connection is closed");
    daemon.until(|_| daemon.ended("write_timeout") == 1).await;
}

#[tokio::test]
async fn bytes_that_are_no_milter_end_the_connection_and_nothing_else() {
    let daemon = daemon(Act::Pass, PATIENCE, settings()).await;
    let mut peer = daemon.connect().await;
    peer.send(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(peer.reply().await, None);
    daemon.until(|_| daemon.ended("protocol") == 1).await;
    let mut other = daemon.connect().await;
    assert_eq!(other.deliver(b"x\r\n").await, Some(MtaReply::Continue));
}

#[tokio::test]
async fn a_message_that_is_still_coming_is_answered_although_the_daemon_ends() {
    let mut bounds = settings();
    bounds.drain = PATIENCE;
    let daemon = daemon(Act::Pass, PATIENCE, bounds).await;
    let mut idle = daemon.connect().await;
    let mut busy = daemon.connect().await;
    busy.send(&Peer::message(b"half a message\r\n")).await;
    daemon.until(|m| m.bytes_in_flight.get() > 0).await;
    daemon.drain.cancel();
    assert_eq!(idle.reply().await, None, "nothing was on its way here");
    let mut rest = BytesMut::new();
    Mta::body(b"the other half\r\n", &mut rest);
    Mta::command(b'E', &[], &mut rest);
    busy.send(&rest).await;
    loop {
        match busy.reply().await {
            Some(MtaReply::InsertHeader(..)) => {}
            other => break assert_eq!(other, Some(MtaReply::Continue)),
        }
    }
    assert_eq!(busy.reply().await, None, "and then it ends");
}

#[tokio::test]
async fn after_the_drain_what_is_left_is_closed() {
    let act = Act::Hang(Arc::default(), Arc::default());
    let daemon = daemon(act, PATIENCE, settings()).await;
    let mut idle = daemon.connect().await;
    let mut busy = daemon.connect().await;
    let mut out = Peer::message(b"x\r\n");
    Mta::command(b'E', &[], &mut out);
    busy.send(&out).await;
    daemon.until(|m| m.bytes_in_flight.get() > 0).await;
    daemon.drain.cancel();
    assert_eq!(idle.reply().await, None);
    assert_eq!(busy.reply().await, None);
    tokio::time::timeout(PATIENCE, daemon.served)
        .await
        .expect("it ends")
        .unwrap();
    assert_eq!(daemon.metrics.sessions_open.get(), 0);
}
