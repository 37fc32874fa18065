//! What holds for every format: no panic, bounded time and memory, whatever the bytes.

use super::*;
use proptest::prelude::*;
use std::time::Instant;

/// One small document of each kind, by the word for its type and its name.
fn documents() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let streams: &[(&str, &[u8])] = &[
        ("/VBA/dir", b"\x01\x03\xB0\x02\x61\x45\x00"),
        ("/VBA/M", b"\x01\x19\xB0\x00Attribut\x00e VB_Nam"),
        ("/Workbook", b"\x09\x08\x04\x00\x00\x06\x40\x00\x85\x00\x08\x00\0\0\0\0\x02\x01\x01\x00"),
        ("/WordDocument", b"\xEC\xA5\xC1\0\0\0\0\0\0\0\0\x02\x13 DDEAUTO x\x15"),
        ("/PowerPoint Document", b"\x0F\x00\xE8\x03\x10\0\0\0\x10\x00\x11\x10\x08\0\0\0\0\0\0\0x\x9c\0\0"),
        ("/\u{1}Ole10Native", b"\x20\0\0\0\x02\0a\0b\0\0\0\0\0\x02\0\0\0c\0\x01\0\0\0d"),
        ("/\u{1}Ole", b"\x01\0\0\x02\xE0\xC9\xEA\x79\xF9\xBA\xCE\x11\x8C\x82\x00\xAA\x00\x4B\xA9\x0B\x04\0\0\0h\0t\0"),
    ];
    let streams: Vec<_> = streams
        .iter()
        .map(|(path, content)| (*path, content.to_vec()))
        .collect();
    let compound = ole::compound::write(&streams);
    let rels = b"<Relationship Id='r1' Type='x/attachedTemplate' Target='http://a' TargetMode='External'/>".to_vec();
    let open_xml = package::write(&[
        ("[Content_Types].xml", b"<Types/>".to_vec()),
        ("word/_rels/document.xml.rels", rels),
        (
            "word/document.xml",
            b"<w:instrText>DDE x</w:instrText>".to_vec(),
        ),
        ("word/vbaProject.bin", compound.clone()),
    ]);
    let pdf = b"%PDF-1.7\n1 0 obj <</S/JavaScript/JS(x\\(y\\))/A<</URI<6874>>>/AA 2 0 R>> endobj\n\
        2 0 obj <</Type/ObjStm/First 4/Filter[/ASCIIHexDecode/RunLengthDecode]>> stream\n0a0b>\nendstream endobj\n\
        trailer <</Encrypt<</O(01234567890123456789012345678901)/U(01234567890123456789012345678901)/V 2/R 3/P -4>>>>"
        .to_vec();
    let html = b"<html><script>a=atob('aHR0cHM6Ly9i')+unescape('%41%42')</script><form action=http://a>\
        <a href='data:text/html,%3Cp%3E' download onclick=x><meta http-equiv=refresh content='0;url=http://b'>"
        .to_vec();
    let mut one = b"\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D".to_vec();
    one.extend_from_slice(b"\x0a\0\0\0a\0.\0b\0c\0\0\0\xE7\x16\xE3\xBD\x65\x26\x11\x45\xA4\xC4\x8D\x4D\x0B\x7A\x9E\xAC");
    one.extend_from_slice(b"\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0MZ");
    let mut link = b"\x4C\0\0\0\x01\x14\x02\0\0\0\0\0\xC0\0\0\0\0\0\0\x46\xFF\0\0\0".to_vec();
    link.resize(0x4C, 0);
    link.extend_from_slice(
        b"\x02\0ab\x08\0\0\0abcd\x01\0a\0\x01\0b\0\x01\0c\0\x01\0d\0\x01\0e\0\x0A\0\0\0x\0y\0z\0",
    );
    let rtf = b"{\\rtf1{\\*\\template http://a}{\\object\\objupdate{\\*\\objdata 01050000020000000800000050}}\\bin3 abc{\\field{\\*\\fldinst DDE x}}}";
    let ics = b"BEGIN:VCALENDAR\nATTACH;ENCODING=BASE64;X-FILENAME=a:TVo=\n DESC\nURL:http://a\n";
    vec![
        ("ole", "a.doc", compound),
        ("docx", "a.docx", open_xml),
        ("pdf", "a.pdf", pdf),
        ("html", "a.html", html.clone()),
        ("svg", "a.svg", [&b"<svg>"[..], &html].concat()),
        ("one", "a.one", one),
        ("lnk", "a.lnk", link),
        ("rtf", "a.rtf", rtf.to_vec()),
        ("ics", "a.ics", ics.to_vec()),
        ("", "a.url", b"[InternetShortcut]\nURL=http://a\n".to_vec()),
        ("", "a.hta", html),
        ("", "a.slk", b"ID;P\nO;E\nNN;NAuto_open\n".to_vec()),
        ("xml", "a.xml", b"<?xml version='1.0'?><w:instrText>DDE x</w:instrText><w:binData>QWN0aXZlTWltZQ==</w:binData>".to_vec()),
        ("", "a.mht", b"<?xml?><w:instrText>DDE x</w:instrText>\n\nQWN0aXZlTWltZQAA\n".to_vec()),
    ]
}

fn small() -> Bounds {
    Bounds {
        bytes: 1 << 20,
        entries: 500,
        files: 8,
        urls: 8,
        depth: 3,
    }
}

fn holds(findings: &Findings, bounds: &Bounds) {
    assert!(findings.files.len() <= bounds.files && findings.urls.len() <= bounds.urls);
    let copied: usize = findings.files.iter().map(|file| file.bytes.len()).sum();
    assert!(copied <= bounds.bytes);
    assert!(findings.files.iter().all(|file| !file.bytes.is_empty()));
    assert!(
        findings
            .urls
            .iter()
            .all(|url| !url.chars().any(char::is_control))
    );
}

#[test]
fn every_sample_has_a_trait_and_every_cut_of_it_is_survived() {
    for (kind, name, bytes) in documents() {
        let findings = examine(kind, name, &bytes, &Bounds::default());
        assert!(!findings.traits.is_empty(), "{name}");
        for end in 0..bytes.len().min(4096) {
            holds(
                &examine(kind, name, bytes.get(..end).unwrap(), &small()),
                &small(),
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn damaged_documents_are_survived(
        which in 0_usize..14,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..5), 1..24),
    ) {
        let (kind, name, mut bytes) = documents().swap_remove(which);
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes[at] = [0, 0xff, 0x7f, b'(', b'<'][usize::from(byte) % 5],
                2 => bytes.insert(at, byte),
                3 if bytes.len() > 1 => _ = bytes.remove(at),
                _ => {
                    let piece: Vec<u8> = bytes.iter().skip(at).take(usize::from(byte)).copied().collect();
                    bytes.splice(at..at, piece);
                }
            }
        }
        holds(&examine(kind, name, &bytes, &small()), &small());
    }

    #[test]
    fn garbage_of_every_kind_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for (kind, name, sample) in documents() {
            holds(&examine(kind, name, &bytes, &small()), &small());
            let head = sample.get(..8.min(sample.len())).unwrap();
            holds(&examine(kind, name, &[head, &bytes].concat(), &small()), &small());
        }
    }
}

#[test]
fn time_grows_with_the_length_only() {
    for (kind, name, bytes) in documents() {
        let started = Instant::now();
        for size in [1 << 20, 4 << 20] {
            let repeated = bytes.repeat(size / bytes.len());
            holds(
                &examine(kind, name, &repeated, &Bounds::default()),
                &Bounds::default(),
            );
        }
        assert!(
            started.elapsed().as_secs() < 30,
            "{name}: {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn the_page_of_documents_explains_every_trait() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/documents.md");
    let page = std::fs::read_to_string(page).unwrap();
    for found in Trait::ALL {
        assert!(
            page.contains(&format!("| `{}` |", found.name())),
            "{}",
            found.name()
        );
    }
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let known = |line: &&str| {
        Trait::ALL
            .iter()
            .any(|t| line.starts_with(&format!("| `{}` |", t.name())))
    };
    assert_eq!(
        rows.filter(|line| !known(line)).collect::<Vec<_>>(),
        Vec::<&str>::new()
    );
}
