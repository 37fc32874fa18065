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
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| failed(e.to_string()))?;
    if bytes.len() as u64 > most {
        return Err(failed(format!("it is larger than {most} bytes")));
    }
    String::from_utf8(bytes)
        .map(|text| Source::new(path, text))
        .map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let source = Source::new(path, String::from_utf8_lossy(error.as_bytes()));
            // What stands in for the first byte that is none begins where it stood.
            Problem::at(&source, at..at + 1, "this is not UTF-8").help(
                "save the file as UTF-8: `iconv -f latin1 -t utf-8` converts one of ISO 8859-1",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_is_no_utf_8_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, b"version: 1\n# \xc3\xa9t\xe9\n").unwrap();
        let problem = read(&path, 100).unwrap_err();
        assert_eq!(problem.position().unwrap(), (path.clone(), 2, 5));
        assert!(read(&path, 5).unwrap_err().message.contains("larger"));
    }
}
