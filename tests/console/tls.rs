//! TLS by the daemon itself.

use super::certificate::certificate;
use super::daemon::Config;
use super::place::{folder, installed};
use super::site::{PASSWORD, Site};
use super::webdriver::Browser;

#[test]
fn the_console_speaks_tls_and_binds_its_cookie_to_it() {
    let Some(openssl) = installed("openssl") else {
        return;
    };
    let folder = folder();
    let (certificate, key) = certificate(&openssl, folder.path());
    let tls = format!(
        ", tls: {{ certificate: '{}', key: '{}' }}",
        certificate.display(),
        key.display()
    );
    let site = Site::empty(Config::default(), &tls);
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
fn files_that_do_not_serve_are_named_at_the_start() {
    let folder = folder();
    let file = folder.path().join("mailweir.yaml");
    std::fs::write(
        &file,
        "data_dir: data\nmilter: { listen: ['127.0.0.1:0'] }\nhttp: { listen: null }\nchain: []\n\
         console: { listen: '127.0.0.1:0', tls: { certificate: no.pem, key: no.key } }\n",
    )
    .unwrap();
    let out = super::daemon::program()
        .args(["serve", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("no.pem"), "{said}");
}
