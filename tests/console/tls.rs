//! TLS by the daemon itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::certificate;
use super::daemon::Config;
use super::place::{folder, installed, wait_for};
use super::site::{PASSWORD, Site};
use super::webdriver::Browser;

/// A certificate of this name and its key, made anew in a folder.
fn certificate(folder: &Path, name: &str) -> Option<[PathBuf; 2]> {
    let openssl = installed("openssl")?;
    let (certificate, key) = certificate::certificate(&openssl, folder, name);
    Some([certificate, key])
}

/// A console that speaks TLS with these files.
fn site([certificate, key]: &[PathBuf; 2]) -> Site {
    let tls = format!(
        ", tls: {{ certificate: '{}', key: '{}' }}",
        certificate.display(),
        key.display()
    );
    Site::empty(Config::default(), &tls)
}

#[test]
fn the_console_speaks_tls_and_binds_its_cookie_to_it() {
    let folder = folder();
    let Some(files) = certificate(folder.path(), "127.0.0.1") else {
        return;
    };
    let site = site(&files);
    site.user("ann", "admin");
    let secure = format!("https://127.0.0.1:{}", site.port);
    assert!(site.daemon.log().contains(&format!("console: {secure}/")));
    let Some(browser) = Browser::start(&secure) else {
        return;
    };
    browser.go("/login");
    browser.fill("input[name=name]", "ann");
    browser.fill("input[name=password]", PASSWORD);
    browser.click("button.main");
    browser.until("document.querySelector('h1')?.textContent === 'Overview'");
    browser.check("overview by TLS");
    assert!(
        browser
            .cookies()
            .iter()
            .any(|name| name == "__Host-mailweir"),
        "{:?}",
        browser.cookies()
    );
}

#[test]
fn a_renewed_certificate_is_taken_at_a_reload_and_a_broken_one_never() {
    let folder = folder();
    let Some(files) = certificate(folder.path(), "first.example") else {
        return;
    };
    let site = site(&files);
    let subject = || {
        let shown = Command::new("openssl")
            .args(["s_client", "-connect"])
            .arg(format!("127.0.0.1:{}", site.port))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        let line = shown.lines().find(|line| line.starts_with("subject="));
        line.unwrap_or_default().replace(' ', "")
    };
    assert_eq!(subject(), "subject=CN=first.example");
    certificate(folder.path(), "second.example").unwrap();
    site.daemon.signal("HUP");
    wait_for("the renewed certificate", || {
        (subject() == "subject=CN=second.example").then_some(())
    });
    // A key that was cut off on the way.
    std::fs::write(&files[1], "-----BEGIN PRIVATE KEY-----\n").unwrap();
    site.daemon.signal("HUP");
    wait_for("a word about it", || {
        site.daemon.log().contains("cannot be used").then_some(())
    });
    assert_eq!(subject(), "subject=CN=second.example");
}

#[test]
fn files_that_do_not_serve_are_named_at_the_start_and_by_check() {
    let folder = folder();
    let file = folder.path().join("mailweir.yaml");
    std::fs::write(
        &file,
        "data_dir: data\nmilter: { listen: ['127.0.0.1:0'] }\nhttp: { listen: null }\nchain: []\n\
         console: { listen: '127.0.0.1:0', tls: { certificate: no.pem, key: no.key } }\n",
    )
    .unwrap();
    for command in ["serve", "check"] {
        let out = super::daemon::program()
            .args([command, "--config"])
            .arg(&file)
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(1), "{command}: {out:?}");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains("no.pem"), "{command}: {said}");
    }
}
