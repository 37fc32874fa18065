//! The HTTP API, held against its own document: each path, each role, each documented answer.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::client::{Answer, Request};
use super::daemon::{Config, HELD, TAGGED, program};
use super::place::{free_port, wait_for};
use super::site::Site;

/// A daemon with something of everything, and a token of each role.
struct Api {
    site: Site,
    /// The port on which copies get into the quarantine.
    rspamd: u16,
    /// Viewer, analyst, admin.
    tokens: [String; 3],
}

const ROLES: [&str; 3] = ["viewer", "analyst", "admin"];

impl Api {
    fn start() -> Api {
        let (rspamd, smtp) = (free_port(), mail_server());
        let config = Config {
            chain: "[rules, bayes]",
            sections: format!(
                "scanners: {{ rspamd: {{ listen: ['127.0.0.1:{rspamd}'], quarantine: true }} }}
quarantine: {{ release: {{ smtp: '127.0.0.1:{smtp}' }} }}
limits: {{ message: 100KiB }}
"
            ),
            ..Config::default()
        };
        let site = Site::new(config);
        let tokens =
            [("cid", "viewer"), ("bob", "analyst"), ("ann", "admin")].map(|(name, role)| {
                let out = site.command(&["token", name, "--label", "tests", "--role", role], "");
                let said = String::from_utf8(out.stdout).unwrap();
                let token = said
                    .split_whitespace()
                    .max_by_key(|word| word.len())
                    .unwrap();
                token.to_owned()
            });
        Api {
            site,
            rspamd,
            tokens,
        }
    }

    fn ask(&self, role: &str, method: &'static str, path: &str, body: &[u8]) -> Answer {
        let place = ROLES.iter().position(|r| *r == role);
        let request = Request::new(self.site.port, method, path).body(body);
        let request = match place {
            Some(place) => {
                request.field("Authorization", &format!("Bearer {}", self.tokens[place]))
            }
            None => request,
        };
        request.send()
    }

    /// Puts a message into the quarantine and gives its id.
    fn hold(&self, subject: &str) -> String {
        let message = format!("From: a@b.example\r\nSubject: {subject}\r\n\r\n{HELD}\r\n");
        let answer = Request::new(self.rspamd, "POST", "/checkv2")
            .field("From", "a@b.example")
            .field("Rcpt", "c@example.org")
            .body(message.as_bytes())
            .send();
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer["action"], "discard", "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Trains a model on a few messages, puts it into force, and gives its id.
    fn train(&self) -> String {
        let data = self.site.daemon.path().join("data");
        let mail = self.site.daemon.path().join("mail");
        for (class, words) in [
            ("ham", "minutes agenda lunch"),
            ("spam", "pills casino winner"),
        ] {
            let folder = mail.join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for n in 0..12 {
                let text = format!(
                    "From: u{n}@{class}.example\nSubject: {words} {n}\n\n{words} number {n} {}\n",
                    n * 7919
                );
                std::fs::write(folder.join(format!("{n}.eml")), text).unwrap();
            }
        }
        let run = |args: &[&str]| {
            let config = self.site.daemon.path().join("mailweir.yaml");
            let out = program()
                .args(args)
                .arg("--config")
                .arg(config)
                .output()
                .unwrap();
            assert!(out.status.success(), "{args:?} {out:?}");
        };
        let new = data.join("new.mwb").display().to_string();
        let of = |class: &str| mail.join(class).display().to_string();
        run(&[
            "train",
            "--ham",
            &of("ham"),
            "--spam",
            &of("spam"),
            "--model",
            &new,
        ]);
        run(&["model", "promote", &new]);
        self.site.daemon.signal("HUP");
        let models = wait_for("a model in force", || {
            let models: Value =
                serde_json::from_str(&self.ask("viewer", "GET", "/api/v1/models", b"").body)
                    .unwrap();
            (models["ham"].as_u64()? > 0).then_some(models)
        });
        models["in_force"].as_str().unwrap().to_owned()
    }
}

/// A mail server that takes everything.
fn mail_server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // A client that is gone concerns nobody.
                let _ = receive(stream);
            });
        }
    });
    port
}

fn receive(mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 mx.example.org\r\n")?;
    while let Some(line) = lines.next() {
        let line = line?.to_ascii_uppercase();
        if line == "DATA" {
            stream.write_all(b"354 go on\r\n")?;
            for line in lines.by_ref() {
                if line? == "." {
                    break;
                }
            }
        }
        let answer: &[u8] = if line == "QUIT" {
            b"221 bye\r\n"
        } else {
            b"250 ok\r\n"
        };
        stream.write_all(answer)?;
    }
    Ok(())
}

/// What the document says.
struct Document(Value);

impl Document {
    fn of(api: &Api) -> Document {
        let answer = api.ask("viewer", "GET", "/api/v1/openapi.json", b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        Document(serde_json::from_str(&answer.body).unwrap())
    }

    /// Path, method and operation, each.
    fn operations(&self) -> Vec<(String, &'static str, &Value)> {
        let mut all = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = match method.as_str() {
                    "get" => "GET",
                    "post" => "POST",
                    "delete" => "DELETE",
                    other => panic!("{other}"),
                };
                all.push((path.clone(), method, operation));
            }
        }
        assert!(all.len() >= 15);
        all
    }

    /// Holds an answer against what is documented for it.
    fn hold(&self, operation: &Value, answer: &Answer) {
        let name = operation["operationId"].as_str().unwrap();
        let responses = &operation["responses"];
        let documented = match responses.get(answer.status.to_string()) {
            Some(response) => response,
            None => panic!("{name}: {} is not documented: {answer:?}", answer.status),
        };
        let Some(content) = documented.get("content") else {
            assert_eq!(answer.body, "", "{name}");
            return;
        };
        let kind = answer.field("content-type").unwrap_or_default();
        let schema = content
            .get(kind)
            .unwrap_or_else(|| panic!("{name}: {kind} is not documented: {answer:?}"));
        if kind.ends_with("json") {
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            self.fits(&schema["schema"], &body, name);
        }
    }

    /// The part of JSON Schema that the document uses.
    fn fits(&self, schema: &Value, value: &Value, place: &str) {
        for key in schema.as_object().unwrap().keys() {
            let known = [
                "$ref",
                "type",
                "enum",
                "properties",
                "required",
                "additionalProperties",
                "items",
                "description",
                "format",
            ];
            assert!(
                known.contains(&key.as_str()),
                "{place}: this test does not know {key}"
            );
        }
        if let Some(name) = schema.get("$ref") {
            let name = name.as_str().unwrap().strip_prefix('#').unwrap();
            let target = self.0.pointer(name).unwrap_or_else(|| panic!("{name}"));
            return self.fits(target, value, place);
        }
        let kinds = match &schema["type"] {
            Value::String(kind) => vec![kind.as_str()],
            kinds => kinds
                .as_array()
                .unwrap()
                .iter()
                .map(|k| k.as_str().unwrap())
                .collect(),
        };
        let is = |kind: &&str| match *kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "object" => value.is_object(),
            "array" => value.is_array(),
            "null" => value.is_null(),
            other => panic!("{other}"),
        };
        assert!(kinds.iter().any(is), "{place}: {value} is no {kinds:?}");
        if let Some(values) = schema.get("enum") {
            assert!(
                values.as_array().unwrap().contains(value),
                "{place}: {value} is none of {values}"
            );
        }
        if let Some(items) = value.as_array() {
            for (i, item) in items.iter().enumerate() {
                self.fits(&schema["items"], item, &format!("{place}[{i}]"));
            }
        }
        let Some(object) = value.as_object() else {
            return;
        };
        for name in schema["required"].as_array().unwrap_or(&Vec::new()) {
            assert!(
                object.contains_key(name.as_str().unwrap()),
                "{place}: {name} is missing in {value}"
            );
        }
        for (name, value) in object {
            match schema["properties"].get(name) {
                Some(schema) => self.fits(schema, value, &format!("{place}.{name}")),
                None => assert_ne!(
                    schema["additionalProperties"],
                    json!(false),
                    "{place}: {name} is not documented"
                ),
            }
        }
    }
}

/// A path with ids that lead nowhere.
fn filled(path: &str) -> String {
    path.replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
        .replace("{lesson}", "ham")
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

#[test]
fn each_documented_answer_is_as_documented() {
    let api = Api::start();
    let document = Document::of(&api);
    let model = api.train();
    let (freed, gone, kept) = (
        api.hold("to be released"),
        api.hold("to be deleted"),
        api.hold("a \u{202e}<b>\"subject"),
    );
    let spam = format!("From: a@b.example\nSubject: x\n\n{TAGGED}\n");
    let long = vec![b'x'; 200 << 10];
    let verdict = api.ask(
        "analyst",
        "POST",
        "/api/v1/verdict?client=192.0.2.7&to=c%40example.org,d%40example.org",
        spam.as_bytes(),
    );
    let judged: Value = serde_json::from_str(&verdict.body).unwrap();
    assert_eq!(
        (&judged["verdict"], &judged["hits"][0]["rule"]),
        (&json!("tag"), &json!("TEST_SIX")),
        "{judged}"
    );
    let message = wait_for("the message in the history", || {
        let found = api.ask(
            "viewer",
            "GET",
            "/api/v1/messages?rule=TEST_SIX&recipient=d%40example.org",
            b"",
        );
        let found: Value = serde_json::from_str(&found.body).unwrap();
        Some(found["items"][0]["id"].as_str()?.to_owned())
    });
    assert_eq!(judged["id"], message);
    let promote = json!({ "model": model }).to_string();
    let of = |path: &str, rest: &str| format!("/api/v1/{path}{rest}");
    let none = b"".as_slice();
    let requests: Vec<(&str, &'static str, String, &[u8], u16)> = vec![
        ("document", "GET", of("openapi.json", ""), none, 200),
        ("health", "GET", of("health", ""), none, 200),
        ("configuration", "GET", of("configuration", ""), none, 200),
        (
            "judge",
            "POST",
            of("verdict", "?from=a%40b.example"),
            spam.as_bytes(),
            200,
        ),
        (
            "judge",
            "POST",
            of("verdict", "?client=here"),
            spam.as_bytes(),
            422,
        ),
        (
            "judge",
            "POST",
            of("verdict", "?clint=1"),
            spam.as_bytes(),
            422,
        ),
        ("judge", "POST", of("verdict", ""), &long, 413),
        (
            "searchMessages",
            "GET",
            of(
                "messages",
                "?limit=1&verdict=tag&since=2020-01-01T00:00:00Z",
            ),
            none,
            200,
        ),
        (
            "searchMessages",
            "GET",
            of("messages", "?limit=0"),
            none,
            422,
        ),
        (
            "searchMessages",
            "GET",
            of("messages", "?cursor=x"),
            none,
            422,
        ),
        (
            "searchMessages",
            "GET",
            of("messages", "?since=yesterday"),
            none,
            422,
        ),
        ("message", "GET", of("messages/", &message), none, 200),
        ("message", "GET", of("messages/", "nothing"), none, 404),
        (
            "searchQuarantine",
            "GET",
            of("quarantine", "?limit=1&sort=score&state=held"),
            none,
            200,
        ),
        (
            "searchQuarantine",
            "GET",
            of("quarantine", "?state=eaten"),
            none,
            422,
        ),
        ("held", "GET", of("quarantine/", &kept), none, 200),
        (
            "held",
            "GET",
            of("quarantine/", "..%2f..%2fetc%2fpasswd"),
            none,
            404,
        ),
        (
            "download",
            "GET",
            of("quarantine/", &format!("{kept}/message")),
            none,
            200,
        ),
        (
            "download",
            "GET",
            of("quarantine/", "01ARZ3NDEKTSV4RRFFQ69G5FAV/message"),
            none,
            404,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{freed}/release")),
            br#"{"learn":true}"#,
            200,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{freed}/release")),
            none,
            409,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{freed}/release")),
            br#"{"recipients":["c@example.org"],"again":true}"#,
            200,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{kept}/release")),
            b"no json",
            422,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{kept}/release")),
            br#"{"recipient":[]}"#,
            422,
        ),
        (
            "release",
            "POST",
            of("quarantine/", &format!("{kept}/release")),
            &long,
            413,
        ),
        ("release", "POST", of("quarantine/", "x/release"), none, 404),
        ("deleteHeld", "DELETE", of("quarantine/", &gone), none, 204),
        ("deleteHeld", "DELETE", of("quarantine/", &gone), none, 404),
        ("rules", "GET", of("rules", "?limit=2"), none, 200),
        (
            "rules",
            "GET",
            of("rules", "?cursor=NO_SUCH_RULE"),
            none,
            422,
        ),
        ("models", "GET", of("models", ""), none, 200),
        (
            "promote",
            "POST",
            of("models/promote", ""),
            promote.as_bytes(),
            200,
        ),
        (
            "promote",
            "POST",
            of("models/promote", ""),
            br#"{"model":"nothing"}"#,
            409,
        ),
        ("promote", "POST", of("models/promote", ""), b"{}", 422),
        ("promote", "POST", of("models/promote", ""), &long, 413),
        (
            "rollback",
            "POST",
            of("models/rollback", ""),
            promote.as_bytes(),
            200,
        ),
        (
            "rollback",
            "POST",
            of("models/rollback", ""),
            br#"{"model":"nothing"}"#,
            409,
        ),
        (
            "rollback",
            "POST",
            of("models/rollback", ""),
            br#"{"force":true}"#,
            422,
        ),
        ("rollback", "POST", of("models/rollback", ""), &long, 413),
        (
            "learn",
            "POST",
            of("learning/", "spam"),
            spam.as_bytes(),
            204,
        ),
        (
            "learn",
            "POST",
            of("learning/", "forget"),
            spam.as_bytes(),
            204,
        ),
        (
            "learn",
            "POST",
            of("learning/", "mail"),
            spam.as_bytes(),
            404,
        ),
        ("learn", "POST", of("learning/", "ham"), none, 409),
        ("learn", "POST", of("learning/", "ham"), &long, 413),
    ];
    let operations = document.operations();
    let mut seen = BTreeSet::new();
    for (name, method, path, body, status) in &requests {
        let found = operations
            .iter()
            .find(|(_, m, o)| o["operationId"] == *name && m == method);
        let (_, _, operation) = found.unwrap_or_else(|| panic!("{name}"));
        let answer = api.ask("admin", method, path, body);
        assert_eq!(answer.status, *status, "{method} {path} {answer:?}");
        document.hold(operation, &answer);
        seen.insert((*name, *status));
    }
    for (_, _, operation) in &operations {
        let name = operation["operationId"].as_str().unwrap();
        let done = seen.iter().any(|(n, status)| *n == name && *status < 300);
        assert!(done, "{name} was not tried");
    }
    // What was changed stands in the audit log, with the token that did it.
    let audit =
        std::fs::read(api.site.daemon.path().join("data/console.sqlite-wal")).unwrap_or_default();
    let audit = [
        audit,
        std::fs::read(api.site.daemon.path().join("data/console.sqlite")).unwrap(),
    ]
    .concat();
    assert!(memchr::memmem::find(&audit, b"ann (token tests)").is_some());
}

#[test]
fn pages_lead_to_each_item_once() {
    let api = Api::start();
    let held: BTreeSet<String> = (0..5).map(|n| api.hold(&format!("number {n}"))).collect();
    wait_for("five messages in the history", || {
        let all = api.ask("viewer", "GET", "/api/v1/messages?quarantined=true", b"");
        let all: Value = serde_json::from_str(&all.body).unwrap();
        (all["items"].as_array()?.len() == 5).then_some(())
    });
    for path in ["/api/v1/quarantine?", "/api/v1/messages?quarantined=true&"] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let answer = api.ask("viewer", "GET", &format!("{path}limit=2{cursor}"), b"");
            let page: Value = serde_json::from_str(&answer.body).unwrap();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2, "{page}");
            found.extend(items.iter().map(|i| i["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found.len(), 5, "{path}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), held, "{path}");
    }
    let mut rules = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = api.ask(
            "viewer",
            "GET",
            &format!("/api/v1/rules?limit=2{cursor}"),
            b"",
        );
        let page: Value = serde_json::from_str(&answer.body).unwrap();
        rules.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let hits: Vec<_> = rules
        .iter()
        .map(|r| (r["id"].as_str().unwrap(), r["hits"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        hits,
        [("TEST_SIX", 0), ("TEST_NINE", 5), ("TEST_SIXTEEN", 0)]
    );
}

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
    assert_eq!(api.site.daemon.metric("mailweir_panics_total"), 0.0);
}
