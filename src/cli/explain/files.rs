//! The files of a message as `explain` shows them.

use std::io::Write;

use serde::Serialize;

use crate::content::{Content, File, FileFlag};
use crate::printable::printable;

/// Files that are shown of one message.
const FILES: usize = 200;
/// Longest path in a line, characters.
const SHOWN: usize = 160;

/// A file in JSON.
#[derive(Serialize)]
pub(super) struct JsonFile<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    declared_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    real_type: Option<&'static str>,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traits: Vec<&'static str>,
}

impl<'a> From<&'a File> for JsonFile<'a> {
    fn from(file: &'a File) -> JsonFile<'a> {
        JsonFile {
            path: &file.path,
            other_name: file.other_name.as_deref(),
            declared_type: file.declared_type.as_deref(),
            real_type: file.real_type,
            size: file.size,
            sha256: file.sha256.map(|d| data_encoding::HEXLOWER.encode(&d)),
            flags: flags(file),
            traits: traits(file),
        }
    }
}

fn flags(file: &File) -> Vec<&'static str> {
    file.flags.iter().map(FileFlag::name).collect()
}

fn traits(file: &File) -> Vec<&'static str> {
    file.traits.iter().map(|t| t.name()).collect()
}

/// The first files of a message in JSON.
pub(super) fn json(content: &Content) -> Vec<JsonFile<'_>> {
    content
        .files
        .iter()
        .take(FILES)
        .map(JsonFile::from)
        .collect()
}

/// The files of a message, a line each: path, real type, size, what is odd, what documents are able to do.
pub(super) fn lines(out: &mut impl Write, content: &Content) -> std::io::Result<()> {
    for file in content.files.iter().take(FILES) {
        let name = match file.path.as_str() {
            "" => "(no name)".to_owned(),
            path => printable(path, SHOWN),
        };
        let mut words = vec![file.real_type.unwrap_or("?").to_owned()];
        words.push(format!("{} bytes", file.size));
        words.extend(flags(file).into_iter().map(str::to_owned));
        words.extend(traits(file).into_iter().map(str::to_owned));
        writeln!(out, "             {name}  ({})", words.join(", "))?;
    }
    let more = content.files.len().saturating_sub(FILES);
    if more > 0 {
        writeln!(out, "             and {more} more")?;
    }
    Ok(())
}
