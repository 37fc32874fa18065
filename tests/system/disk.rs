//! A disk that can be full.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::host::root;
use super::place::folder;

/// A file system of its own in memory.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `size` as mount takes it, `1m` say. `None` when nothing can be mounted here.
    pub(crate) fn mount(size: &str) -> Option<SmallDisk> {
        if !root() {
            return None;
        }
        let folder = folder();
        let options = format!("size={size},mode=0700");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("skipped: a tmpfs cannot be mounted here");
            return None;
        }
        Some(SmallDisk(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Takes every block that is left.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    }

    /// Gives them back.
    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.0.path())
            .status();
    }
}
