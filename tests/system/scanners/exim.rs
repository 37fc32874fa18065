//! Debian's Exim with its condition `spam`, in both variants: an SMTP session as if from another host, up to the answer to
//! the message.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::super::daemon::HELD;
use super::super::host::root;
use super::super::place::unpacked;
use super::{Scanners, run, text};

/// The last answer of Exim to a message of that text, and its log. `None` when Exim is not there.
fn delivered(server: &str, body: &str) -> Option<(String, String)> {
    let exim = unpacked("MAILWEIR_EXIM", "exim", "usr/sbin/exim4")?;
    if !root() {
        return None;
    }
    let folder = super::super::place::folder();
    let path = folder.path();
    // Exim looks its users up at its start, whatever it is configured with.
    let users = "Debian-exim:x:65534:65534::/:/bin/false\nroot:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n";
    std::fs::write(path.join("passwd"), users).unwrap();
    std::fs::write(
        path.join("group"),
        "Debian-exim:x:65534:\nroot:x:0:\nnogroup:x:65534:\nmail:x:8:\n",
    )
    .unwrap();
    std::fs::write(path.join("exim.conf"), configuration(path, server)).unwrap();
    let spool = path.join("spool");
    std::fs::create_dir(&spool).unwrap();
    std::fs::set_permissions(&spool, std::fs::Permissions::from_mode(0o777)).unwrap();
    let library = exim.join("usr/lib/x86_64-linux-gnu");
    let session = format!(
        "EHLO client.example\r\nMAIL FROM:<sender@example.net>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n\
         Subject: one\r\n\r\n{body}\r\n.\r\nQUIT\r\n"
    );
    let out = run(
        Command::new(exim.join("usr/sbin/exim4"))
            .arg("-C")
            .arg(path.join("exim.conf"))
            .args(["-bh", "192.0.2.7"])
            .env("NSS_WRAPPER_PASSWD", path.join("passwd"))
            .env("NSS_WRAPPER_GROUP", path.join("group"))
            .env("LD_PRELOAD", library.join("libnss_wrapper.so"))
            .env(
                "LD_LIBRARY_PATH",
                format!("{}:{}", library.display(), exim.join("usr/lib").display()),
            ),
        session.as_bytes(),
    );
    let said = text(&out.stdout);
    let (_, after) = said.split_once("354 ").unwrap_or_else(|| panic!("{out:?}"));
    let answer = after.lines().nth(1).unwrap_or_default().to_owned();
    Some((answer, text(&out.stderr)))
}

/// The documented way to use the condition: mark, refuse by the action, defer by itself.
fn configuration(path: &Path, server: &str) -> String {
    let path = path.display();
    format!(
        "exim_user = nobody
exim_group = nogroup
spool_directory = {path}/spool
log_file_path = {path}/%slog
primary_hostname = mx.example.org
spamd_address = {server}
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
rcpt:
  accept
data:
  warn spam = user@example.org:true
       logwrite = score $spam_score action $spam_action
  deny spam = user@example.org
       message = refused with $spam_score
  accept
"
    )
}

#[test]
fn exim_is_answered_in_both_variants() {
    let scanners = Scanners::plain();
    for (server, spam, action) in [
        (
            format!("127.0.0.1 {} variant=rspamd", scanners.rspamd),
            "add header",
            "no action",
        ),
        (
            format!("127.0.0.1 {}", scanners.spamd),
            "reject",
            "no action",
        ),
        (
            format!("{}/spamd", scanners.folder.path().display()),
            "reject",
            "no action",
        ),
    ] {
        let Some((answer, log)) = delivered(&server, HELD) else {
            return;
        };
        assert_eq!(answer, "550 refused with 9.0", "{server} {log}");
        assert!(
            log.contains(&format!("score 9.0 action {spam}")),
            "{server} {log}"
        );
        let (answer, log) = delivered(&server, "nothing").unwrap();
        assert!(answer.starts_with("250 "), "{server} {answer} {log}");
        assert!(
            log.contains(&format!("score 0.0 action {action}")),
            "{server} {log}"
        );
    }
    let log = scanners.daemon.log();
    for part in [
        "client=\"192.0.2.7\"",
        "from=\"sender@example.net\"",
        "to=\"user@example.org\"",
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
}

#[test]
fn exim_defers_what_could_not_be_checked() {
    let scanners = Scanners::unable();
    for server in [
        format!("127.0.0.1 {} variant=rspamd", scanners.rspamd),
        format!("127.0.0.1 {}", scanners.spamd),
    ] {
        let Some((answer, log)) = delivered(&server, "nothing") else {
            return;
        };
        assert!(answer.starts_with("451 "), "{server} {answer} {log}");
    }
}
