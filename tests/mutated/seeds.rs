//! What mutations begin with: recorded sessions, messages of the corpus, an archive of each kind, the shipped rules.

use std::path::{Path, PathBuf};

use bytes::BytesMut;
use mailweir::milter::Frame;

use crate::archives::{self, Zipped, program};
use crate::files::files;
use crate::transcript::Transcript;

/// Longest seed.
const BYTES: usize = 32 << 10;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(folder: &str) -> Vec<Vec<u8>> {
    let all = files(&repository(folder)).into_iter();
    let read = all.map(|file| std::fs::read(file).unwrap());
    read.filter(|bytes| bytes.len() <= BYTES).collect()
}

/// What mail servers have sent on each recorded connection, behind `before`; with it, without their negotiation.
pub(crate) fn sessions(before: &[u8]) -> Vec<Vec<u8>> {
    let all = files(&repository("tests/transcripts")).into_iter();
    let logs = all.filter(|file| file.extension().is_some_and(|e| e == "log"));
    let mut seeds = Vec::new();
    for (_, exchanges) in logs.flat_map(|log| Transcript::read(&log).connections) {
        let mut wire = BytesMut::from(before);
        for exchange in exchanges {
            if before.is_empty() || exchange.code != b'O' {
                Frame::encode(exchange.code, &[&exchange.data], &mut wire);
            }
        }
        wire.truncate(BYTES);
        seeds.push(wire.to_vec());
    }
    seeds
}

pub(crate) fn messages() -> Vec<Vec<u8>> {
    let mut all = read("corpus/malformed");
    all.extend(read("corpus/virus"));
    all.extend(read("corpus/spam").into_iter().step_by(4));
    all
}

/// One file of each kind, behind the byte that chooses its name.
pub(crate) fn attachments() -> Vec<Vec<u8>> {
    let program = program();
    let two: &[(&str, &[u8])] = &[("a.exe", &program), ("b/c.txt", b"text")];
    let zipped = |method| Zipped {
        method,
        ..Zipped::new("a.exe", &program)
    };
    let pdf = b"%PDF-1.7\n1 0 obj<</Type/Page/A<</S/URI/URI(http://a.example)>>/EF<</F 2 0 R>>/F(a.html)>>endobj\n\
        2 0 obj<</Type/EmbeddedFile>>stream\n<script>x</script>\nendstream endobj";
    let rich =
        b"{\\rtf1{\\*\\template http://a.example/t}{\\object{\\*\\objdata 0105000002000000}}}";
    let page = b"<svg><script>new Blob([atob('TVqQAAMAAAAEAAAA')])</script><form action=//a.example></svg>";
    let calendar = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nATTACH;ENCODING=BASE64:TVqQ\nURL:http://a.example\nEND:VEVENT\n";
    let kinds: [(u8, Vec<u8>); 18] = [
        (0, archives::zip(&[8, 12, 14, 93, 95, 9].map(zipped))),
        (1, archives::sevenzip(two)),
        (2, archives::cab(two)),
        (3, archives::iso(two, true)),
        (3, archives::fat(two)),
        (4, archives::tar(two)),
        (5, archives::gzip(&archives::tar(two))),
        (5, archives::bzip2(&program)),
        (5, archives::xz(&program)),
        (5, archives::lzma(&program)),
        (5, archives::zstd(&program)),
        (6, archives::tnef(two)),
        (7, archives::message(two)),
        (10, rich.to_vec()),
        (11, pdf.to_vec()),
        (12, page.to_vec()),
        (15, calendar.to_vec()),
        (15, archives::rar4(0, &[("a.exe", &program, 0, 0x30)])),
    ];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for (name, bytes) in kinds {
        let mut seed = vec![name];
        seed.extend(bytes.into_iter().take(BYTES));
        seeds.push(seed);
    }
    seeds
}

/// Files of one shipped rule.
pub(crate) fn rules() -> Vec<Vec<u8>> {
    let texts = files(&repository("rules")).into_iter();
    let texts = texts.filter(|file| file.extension().is_some_and(|e| e == "yaml"));
    let texts: Vec<String> = texts.map(|f| std::fs::read_to_string(f).unwrap()).collect();
    let each = texts
        .iter()
        .flat_map(|text| text.split("\n  - id:").skip(1).step_by(5));
    each.map(|rule| format!("version: 1\nrules:\n  - id:{rule}\n").into_bytes())
        .collect()
}

pub(crate) fn configurations() -> Vec<Vec<u8>> {
    [
        "mailweir.yaml",
        "packaging/mailweir.yaml",
        "docs/dnsbl-zones.yaml",
    ]
    .map(|file| std::fs::read(repository(file)).unwrap())
    .to_vec()
}

pub(crate) fn replies() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 3] = [
        b"Message refused as spam (id 01ARZ3NDEKTSV4RRFFQ69G5FAV) 100%%\r\n",
        "Geld \u{20ac} \u{202e}".as_bytes(),
        b"No, score=1.0 required=5.0 tests=A,B,C unscanned=clamav:down",
    ];
    texts.map(<[u8]>::to_vec).to_vec()
}
