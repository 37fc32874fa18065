//! A message is released from the quarantine and passes, once, through the same Postfix.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use super::daemon::{Config, Daemon, HELD};
use super::message::{as_stored, message, value, values};
use super::place::{folder, free_port, installed};
use super::postfix::{Postfix, releasing};

#[test]
fn a_released_message_is_delivered_as_it_was_and_passes_once() {
    let Some((daemon, postfix)) = releasing("") else {
        return;
    };
    let sent = message("held back", &format!("{HELD}\r\n.a line with a dot"));
    assert_eq!(postfix.open().send(&sent).code, 250);
    postfix.drained();
    assert!(postfix.delivered().is_empty());
    let held = daemon.quarantined();
    assert_eq!(held.len(), 1);

    let released = daemon.quarantine(&["release", &held[0]]);
    assert!(released.status.success(), "{released:?}");
    let stored = postfix.wait_for(HELD);
    assert!(
        stored.ends_with(&as_stored(&sent)),
        "{}",
        String::from_utf8_lossy(&stored)
    );
    assert!(values(&stored, "X-Mailweir-Release").is_empty());
    let status = value(&stored, "X-Spam-Status");
    assert!(status.contains("released=yes"), "{status}");
    assert_eq!(value(&stored, "Return-Path"), "<sender@example.net>");
    assert_eq!(value(&stored, "Delivered-To"), "user@example.org");

    // The sender's next copy is judged anew.
    assert_eq!(postfix.open().send(&sent).code, 250);
    // So is one with a mark that was made up.
    let forged = [
        format!("X-Mailweir-Release: {}.{}\r\n", held[0], "0".repeat(32)).as_bytes(),
        &sent,
    ]
    .concat();
    assert_eq!(postfix.open().send(&forged).code, 250);
    postfix.drained();
    assert_eq!(postfix.delivered().len(), 1);
}

/// What AUTH PLAIN sends for the user `keeper` with the password `open sesame`.
const LOGIN: &str = "AGtlZXBlcgBvcGVuIHNlc2FtZQ==";

/// A certificate of 127.0.0.1 that nobody has signed but itself, in `cert.pem` and `key.pem`.
fn certificate(folder: &Path) -> Option<()> {
    let openssl = installed("openssl")?;
    let request = "[req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\n\
        [dn]\nCN = 127.0.0.1\n\
        [ext]\nsubjectAltName = IP:127.0.0.1\nbasicConstraints = critical, CA:FALSE\n";
    std::fs::write(folder.join("req.cnf"), request).unwrap();
    let made = Command::new(openssl)
        .current_dir(folder)
        .args(["req", "-x509", "-config", "req.cnf", "-days", "2", "-nodes"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    Some(())
}

/// Says to Postfix whether a login is good, in the protocol of Dovecot's auth service, version 1.
fn serve_logins(folder: &Path) {
    let path = folder.join("auth");
    let listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Postfix closes when its session ends.
            std::thread::spawn(move || judge_logins(stream));
        }
    });
}

fn judge_logins(mut stream: UnixStream) -> std::io::Result<()> {
    stream.write_all(
        b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n",
    )?;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        let mut words = line.split('\t');
        if words.next() != Some("AUTH") {
            continue;
        }
        let id = words.next().unwrap();
        let good = words.any(|word| word.strip_prefix("resp=") == Some(LOGIN));
        let verdict = if good { "OK" } else { "FAIL" };
        stream.write_all(format!("{verdict}\t{id}\tuser=keeper\n").as_bytes())?;
    }
    Ok(())
}

#[test]
fn a_release_is_encrypted_checked_and_logged_in_as_configured() {
    let place = folder();
    let dir = place.path();
    if certificate(dir).is_none() {
        return;
    }
    serve_logins(dir);
    let daemon = Daemon::start(&Config::default());
    let milters = format!("  -o {{ smtpd_milters = {} }}\n", daemon.inet());
    let tls = "  -o smtpd_tls_security_level=may\n";
    let login = "  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_tls_auth_only=yes\n  \
        -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject\n";
    let services = [
        milters.clone(),
        format!("{milters}{tls}"),
        format!("{milters}{tls}{login}"),
        format!("{milters}  -o smtpd_tls_wrappermode=yes\n{login}"),
    ];
    let ports: Vec<u16> = services.iter().map(|_| free_port()).collect();
    let main = format!(
        "smtpd_tls_cert_file = {0}/cert.pem\nsmtpd_tls_key_file = {0}/key.pem\n\
         smtpd_tls_loglevel = 1\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = {0}/auth\n",
        dir.display()
    );
    let Some(postfix) = Postfix::start_services(ports, &services, &main) else {
        return;
    };
    let [plain, encrypted, protected, wrapped] = [0, 1, 2, 3].map(|n| postfix.port(n));
    std::fs::write(dir.join("good"), "open sesame\n").unwrap();
    std::fs::write(dir.join("bad"), "open barley\n").unwrap();
    std::fs::write(dir.join("open"), "open sesame\n").unwrap();
    for (name, mode) in [("good", 0o600), ("bad", 0o640), ("open", 0o644)] {
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let known = "ca_file: cert.pem";
    let keeper = |file: &str| format!("{known}, user: keeper, password_file: {file}");

    // Port, options, and what the command says when it fails.
    let cases = [
        (plain, "tls: opportunistic".to_owned(), None),
        (encrypted, "tls: opportunistic".to_owned(), None),
        (encrypted, format!("tls: required, {known}"), None),
        (encrypted, "tls: required".to_owned(), Some("certificate")),
        (
            plain,
            format!("tls: required, {known}"),
            Some("does not offer STARTTLS"),
        ),
        (protected, format!("tls: required, {known}"), Some("RCPT")),
        (
            protected,
            format!("tls: required, {}", keeper("bad")),
            Some("login: "),
        ),
        (
            protected,
            format!("tls: required, {}", keeper("open")),
            Some("chmod o="),
        ),
        (
            protected,
            format!("tls: required, {}", keeper("good")),
            None,
        ),
        (wrapped, format!("tls: implicit, {}", keeper("good")), None),
        (wrapped, "tls: implicit".to_owned(), Some("certificate")),
    ];
    let own = std::fs::read_to_string(daemon.path().join("mailweir.yaml")).unwrap();
    for (number, (port, options, fails)) in cases.iter().enumerate() {
        let text = format!("case {number}.");
        let sent = message(&text, &format!("{HELD} {text}"));
        assert_eq!(postfix.open().send(&sent).code, 250);
        let id = daemon.quarantined().remove(0);
        let config = dir.join("mailweir.yaml");
        let release =
            format!("quarantine: {{ release: {{ smtp: \"127.0.0.1:{port}\", {options} }} }}\n");
        std::fs::write(&config, format!("{own}{release}")).unwrap();
        let seen = postfix.log().len();
        let done = daemon.quarantine_by(&config, &["release", &id]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        match fails {
            None => {
                assert!(done.status.success(), "{options}: {said}");
                let stored = postfix.wait_for(&text);
                assert!(stored.ends_with(&as_stored(&sent)), "{options}");
                // What is about this release only: the mail came in before, on a port without TLS.
                let log = postfix.log().split_off(seen);
                let was_encrypted = log.contains("TLS connection established from");
                assert_eq!(was_encrypted, *port != plain, "{options}: {log}");
                let logged_in = log.contains("sasl_username=keeper");
                assert_eq!(logged_in, options.contains("user:"), "{options}: {log}");
            }
            Some(words) => {
                assert_eq!(done.status.code(), Some(1), "{options}: {said}");
                assert!(said.contains(words), "{options}: {said}");
                assert!(!said.contains("open "), "no password is shown: {said}");
                assert!(postfix.find(&text).is_none(), "{options}");
                let shown = daemon.quarantine(&["show", &id]).stdout;
                let shown = String::from_utf8(shown).unwrap();
                assert!(shown.contains("held"), "{options}: {shown}");
            }
        }
    }
}
