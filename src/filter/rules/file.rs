//! Reading a file of rules or of a list, within a bound.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::config::{Problem, Source};

/// Reads a file of at most `most` bytes of UTF-8.
pub(crate) fn read(path: &Path, most: u64) -> Result<Source, Problem> {
    let failed =
        |why: String| Problem::without_place(format!("cannot read {}: {why}", path.display()));
    let file = fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    let mut text = String::new();
    file.take(most + 1)
        .read_to_string(&mut text)
        .map_err(|e| failed(e.to_string()))?;
    if text.len() as u64 > most {
        return Err(failed(format!("it is larger than {most} bytes")));
    }
    Ok(Source::new(path, text))
}
