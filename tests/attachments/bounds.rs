//! Archives made to exhaust: every limit holds, and says so.

use std::time::{Duration, Instant};

use mailweir::content::{FileFlag, Limit, Limits};

use crate::archives::{self, Zipped, program};
use crate::{file, flags, opened, within};

/// Far more than any of this takes, far less than what it would take without limits.
const PATIENCE: Duration = Duration::from_secs(60);

fn small() -> Limits {
    Limits {
        depth: 4,
        files: 100,
        file_bytes: 1 << 20,
        bytes: 4 << 20,
        ratio: 100,
        time: PATIENCE,
    }
}

fn nested(levels: usize, mut inner: Vec<u8>, name: &str) -> Vec<u8> {
    for _ in 0..levels {
        inner = archives::zip(&[Zipped {
            method: 0,
            ..Zipped::new(name, &inner)
        }]);
    }
    inner
}

#[test]
fn depth_is_bounded() {
    let bytes = nested(50, program(), "a.zip");
    let content = within("a.zip", &bytes, &small());
    assert_eq!(content.limits, [Limit::Depth].into());
    assert_eq!(content.files.len(), 5);
    assert_eq!(flags(&content.files[4]), ["limit_depth"]);
    // One level that may be opened, with nothing but a program behind it.
    let content = within("a.zip", &nested(4, program(), "a.zip"), &small());
    assert!(content.limits.is_empty());
}

#[test]
fn the_number_of_files_is_bounded() {
    let many: Vec<Zipped> = (0..1000)
        .map(|n| Zipped::new(&format!("{n}.txt"), b"x"))
        .collect();
    let content = within("a.zip", &archives::zip(&many), &small());
    assert_eq!(content.limits, [Limit::Files].into());
    assert_eq!(content.files.len(), 100);
    assert!(flags(file(&content, "a.zip")).contains(&"limit_files"));
}

#[test]
fn sizes_are_counted_and_not_believed() {
    let zeros = vec![0; 3 << 20];
    let random: Vec<u8> = (0..3_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    // A file of 3 MiB that says it is 10 bytes.
    let lying = Zipped {
        claimed: Some(10),
        ..Zipped::new("a.bin", &random)
    };
    let content = within("a.zip", &archives::zip(&[lying]), &small());
    assert_eq!(content.limits, [Limit::FileBytes].into());
    let found = file(&content, "a.zip/a.bin");
    assert!(flags(found).contains(&"limit_file_bytes") && found.sha256.is_none());
    let content = within("a.gz", &archives::gzip(&zeros), &small());
    assert!(content.limits.contains(&Limit::Ratio) || content.limits.contains(&Limit::FileBytes));
    let several: Vec<Zipped> = (0..9)
        .map(|n| Zipped {
            method: 0,
            ..Zipped::new(&format!("{n}.bin"), &random[..1 << 20])
        })
        .collect();
    let content = within("a.zip", &archives::zip(&several), &small());
    assert_eq!(content.limits, [Limit::Bytes].into());
    assert!(content.files.len() < 8);
}

#[test]
fn time_is_bounded_and_work_can_be_stopped() {
    let zeros = archives::gzip(&vec![0; 64 << 20]);
    let hurried = Limits {
        time: Duration::ZERO,
        ..Limits::default()
    };
    let content = within("a.gz", &zeros, &hurried);
    assert_eq!(content.limits, [Limit::Time].into());
    assert!(content.flagged(FileFlag::LimitTime).is_some());
}

/// 42.zip: archives of archives of zeros, each layer sixteen times the next.
#[test]
fn a_bomb_in_layers_ends_at_a_limit() {
    let mut layer = archives::zip(&[Zipped::new("0.dll", &vec![0; 8 << 20])]);
    for level in 0..5 {
        let files: Vec<Zipped> = (0..16)
            .map(|n| Zipped::new(&format!("lib {level} {n}.zip"), &layer))
            .collect();
        layer = archives::zip(&files);
    }
    assert!(layer.len() < 1 << 20, "{}", layer.len());
    let started = Instant::now();
    let content = opened("42.zip", &layer);
    assert!(!content.limits.is_empty());
    assert!(content.files.len() <= Limits::default().files);
    assert!(started.elapsed() < PATIENCE);
}

/// Fifield's bomb: all files share the same bytes.
#[test]
fn files_that_share_bytes_are_seen() {
    let one = archives::zip(&[Zipped::new("a.bin", &vec![0; 2 << 20])]);
    let list = one.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let end = one.windows(4).position(|w| w == b"PK\x05\x06").unwrap();
    let entry = &one[list..end];
    let mut bomb = one[..list].to_vec();
    for _ in 0..50 {
        bomb.extend_from_slice(entry);
    }
    let size = (50 * entry.len()) as u32;
    bomb.extend_from_slice(b"PK\x05\x06\0\0\0\0\x32\0\x32\0");
    bomb.extend_from_slice(&size.to_le_bytes());
    bomb.extend_from_slice(&(list as u32).to_le_bytes());
    bomb.extend_from_slice(&[0, 0]);
    let limits = Limits {
        ratio: 100_000,
        ..Limits::default()
    };
    let content = within("a.zip", &bomb, &limits);
    assert!(flags(file(&content, "a.zip")).contains(&"overlap"));
    let content = opened("a.zip", &bomb);
    assert_eq!(content.limits, [Limit::Ratio].into());
}

/// A gzip file that gives itself: here a chain of so many that none of them is the last that is opened.
#[test]
fn a_chain_without_end_ends() {
    let mut bytes = program();
    for _ in 0..200 {
        bytes = archives::gzip(&bytes);
    }
    let content = opened("r.gz", &bytes);
    assert_eq!(content.limits, [Limit::Depth].into());
    assert_eq!(content.files.len(), 9);
}

/// CVE-2019-12625 and its like: lists of 65,535 files, all of them the same empty one.
#[test]
fn a_list_of_many_files_costs_little() {
    let many: Vec<Zipped> = (0..65_535)
        .map(|n| Zipped {
            method: 0,
            ..Zipped::new(&n.to_string(), b"")
        })
        .collect();
    let bytes = archives::zip(&many);
    let started = Instant::now();
    let content = opened("a.zip", &bytes);
    assert_eq!(content.limits, [Limit::Files].into());
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

#[test]
fn folders_that_hold_themselves_end() {
    let mut image = archives::iso(&[("a.txt", b"x")], false);
    // A folder record that leads back to the root.
    let root = 20 * 2048;
    let used = 34 + 34 + 42;
    let mut record = image[root..root + 34].to_vec();
    record[33] = b'D';
    image[root + used..root + used + 34].copy_from_slice(&record);
    let content = opened("a.iso", &image);
    assert!(content.files.len() <= 3);
    // A chain of clusters that runs in a circle.
    let mut volume = archives::fat(&[("a.bin", &[7; 2000])]);
    volume[512 + 3..512 + 5].copy_from_slice(&[0x02, 0x00]);
    volume[7 * 512 + 32 + 28..7 * 512 + 32 + 32].copy_from_slice(&u32::MAX.to_le_bytes());
    let started = Instant::now();
    let content = opened("a.img", &volume);
    assert!(content.files.len() == 2 && started.elapsed() < PATIENCE);
}
