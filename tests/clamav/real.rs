//! The real clamd, with signatures of our own. What it finds in messages is in tests/system/clamav.rs.

use super::*;
use real_clamd::{RealClamd, eicar};

/// Base64 in lines of 76 characters (RFC 2045).
fn base64(bytes: &[u8]) -> Vec<u8> {
    data_encoding::BASE64_MIME.encode(bytes).into_bytes()
}

fn with_attachment(content: &[u8]) -> Vec<u8> {
    [
        &b"From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: application/octet-stream\r\n\
Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.com\r\n\r\n"[..],
        &base64(content),
        b"\r\n--b--\r\n",
    ]
    .concat()
}

impl Fixture {
    /// A whole message of our own, header first.
    async fn message(&self, raw: &[u8]) -> Outcome {
        let mut check = self.filter.check();
        let spool = Arc::new(Spool::new());
        let header = raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        spool.push(&raw[..header]);
        check.headers(&Envelope::default(), &spool);
        spool.push(&raw[header..]);
        Transfer { check, spool }.finish().await.0
    }
}

#[tokio::test]
async fn the_real_clamd_is_understood() {
    let Some(clamd) = RealClamd::start("StreamMaxLength 1M\nAlertExceedsMax yes\nMaxFileSize 300K")
    else {
        return;
    };
    let f = fixture(&[&clamd.server], "");
    let yaml = format!("servers: [\"{}\"]", clamd.server);
    let version = health(&options(&yaml).unwrap().1).await.remove(0).answer;
    assert!(
        version.as_ref().is_ok_and(|v| v.starts_with("ClamAV ")),
        "{version:?}"
    );
    assert_eq!(
        f.message(&with_attachment(b"nothing bad at all")).await,
        clean()
    );
    let outcome = f.message(&with_attachment(&eicar())).await;
    assert_eq!(outcome.hits().len(), 1, "{outcome:?}");
    assert!(
        outcome.hits()[0].evidence.starts_with("Eicar-Test-Bytes"),
        "{outcome:?}"
    );
    assert_eq!(outcome.hits()[0].decisive, Some(Action::Reject));
    for _ in 0..5 {
        let outcome = f.message(&with_attachment(&body(4 << 20))).await;
        unscanned(&outcome, Reason::TooLarge, "StreamMaxLength");
    }
    let outcome = f.message(&with_attachment(&body(400_000))).await;
    unscanned(&outcome, Reason::Limit, "Heuristics.Limits.Exceeded");
    assert_eq!(f.up(&clamd.server), 1);
}

#[tokio::test]
async fn the_real_clamd_is_sent_the_message_again_when_it_is_tired_of_waiting() {
    let Some(clamd) = RealClamd::start("CommandReadTimeout 1\nReadTimeout 1") else {
        return;
    };
    let f = fixture(&[&clamd.server], "breaker: {failures: 1}");
    let raw = with_attachment(&eicar());
    let mut check = f.filter.check();
    let spool = Arc::new(Spool::new());
    spool.push(&raw[..100]);
    check.headers(&Envelope::default(), &spool);
    // clamd looks at its clients about once a second: the sender is slower than both.
    tokio::time::sleep(Duration::from_secs(4)).await;
    spool.push(&raw[100..]);
    let outcome = Transfer { check, spool }.finish().await.0;
    assert_eq!(outcome.hits().len(), 1, "{outcome:?}");
    assert_eq!(
        (f.counted(&clamd.server, "idle"), f.up(&clamd.server)),
        (1, 1)
    );
}
