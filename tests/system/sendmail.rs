//! Sendmail in front of mailweir.
//!
//! Its Debian packages conflict with Postfix, so they are unpacked, not installed:
//! `tests/system/sendmail/unpack.sh DIR` does that, and `MAILWEIR_SENDMAIL=DIR` tells where. Sendmail runs
//! as under inetd, one process for each SMTP session, and leaves what it accepts in its queue, where the
//! tests read it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::daemon::{Config, Daemon, REFUSED, TAGGED};
use super::host::root;
use super::message::message;
use super::place::{folder, installed, wait_for};
use super::process::Process;
use super::smtp::Smtp;

/// A Sendmail with a configuration and a queue of its own.
struct Sendmail {
    root: PathBuf,
    folder: tempfile::TempDir,
}

impl Sendmail {
    /// `milter` is the value of `S=`. `None` when Sendmail is not there.
    fn set_up(milter: &str) -> Option<Sendmail> {
        let Some(unpacked) = unpacked() else {
            println!("skipped: sendmail is not here (tests/system/sendmail/unpack.sh fetches it)");
            return None;
        };
        let (m4, _) = (installed("m4")?, installed("unshare")?);
        if !root() {
            return None;
        }
        let folder = folder();
        let path = folder.path();
        std::fs::create_dir(path.join("queue")).unwrap();
        std::fs::write(path.join("switch"), "hosts files\naliases files\n").unwrap();
        let macros = unpacked.join("usr/share/sendmail/cf");
        std::fs::write(path.join("sendmail.mc"), mc(&macros, path, milter)).unwrap();
        let made = Command::new(m4)
            .arg("-D")
            .arg(format!("_CF_DIR_={}/", macros.display()))
            .arg(path.join("sendmail.mc"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        std::fs::write(path.join("sendmail.cf"), made.stdout).unwrap();
        Some(Sendmail {
            root: unpacked,
            folder,
        })
    }

    /// An SMTP session, past EHLO, and the process that serves it.
    fn open(&self) -> (Smtp, Process) {
        let (client, process) = self.connect();
        (Smtp::over(client), process)
    }

    /// A connection on which nothing was read.
    fn connect(&self) -> (TcpStream, Process) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let server = OwnedFd::from(server);
        // Sendmail waits a minute for a host name with a dot in it; in a namespace of its own it has one.
        let process = Process::spawn(
            Command::new("unshare")
                .args([
                    "--uts",
                    "sh",
                    "-c",
                    "hostname mx.example.org && exec \"$0\" \"$@\"",
                ])
                .arg(self.root.join("usr/libexec/sendmail/sendmail"))
                .args(["-bs", "-C"])
                .arg(self.folder.path().join("sendmail.cf"))
                .env(
                    "LD_LIBRARY_PATH",
                    self.root.join("usr/lib/x86_64-linux-gnu"),
                )
                .stdin(Stdio::from(server.try_clone().unwrap()))
                .stdout(Stdio::from(server))
                .stderr(Stdio::null()),
        );
        (client, process)
    }

    /// Control file and data file of the message that was accepted with this subject.
    fn queued(&self, subject: &str) -> Option<(String, Vec<u8>)> {
        let queue = self.folder.path().join("queue");
        let wanted = format!("H??Subject: {subject}\n");
        for entry in std::fs::read_dir(&queue).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let Some(id) = name.strip_prefix("qf") else {
                continue;
            };
            let control = std::fs::read(entry.path()).unwrap();
            let control = String::from_utf8_lossy(&control).into_owned();
            if control.contains(&wanted) {
                let data = std::fs::read(queue.join(format!("df{id}"))).unwrap();
                return Some((control, data));
            }
        }
        None
    }

    fn wait_for(&self, subject: &str) -> (String, Vec<u8>) {
        wait_for(&format!("{subject} in the queue"), || self.queued(subject))
    }
}

fn unpacked() -> Option<PathBuf> {
    let named = std::env::var_os("MAILWEIR_SENDMAIL").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sendmail");
    [named, Some(beside), Some(PathBuf::from("/"))]
        .into_iter()
        .flatten()
        .find(|root| {
            root.join("usr/libexec/sendmail/sendmail").exists()
                && root.join("usr/share/sendmail/cf/m4/cf.m4").exists()
        })
}

fn mc(macros: &Path, path: &Path, milter: &str) -> String {
    let (macros, path) = (macros.display(), path.display());
    format!(
        "include(`{macros}/m4/cf.m4')
OSTYPE(`linux')
define(`confDOMAIN_NAME', `mx.example.org')
define(`QUEUE_DIR', `{path}/queue')
define(`confPID_FILE', `{path}/pid')
define(`confSERVICE_SWITCH_FILE', `{path}/switch')
define(`confDELIVERY_MODE', `queueonly')
define(`confTO_IDENT', `0')
define(`confTO_RESOLVER_RETRANS', `1s')
define(`confTO_RESOLVER_RETRY', `1')
define(`confMAX_HEADERS_LENGTH', `131072')
define(`ALIAS_FILE', `')
define(`STATUS_FILE', `')
define(`confCW_FILE', `/dev/null')
FEATURE(`no_default_msa')
FEATURE(`accept_unresolvable_domains')
FEATURE(`nocanonify')
RELAY_DOMAIN(`example.org')
INPUT_MAIL_FILTER(`mailweir', `S={milter}, F=T, T=C:10s;S:30s;R:30s;E:5m')
MAILER(`smtp')
"
    )
}

/// The header fields of a control file, in order, without their flags.
fn header(control: &str) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in control.lines() {
        if let Some(field) = line.strip_prefix('H') {
            fields.push(
                field
                    .split_once('?')
                    .unwrap()
                    .1
                    .split_once('?')
                    .unwrap()
                    .1
                    .to_owned(),
            );
        } else if line.starts_with('\t')
            && let Some(field) = fields.last_mut()
        {
            field.push_str(line);
        }
    }
    fields
}

#[test]
fn ham_spam_and_forged_fields_in_one_session_of_sendmail() {
    let daemon = Daemon::start(&Config::default());
    let Some(sendmail) = Sendmail::set_up(&port(&daemon)) else {
        return;
    };
    let (mut smtp, mut process) = sendmail.open();

    let ham = smtp.send(&message("ham", "Lunch at noon?"));
    assert_eq!(ham.code, 250, "{ham:?}");
    let (control, data) = sendmail.wait_for("ham");
    let fields = header(&control);
    let names: Vec<&str> = fields
        .iter()
        .map(|f| f.split(':').next().unwrap())
        .collect();
    let top = names.iter().position(|n| *n == "X-Spam-Flag").unwrap();
    assert_eq!(
        names[top..top + 7],
        [
            "X-Spam-Flag",
            "X-Spam-Score",
            "X-Spam-Level",
            "X-Spam-Status",
            "X-Virus-Status",
            "X-Mailweir-Id",
            "Received"
        ]
    );
    assert_eq!(fields[top], "X-Spam-Flag: NO");
    assert!(fields.contains(&"From: Anna <sender@example.net>".to_owned()));
    assert_eq!(data, b"Lunch at noon?\n");

    let mut forged = b"X-Spam-Flag: NO\r\nX-Spam-Score: -9\r\nx-spam-flag: no\r\n\
        X-Virus-Status: Clean\r\nX-Spam-Flag: third\r\n"
        .to_vec();
    forged.extend_from_slice(&message("forged", TAGGED));
    let spam = smtp.send(&forged);
    assert_eq!(spam.code, 250, "{spam:?}");
    let (control, _) = sendmail.wait_for("forged");
    let marks: Vec<String> = header(&control)
        .into_iter()
        .filter(|f| f.to_ascii_lowercase().starts_with("x-spam-") || f.starts_with("X-Virus"))
        // The version of the configuration differs from run to run.
        .map(|f| {
            f.split("version=")
                .next()
                .unwrap_or_default()
                .trim_end()
                .to_owned()
        })
        .collect();
    assert_eq!(
        marks,
        [
            "X-Spam-Flag: YES",
            "X-Spam-Score: 6.00",
            "X-Spam-Level: ******",
            "X-Spam-Status: Yes, score=6.00 required=5.00 tests=TEST_SIX",
            "X-Virus-Status: Unscanned (no scanner configured)"
        ]
    );

    let refused = smtp.send(&message("refused", REFUSED));
    assert_eq!(refused.code, 550, "{refused:?}");
    assert!(
        refused
            .text
            .starts_with("550 5.7.1 Message refused as spam (id "),
        "{refused:?}"
    );
    let last = smtp.send(&message("last", "After a refusal"));
    assert_eq!(last.code, 250, "{last:?}");
    let (control, _) = sendmail.wait_for("last");
    assert!(header(&control).contains(&"X-Spam-Flag: NO".to_owned()));
    smtp.quit();
    process.wait();
    assert!(sendmail.queued("refused").is_none());
    assert_eq!(daemon.metric("mailweir_sessions_total"), 1.0);
}

/// The value of `S=` for the port of a daemon.
/// Recipients in a control file.
fn recipients(control: &str) -> Vec<&str> {
    let lines = control.lines().filter(|l| l.starts_with('R'));
    lines
        .filter_map(|l| Some(l.split_once('<')?.1.trim_end_matches('>')))
        .collect()
}

#[test]
fn sendmail_drops_who_refuses_a_message_that_others_take() {
    let daemon = Daemon::start(&Config {
        sections: "policies:
  - { name: strict, for: { recipients: [strict@example.org] }, thresholds: { reject: 5, quarantine: 5 } }
"
        .to_owned(),
        ..Config::default()
    });
    let Some(sendmail) = Sendmail::set_up(&port(&daemon)) else {
        return;
    };
    let (mut smtp, mut process) = sendmail.open();
    let mut send = |recipients: &[&str], subject: &str| {
        assert_eq!(smtp.command("MAIL FROM:<sender@example.net>").code, 250);
        for recipient in recipients {
            let reply = smtp.command(&format!("RCPT TO:<{recipient}>"));
            assert_eq!(reply.code, 250, "{reply:?}");
        }
        smtp.data(&message(subject, TAGGED)).code
    };
    assert_eq!(
        send(&["Strict@example.org", "user@example.org"], "split"),
        250
    );
    let (control, _) = sendmail.wait_for("split");
    assert_eq!(recipients(&control), ["user@example.org"], "{control}");
    assert!(header(&control).contains(&"X-Mailweir-Policy: default".to_owned()));
    assert_eq!(daemon.quarantined().len(), 1);
    assert_eq!(send(&["strict@example.org"], "refused"), 550);
    smtp.quit();
    process.wait();
}

fn port(daemon: &Daemon) -> String {
    format!("inet:{}@127.0.0.1", daemon.milter)
}

/// A folder of the kind that packages make: no one but root may write to those above it.
fn run_folder() -> Option<tempfile::TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("mailweir-")
        .tempdir_in("/run");
    if folder.is_err() {
        println!("skipped: a folder in /run is needed");
    }
    folder.ok()
}

#[test]
fn over_a_unix_socket_sendmail_comes_in_when_its_folders_are_safe() {
    let Some(folder) = run_folder() else {
        return;
    };
    let daemon = Daemon::start(&Config {
        socket: Some(folder.path().join("milter.sock")),
        socket_mode: "0660",
        ..Config::default()
    });
    let Some(sendmail) = Sendmail::set_up(&daemon.unix()) else {
        return;
    };
    let (mut smtp, mut process) = sendmail.open();
    assert_eq!(smtp.send(&message("by socket", TAGGED)).code, 250);
    let (control, _) = sendmail.wait_for("by socket");
    assert!(header(&control).contains(&"X-Spam-Flag: YES".to_owned()));
    let refused = smtp.send(&message("refused", REFUSED));
    assert_eq!(refused.code, 550, "{refused:?}");
    smtp.quit();
    process.wait();
    assert_eq!(daemon.metric("mailweir_sessions_total"), 1.0);
}

#[test]
fn a_socket_that_others_could_replace_is_refused_by_sendmail_for_now() {
    // In a folder of /tmp, which everybody may write to.
    let daemon = Daemon::start(&Config {
        socket_mode: "0660",
        ..Config::default()
    });
    let Some(sendmail) = Sendmail::set_up(&daemon.unix()) else {
        return;
    };
    let (client, _process) = sendmail.connect();
    let (_, greeting) = Smtp::greeted(client).unwrap();
    assert_eq!(greeting.code, 451, "{greeting:?}");
    assert!(greeting.text.contains("unsafe"), "{greeting:?}");
    assert_eq!(daemon.metric("mailweir_sessions_total"), 0.0);
}

#[test]
fn without_mailweir_sendmail_refuses_for_now() {
    let mut daemon = Daemon::start(&Config::default());
    let Some(sendmail) = Sendmail::set_up(&port(&daemon)) else {
        return;
    };
    daemon.signal("KILL");
    daemon.wait();
    let (mut smtp, _process) = sendmail.open();
    let reply = smtp.command("MAIL FROM:<sender@example.net>");
    assert!((400..500).contains(&reply.code), "{reply:?}");
}
