//! Haraka's plugin for rspamd, as npm has it, run as Haraka runs it (`haraka.js`); and what it sends, without it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::super::daemon::{HELD, REFUSED};
use super::super::message::message;
use super::super::place::{free_port, installed, unpacked};
use super::{Keys, Scanners, run, text};

const PLUGIN: &str = "node_modules/haraka-plugin-rspamd";

/// What the plugin tells Haraka to do with a message. `None` when it is not there.
fn plugged(port: u16, settings: &[&str], message: &[u8]) -> Option<Value> {
    let root = unpacked("MAILWEIR_HARAKA", "haraka", PLUGIN)?;
    let node = installed("node")?;
    let harness = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/scanners/haraka.js");
    let mut command = Command::new(node);
    command
        .arg(harness)
        .arg(root.join(PLUGIN))
        .arg(port.to_string())
        .args(settings);
    let out = run(&mut command, message);
    let said = text(&out.stdout);
    Some(serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {out:?}")))
}

fn added(told: &Value, name: &str) -> Vec<String> {
    let fields = told["added"].as_array().unwrap().iter();
    let named = fields.filter(|field| field[0] == name);
    named
        .map(|field| field[1].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn harakas_plugin_marks_refuses_and_defers() {
    let scanners = Scanners::plain();
    let forged = [b"X-Spam-Flag: NO\r\n".as_slice(), &message("one", HELD)].concat();
    let Some(marked) = plugged(scanners.rspamd, &[], &forged) else {
        return;
    };
    assert_eq!(marked["code"], "next", "{marked}");
    assert_eq!(added(&marked, "X-Spam-Flag"), ["YES"], "{marked}");
    let removed = marked["removed"].as_array().unwrap();
    assert!(removed.contains(&"X-Spam-Flag".into()), "{marked}");
    let log = scanners.daemon.log();
    for part in [
        "client=\"192.0.2.7\"",
        "from=\"sender@example.net\"",
        "to=\"user@example.org\" recipients=2",
        "queue_id=\"5D1A-77.1\"",
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
    let passed = plugged(scanners.rspamd, &[], &message("two", "nothing")).unwrap();
    assert_eq!(passed["code"], "next", "{passed}");
    assert_eq!(added(&passed, "X-Spam-Flag"), ["NO"], "{passed}");
    let refused = plugged(scanners.rspamd, &[], &message("three", REFUSED)).unwrap();
    assert_eq!(refused["code"], "deny", "{refused}");
    let said = refused["message"].as_str().unwrap();
    assert!(
        said.starts_with("5.7.1 Message refused as spam (id "),
        "{refused}"
    );
    let put_off = plugged(Scanners::unable().rspamd, &[], &message("four", "nothing")).unwrap();
    assert_eq!(put_off["code"], "denysoft", "{put_off}");
    // Nobody is there: what the documentation says to set decides.
    let nobody = free_port();
    for (settings, code) in [(&["defer.error"][..], "denysoft"), (&[], "next")] {
        let told = plugged(nobody, settings, &message("five", "nothing")).unwrap();
        assert_eq!(told["code"], code, "{settings:?} {told}");
    }
}

/// The request as the plugin writes it, with a login and a result of SPF, which JavaScript makes an odd text of.
#[test]
fn what_harakas_plugin_sends_is_understood() {
    let scanners = Scanners::start(Keys {
        rspamd: ", connections: 4",
        ..Keys::default()
    });
    let message = message("one", HELD);
    let (first, rest) = message.split_at(20);
    let mut request = b"POST /checkv2 HTTP/1.1\r\nIP: 192.0.2.7\r\nHostname: client.example\r\nHelo: client.example\r\n\
        SPF: [object Object]\r\nFrom: sender@example.net\r\nRcpt: user@example.org\r\nRcpt: other@example.org\r\n\
        Queue-Id: 5D1A-77.1\r\nTLS-Cipher: TLS_AES_256_GCM_SHA384\r\nTLS-Version: TLSv1.3\r\nSettings-ID: x\r\n\
        Flags: groups,milter\r\nURL-Format: extended\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\
        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for chunk in [first, rest] {
        request.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        request.extend([chunk, b"\r\n"].concat());
    }
    request.extend(b"0\r\n\r\n");
    let answer = text(&scanners.say(scanners.rspamd, &request));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    let told: Value = serde_json::from_str(body).unwrap();
    // What the plugin reads, in the types that it reads them in.
    assert_eq!(told["action"], "add header");
    assert_eq!(told["is_skipped"], false);
    assert!(told["score"].is_number() && told["required_score"].is_number());
    let symbol = &told["symbols"]["TEST_NINE"];
    assert!(symbol["name"].is_string() && symbol["score"].is_number());
    assert!(told["urls"].is_array() && told["emails"].is_array() && told["messages"].is_object());
    let milter = &told["milter"];
    assert_eq!(milter["add_headers"]["X-Spam-Flag"], "YES", "{told}");
    assert!(milter["remove_headers"].is_object());
    let log = scanners.daemon.log();
    assert!(
        log.contains("client=\"192.0.2.7\"") && log.contains("recipients=2"),
        "{log}"
    );
}
