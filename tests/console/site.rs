//! A daemon with a console, and people who use it.

use std::io::Write;
use std::process::Stdio;

use super::client::{Answer, Request};
use super::daemon::{Config, Daemon, RULES, program};
use super::place::{free_port, wait_for};
use super::post::HOSTILE;
use super::webdriver::Browser;

/// What everybody here signs in with.
pub(crate) const PASSWORD: &str = "several words serve well";

/// A session.
pub(crate) struct SignedIn {
    pub(crate) cookie: String,
    /// The word of its forms.
    pub(crate) form_token: String,
}

/// A daemon with a console.
pub(crate) struct Site {
    pub(crate) daemon: Daemon,
    pub(crate) port: u16,
}

impl Site {
    /// With the users `ann` (admin), `bob` (analyst) and `cid` (viewer).
    pub(crate) fn new(config: Config) -> Site {
        let site = Site::empty(config, "");
        site.user("ann", "admin");
        site.user("bob", "analyst");
        site.user("cid", "viewer");
        site
    }

    /// With a rule that says something hostile of itself, a policy, and a list of senders that are not wanted.
    pub(crate) fn with_lists() -> Site {
        let visible = HOSTILE.replace(['\u{7}', '\u{202e}', '\u{202c}', '\u{200b}'], "");
        let rules = format!(
            "{RULES}  - id: TEST_HOSTILE\n    description: >-\n      {visible}\n    score: 0\n    when: {{ raw_body: '<script>.{{0,60}}' }}\n",
        );
        Site::new(Config {
            rules,
            sections: "deny: [{ list: deny.txt }]\npolicies:\n  - name: sales\n    for: { recipients: [sales@here.example] }\n    thresholds: { tag: 3 }\n"
                .to_owned(),
            files: vec![("deny.txt", "# Who is not wanted\nbad.example\n")],
            watch: "100ms",
            ..Config::default()
        })
    }

    /// Without users; `keys` are further keys of `console`.
    pub(crate) fn empty(mut config: Config, keys: &str) -> Site {
        let port = free_port();
        let section = format!("console: {{ listen: '127.0.0.1:{port}'{keys} }}\n");
        config.sections.push_str(&section);
        let daemon = Daemon::start(&config);
        Site { daemon, port }
    }

    /// Runs `mailweir user` with words on its standard input.
    pub(crate) fn command(&self, args: &[&str], input: &str) -> std::process::Output {
        let mut child = program()
            .args(["user", "--config"])
            .arg(self.daemon.path().join("mailweir.yaml"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// Adds a user with [`PASSWORD`].
    pub(crate) fn user(&self, name: &str, role: &str) {
        let args = ["add", name, "--role", role, "--password-stdin"];
        let out = self.command(&args, &format!("{PASSWORD}\n"));
        assert!(out.status.success(), "{out:?}");
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn get(&self, path: &str) -> Request {
        Request::new(self.port, "GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Request {
        Request::new(self.port, "POST", path)
    }

    /// A sign-in.
    pub(crate) fn sign_in(&self, name: &str, password: &str) -> Answer {
        let fields = [("name", name), ("password", password)];
        self.post("/login").form(&fields).send()
    }

    /// The cookie of a new session of a user.
    pub(crate) fn session(&self, name: &str) -> String {
        let answer = self.sign_in(name, PASSWORD);
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.cookie().unwrap()
    }

    /// A session of a user, with what its forms carry.
    pub(crate) fn signed_in(&self, name: &str) -> SignedIn {
        self.signed_with(self.session(name))
    }

    /// Who has the session of this cookie.
    pub(crate) fn signed_with(&self, cookie: String) -> SignedIn {
        let page = self.get("/account").session(&cookie).send();
        let form_token = page.form_token();
        SignedIn { cookie, form_token }
    }

    /// The one-time link that was printed at the start.
    pub(crate) fn first_link(&self) -> String {
        wait_for("the first link", || {
            let log = self.daemon.log();
            let line = log.lines().find(|line| line.contains("/welcome?link="))?;
            Some(line.trim().to_owned())
        })
    }

    /// A browser in which a user has signed in; `None` where there is no browser.
    pub(crate) fn browser(&self, name: &str) -> Option<Browser> {
        let browser = Browser::start(&self.url())?;
        browser.go("/login");
        browser.fill("input[name=name]", name);
        browser.fill("input[name=password]", PASSWORD);
        browser.click("button.main");
        browser.until("location.pathname === '/' && document.readyState === 'complete'");
        Some(browser)
    }
}
