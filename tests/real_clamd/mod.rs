//! The real clamd with a signature database of our own: the EICAR test string, and ClamAV's own test file. The database
//! has a number and a time as ClamAV's have, so that clamd tells of them. It ends with the test.
#![allow(dead_code, unreachable_pub)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// ClamAV's test file packed in everything that it can open (Debian: clamav-testfiles).
pub const TEST_FILES: &str = "/usr/share/clamav-testfiles";

/// What its signature `Sanesecurity.Spam.Test` finds, which clamd takes for certain as any other name.
pub const SPAM: &[u8] = b"a-text-that-the-tests-call-spam";
/// What its signature `Heuristics.Test` finds, of which clamd is less sure.
pub const HEURISTIC: &[u8] = b"a-text-that-the-tests-call-odd";

const DAY: Duration = Duration::from_secs(86_400);
/// Longest wait for clamd.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running clamd.
pub struct RealClamd {
    /// As written in the configuration.
    pub server: String,
    socket: PathBuf,
    process: Child,
    folder: tempfile::TempDir,
}

impl Drop for RealClamd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The EICAR test string, in two halves so that this file is not one itself.
pub fn eicar() -> Vec<u8> {
    [
        &br"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-"[..],
        b"ANTIVIRUS-TEST-FILE!$H+H*",
    ]
    .concat()
}

impl RealClamd {
    /// Starts one with database 27800, a day old; `more` goes into its configuration. Says why not and gives `None`
    /// when it is not installed.
    pub fn start(more: &str) -> Option<RealClamd> {
        let program = ["/usr/sbin/clamd", "/usr/local/sbin/clamd", "/usr/bin/clamd"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let Some(program) = program else {
            println!("skipped: clamd is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::create_dir(path.join("db")).unwrap();
        write_database(path, 27_800, DAY);
        let socket = path.join("socket");
        let config = path.join("clamd.conf");
        std::fs::write(
            &config,
            format!(
                "Foreground yes\nDatabaseDirectory {0}/db\nLocalSocket {1}\nTemporaryDirectory {0}\n\
                 MaxThreads 2\nUser root\n{more}\n",
                path.display(),
                socket.display(),
            ),
        )
        .unwrap();
        let process = Command::new(program)
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut clamd = RealClamd {
            server: format!("unix:{}", socket.display()),
            socket,
            process,
            folder,
        };
        clamd.wait_for("clamd to answer", |clamd| {
            let ended = clamd.process.try_wait().unwrap();
            assert!(ended.is_none(), "clamd ended at its start: {ended:?}");
            clamd.command("VERSION").is_some()
        });
        Some(clamd)
    }

    /// Gives it a database with that number and age, and waits until it works with it.
    pub fn update(&mut self, number: u32, age: Duration) {
        write_database(self.folder.path(), number, age);
        assert_eq!(self.command("RELOAD").as_deref(), Some("RELOADING"));
        let part = format!("/{number}/");
        self.wait_for("clamd to have reloaded", |clamd| {
            clamd.command("VERSION").is_some_and(|v| v.contains(&part))
        });
    }

    fn command(&self, command: &str) -> Option<String> {
        let mut stream = UnixStream::connect(&self.socket).ok()?;
        write!(stream, "z{command}\0").ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(reply.trim_end_matches('\0').to_owned())
    }

    fn wait_for(&mut self, what: &str, mut done: impl FnMut(&mut RealClamd) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "waited too long for {what}");
            // The interval of asking, not a wait for something to have happened.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Writes a database as people build their own (`.cud`): a header of 512 bytes, and behind it signatures in a
/// compressed archive, the first of its files with the header and the digests of the others.
fn write_database(folder: &Path, number: u32, age: Duration) {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let mut signatures = String::new();
    for (name, content) in [
        ("Eicar-Test-Bytes", &eicar()[..]),
        ("Sanesecurity.Spam.Test", SPAM),
        ("Heuristics.Test", HEURISTIC),
    ] {
        signatures += &format!("{name}:0:*:{}\n", hex(content));
    }
    let mut files = vec![("daily.ndb", signatures)];
    if let Ok(file) = std::fs::read(Path::new(TEST_FILES).join("clam.exe")) {
        let digest = hex(&Sha256::digest(&file));
        files.push((
            "daily.hsb",
            format!("{digest}:{}:ClamAV-Test-File\n", file.len()),
        ));
    }
    let built = jiff::Timestamp::now() - age;
    let header = format!(
        "ClamAV-VDB:{}:{number}:{}:90:{}:x:mailweir:{}",
        built.strftime("%d %b %Y %H-%M +0000"),
        files.len(),
        "a".repeat(32),
        built.as_second()
    );
    let mut info = format!("{header}\n");
    for (name, text) in &files {
        let digest = hex(&Sha256::digest(text));
        info += &format!("{name}:{}:{digest}\n", text.len());
    }
    files.insert(0, ("daily.info", info));
    let mut archive = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for (name, text) in &files {
        archive.write_all(&tar_header(name, text.len())).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
        let rest = text.len().next_multiple_of(512) - text.len();
        archive.write_all(&vec![0; rest]).unwrap();
    }
    archive.write_all(&[0; 1024]).unwrap();
    let mut bytes = header.into_bytes();
    bytes.resize(512, b' ');
    bytes.extend(archive.finish().unwrap());
    // Renamed into its place: clamd must not see half of it.
    std::fs::write(folder.join("new"), bytes).unwrap();
    std::fs::rename(folder.join("new"), folder.join("db/daily.cud")).unwrap();
}

/// The header of a plain file in a tar archive (POSIX ustar).
pub fn tar_header(name: &str, size: usize) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    let sum = format!("{sum:06o}\0 ");
    header[148..156].copy_from_slice(sum.as_bytes());
    header
}
