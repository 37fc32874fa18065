//! Verdicts in the protocols of spamd and rspamd, asked for by the programs that speak these, and by clients of our own
//! that do not keep to them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use super::daemon::{Config, Daemon};
use super::place::{PATIENCE, folder, free_port};
use super::scanner::{FalseClamd, Manner};

mod exim;
mod haraka;
mod opensmtpd;
mod rspamc;
mod spamc;
mod wire;

/// The password of the tests.
const PASSWORD: &str = "correct horse";

/// A daemon that listens in both protocols.
struct Scanners {
    daemon: Daemon,
    spamd: u16,
    rspamd: u16,
    folder: tempfile::TempDir,
}

/// What differs from test to test: further keys of the sections, and what [`Config`] has.
#[derive(Default)]
struct Keys {
    spamd: &'static str,
    rspamd: &'static str,
    config: Config,
}

impl Scanners {
    fn start(keys: Keys) -> Scanners {
        let folder = folder();
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        let (spamd, rspamd) = (free_port(), free_port());
        let path = folder.path().display();
        let sections = format!(
            "scanners:
  spamd: {{ listen: ['127.0.0.1:{spamd}', 'unix:{path}/spamd'], socket_mode: '0666'{} }}
  rspamd: {{ listen: ['127.0.0.1:{rspamd}', 'unix:{path}/rspamd'], password_file: {path}/password{} }}
{}",
            keys.spamd, keys.rspamd, keys.config.sections
        );
        let daemon = Daemon::start(&Config {
            sections,
            ..keys.config
        });
        Scanners {
            daemon,
            spamd,
            rspamd,
            folder,
        }
    }

    /// A daemon without further keys.
    fn plain() -> Scanners {
        Scanners::start(Keys::default())
    }

    /// A daemon that can check no message, because its clamd is not there, and takes 100 KiB of one.
    fn unable() -> Scanners {
        let absent = FalseClamd::start(Manner::Absent);
        let config = Config {
            chain: "[rules, clamav]",
            sections: format!(
                "clamav: {{ servers: ['127.0.0.1:{}'] }}\nlimits: {{ message: 100KiB }}\n",
                absent.port
            ),
            ..Config::default()
        };
        Scanners::start(Keys {
            config,
            ..Keys::default()
        })
    }

    /// What the daemon answers to these bytes, up to its end.
    fn say(&self, port: u16, bytes: &[u8]) -> Vec<u8> {
        let mut stream = connect(port);
        // A daemon that has heard enough may close before it has read all.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    fn requests(&self, protocol: &str, command: &str, result: &str) -> f64 {
        self.daemon.metric(&format!(
            "mailweir_scanner_requests_total{{command=\"{command}\",protocol=\"{protocol}\",result=\"{result}\"}}"
        ))
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Runs a program with something on its standard input.
fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that has read enough may end before.
        let _ = stdin.write_all(&input);
    });
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Points, as the wire shows them.
fn parsed(text: &str) -> f64 {
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"))
}
