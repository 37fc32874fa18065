//! The containers of Debian's package clamav-testfiles, made by the programs of their formats.

use mailweir::content::FileFlag;

use crate::{opened, paths, sha256};

const FOLDER: &str = "/usr/share/clamav-testfiles";

#[test]
fn the_file_in_every_container_that_is_opened_is_found() {
    let Ok(inner) = std::fs::read(format!("{FOLDER}/clam.exe")) else {
        println!("skipped: {FOLDER} is not there (Debian package clamav-testfiles)");
        return;
    };
    let mut missing = Vec::new();
    for name in [
        "clam.7z",
        "clam.bz2.zip",
        "clam.cab",
        "clam.d64.zip",
        "clam.exe.bz2",
        "clam.exe.mbox.base64",
        "clam.exe.mbox.uu",
        "clam.mail",
        "clam.tar.gz",
        "clam.tnef",
        "clam.zip",
    ] {
        let bytes = std::fs::read(format!("{FOLDER}/{name}")).unwrap();
        let attached = match name {
            "clam.mail" | "clam.exe.mbox.base64" | "clam.exe.mbox.uu" => format!("{name}.eml"),
            _ => name.to_owned(),
        };
        let content = opened(&attached, &bytes);
        if !content.files.iter().any(|f| f.sha256 == sha256(&inner)) {
            missing.push(format!("{name}: {:?}", paths(&content)));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    // A packing that nobody uses any more is listed, and said to be unopened.
    let imploded = std::fs::read(format!("{FOLDER}/clam.impl.zip")).unwrap();
    assert!(
        opened("a.zip", &imploded)
            .flagged(FileFlag::Unopened)
            .is_some()
    );
}
