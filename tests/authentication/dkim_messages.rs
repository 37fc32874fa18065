//! The DKIM and ARC messages of mail-auth, dkimpy and Exim with their keys, through the filter.

use std::path::Path;

use mail_auth::common::crypto::{RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use mailweir::filter::auth::Authenticated;

use crate::fixture::{Fixture, envelope};
use crate::suites;
use crate::zone::Zone;

const OTHER_KEY: &str = "fail: the signature does not fit the header";

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    bytes.iter().map(|b| char::from(*b)).collect()
}

fn wire(text: &str) -> Vec<u8> {
    let crlf = text.replace("\r\n", "\n").replace('\n', "\r\n");
    crlf.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect()
}

async fn examine(zone: Zone, message: &[u8]) -> std::sync::Arc<Authenticated> {
    let server = zone.serve().await;
    let fixture = Fixture::new(&server, "");
    let (_, found) = fixture.examine(&envelope("192.0.2.1", ""), message).await;
    found.unwrap()
}

fn results(found: &Authenticated) -> Vec<String> {
    let each = found.dkim.iter().map(|d| match d.reason.as_str() {
        "" => d.result.name().to_owned(),
        why => format!("{}: {why}", d.result.name()),
    });
    each.collect()
}

/// Files of mail-auth: key records, an empty line, a message.
#[tokio::test]
async fn messages_of_mail_auth() {
    let Some(suites) = suites() else {
        return;
    };
    for (file, expected, arc) in [
        ("dkim/001.txt", &["pass", "pass"][..], "none"),
        ("dkim/002.txt", &["pass"], "none"),
        ("dkim/003.txt", &["pass", "pass"], "none"),
        ("dkim/004.txt", &["pass"], "none"),
        // It was good for a day in November 2022.
        ("dkim/005.txt", &["fail: it has expired"], "none"),
        ("dkim/006.txt", &["pass"], "none"),
        // The third is of before the list added its footer.
        (
            "arc/001.txt",
            &["pass", "pass", "fail: the body has been changed"],
            "pass",
        ),
        ("arc/002.txt", &["pass"], "pass"),
    ] {
        let text = read(&suites.join("mail-auth").join(file));
        let (keys, message) = text.split_once("\n\n").unwrap();
        let zone = keys.lines().fold(Zone::default(), |zone, line| {
            let (name, record) = line.split_once(' ').unwrap();
            zone.txt(name, record)
        });
        let found = examine(zone, &wire(message)).await;
        assert_eq!(results(&found), expected, "{file}");
        let of_chain = found.arc.as_ref().unwrap();
        assert_eq!(of_chain.result.name(), arc, "{file}: {}", of_chain.reason);
    }
}

#[tokio::test]
async fn messages_of_dkimpy() {
    let Some(suites) = suites() else {
        return;
    };
    let folder = suites.join("dkimpy");
    let football = || {
        let text = read(&suites.join("mail-auth/dkim/001.txt"));
        text.lines().take(2).fold(Zone::default(), |zone, line| {
            let (name, record) = line.split_once(' ').unwrap();
            zone.txt(name, record)
        })
    };
    for (file, expected) in [
        ("rfc6376.signed.msg", &["pass", "pass"][..]),
        ("rfc6376.signed.rsa.msg", &["pass"]),
        // A tag was taken out after signing.
        (
            "rfc6376.signed.no_t.msg",
            &["fail: the signature does not fit the header"],
        ),
    ] {
        let found = examine(football(), &wire(&read(&folder.join(file)))).await;
        assert_eq!(results(&found), expected, "{file}");
    }
    let exim = Zone::default().txt(
        "sed._domainkey.test.ex",
        read(&folder.join("eximtest.dns")).trim(),
    );
    let found = examine(exim, &wire(&read(&folder.join("ed25519test2.msg")))).await;
    assert_eq!(results(&found), ["pass"]);
    // CVE-2020-12272: a parenthesis in a domain.
    let bad = Zone::default().txt(
        "test._domainkey.legitimate.com(.attacker.com",
        read(&folder.join("test.txt")).trim(),
    );
    let found = examine(bad, &wire(&read(&folder.join("test.message.baddomain")))).await;
    assert_eq!(results(&found), ["permerror: the domain is none"]);
}

/// Keys in all their written forms, and records that are none.
#[tokio::test]
async fn keys_of_dkimpy() {
    let Some(suites) = suites() else {
        return;
    };
    let folder = suites.join("dkimpy");
    let message = read(&folder.join("test.message")).replace('\n', "\r\n");
    for (private, public, expected) in [
        (
            "2048_testkey.key",
            "2048_testkey_wo_markers.pub.txt",
            "pass",
        ),
        (
            "2048_testkey.key",
            "2048_testkey_wo_markers.pub.rsa.txt",
            "pass",
        ),
        (
            "2048_testkey_PKCS8.key",
            "2048_testkey_PKCS8.key.pub.txt",
            "pass",
        ),
        (
            "2048_testkey.key",
            "1024_testkey_wo_markers.pub.txt",
            OTHER_KEY,
        ),
        (
            "2048_testkey.key",
            "1024_testkey_wo_markers.pub.rsa.txt",
            OTHER_KEY,
        ),
        ("2048_testkey.key", "test.txt", OTHER_KEY),
        ("2048_testkey.key", "test2.txt", OTHER_KEY),
        (
            "2048_testkey.key",
            "badk.txt",
            "permerror: the key is of an unknown kind",
        ),
        (
            "2048_testkey.key",
            "badversion.txt",
            "permerror: the key record is of another version",
        ),
        (
            "2048_testkey.key",
            "test_tlsrpt.txt",
            "permerror: the key is not for mail",
        ),
    ] {
        let pem = read(&folder.join(private));
        let signed = sign_with_rsa(&pem, "example.com", "test", &message);
        let record = read(&folder.join(public)).replace('\n', "");
        let zone = Zone::default().txt("test._domainkey.example.com", record.trim());
        let found = examine(zone, signed.as_bytes()).await;
        assert_eq!(results(&found), [expected], "{private} {public}");
    }
}

/// A message signed with an RSA key of a PEM file.
#[allow(deprecated)]
fn sign_with_rsa(pem: &str, domain: &str, selector: &str, message: &str) -> String {
    let key = match pem.contains("BEGIN RSA") {
        true => RsaKey::<Sha256>::from_rsa_pem(pem),
        false => RsaKey::<Sha256>::from_pkcs8_pem(pem),
    };
    let signature = DkimSigner::from_key(key.unwrap())
        .domain(domain)
        .selector(selector)
        .headers(["From", "To", "Subject", "Date"])
        .sign(message.as_bytes())
        .unwrap();
    format!("{}{message}", signature.to_header())
}
