//! What decoded data is, where it matters whether it is a document, an archive or a program, or only a picture.

use infer::MatcherType;

use crate::mail::certain_type;

/// Beginnings of pages, in lower case.
const PAGES: &[&[u8]] = &[
    b"<!doctype",
    b"<html",
    b"<head",
    b"<body",
    b"<script",
    b"<meta",
    b"<title",
    b"<form",
    b"<iframe",
    b"<div",
    b"<style",
    b"<!--",
    b"<center",
];

/// What data turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A document, an archive or a program: the usual ending of such files.
    File(&'static str),
    /// HTML.
    Page,
    /// SVG.
    Svg,
    /// A picture, a font, sound or film.
    Medium,
    /// Nothing known.
    Unknown,
}

/// Tells what `data` is from its beginning.
pub(super) fn content_of(data: &[u8]) -> Content {
    if let Some(ending) = certain_type(data) {
        return Content::File(ending);
    }
    let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let text = text.trim_ascii_start();
    let begins = |word: &[u8]| {
        text.get(..word.len())
            .is_some_and(|t| t.eq_ignore_ascii_case(word))
    };
    let head = text.get(..512).unwrap_or(text).to_ascii_lowercase();
    if begins(b"<svg") || (begins(b"<?xml") && memchr::memmem::find(&head, b"<svg").is_some()) {
        return Content::Svg;
    }
    if PAGES.iter().any(|page| begins(page)) {
        return Content::Page;
    }
    match infer::get(data) {
        Some(kind) => match kind.matcher_type() {
            MatcherType::App | MatcherType::Archive | MatcherType::Doc | MatcherType::Book => {
                Content::File(kind.extension())
            }
            MatcherType::Text => Content::Unknown,
            _ => Content::Medium,
        },
        None => Content::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_pages_and_pictures_are_told_apart() {
        for (data, expected) in [
            (
                &b"PK\x03\x04\x14\x00\x00\x00\x08\x00"[..],
                Content::File("zip"),
            ),
            (b"MZ\x90\x00\x03\x00\x00\x00", Content::File("exe")),
            (b"%PDF-1.7", Content::File("pdf")),
            (b"MSWIM\x00\x00\x00", Content::File("wim")),
            (b"\x89PNG\r\n\x1a\n\x00\x00", Content::Medium),
            (b"wOF2\x00\x01\x00\x00", Content::Medium),
            (b"\xef\xbb\xbf\n<!DOCTYPE html>", Content::Page),
            (b"<?xml version='1.0'?><svg>", Content::Svg),
            (b"hello", Content::Unknown),
            (b"", Content::Unknown),
        ] {
            assert_eq!(content_of(data), expected, "{data:?}");
        }
    }
}
