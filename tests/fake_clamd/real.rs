//! The real clamd with one signature of our own: the EICAR test string. It ends with the test.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running clamd, or nothing when it is not installed.
pub struct RealClamd {
    /// As written in the configuration.
    pub server: String,
    process: Child,
    _folder: tempfile::TempDir,
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
    /// Starts one; `more` goes into its configuration. Says why not and gives `None` when it is not
    /// installed.
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
        let database = path.join("db");
        std::fs::create_dir(&database).unwrap();
        let hex: String = eicar().iter().map(|b| format!("{b:02x}")).collect();
        std::fs::write(
            database.join("local.ndb"),
            format!("Eicar-Test-Bytes:0:*:{hex}\n"),
        )
        .unwrap();
        let socket = path.join("socket");
        let config = path.join("clamd.conf");
        std::fs::write(
            &config,
            format!(
                "Foreground yes\nDatabaseDirectory {}\nLocalSocket {}\nTemporaryDirectory {}\nMaxThreads 2\n{more}\n",
                database.display(),
                socket.display(),
                path.display()
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
        let clamd = RealClamd {
            server: format!("unix:{}", socket.display()),
            process,
            _folder: folder,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(
                Instant::now() < deadline,
                "clamd does not listen after 60 s"
            );
            std::thread::yield_now();
        }
        Some(clamd)
    }
}
