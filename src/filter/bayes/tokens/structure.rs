//! How a message is built: its MIME parts, the tags of its HTML.

use super::{Sink, bounded, clip, push_lower, window};
use crate::mail::{Mail, PartKind};

/// MIME parts looked at.
const PARTS: usize = 50;
/// Bytes of HTML source whose tags are looked at.
const MARKUP_BYTES: usize = 64 << 10;

pub(super) fn structure(mail: &Mail, sink: &mut impl Sink) {
    sink.field("mime", "");
    let mut markup = MARKUP_BYTES;
    for part in mail.parts().iter().take(PARTS) {
        sink.token(bounded(&part.content_type));
        if let Some(charset) = &part.charset {
            sink.alone(&format!("charset {}", bounded(charset)));
        }
        if let Some(name) = &part.name {
            let extension = name.rsplit_once('.').map_or("(none)", |(_, e)| bounded(e));
            sink.alone(&format!("file .{}", extension.to_lowercase()));
        }
        if part.attachment {
            sink.alone("attachment");
        }
    }
    sink.field("html", "");
    for part in mail.parts().iter().take(PARTS) {
        if let PartKind::Html(source) = &part.kind {
            let (source, _) = window(source, markup);
            markup -= source.len();
            tags(source, sink);
        }
    }
}

/// Attributes whose values are looked at.
const STYLES: [&str; 9] = [
    "color", "bgcolor", "size", "face", "width", "height", "border", "align", "target",
];

/// Names of tags with the names of their attributes; colours and sizes with their values.
fn tags(source: &str, sink: &mut impl Sink) {
    // The name of the tag, then what else is said of it.
    let mut token = String::new();
    for piece in source.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap_or_default();
        if tag.starts_with('/') {
            continue;
        }
        let mut words = tag
            .split(|c: char| c.is_ascii_whitespace() || c == '/')
            .filter(|w| !w.is_empty());
        let Some(name) = words.next() else { continue };
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!') {
            continue;
        }
        token.clear();
        push_lower(&mut token, clip(name, 12));
        sink.alone(&token);
        token.push(' ');
        let name = token.len();
        for attribute in words.take(8) {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            token.truncate(name);
            push_lower(&mut token, clip(key, 16));
            sink.alone(&token);
            let key = token.get(name..).unwrap_or_default();
            if STYLES.contains(&key) {
                let mut styled = String::with_capacity(40);
                styled.push_str(key);
                styled.push('=');
                push_lower(&mut styled, clip(value.trim_matches(['"', '\'']), 16));
                sink.alone(&styled);
            }
        }
    }
}
