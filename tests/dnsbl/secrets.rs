//! The query key of a list is shown nowhere.

use std::process::Command;

use super::subjects::message;
use super::*;

const KEY: &str = "s3cretk3y";

#[tokio::test]
async fn the_key_is_asked_with_and_never_shown() {
    let dns = FakeDns::start(|q| {
        let asked = |name: &str| q.name == format!("{name}.{KEY}.zen.example.net");
        if asked("1.2.0.192") && q.kind == RecordType::TXT {
            Reply::Records(vec![txt(
                &q.name,
                "https://list.example/?key=S3cretK3y&ip=x",
            )])
        } else if asked("1.2.0.192") || q.name.starts_with("f0e0d69e") {
            Reply::A(vec![[127, 0, 0, 2]], 60)
        } else if asked("2.2.0.192") {
            Reply::Code(ResponseCode::ServFail)
        } else if asked("3.2.0.192") {
            Reply::A(vec![[127, 255, 255, 254]], 60)
        } else {
            Reply::NxDomain(Some(60))
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let yaml = format!(
        "zones:
  - {{zone: <key>.zen.example.net, key: {KEY}, score: 1}}
  - {{zone: _email.<key>.hbl.example.net, key_file: {}, score: 1, subjects: [email], hash: {{algorithm: sha1}}}}",
        file.display()
    );
    let f = fixture(&dns, &yaml);
    let mut said = String::new();
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        let text = "From: ann@from.example.com\r\n\r\n";
        said.push_str(&format!("{:?}", message(&f, &client(address), text).await));
    }
    assert!(said.contains("DNSBL_ZEN_EXAMPLE_NET"), "{said}");
    assert!(said.contains("DNSBL__EMAIL_HBL_EXAMPLE_NET"), "{said}");
    assert!(said.contains("?key=***&ip=x"), "{said}");
    assert!(!said.to_ascii_lowercase().contains(KEY), "{said}");
    let hash = "f0e0d69ea552a7d7ec5e96a13c9b8c09f3f9d969";
    assert!(dns.count(&format!("{hash}._email.{KEY}.hbl.example.net")) > 0);
    let exported = String::from_utf8(f.metrics.encode().unwrap()).unwrap();
    assert!(!exported.contains(KEY) && exported.contains("zen.example.net"));
    let (source, options) = options::<Options>(&yaml).unwrap();
    let debug = format!("{options:?} {source:?}");
    assert!(!debug.contains(KEY), "{debug}");
}

#[test]
fn problems_of_a_configuration_do_not_show_the_key() {
    for wrong in [
        format!("{{zone: <key>.zen.example.net, key: {KEY}, score: x}}"),
        format!("{{zone: <key>.zen.example.net, key: {KEY}, score: 1, sccore: 2}}"),
        format!("{{zone: zen.example.net, key: {KEY}, score: 1}}"),
        format!("{{zone: <key>.zen.example.net, key: \"{KEY}.x\", score: 1}}"),
        format!("{{zone: <key>.zen.example.net, key: [{KEY}], score: 1}}"),
        format!("{{zone: <key>.zen.example.net, key: {{{KEY}: 1}}, score: 1}}"),
        format!("\n    zone: <key>.zen.example.net\n    key: {KEY}\n    score: [\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mailweir.yaml");
        std::fs::write(&file, format!("dnsbl:\n  zones:\n  - {wrong}\n")).unwrap();
        for more in [&[][..], &["--json"]] {
            let out = Command::new(env!("CARGO_BIN_EXE_mailweir"))
                .args(["check", "--offline", "--config"])
                .arg(&file)
                .args(more)
                .output()
                .unwrap();
            assert_eq!(out.status.code(), Some(1), "{wrong}");
            for said in [&out.stdout, &out.stderr] {
                let said = String::from_utf8_lossy(said);
                assert!(!said.contains(KEY), "{wrong}\n{said}");
            }
        }
    }
}

/// Warnings of the resolver library about forged answers quote what was asked.
#[test]
fn the_log_at_its_most_talkative_does_not_show_the_key() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dns = runtime.block_on(FakeDns::start(|q| match q.kind {
        RecordType::TXT => Reply::Silence,
        _ => Reply::Spoofed(
            Box::new(Reply::A(vec![[127, 0, 0, 2]], 60)),
            Box::new(Reply::OtherQuestion(Box::new(Reply::NxDomain(Some(60))))),
        ),
    }));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mailweir.yaml");
    let yaml = format!(
        "log: {{ level: debug }}
chain: [dnsbl]
dns: {{ resolvers: [\"{}\"], timeout: 1s, attempts: 1 }}
dnsbl:
  timeout: 1s
  zones: [ {{ zone: <key>.zen.example.net, key: {KEY}, score: 1, subjects: [url] }} ]
",
        dns.addr
    );
    std::fs::write(&file, yaml).unwrap();
    let mail = folder.path().join("a.eml");
    std::fs::write(&mail, "Subject: x\r\n\r\nhttp://www.example.com/\r\n").unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .args(["scan", "--config"])
        .arg(&file)
        .arg(&mail)
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    let name = format!("example.com.{KEY}.zen.example.net");
    assert!(dns.count(&name) > 0, "{:?}\n{said}", dns.questions());
    assert!(!said.contains(KEY), "{said}");
}
