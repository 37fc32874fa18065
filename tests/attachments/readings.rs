//! How our reading of the torture sets differs from that of others: Python's email package and the library
//! mail-parser. Whatever one of them takes for a file is a file for us, but for the differences that
//! docs/attachments.md decides.
//!
//! `cargo test --test attachments readings -- --nocapture` prints the table of that page.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use mail_parser::{MessageParser, MimeHeaders, PartType};
use mailweir::content::{Content, Limits};
use sha2::{Digest, Sha256};

use crate::files::files;
use crate::folder::shared;
use crate::{of_message, sha256};

/// Name; where the other has the bytes as sent, SHA-256; declared type.
type Other = (String, Option<[u8; 32]>, String);

/// `None`: the library panics on it.
fn of_library(raw: &[u8]) -> Option<Vec<Other>> {
    std::panic::catch_unwind(|| files_of_library(raw)).ok()
}

fn files_of_library(raw: &[u8]) -> Vec<Other> {
    let mut found = Vec::new();
    let mut waiting: Vec<mail_parser::Message<'_>> =
        MessageParser::default().parse(raw).into_iter().collect();
    while let Some(message) = waiting.pop() {
        for part in message.parts {
            let name = part.attachment_name().unwrap_or_default().to_owned();
            let attached = part
                .content_disposition()
                .is_some_and(|d| d.ctype().eq_ignore_ascii_case("attachment"));
            let named = !name.is_empty() || attached;
            let content_type = part.content_type().map_or_else(String::new, |t| {
                format!("{}/{}", t.ctype(), t.subtype().unwrap_or_default()).to_lowercase()
            });
            match part.body {
                PartType::Message(inner) => waiting.push(inner),
                PartType::Multipart(_) => {}
                PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
                    found.push((name, Some(Sha256::digest(&bytes).into()), content_type));
                }
                PartType::Text(_) | PartType::Html(_) if named => {
                    found.push((name, None, content_type));
                }
                PartType::Text(_) | PartType::Html(_) => {}
            }
        }
    }
    found
}

fn of_python(paths: &[PathBuf]) -> Option<BTreeMap<PathBuf, Result<Vec<Other>, String>>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attachments/readings.py");
    let out = Command::new("python3")
        .arg(script)
        .args(paths)
        .output()
        .ok()?;
    if !out.status.success() {
        println!("skipped: {}", String::from_utf8_lossy(&out.stderr));
        return None;
    }
    let lines = String::from_utf8(out.stdout).unwrap();
    let read = lines.lines().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let path = PathBuf::from(value["path"].as_str().unwrap());
        let files = match value["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(value["files"]
                .as_array()
                .unwrap()
                .iter()
                .map(other)
                .collect()),
        };
        (path, files)
    });
    Some(read.collect())
}

fn other(file: &serde_json::Value) -> Other {
    let digest = file[1].as_str().unwrap().to_uppercase();
    let digest = data_encoding::HEXUPPER.decode(digest.as_bytes()).unwrap();
    let text = |n: usize| file[n].as_str().unwrap().to_owned();
    (text(0), Some(digest.try_into().unwrap()), text(2))
}

/// How a file of another reading is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// Same name, same bytes.
    Same,
    /// The same bytes under another name.
    OtherName,
    /// The same name with other bytes.
    OtherBytes,
    /// Not at all.
    Missing,
}

fn plain(name: &str) -> String {
    name.split_whitespace().collect()
}

fn look(ours: &Content, (name, digest, _): &Other) -> Found {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let is_named = |f: &mailweir::content::File| {
        plain(&f.name) == plain(base) || f.other_name.as_deref().map(plain) == Some(plain(base))
    };
    let named = ours.files.iter().any(is_named);
    let Some(digest) = digest else {
        return if named { Found::Same } else { Found::Missing };
    };
    let same = |f: &&mailweir::content::File| f.sha256.as_ref() == Some(digest);
    match ours.files.iter().filter(same).any(is_named) {
        true => Found::Same,
        false if ours.files.iter().any(|f| same(&f)) => Found::OtherName,
        false if named => Found::OtherBytes,
        false => Found::Missing,
    }
}

/// Why we read it differently, in the words of docs/attachments.md; `None`: a difference that nobody has decided.
fn decision(
    who: &str,
    found: Found,
    raw: &[u8],
    (name, digest, kind): &Other,
) -> Option<&'static str> {
    let text = String::from_utf8_lossy(raw).to_lowercase();
    let encoding = |word: &str| text.contains(&format!("content-transfer-encoding: {word}"));
    Some(match kind {
        _ if *digest == sha256(b"") => "a part without content",
        _ if kind.starts_with("multipart/") => "a multipart that cannot be taken apart",
        _ if kind.starts_with("message/") && name.is_empty() => "a report or an attached message",
        _ if name.contains("=?") => "an encoded word in a name",
        _ if name.contains(['\\', '/']) => "a folder in a name",
        _ if !name.is_ascii() => "a name with raw 8-bit characters",
        _ if text.contains("message/partial") => "a fragment of a message",
        _ if text.contains("message/external-body") => "a reference to content elsewhere",
        _ if found == Found::OtherBytes && encoding("x-uuencode") => "uuencode",
        _ if (found == Found::OtherBytes || name.is_empty()) && encoding("base64") => {
            "damaged base64"
        }
        _ if name.ends_with(".eml") && who == "mail-parser" => "an attached message that is none",
        _ => return None,
    })
}

#[test]
fn whatever_others_take_for_a_file_is_one() {
    let Some(torture) = shared("mail/torture") else {
        return;
    };
    let mut paths = files(&torture);
    paths.retain(|p| {
        p.extension()
            .is_some_and(|e| e == "eml" || e == "msg" || e == "txt")
    });
    let python = of_python(&paths);
    if python.is_none() {
        println!("skipped: python3 is not there");
    }
    let mut table: BTreeMap<(&str, Found), usize> = BTreeMap::new();
    let mut decided: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut undecided = Vec::new();
    for path in &paths {
        let raw = std::fs::read(path).unwrap();
        let ours = of_message(&raw, &Limits::default());
        let mut readings = Vec::new();
        match of_library(&raw) {
            Some(files) => readings.push(("mail-parser", files)),
            None => println!("mail-parser panics on {}", path.display()),
        }
        match python.as_ref().and_then(|p| p.get(path)) {
            Some(Ok(files)) => readings.push(("Python", files.clone())),
            Some(Err(error)) => println!("Python fails on {}: {error}", path.display()),
            None => {}
        }
        for (who, files) in readings {
            for file in &files {
                let found = look(&ours, file);
                *table.entry((who, found)).or_default() += 1;
                if found == Found::Same {
                    continue;
                }
                match decision(who, found, &raw, file) {
                    Some(decision) => *decided.entry((decision, who)).or_default() += 1,
                    None => {
                        let path = path.strip_prefix(&torture).unwrap().display();
                        undecided.push(format!("{who} {found:?} {path} {file:?}"));
                    }
                }
            }
        }
    }
    for ((who, found), count) in &table {
        println!("{who:<12} {found:?}: {count}");
    }
    for ((decision, who), count) in &decided {
        println!("{decision}, {who}: {count}");
    }
    assert!(undecided.is_empty(), "{undecided:#?}");
}
