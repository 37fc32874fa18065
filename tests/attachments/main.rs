//! The files of messages: what is found in archives, under which names, and that no archive costs more than it may.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

#[path = "../archives/mod.rs"]
mod archives;
#[path = "../dns_server/mod.rs"]
mod dns_server;
#[path = "../shared/engine.rs"]
#[allow(dead_code)]
mod engine;
#[path = "../shared/files.rs"]
mod files;
#[path = "../shared/folder.rs"]
mod folder;

mod bounds;
mod documents;
mod formats;
mod links;
mod mime;
mod names;
mod properties;
mod readings;
mod rules;
mod testfiles;
mod torture;
mod zips;

use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use mailweir::content::{self, Content, File, FileFlag, Limits};
use mailweir::mail::Mail;

/// The files of a message with one attachment.
fn opened(name: &str, bytes: &[u8]) -> Content {
    within(name, bytes, &Limits::default())
}

fn within(name: &str, bytes: &[u8], limits: &Limits) -> Content {
    of_message(&archives::message(&[(name, bytes)]), limits)
}

fn of_message(raw: &[u8], limits: &Limits) -> Content {
    let mail = Mail::parse(
        Bytes::copy_from_slice(raw),
        &mailweir::mail::Limits::default(),
    );
    content::read(&mail, limits, &AtomicBool::new(false))
}

fn paths(content: &Content) -> Vec<&str> {
    content.files.iter().map(|f| f.path.as_str()).collect()
}

#[track_caller]
fn file<'c>(content: &'c Content, path: &str) -> &'c File {
    content
        .files
        .iter()
        .find(|f| f.path == path)
        .unwrap_or_else(|| panic!("no {path} in {:?}", paths(content)))
}

fn flags(file: &File) -> Vec<&'static str> {
    file.flags.iter().map(FileFlag::name).collect()
}

fn sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    use sha2::Digest;
    Some(sha2::Sha256::digest(bytes).into())
}
