//! Held messages in real object stores: WebDAV by rclone, S3 by OpenStack Swift, both from Debian.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mailweir::milter::MtaReply;

use super::certificate::certificate;
use super::daemon::{Config, Daemon, HELD};
use super::message::{as_stored, message};
use super::milter::Milter;
use super::place::{folder, free_port, installed, wait_for};
use super::process::Process;

const SECRET: &str = "hunter2-of-the-store";

/// A store, and what the section `objects` says of it.
struct Store {
    server: Server,
    folder: tempfile::TempDir,
    objects: String,
}

/// The process or processes of a store; they end with it.
enum Server {
    Rclone(Process),
    /// Ends when its standard input does.
    Swift(Child),
}

impl Server {
    fn stop(&mut self) {
        match self {
            Server::Rclone(process) => {
                process.signal("KILL");
                process.wait();
            }
            Server::Swift(child) => {
                drop(child.stdin.take());
                child.wait().unwrap();
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Server::Swift(child) = &mut self.server {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// A folder of WebDAV, behind TLS where there is a certificate with its key.
fn webdav(tls: Option<&(PathBuf, PathBuf)>) -> Option<Store> {
    let rclone = installed("rclone")?;
    let (folder, port) = (folder(), free_port());
    let mut command = Command::new(rclone);
    command
        .args(["serve", "webdav", "--config", "/dev/null", "--addr"])
        .arg(format!("127.0.0.1:{port}"))
        .args(["--user", "keeper", "--pass", SECRET]);
    if let Some((certificate, key)) = tls {
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
    }
    let server = Process::spawn(command.arg(folder.path()).stderr(Stdio::null()));
    wait_for("rclone", || TcpStream::connect(("127.0.0.1", port)).ok());
    let objects = match tls {
        None => format!("url: 'http://127.0.0.1:{port}/held', user: keeper"),
        Some((certificate, _)) => format!(
            "url: 'https://localhost:{port}/held', user: keeper, ca_file: '{}'",
            certificate.display()
        ),
    };
    Some(Store {
        server: Server::Rclone(server),
        folder,
        objects,
    })
}

fn s3() -> Option<Store> {
    for program in ["proxy", "account", "container", "object"] {
        installed(&format!("swift-{program}-server"))?;
    }
    let (folder, port) = (folder(), free_port());
    let mut child = Command::new("/usr/bin/python3")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/system/objects/swift.py"
        ))
        .arg(folder.path())
        .args([&port.to_string(), "test:tester", SECRET, "held-mail"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    if !said.any(|line| line.is_ok_and(|line| line == "ready")) {
        let _ = child.wait();
        println!("skipped: Swift does not run here");
        return None;
    }
    Some(Store {
        server: Server::Swift(child),
        folder,
        objects: format!(
            "url: 's3://held-mail/mx1/quarantine', endpoint: 'http://127.0.0.1:{port}', user: 'test:tester'"
        ),
    })
}

fn hold(daemon: &Daemon, subject: &str) -> Vec<u8> {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("203.0.113.7");
    milter.envelope();
    let sent = message(subject, &format!("{HELD} in {subject}"));
    let replies = milter.message(&sent);
    assert_eq!(replies.last(), Some(&MtaReply::Discard));
    sent
}

fn secret(folder: &Path) -> String {
    use std::io::Write;
    let path = folder.join("store.secret");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .unwrap();
    file.write_all(SECRET.as_bytes()).unwrap();
    path.display().to_string()
}

/// Everything that is done with held messages, with their bytes in that store.
fn works_in(mut store: Store) {
    let password = secret(store.folder.path());
    let section = format!(
        "quarantine:\n  objects: {{ {}, password_file: '{password}', timeout: 20s }}\n",
        store.objects
    );
    let daemon = Daemon::start(&Config {
        sections: section.clone(),
        ..Config::default()
    });
    let sent: Vec<_> = ["one", "two", "three"]
        .map(|subject| hold(&daemon, subject))
        .into();
    daemon.wait_for_metric("mailweir_quarantine_objects", 3.0);
    let bytes_here = || {
        let day = std::fs::read_dir(daemon.path().join("data/quarantine")).unwrap();
        let days = day.filter_map(|d| std::fs::read_dir(d.unwrap().path()).ok());
        let files = days.flatten().map(|f| f.unwrap().path());
        files
            .filter(|f| f.extension().is_some_and(|e| e == "eml"))
            .count()
    };
    wait_for("the files to go", || (bytes_here() == 0).then_some(()));

    let ids = daemon.quarantined();
    let raw = |id: &str| daemon.quarantine(&["show", "--raw", id]);
    for id in &ids {
        let shown = raw(id);
        assert!(shown.status.success(), "{shown:?}\n{}", daemon.log());
        assert!(
            sent.iter().any(
                |sent| shown.stdout.ends_with(&as_stored(sent)) || shown.stdout.ends_with(sent)
            ),
            "{}",
            String::from_utf8_lossy(&shown.stdout)
        );
    }
    assert!(daemon.quarantine(&["delete", &ids[0]]).status.success());
    // The object goes at the next thing that happens.
    hold(&daemon, "four");
    let deleted = "mailweir_quarantine_object_requests_total{operation=\"delete\",result=\"ok\"}";
    daemon.wait_for_metric(deleted, 1.0);
    daemon.wait_for_metric("mailweir_quarantine_objects", 3.0);

    // All of it comes back.
    let drained = section.replace("timeout: 20s", "timeout: 20s, drain: true");
    daemon.rewrite(|yaml| yaml.replace(&section, &drained));
    daemon.signal("HUP");
    daemon.wait_for_metric(deleted, 4.0);
    assert_eq!(bytes_here(), 3);
    assert_eq!(daemon.metric("mailweir_quarantine_objects"), 0.0);
    assert!(raw(&ids[1]).status.success());

    // And goes again; without the server what is held stays held, and that is said.
    daemon.rewrite(|yaml| yaml.replace(&drained, &section));
    daemon.signal("HUP");
    daemon.wait_for_metric("mailweir_quarantine_objects", 3.0);
    wait_for("the files to go", || (bytes_here() == 0).then_some(()));
    store.server.stop();
    let shown = raw(&ids[1]);
    assert_eq!(shown.status.code(), Some(1));
    let said = String::from_utf8(shown.stderr).unwrap();
    assert!(said.contains("object store"), "{said}");
    hold(&daemon, "five");
    assert_eq!(daemon.quarantined().len(), 4);
    let failed = "mailweir_quarantine_failures_total{operation=\"objects\"}";
    daemon.wait_for_metric(failed, 1.0);
    assert!(!daemon.log().contains(SECRET));
}

#[test]
fn held_messages_live_in_a_folder_of_webdav() {
    if let Some(store) = webdav(None) {
        works_in(store);
    }
}

#[test]
fn held_messages_live_behind_tls_with_a_certificate_of_ones_own() {
    let Some(openssl) = installed("openssl") else {
        return;
    };
    let folder = folder();
    let tls = certificate(&openssl, folder.path(), "store");
    if let Some(store) = webdav(Some(&tls)) {
        works_in(store);
    }
}

#[test]
fn a_store_whose_certificate_nobody_vouches_for_gets_nothing_and_the_log_says_why() {
    let Some(openssl) = installed("openssl") else {
        return;
    };
    let (own, foreign) = (folder(), folder());
    let tls = certificate(&openssl, own.path(), "store");
    let (other, _) = certificate(&openssl, foreign.path(), "somebody else");
    let Some(store) = webdav(Some(&tls)) else {
        return;
    };
    let password = secret(store.folder.path());
    let section = format!(
        "quarantine:\n  objects: {{ {}, password_file: '{password}', timeout: 20s }}\n",
        store.objects
    );
    let trusted = format!("ca_file: '{}'", tls.0.display());
    let wrong = section.replace(&trusted, &format!("ca_file: '{}'", other.display()));
    let daemon = Daemon::start(&Config {
        sections: wrong.clone(),
        ..Config::default()
    });
    hold(&daemon, "one");
    let failed = "mailweir_quarantine_failures_total{operation=\"objects\"}";
    daemon.wait_for_metric(failed, 1.0);
    assert_eq!(daemon.metric("mailweir_quarantine_objects"), 0.0);
    let said = wait_for("the reason in the log", || {
        let log = daemon.log();
        let said = log.lines().find(|line| line.contains("the object store"));
        said.map(str::to_owned)
    });
    assert!(said.contains("invalid peer certificate"), "{said}");
    assert!(!store.folder.path().join("held").exists());

    // Whom to trust is mended by a reload.
    daemon.rewrite(|yaml| yaml.replace(&wrong, &section));
    daemon.signal("HUP");
    daemon.wait_for_metric("mailweir_quarantine_objects", 1.0);
    assert!(!daemon.log().contains(SECRET));
}

#[test]
fn held_messages_live_in_a_bucket_of_s3() {
    if let Some(store) = s3() {
        works_in(store);
    }
}
