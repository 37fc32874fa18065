//! The promises of the filter `clamav`, held against a scripted clamd, and against the real one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "../fake_clamd/mod.rs"]
mod fake_clamd;
#[path = "../shared/mistake.rs"]
mod mistake;
#[path = "../shared/parts.rs"]
mod parts;
#[path = "../real_clamd/mod.rs"]
mod real_clamd;

mod configuration;
mod fixture;
mod health;
mod hedge;
mod memory;
mod real;
mod servers;
mod signatures;
mod sizes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use fake_clamd::{Act, FakeClamd, Gate};
use fixture::{Fixture, Transfer, body, clean, fixture, from_yaml, nobody, unscanned, until};
use mailweir::filter::clamav::{Options, build, health};
use mailweir::filter::{Action, Check, FailureAction, Filter, Outcome, Reason, Scan};
use mailweir::mail::{Envelope, Limits, Mail, Spool};
use mailweir::metrics::Metrics;
use parts::{beside, options};

const DAY: Duration = Duration::from_secs(86_400);
const OK: &[u8] = b"stream: OK\0";
const FOUND: &[u8] = b"stream: Eicar-Test-Signature FOUND\0";
const TOO_LARGE: &[u8] = b"INSTREAM size limit exceeded. ERROR\0";

#[tokio::test]
async fn the_exact_message_is_sent_while_it_arrives() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(&[&clamd.server], "");
    let transfer = f.begin();
    // All of it that is there has been taken before there is more: it does not wait for the end.
    clamd.until(|c| c.bytes == 17).await;
    for part in body(300_000).chunks(70_001) {
        let so_far = clamd.count().bytes;
        transfer.spool.push(part);
        clamd.until(|c| c.bytes == so_far + part.len()).await;
    }
    let (outcome, raw) = transfer.finish().await;
    assert_eq!(outcome, clean());
    assert_eq!(clamd.messages(), [raw.to_vec()]);
    assert_eq!(f.counted(&clamd.server, "clean"), 1);
    assert_eq!((f.running(&clamd.server), f.up(&clamd.server)), (0, 1));
    assert_eq!(clamd.count().streams, 1);
}

#[tokio::test]
async fn command_length_and_chunk_leave_in_one_write() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(&[&clamd.server], "");
    let transfer = f.begin();
    clamd.until(|c| c.bytes == 17).await;
    assert_eq!(transfer.finish().await.0, clean());
    assert_eq!(clamd.first_reads()[0], 10 + 4 + 17);
}

#[tokio::test]
async fn a_virus_settles_the_fate_of_the_message() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = FakeClamd::start_unix(&folder.path().join("clamd"), |_| Act::Reply(FOUND)).await;
    for (rest, action) in [
        ("", Action::Reject),
        ("virus_action: quarantine", Action::Quarantine),
        ("virus_action: discard", Action::Discard),
    ] {
        let f = fixture(&[&clamd.server], rest);
        let Outcome::Checked(hits) = f.scan(b"x").await else {
            panic!("it was scanned");
        };
        assert_eq!(hits.len(), 1);
        assert_eq!(&*hits[0].rule, "VIRUS");
        assert!(hits[0].score == 0.0 && hits[0].decisive == Some(action));
        assert_eq!(hits[0].evidence, "Eicar-Test-Signature");
        assert_eq!(f.counted(&clamd.server, "found"), 1);
    }
}

#[tokio::test]
async fn what_clamd_could_not_look_into_is_not_clean_and_not_a_virus() {
    for (reply, reason, words, result) in [
        (
            &b"stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND\0"[..],
            Reason::Limit,
            "Heuristics.Limits.Exceeded.MaxRecursion",
            "limit",
        ),
        (
            b"stream: Heuristics.Encrypted.Zip FOUND\0",
            Reason::Encrypted,
            "Heuristics.Encrypted.Zip",
            "encrypted",
        ),
    ] {
        let (first, second) = (
            FakeClamd::start(move |_| Act::Reply(reply)).await,
            FakeClamd::start(|_| Act::Reply(OK)).await,
        );
        let f = fixture(&[&first.server, &second.server], "");
        unscanned(&f.scan(b"x").await, reason, words);
        assert_eq!(f.counted(&first.server, result), 1);
        assert_eq!(
            second.count().streams,
            0,
            "an answer is not sought elsewhere"
        );
    }
}

#[tokio::test]
async fn every_failure_has_its_name_and_defaults_to_tempfail() {
    for (act, reason, words, result) in [
        (
            Act::TakeNothing,
            Reason::Timeout,
            "no reply for 2s",
            "timeout",
        ),
        (Act::Silence, Reason::Timeout, "no reply for 2s", "timeout"),
        (
            Act::CloseAfter(1),
            Reason::Error,
            "closed the connection without a reply",
            "closed",
        ),
        (
            Act::Reply(b""),
            Reason::Error,
            "closed the connection without a reply",
            "closed",
        ),
        (
            Act::Reply(b"stream: O"),
            Reason::Error,
            "no reply: stream: O",
            "garbled",
        ),
        (
            Act::Reply(b"stream: OK"),
            Reason::Error,
            "no reply: stream: OK",
            "garbled",
        ),
        (
            Act::Reply(b"HTTP/1.1 400\r\n\r\n"),
            Reason::Error,
            "no reply: HTTP",
            "garbled",
        ),
        (
            Act::Reply(&[b'x'; 9000]),
            Reason::Error,
            "a long one",
            "garbled",
        ),
        (
            Act::Reply(b"stream: Can't create new file ERROR\0"),
            Reason::Error,
            "replied with an error: stream: Can't create new file",
            "error",
        ),
    ] {
        let shown = format!("{act:?}");
        let clamd = FakeClamd::start(move |_| act.clone()).await;
        let f = fixture(&[&clamd.server], "io_timeout: 2s\nreply_timeout: 2s");
        // It is more than the first chunk, so that the end cannot go out together with the rest.
        let outcome = f.scan(&body(200_000)).await;
        match &outcome {
            Outcome::Unscanned {
                reason: Reason::Timeout,
                detail,
                ..
            } if shown == "TakeNothing" => {
                assert!(detail.contains("for 2s"), "{detail}");
            }
            _ => unscanned(&outcome, reason, words),
        }
        // One that fails while the message arrives has a second chance at its end.
        assert!(f.counted(&clamd.server, result) >= 1, "{shown}");
        assert_eq!(f.running(&clamd.server), 0, "{shown}");
        assert_eq!(
            f.filter.failure_policy().for_reason(reason),
            FailureAction::Tempfail
        );
    }
}

#[tokio::test]
async fn clean_is_not_believed_before_the_end_of_the_message() {
    let clamd = FakeClamd::start(|_| Act::ReplyAfter(1, OK)).await;
    let f = fixture(&[&clamd.server], "");
    // More than the buffers of both sides hold, so that the end cannot have left already.
    let outcome = f.scan(&body(24 << 20)).await;
    unscanned(&outcome, Reason::Error, "clean before the end");
    assert!(f.counted(&clamd.server, "garbled") >= 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_down() {
    let absent = nobody().await;
    let f = fixture(&[&absent], "");
    unscanned(
        &f.scan(b"x").await,
        Reason::Down,
        "no connection: connection refused",
    );
    assert!(f.counted(&absent, "down") >= 1);
    let f = fixture(&["unix:/nonexistent/clamd.ctl"], "");
    unscanned(
        &f.scan(b"x").await,
        Reason::Down,
        "no connection: entity not found",
    );
}

#[tokio::test]
async fn a_server_that_takes_nothing_of_a_large_message_hangs() {
    let clamd = FakeClamd::start(|_| Act::TakeNothing).await;
    let f = fixture(&[&clamd.server], "io_timeout: 200ms");
    let outcome = f.scan(&body(20 << 20)).await;
    unscanned(
        &outcome,
        Reason::Timeout,
        "took nothing of the message for 200ms",
    );
}

#[tokio::test]
async fn the_early_reply_on_the_size_is_read_though_writing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let script = |_| Act::ReplyAfter(100_000, TOO_LARGE);
    for clamd in [
        FakeClamd::start(script).await,
        FakeClamd::start_unix(&folder.path().join("clamd"), script).await,
    ] {
        let f = fixture(&[&clamd.server], "");
        for _ in 0..10 {
            unscanned(
                &f.scan(&body(8 << 20)).await,
                Reason::TooLarge,
                "StreamMaxLength",
            );
        }
        assert_eq!(f.counted(&clamd.server, "too_large"), 10);
        assert_eq!(
            f.up(&clamd.server),
            1,
            "a large message is not the fault of the server"
        );
    }
}

#[tokio::test]
async fn a_reply_is_taken_though_the_connection_stays_open() {
    let clamd = FakeClamd::start(|_| Act::ReplyAndStay(OK)).await;
    let f = fixture(&[&clamd.server], "");
    assert_eq!(f.scan(b"x").await, clean());
}

#[tokio::test]
async fn the_pauses_of_a_slow_sender_are_not_the_fault_of_the_server() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(
        &[&clamd.server],
        "io_timeout: 20ms\nreply_timeout: 5s\ntimeout: 5s",
    );
    let transfer = f.begin();
    for part in body(40).chunks(10) {
        // Longer than the io timeout: this is what the test is about.
        tokio::time::sleep(Duration::from_millis(60)).await;
        transfer.spool.push(part);
    }
    let (outcome, raw) = transfer.finish().await;
    assert_eq!(outcome, clean());
    assert_eq!(clamd.messages(), [raw.to_vec()]);
    assert_eq!(clamd.count().streams, 1);
}

#[tokio::test]
async fn a_server_tired_of_a_slow_sender_gets_the_message_again_at_its_end() {
    for tail in [&b"the rest"[..], b""] {
        let gate = Gate::new();
        let tired = gate.clone();
        let clamd = FakeClamd::start(move |n| match n {
            0 => Act::ReplyEarlyAtGate(tired.clone(), b"COMMAND READ TIMED OUT\n"),
            _ => Act::Reply(OK),
        })
        .await;
        let f = fixture(&[&clamd.server], "breaker: {failures: 1}");
        let transfer = f.begin();
        clamd.until(|c| c.bytes == 17).await;
        gate.open();
        clamd.until(|c| c.open == 0).await;
        transfer.spool.push(tail);
        let (outcome, raw) = transfer.finish().await;
        assert_eq!(outcome, clean());
        assert_eq!(clamd.messages(), [raw.to_vec()]);
        assert_eq!(f.counted(&clamd.server, "idle"), 1);
        assert_eq!(f.up(&clamd.server), 1);
    }
}

#[tokio::test]
async fn a_dropped_check_closes_its_stream() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(&[&clamd.server], "");
    let transfer = f.begin();
    clamd.until(|c| c.bytes == 17).await;
    drop(transfer);
    clamd.until(|c| c.open == 0).await;
    assert_eq!(f.running(&clamd.server), 0);
    // Also while the reply is awaited.
    let silent = FakeClamd::start(|_| Act::Silence).await;
    let f = fixture(&[&silent.server], "");
    let finish = tokio::spawn(f.begin().finish());
    silent.until(|c| c.open == 1 && c.bytes == 17).await;
    finish.abort();
    silent.until(|c| c.open == 0).await;
}

#[tokio::test]
async fn our_own_bound_keeps_large_messages_away() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(&[&clamd.server], "max_bytes: 100KiB");
    unscanned(&f.scan(&body(200_000)).await, Reason::TooLarge, "max_bytes");
    assert_eq!(f.scan(&body((100 << 10) - 17)).await, clean());
    unscanned(
        &f.scan(&body((100 << 10) - 16)).await,
        Reason::TooLarge,
        "102400 bytes",
    );
    assert_eq!(clamd.messages().len(), 1);
    assert_eq!(f.up(&clamd.server), 1);
    // One that is sent only when it is complete is not even begun.
    let f = fixture(&[&clamd.server], "max_bytes: 100KiB\nstreams_per_server: 1");
    let before = clamd.count().streams;
    unscanned(&f.scan(&body(200_000)).await, Reason::TooLarge, "max_bytes");
    assert_eq!(f.scan(b"x").await, clean());
    assert_eq!(clamd.count().streams, before + 1);
}

#[tokio::test]
async fn an_aborted_message_is_nobodys_failure() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    let f = fixture(&[&clamd.server], "breaker: {failures: 1}");
    let transfer = f.begin();
    clamd.until(|c| c.bytes == 17).await;
    transfer.spool.abort();
    clamd.until(|c| c.open == 0).await;
    assert_eq!((f.up(&clamd.server), clamd.messages().len()), (1, 0));
}
