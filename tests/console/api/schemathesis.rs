//! The API, held against its document by a program that makes requests up.

use std::path::PathBuf;
use std::process::Command;

use super::harness::Api;

/// Operations with which a program may keep itself out.
const FATAL: [&str; 5] = ["disable", "revoke", "revokeOwn", "removeUser", "setRole"];

/// `schemathesis` of PyPI, where it is installed; `MAILWEIR_SCHEMATHESIS` names the program.
#[test]
fn schemathesis_finds_nothing_that_is_not_documented() {
    let named = std::env::var_os("MAILWEIR_SCHEMATHESIS").map(PathBuf::from);
    let folders =
        ["/usr/local/bin", "/usr/bin"].map(|folder| PathBuf::from(folder).join("schemathesis"));
    let Some(tool) = named.into_iter().chain(folders).find(|path| path.exists()) else {
        println!("skipped: schemathesis is not installed");
        return;
    };
    let api = Api::start();
    api.train();
    let (_, _, admin) = (&api.tokens[0], &api.tokens[1], &api.tokens[2]);
    let authorization = format!("Authorization: Bearer {admin}");
    // Its own document, over HTTP, without a file.
    let out = Command::new(tool)
        .args(["run", "--max-examples", "20", "--seed", "1", "--request-timeout", "60", "--header", &authorization])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"])
        // With these it would take away its own token. That so many messages are made up in vain is its affair.
        .args(FATAL.map(|operation| ["--exclude-operation-id", operation]).concat())
        .args(["--suppress-health-check", "filter_too_much"])
        .arg(format!("{}/api/v1/openapi.json", api.site.url()))
        .current_dir(api.site.daemon.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert!(!said.contains("Authentication failed"), "{said}");
    assert_eq!(api.site.daemon.metric("mailweir_panics_total"), 0.0);
}
