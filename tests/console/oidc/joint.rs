//! A console whose users come from a provider, and the way to sign in there.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::client::{Answer, Request};
use crate::daemon::Config;
use crate::place::wait_for;
use crate::provider::{CLIENT, Provider, SECRET};
use crate::site::{PASSWORD, Site};

/// What the tests configure beside provider and client: groups give roles, users are made.
pub(crate) const BY_GROUPS: &str = "role_claim: groups, create: true, \
    roles: { admin: [mail-admins], analyst: [desk], viewer: [staff], refused: [leavers] }";

/// A console whose users come from a provider, and `root`, who has a password.
pub(crate) struct Joint {
    pub(crate) site: Site,
    pub(crate) provider: Provider,
    pub(crate) _secret: tempfile::TempDir,
}

impl Joint {
    pub(crate) fn new(provider: Provider, keys: &str) -> Joint {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let keys = format!(
            ", oidc: {{ issuer: '{}', client_id: '{CLIENT}', client_secret_file: '{}', label: 'Example ID', {keys} }}",
            provider.issuer(),
            secret.display()
        );
        let site = Site::empty(Config::default(), &keys);
        site.user("root", "admin");
        Joint {
            site,
            provider,
            _secret: folder,
        }
    }

    /// The way to the provider: the cookie of the sign-in, and the place there.
    pub(crate) fn leave(&self) -> (String, String) {
        let answer = self.site.get("/login/oidc?next=/rules").send();
        assert_eq!(answer.status, 303, "{answer:?}");
        let field = answer.field("set-cookie").unwrap();
        for word in [
            "HttpOnly",
            "SameSite=Lax",
            "Secure",
            "Path=/",
            "Max-Age=900",
        ] {
            assert!(field.contains(word), "{field}");
        }
        let place = answer.field("location").unwrap().to_owned();
        (answer.cookie().unwrap(), place)
    }

    /// What the provider sends the browser back with: the path with its query.
    pub(crate) fn granted(&self, place: &str) -> String {
        let path = place.strip_prefix(&self.provider.issuer()).unwrap();
        let answer = Request::new(self.provider.port, "GET", path).send();
        assert_eq!(answer.status, 302, "{answer:?}");
        let back = answer.field("location").unwrap();
        back.strip_prefix(&self.site.url()).unwrap().to_owned()
    }

    pub(crate) fn come_back(&self, path: &str, cookie: &str) -> Answer {
        self.site.get(path).session(cookie).send()
    }

    /// The whole way.
    pub(crate) fn sign_in(&self) -> Answer {
        let (cookie, place) = self.leave();
        self.come_back(&self.granted(&place), &cookie)
    }

    /// The cookie of a new session of somebody in a group.
    pub(crate) fn session(&self, subject: &str, name: &str, groups: Value) -> String {
        self.provider.person(person(subject, name, groups));
        let answer = self.sign_in();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("url=/rules"), "{}", answer.body);
        answer.cookie().unwrap()
    }

    pub(crate) fn whoami(&self, cookie: &str) -> Value {
        let answer = self.site.get("/api/whoami").session(cookie).send();
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Lines of the audit log.
    pub(crate) fn audit(&self, word: &str) -> String {
        let root = wait_for("the turn of root", || {
            self.site.sign_in("root", PASSWORD).cookie()
        });
        let page = self.site.get(&format!("/audit?q={word}")).session(&root);
        page.send().body
    }
}

pub(crate) fn person(subject: &str, name: &str, groups: Value) -> Value {
    json!({ "sub": subject, "preferred_username": name, "groups": groups })
}
