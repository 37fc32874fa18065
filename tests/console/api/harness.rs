//! A daemon with something of everything, and a token of each role.

use serde_json::Value;

use crate::client::{Answer, Request};
use crate::daemon::{Config, HELD, program};
use crate::place::{free_port, wait_for};
use crate::site::Site;
use crate::taker::Taker;

/// The roles, rising.
pub(crate) const ROLES: [&str; 3] = ["viewer", "analyst", "admin"];

/// A daemon with something of everything, and a token of each role.
pub(crate) struct Api {
    pub(crate) site: Site,
    /// The port on which copies get into the quarantine.
    rspamd: u16,
    /// Viewer, analyst, admin.
    pub(crate) tokens: [String; 3],
}

impl Api {
    pub(crate) fn start() -> Api {
        let (rspamd, smtp) = (free_port(), Taker::start().port);
        let config = Config {
            chain: "[rules, bayes]",
            sections: format!(
                "scanners: {{ rspamd: {{ listen: ['127.0.0.1:{rspamd}'], quarantine: true }} }}
quarantine: {{ release: {{ smtp: '127.0.0.1:{smtp}' }} }}
limits: {{ message: 100KiB }}
deny: [ {{ list: denied.txt }} ]
"
            ),
            files: vec![("denied.txt", "bad.example\n")],
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

    pub(crate) fn ask(&self, role: &str, method: &'static str, path: &str, body: &[u8]) -> Answer {
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

    /// What a path below `/api/v1/` tells an admin.
    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.ask("admin", "GET", &format!("/api/v1/{path}"), b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// What an admin is told who posts something below `/api/v1/`.
    pub(crate) fn make(&self, path: &str, body: &Value) -> Value {
        let path = format!("/api/v1/{path}");
        let answer = self.ask("admin", "POST", &path, body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// What a program is told with this token below `/api/v1/`.
    pub(crate) fn with(
        &self,
        token: &str,
        method: &'static str,
        path: &str,
        body: &[u8],
    ) -> Answer {
        Request::new(self.site.port, method, &format!("/api/v1/{path}"))
            .field("Authorization", &format!("Bearer {token}"))
            .body(body)
            .send()
    }

    /// Of the item of a list that has a value under a name, what stands under another.
    pub(crate) fn find(&self, path: &str, name: &str, value: &str, wanted: &str) -> String {
        let all = self.json(path);
        let mut items = all["items"].as_array().unwrap().iter();
        let found = items.find(|item| item[name] == value);
        let found = &found.unwrap_or_else(|| panic!("{value}: {all}"))[wanted];
        found
            .as_str()
            .map_or_else(|| found.to_string(), str::to_owned)
    }

    /// Puts a message into the quarantine and gives its id.
    pub(crate) fn hold(&self, subject: &str) -> String {
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
    pub(crate) fn train(&self) -> String {
        let mail = self.site.daemon.path().join("mail");
        for (class, words) in [
            ("ham", "minutes agenda lunch"),
            ("spam", "pills casino winner"),
        ] {
            let folder = mail.join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for n in 0..40 {
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
        let of = |class: &str| mail.join(class).display().to_string();
        run(&[
            "train",
            "--ham",
            &of("ham"),
            "--spam",
            &of("spam"),
            "--promote",
        ]);
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
