//! Looking at files for changes, by asking for their state again and again.
//!
//! Asking works where notifications do not: network file systems, bind mounts, folders that are replaced by
//! a link to another. What is compared is name, size, times and inode of every file, so that a rename over
//! a file, a write into it and a new link are all seen. Files are not read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

/// Folders in folders that are looked into.
const DEPTH: usize = 8;
/// Most files that are looked at; a change of one beyond them is not seen.
const FILES: usize = 20_000;

/// The state of a number of files; equal when none of them has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The state of nothing that was ever read: whatever is there differs from it.
    pub(crate) const NONE: Fingerprint = Fingerprint([0; 32]);

    /// Looks at files, and at all files of folders, hidden ones left out. What is not there has a state too.
    /// Links are followed.
    pub(crate) fn of(paths: &[PathBuf]) -> Fingerprint {
        let mut look = Look {
            digest: blake3::Hasher::new(),
            left: FILES,
        };
        for path in paths {
            look.at(path, 0);
        }
        Fingerprint(*look.digest.finalize().as_bytes())
    }
}

/// The files that a configuration is made of, with their state before they were read.
#[derive(Debug)]
pub struct Watched {
    pub(super) files: Vec<PathBuf>,
    pub(super) read: Fingerprint,
}

impl Watched {
    /// To be called before `file`, the configuration itself, is read; without one, for the embedded default.
    pub fn before(file: Option<&Path>) -> Watched {
        let files: Vec<PathBuf> = file.map(Path::to_path_buf).into_iter().collect();
        Watched {
            read: Fingerprint::of(&files),
            files,
        }
    }

    /// To be called when the configuration has been read, and before anything that it names:
    /// `files` are itself and those. A configuration that changed meanwhile counts as not read.
    pub fn and(self, files: Vec<PathBuf>) -> Watched {
        let read = Fingerprint::of(&files);
        let unchanged = Fingerprint::of(&self.files) == self.read;
        Watched {
            read: if unchanged { read } else { Fingerprint::NONE },
            files,
        }
    }
}

/// Looks `every` so often, until what is seen differs from `read` and is what was seen the time before: then nobody is
/// writing any more. A look that sees nothing is passed over.
pub(super) async fn stands_changed<Looked: Future<Output = Option<Fingerprint>>>(
    read: Fingerprint,
    every: Duration,
    mut look: impl FnMut() -> Looked,
) {
    let mut looks = tokio::time::interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = read;
    loop {
        looks.tick().await;
        let Some(now) = look().await else {
            continue;
        };
        if now != read && now == before {
            return;
        }
        before = now;
    }
}

struct Look {
    digest: blake3::Hasher,
    left: usize,
}

impl Look {
    fn at(&mut self, path: &Path, depth: usize) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let name = path.as_os_str().as_encoded_bytes();
        self.digest.update(&(name.len() as u64).to_le_bytes());
        self.digest.update(name);
        let Ok(state) = std::fs::metadata(path) else {
            self.digest.update(b"absent");
            return;
        };
        self.state(&state);
        if !state.is_dir() || depth >= DEPTH {
            return;
        }
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut inside: Vec<PathBuf> = entries
            .filter(|e| !e.file_name().as_encoded_bytes().starts_with(b"."))
            .map(|e| e.path())
            .collect();
        inside.sort();
        for path in inside {
            self.at(&path, depth + 1);
        }
    }

    fn state(&mut self, state: &Metadata) {
        if state.is_dir() {
            // Its times change with hidden files, too: those that editors keep while they write.
            self.digest.update(b"folder");
            return;
        }
        for number in [state.dev(), state.ino(), state.size()] {
            self.digest.update(&number.to_le_bytes());
        }
        let times = [
            state.mtime(),
            state.mtime_nsec(),
            state.ctime(),
            state.ctime_nsec(),
        ];
        for number in times {
            self.digest.update(&number.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Looks at these states, one after the other; gives how many there were when the change was believed.
    async fn looks(read: u8, seen: &[Option<u8>]) -> usize {
        let mut left = seen.iter();
        let state = |n: u8| Fingerprint([n; 32]);
        stands_changed(state(read), Duration::from_millis(1), || {
            let now = left.next().expect("the change was not believed");
            std::future::ready(now.map(state))
        })
        .await;
        seen.len() - left.len()
    }

    #[tokio::test]
    async fn files_that_are_still_being_written_are_not_read() {
        // Each look sees another state, until the writer is done.
        assert_eq!(looks(1, &[1, 1, 2, 3, 4, 4, 5].map(Some)).await, 6);
        // What was read, and read again, is no change, nor is one that was taken back.
        assert_eq!(looks(1, &[1, 2, 1, 1, 3, 3].map(Some)).await, 6);
        // A look that fails tells neither that something stands still nor that it does not.
        assert_eq!(looks(1, &[Some(2), None, Some(3), None, Some(3)]).await, 5);
        // What was never read is read when it has been seen twice.
        assert_eq!(looks(0, &[7, 7].map(Some)).await, 2);
    }

    #[test]
    fn every_way_of_changing_a_file_is_seen_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules");
        fs::create_dir_all(rules.join("lists")).unwrap();
        fs::write(rules.join("a.yaml"), "one").unwrap();
        fs::write(rules.join("lists/l.txt"), "one").unwrap();
        let paths = [folder.path().join("mailweir.yaml"), rules.clone()];
        let mut last = Fingerprint::of(&paths);
        assert_eq!(last, Fingerprint::of(&paths));
        // The files that editors keep beside are hidden.
        fs::write(rules.join(".a.yaml.swp"), "x").unwrap();
        assert_eq!(last, Fingerprint::of(&paths));
        let changes: [(&str, &dyn Fn()); 6] = [
            ("appears", &|| fs::write(&paths[0], "x").unwrap()),
            ("written", &|| {
                fs::write(rules.join("a.yaml"), "longer").unwrap()
            }),
            ("renamed over", &|| {
                fs::write(rules.join(".new"), "longer").unwrap();
                fs::rename(rules.join(".new"), rules.join("a.yaml")).unwrap();
            }),
            ("in a folder below", &|| {
                fs::write(rules.join("lists/l.txt"), "two two").unwrap()
            }),
            ("gone", &|| fs::remove_file(rules.join("a.yaml")).unwrap()),
            ("replaced by a link", &|| {
                fs::rename(&rules, folder.path().join("old")).unwrap();
                fs::create_dir(folder.path().join("new")).unwrap();
                fs::write(folder.path().join("new/b.yaml"), "x").unwrap();
                std::os::unix::fs::symlink("new", &rules).unwrap();
            }),
        ];
        for (what, change) in changes {
            change();
            let now = Fingerprint::of(&paths);
            assert_ne!(last, now, "{what}");
            last = now;
        }
    }

    #[test]
    fn what_changes_while_it_is_read_counts_as_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let both = vec![file("mailweir.yaml"), file("rules.yaml")];
        let write = |name: &str, text: &str| fs::write(file(name), text).unwrap();
        let start = |meanwhile: &dyn Fn(), afterwards: &dyn Fn()| {
            write("mailweir.yaml", "one");
            write("rules.yaml", "one");
            let watched = Watched::before(Some(&both[0]));
            meanwhile();
            let watched = watched.and(both.clone());
            afterwards();
            watched.read == Fingerprint::of(&both)
        };
        let nothing = || ();
        assert!(start(&nothing, &nothing));
        assert!(!start(&|| write("mailweir.yaml", "three"), &nothing));
        assert!(
            start(&|| write("rules.yaml", "three"), &nothing),
            "not read before"
        );
        assert!(!start(&nothing, &|| write("rules.yaml", "three")));
    }

    #[test]
    fn a_circle_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        let paths = [folder.path().to_path_buf()];
        assert_eq!(Fingerprint::of(&paths), Fingerprint::of(&paths));
    }
}
