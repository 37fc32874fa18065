//! The HTTP API, held against its own document: each path, each role, each documented answer.

mod answers;
mod chosen;
mod document;
mod figures;
mod harness;
mod paging;
mod schemathesis;
mod tokens;
mod users;

use super::client::Request;
use document::Document;
use harness::{Api, ROLES};

/// A path with ids that lead nowhere.
fn filled(path: &str) -> String {
    path.replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
        .replace("{lesson}", "ham")
        .replace("{key}", "0123456789abcdef")
}

#[test]
fn each_path_lets_in_who_may_and_nobody_else() {
    let api = Api::start();
    let document = Document::of(&api);
    for (path, method, operation) in document.operations() {
        let path = filled(&path);
        let least = ROLES
            .iter()
            .position(|r| *r == operation["x-role"])
            .unwrap();
        let nobody = api.ask("nobody", method, &path, b"");
        assert_eq!(nobody.status, 401, "{method} {path}");
        document.hold(operation, &nobody);
        let wrong =
            Request::new(api.site.port, method, &path).field("Authorization", "Bearer nonsense");
        assert_eq!(wrong.send().status, 401, "{method} {path}");
        for (place, role) in ROLES.iter().enumerate() {
            let answer = api.ask(role, method, &path, b"");
            assert_eq!(
                answer.status == 403,
                place < least,
                "{method} {path} {role} {answer:?}"
            );
            assert_ne!(answer.status, 401, "{method} {path} {role}");
            document.hold(operation, &answer);
        }
        // A session of the console reads; what changes something takes the word of its forms too.
        let cookie = api.site.session("ann");
        let answer = Request::new(api.site.port, method, &path)
            .session(&cookie)
            .send();
        assert_eq!(
            answer.status == 403,
            method != "GET",
            "{method} {path} {answer:?}"
        );
    }
    let nowhere = api.ask("admin", "GET", "/api/v2/health", b"");
    assert_eq!(
        (nowhere.status, nowhere.field("content-type")),
        (404, Some("application/problem+json"))
    );
}
