//! Archives made to exhaust memory and time (CVE-2019-12625 and its like), against the running daemon.

use std::time::{Duration, Instant};

use mailweir::milter::MtaReply;

use super::archives::{self, Zipped};
use super::daemon::{Config, Daemon};
use super::milter::Milter;

/// What the daemon may hold beside its own 100 MB of rules, parser and test build: what the messages in progress
/// may unpack, once as packed and once as unpacked.
const MEMORY_MIB: u64 = 400;
/// Opening may take 5 seconds for each message, and messages wait for each other.
const PATIENCE: Duration = Duration::from_secs(60);

/// Largest memory so far, MiB.
fn peak(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib >> 10
}

fn send(daemon: &Daemon, raw: &[u8]) -> Vec<MtaReply> {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    milter.envelope();
    let body = milter.header(raw);
    for chunk in body.chunks(60_000) {
        milter.body(chunk);
    }
    milter.write_end();
    milter.final_replies()
}

/// Name, archive, and the limit that it runs into, where it is not time.
fn bombs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let zeros = vec![0; 64 << 20];
    let stored = |name: &str, content: &[u8]| Zipped {
        method: 0,
        ..Zipped::new(name, content)
    };
    let mut layers = archives::zip(&[Zipped::new("0.dll", &zeros[..16 << 20])]);
    for level in 0..5 {
        let name = |n: usize| format!("lib {level} {n}.zip");
        let files: Vec<Zipped> = (0..16).map(|n| Zipped::new(&name(n), &layers)).collect();
        layers = archives::zip(&files);
    }
    let many: Vec<Zipped> = (0..65_535).map(|n| stored(&n.to_string(), b"")).collect();
    let mut deep = b"the end".to_vec();
    for _ in 0..2000 {
        deep = archives::zip(&[stored("a.zip", &deep)]);
    }
    let mut chain = b"the end".to_vec();
    for _ in 0..500 {
        chain = archives::gzip(&chain);
    }
    let twice = archives::bzip2(&archives::bzip2(&zeros));
    let in_eml = archives::message(&[("a.gz", &archives::gzip(&zeros))]);
    vec![
        ("42.zip", layers, "bytes"),
        ("zeros.gz", archives::gzip(&zeros), "ratio"),
        ("zeros.xz", archives::xz(&zeros), "ratio"),
        ("twice.bz2", twice, "ratio"),
        ("many.zip", archives::zip(&many), "files"),
        ("deep.zip", deep, "depth"),
        ("chain.gz", chain, "depth"),
        (
            "zeros.7z",
            archives::sevenzip(&[("zeros", &zeros)]),
            "ratio",
        ),
        ("zeros.cab", archives::cab(&[("zeros", &zeros)]), "ratio"),
        ("mail.eml", in_eml, "ratio"),
    ]
}

#[test]
fn bombs_end_at_a_limit_within_time_and_memory() {
    let daemon = Daemon::start(&Config {
        chain: "[attachments, rules]",
        ..Config::default()
    });
    let mut sent = 0.0;
    for (name, bomb, limit) in bombs() {
        let raw = archives::message(&[(name, &bomb)]);
        let unscanned = |reason| {
            daemon.metric(&format!(
                "mailweir_unscanned_total{{filter=\"attachments\",reason=\"{reason}\"}}"
            ))
        };
        let reached = |limit| {
            let series = format!("mailweir_attachments_limits_total{{limit=\"{limit}\"}}");
            daemon.metric(&series)
        };
        let before = (reached(limit), reached("time"));
        let started = Instant::now();
        let replies = send(&daemon, &raw);
        sent += 1.0;
        assert!(
            started.elapsed() < PATIENCE,
            "{name}: {:?}",
            started.elapsed()
        );
        // Never clean: delivered as the policy says, and said to be unscanned.
        assert_eq!(replies.last(), Some(&MtaReply::Continue), "{name}");
        assert!(
            (unscanned("limit") + unscanned("timeout") - sent).abs() < 0.5,
            "{name}"
        );
        let after = (reached(limit), reached("time"));
        assert!(
            after.0 > before.0 || after.1 > before.1,
            "{name}: not {limit}"
        );
        let peak = peak(&daemon);
        println!(
            "{name}: {} bytes, {:?}, peak {peak} MiB",
            bomb.len(),
            started.elapsed()
        );
        assert!(peak < MEMORY_MIB, "{name}: {peak} MiB");
    }
}

#[test]
fn many_bombs_at_once_take_no_more_memory_than_those_that_are_opened_at_one_time() {
    let daemon = Daemon::start(&Config {
        chain: "[attachments, rules]",
        sections: "attachments: { concurrent: 2, bytes: 64MiB, time: 1s }\n".to_owned(),
        ..Config::default()
    });
    // 32 MB that cannot be packed small, so that no ratio ends it.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random: Vec<u8> = (0..4 << 20)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    let inner = archives::gzip(&random);
    let files: Vec<Zipped> = (0..8)
        .map(|n| Zipped {
            method: 0,
            ..Zipped::new(&format!("{n}.gz"), &inner)
        })
        .collect();
    let raw = archives::message(&[("a.zip", &archives::zip(&files))]);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| send(&daemon, &raw));
        }
    });
    let answered = daemon.metric("mailweir_messages_total{verdict=\"deliver\"}");
    assert!((answered - 6.0).abs() < 0.5, "{answered}");
    // Six messages of 44 MB as they came and as they were decoded, and two that are opened.
    let own = 6 * 2 * (raw.len() as u64 >> 20);
    let peak = peak(&daemon);
    println!("messages {own} MiB, peak {peak} MiB");
    assert!(peak < own + MEMORY_MIB, "{peak} MiB beside {own} MiB");
}

/// `count` headers of files without a list behind them, each with all that follows it for a name.
fn headers_in_names(count: usize) -> Vec<u8> {
    let mut header = b"PK\x03\x04".to_vec();
    header.resize(26, 0);
    header.extend_from_slice(b"\xff\xff\0\0");
    let mut out = header.repeat(count);
    out.resize(out.len() + 0xffff, b'n');
    out
}

/// A list of `count` files that share one header with the longest name there is.
fn shared_header(count: usize) -> Vec<u8> {
    let mut out = headers_in_names(1);
    let mut entry = b"PK\x01\x02".to_vec();
    entry.resize(46, 0);
    let start = out.len() as u32;
    let list = entry.repeat(count);
    out.extend_from_slice(&list);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff");
    out.extend_from_slice(&(list.len() as u32).to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

/// A cabinet of as many folders as there may be, which share their bytes and hold no file.
fn shared_folders() -> Vec<u8> {
    let folders = usize::from(u16::MAX);
    let blocks = 200_u16;
    let data = 36 + 8 * folders;
    let mut out = b"MSCF\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend_from_slice(&(data as u32).to_le_bytes());
    out.extend_from_slice(&[0, 0, 0, 0, 3, 1]);
    out.extend_from_slice(&u16::MAX.to_le_bytes());
    out.resize(36, 0);
    let mut folder = (data as u32).to_le_bytes().to_vec();
    folder.extend_from_slice(&blocks.to_le_bytes());
    folder.extend_from_slice(&[1, 0]);
    out.extend_from_slice(&folder.repeat(folders));
    let mut block = vec![0; 4];
    block.extend_from_slice(&40_000_u16.to_le_bytes());
    block.extend_from_slice(&1_u16.to_le_bytes());
    block.resize(8 + 40_000, b'x');
    out.extend_from_slice(&block.repeat(usize::from(blocks)));
    out
}

/// A compound file with these entries behind the root: name, what it is (1 a storage, 2 a stream), its first sector among
/// those of `content`, its size.
fn compound(entries: &[(&str, u8, u32, u32)], content: &[u8]) -> Vec<u8> {
    const SECTOR: usize = 512;
    let mut directory = Vec::new();
    for (name, kind, start, size) in [("Root Entry", 5, 0, 0)].iter().chain(entries) {
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut record = units.clone();
        record.resize(64, 0);
        record.extend_from_slice(&(units.len() as u16 + 2).to_le_bytes());
        record.extend_from_slice(&[*kind, 1]);
        record.extend_from_slice(&[0xff; 12]);
        record.resize(0x74, 0);
        record.extend_from_slice(&start.to_le_bytes());
        record.extend_from_slice(&size.to_le_bytes());
        record.resize(128, 0);
        directory.extend_from_slice(&record);
    }
    let sectors = |bytes: &[u8]| bytes.len().div_ceil(SECTOR) as u32;
    let (contents, entries) = (sectors(content), sectors(&directory));
    let tables = (contents + entries).div_ceil(127);
    // The content first, so that its sectors have the numbers that entries say; then entries, then the table.
    let mut table = Vec::new();
    for length in [contents, entries] {
        let first = table.len() as u32;
        table.extend((1..length).map(|n| first + n));
        table.extend((length > 0).then_some(0xffff_fffe));
    }
    table.resize(tables as usize * SECTOR / 4, 0xffff_fffd_u32);
    let mut out = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec();
    out.resize(0x18, 0);
    for field in [0x3e, 3, 0xfffe, 9, 6_u16] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.resize(0x30, 0);
    for field in [contents, 0, 4096, 0xffff_fffe, 0, 0xffff_fffe, 0] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    for number in 0..109 {
        let place = match number < tables {
            true => contents + entries + number,
            false => u32::MAX,
        };
        out.extend_from_slice(&place.to_le_bytes());
    }
    for bytes in [content, &directory] {
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(SECTOR), 0);
    }
    out.extend(table.iter().flat_map(|n| n.to_le_bytes()));
    out
}

/// A project of macros with a list of so many modules, packed as VBA packs it, and so many streams.
fn many_modules(modules: usize, streams: usize) -> Vec<u8> {
    // The name and the end of a module in thirteen letters as they are, and one copy from thirteen letters before.
    let record = b"\x1a\0\x01\0\0\0x\x2b\0\0\0\0\0";
    let each = 4096 / record.len();
    let copied = (each as u16 - 1) * record.len() as u16;
    let token = (12 << 12) | (copied - 3);
    let mut chunk = vec![0];
    chunk.extend_from_slice(&record[..8]);
    chunk.push(0b1110_0000);
    chunk.extend_from_slice(&record[8..]);
    chunk.extend_from_slice(&token.to_le_bytes());
    let header = 0xb000 | (chunk.len() as u16 + 2 - 3);
    let mut packed = vec![1];
    for _ in 0..modules.div_ceil(each) {
        packed.extend_from_slice(&header.to_le_bytes());
        packed.extend_from_slice(&chunk);
    }
    let size = packed.len().max(4096) as u32;
    let mut entries = vec![("VBA", 1, 0, 0), ("dir", 2, 0, size)];
    entries.resize(streams, ("module", 2, u32::MAX, 0));
    let mut file = compound(&entries, &packed);
    // The streams lie in the storage: it is below the root, and each is the next of the one before.
    let directory = 512 + packed.len().next_multiple_of(512);
    let mut link = |entry: usize, at: usize, to: u32| {
        let place = directory + 128 * entry + at;
        file[place..place + 4].copy_from_slice(&to.to_le_bytes());
    };
    link(0, 0x4c, 1);
    link(1, 0x4c, 2);
    for entry in 2..entries.len() {
        link(entry, 0x48, entry as u32 + 1);
    }
    file
}

/// A 7z archive of a list, packed, of so many files of which nothing is said but their number.
fn claimed_files(count: u64) -> Vec<u8> {
    let number = |n: u64| [&[0xff][..], &n.to_le_bytes()].concat();
    let mut list = [&[0x01, 0x05][..], &number(count)].concat();
    list.resize(count as usize + 64, 0);
    let lzma = archives::lzma(&list);
    // Properties and size stand before the packed bytes.
    let (properties, packed) = (&lzma[..5], &lzma[13..]);
    let mut header = vec![0x17, 0x06, 0, 1, 0x09];
    header.extend_from_slice(&number(packed.len() as u64));
    header.extend_from_slice(&[0, 0x07, 0x0b, 1, 0, 1, 0x23, 0x03, 0x01, 0x01, 5]);
    header.extend_from_slice(properties);
    header.push(0x0c);
    header.extend_from_slice(&number(list.len() as u64));
    header.extend_from_slice(&[0, 0]);
    let mut front = (packed.len() as u64).to_le_bytes().to_vec();
    front.extend_from_slice(&(header.len() as u64).to_le_bytes());
    front.extend_from_slice(&archives::crc32(&header).to_le_bytes());
    let mut out = b"7z\xBC\xAF\x27\x1C\0\x04".to_vec();
    out.extend_from_slice(&archives::crc32(&front).to_le_bytes());
    for part in [&front, packed, &header] {
        out.extend_from_slice(part);
    }
    out
}

/// Messages that look as if they cost little.
fn costly() -> Vec<(&'static str, Vec<u8>)> {
    let attached = |name, bytes: &[u8]| (name, archives::message(&[(name, bytes)]));
    let mut text = archives::message(&[]);
    let at = text.windows(5).position(|w| w == b"See a").unwrap();
    let begins = b"begin x\r\n#86)C\r\n".repeat(60_000);
    text.splice(at..at, begins);
    let documents = [("WordDocument", 2, 0, 0)].repeat(16_000);
    vec![
        attached("shared.zip", &shared_header(12_000)),
        attached("claimed.7z", &claimed_files(12_000_000)),
        attached("headers.zip", &headers_in_names(12_000)),
        attached("folders.cab", &shared_folders()),
        attached("documents.doc", &compound(&documents, b"")),
        attached("modules.doc", &many_modules(2_000_000, 2_000)),
        ("begins without end", text),
    ]
}

/// What a message may cost in a test build on a busy machine; each of these took minutes or a gigabyte.
const COST: Duration = Duration::from_secs(40);

#[test]
fn what_shares_bytes_or_repeats_itself_costs_no_more_than_its_length() {
    let daemon = Daemon::start(&Config {
        chain: "[attachments, rules]",
        ..Config::default()
    });
    for (name, raw) in costly() {
        let started = Instant::now();
        let replies = send(&daemon, &raw);
        let (took, peak) = (started.elapsed(), peak(&daemon));
        println!("{name}: {} bytes, {took:?}, peak {peak} MiB", raw.len());
        assert_eq!(replies.last(), Some(&MtaReply::Continue), "{name}");
        assert!(took < COST, "{name}: {took:?}");
        assert!(peak < MEMORY_MIB, "{name}: {peak} MiB");
    }
}
