//! Messages with the same bytes share one file.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mailweir::mail::Address;

use crate::fixture::*;

/// Files with the bytes of messages.
fn messages(dir: &Path) -> Vec<PathBuf> {
    files(dir)
        .iter()
        .map(|head| head.with_extension("eml"))
        .collect()
}

#[tokio::test]
async fn copies_share_one_file_and_removing_one_leaves_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path()).await;
    let mut entries = Vec::new();
    for number in 0..3 {
        let mut entry = entry("same");
        entry.recipients = vec![Address::new(format!("<r{number}@example.org>").as_bytes())];
        quarantine.store(&entry, message("same")).await.unwrap();
        entries.push(entry);
    }
    quarantine
        .store(&entry("other"), message("other"))
        .await
        .unwrap();
    let inodes = || {
        let inode = |path: &PathBuf| fs::metadata(path).unwrap().ino();
        messages(dir.path())
            .iter()
            .map(inode)
            .collect::<BTreeSet<u64>>()
            .len()
    };
    assert_eq!((messages(dir.path()).len(), inodes()), (4, 2));

    // A copy of a file that is not what it was any more is written anew.
    let first = messages(dir.path())
        .into_iter()
        .find(|p| p.file_stem().unwrap() == &*entries[0].id);
    let damaged = first.unwrap();
    let bytes = fs::read(&damaged).unwrap();
    fs::write(&damaged, "damaged").unwrap();
    let mut late = entry("same");
    late.recipients = vec![Address::new(b"<late@example.org>")];
    quarantine.store(&late, message("same")).await.unwrap();
    assert_eq!(quarantine.read(&late.id).await.unwrap(), message("same"));
    fs::write(&damaged, bytes).unwrap();

    quarantine.delete(&entries[0].id).await.unwrap();
    quarantine.delete(&entries[2].id).await.unwrap();
    assert_eq!(
        quarantine.read(&entries[1].id).await.unwrap(),
        message("same")
    );
    quarantine.delete(&entries[1].id).await.unwrap();
    assert_eq!(inodes(), 2);
    drop(quarantine);
    let quarantine = open(dir.path()).await;
    assert_eq!(quarantine.recovered(), &Default::default());
    assert_eq!(quarantine.read(&late.id).await.unwrap(), message("same"));
}
