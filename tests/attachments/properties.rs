//! Whatever the bytes: no panic, every limit holds, and the same bytes give the same files.

use std::time::Duration;

use mailweir::content::Limits;
use proptest::prelude::*;

use crate::archives::{self, Zipped, eicar, program};
use crate::within;

fn limits() -> Limits {
    Limits {
        depth: 3,
        files: 50,
        file_bytes: 1 << 18,
        bytes: 1 << 20,
        ratio: 1000,
        time: Duration::from_secs(600),
    }
}

/// One of each kind.
fn samples() -> Vec<Vec<u8>> {
    let (eicar, program) = (eicar(), program());
    let files: &[(&str, &[u8])] = &[("eicar.com", &eicar), ("a.exe", &program)];
    let zipped = |method| Zipped {
        method,
        ..Zipped::new("a.exe", &program)
    };
    vec![
        archives::zip(&[
            zipped(8),
            zipped(12),
            zipped(14),
            zipped(93),
            zipped(95),
            zipped(9),
        ]),
        archives::gzip(&archives::tar(files)),
        archives::bzip2(&eicar),
        archives::xz(&eicar),
        archives::lzma(&eicar),
        archives::zstd(&program),
        archives::tar(files),
        archives::sevenzip(files),
        archives::rar4(
            0,
            &[
                ("a.exe", &program, 0, 0x30),
                ("b.exe", &program, 0x200, 0x33),
            ],
        ),
        archives::rar5(false, &[("a.exe", &program, 0, false)]),
        archives::iso(files, true),
        archives::fat(files),
        archives::cab(files),
        archives::tnef(files),
        archives::message(files),
    ]
}

fn bounded(bytes: &[u8]) -> Result<(), TestCaseError> {
    let limits = limits();
    let content = within("a", bytes, &limits);
    prop_assert!(content.files.len() <= limits.files);
    for file in &content.files {
        prop_assert!(file.depth <= limits.depth);
        prop_assert!(file.name.len() <= 260 && file.path.len() <= 4096);
    }
    prop_assert_eq!(content, within("a", bytes, &limits));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_archives_are_read_without_panic(
        sample in 0..15_usize,
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = samples().swap_remove(sample);
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(end.index(bytes.len() + 1));
        }
        bounded(&bytes)?;
    }

    #[test]
    fn extreme_fields_are_read_without_panic(
        sample in 0..15_usize,
        place in any::<prop::sample::Index>(),
        value in prop_oneof![Just(u64::MAX), Just(0), Just(1 << 31), Just(1 << 63), any::<u64>()],
        width in 1..9_usize,
    ) {
        let mut bytes = samples().swap_remove(sample);
        let at = place.index(bytes.len());
        let end = (at + width).min(bytes.len());
        bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
        bounded(&bytes)?;
    }

    #[test]
    fn anything_behind_a_signature_is_read_without_panic(
        sample in 0..15_usize,
        rest in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut bytes = samples().swap_remove(sample);
        bytes.truncate(8);
        bytes.extend(rest);
        bounded(&bytes)?;
    }
}
