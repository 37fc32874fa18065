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
