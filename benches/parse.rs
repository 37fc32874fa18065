//! Time to parse messages of typical sizes: `cargo bench --bench parse` prints bytes per second;
//! nanoseconds per byte are its inverse.

use std::fmt::Write as _;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mailweir::mail::{Limits, Mail};

const HEADER: &str = "Received: from client.example ([192.0.2.1])\r\n\tby mx.example with ESMTPS id 4XyZ\r\n\
    \tfor <user@mx.example>; Mon, 23 Nov 2026 10:00:00 +0000 (UTC)\r\n\
    From: =?utf-8?q?J=C3=B6rg?= <joerg@client.example>\r\nTo: user@mx.example\r\n\
    Subject: Minutes of the meeting\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\
    Message-ID: <1@client.example>\r\nMIME-Version: 1.0\r\n";

fn plain() -> Bytes {
    let line = "The quick brown fox jumps over the lazy dog, see https://client.example/page\r\n";
    let body = line.repeat(25);
    Bytes::from(format!(
        "{HEADER}Content-Type: text/plain; charset=utf-8\r\n\r\n{body}"
    ))
}

fn html() -> Bytes {
    let mut body = "<html><head><style>.a{color:#333}</style></head><body>\r\n".to_owned();
    for n in 0..18 {
        let _ = write!(
            body,
            "<p style=\"font-size:14px;color:#333333\">Item {n}: <a href=\"https://client.example/{n}\">\
             read &amp; see</a>, a few words more</p>\r\n"
        );
    }
    Bytes::from(format!(
        "{HEADER}Content-Type: text/html; charset=utf-8\r\n\r\n{body}"
    ))
}

fn attachment() -> Bytes {
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
    let base64 = line.repeat(1_000_000 / line.len());
    Bytes::from(format!(
        "{HEADER}Content-Type: multipart/mixed; boundary=\"edge\"\r\n\r\n--edge\r\n\r\nAttached.\r\n--edge\r\n\
         Content-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{base64}--edge--\r\n"
    ))
}

fn parse(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("parse");
    for (name, raw) in [
        ("plain", plain()),
        ("html", html()),
        ("attachment", attachment()),
    ] {
        group.throughput(Throughput::Bytes(raw.len() as u64));
        group.bench_function(format!("{name}, {} bytes", raw.len()), |b| {
            b.iter(|| Mail::parse(black_box(raw.clone()), &limits));
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
