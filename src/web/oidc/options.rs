//! The section `console.oidc`, as written and as run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{Findings, Hidden, Seconds, secret_line, unwritten};
use crate::https::{Client, Target};
use crate::printable;
use crate::web::accounts::Role;

/// Longest label of the button, characters.
const LABEL: usize = 40;
/// Longest client id, scope, name of a claim, bytes.
const WORD: usize = 255;
/// Providers where anybody can have an account: who comes from there says nothing.
const PUBLIC: [&str; 4] = [
    "https://accounts.google.com",
    "https://appleid.apple.com",
    "https://gitlab.com",
    "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
];

/// `console.oidc`: sign-in by a provider of OpenID Connect. Off without `issuer`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The provider, as it calls itself, letter by letter: https, or http to this host. Default null: none.
    pub issuer: Option<Spanned<String>>,
    /// What the provider calls this console. Needed with an issuer.
    pub client_id: Option<Spanned<String>>,
    /// The file whose one line is the secret that the provider knows this console by; relative to the configuration
    /// file. Default null: a public client, which proves nothing but by PKCE.
    pub client_secret_file: Option<Spanned<PathBuf>>,
    /// The variable of the daemon's environment that holds it instead.
    pub client_secret_env: Option<Spanned<String>>,
    /// Certificates in PEM form that are trusted at the provider instead of those of the system; relative to the
    /// configuration file.
    pub ca_file: Option<Spanned<PathBuf>>,
    /// What is asked for; `openid` always is. Default openid, profile, email.
    pub scopes: Vec<Spanned<String>>,
    /// What the button says behind "Sign in with". Default "single sign-on".
    pub label: Spanned<String>,
    /// The claim that holds the user's name here. Default `preferred_username`.
    pub name_claim: Spanned<String>,
    /// The claim with the groups or roles that `roles` names, in objects by dots: `realm_access.roles`. Default null:
    /// roles are given here.
    pub role_claim: Option<Spanned<String>>,
    /// Which values of the claim give which role; the greatest holds.
    pub roles: Spanned<RoleNames>,
    /// The role of those to whom the claim gives none. Default null: they are refused.
    pub default_role: Option<Spanned<Role>>,
    /// Claims without one of these values are refused: `hd: [example.org]`.
    pub require: BTreeMap<String, Spanned<Vec<String>>>,
    /// Whether users are made at their first sign-in. Default false: an admin adds them.
    pub create: Spanned<bool>,
    /// How far the provider's clock may be off. Default 1m.
    pub clock_skew: Spanned<Seconds>,
    /// For each request to the provider. Default 10s.
    pub timeout: Spanned<Seconds>,
    /// Whether signing out leads on to the provider's page for it, where it has one. Default true.
    pub logout: bool,
    /// How long after their last sign-in the API tokens of the provider's users work. Default 30d.
    pub tokens: Spanned<Seconds>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            issuer: None,
            client_id: None,
            client_secret_file: None,
            client_secret_env: None,
            ca_file: None,
            scopes: ["openid", "profile", "email"]
                .map(|scope| unwritten(scope.to_owned()))
                .to_vec(),
            label: unwritten("single sign-on".to_owned()),
            name_claim: unwritten("preferred_username".to_owned()),
            role_claim: None,
            roles: unwritten(RoleNames::default()),
            default_role: None,
            require: BTreeMap::new(),
            create: unwritten(false),
            clock_skew: unwritten(Seconds::new(60)),
            timeout: unwritten(Seconds::new(10)),
            logout: true,
            tokens: unwritten(Seconds::new(30 * 86_400)),
        }
    }
}

/// `console.oidc.roles`: values of the claim, for each role.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleNames {
    /// Who has one of these is an admin.
    pub admin: Vec<String>,
    /// Who has one of these is an analyst.
    pub analyst: Vec<String>,
    /// Who has one of these is a viewer.
    pub viewer: Vec<String>,
    /// Who has one of these does not come in, whatever else they have.
    pub refused: Vec<String>,
}

impl RoleNames {
    /// The greatest role that one of `values` gives.
    pub(super) fn role(&self, values: &[String]) -> Option<Role> {
        let greatest = [
            (&self.admin, Role::Admin),
            (&self.analyst, Role::Analyst),
            (&self.viewer, Role::Viewer),
        ];
        let given = |(names, _): &(&Vec<String>, Role)| names.iter().any(|n| values.contains(n));
        greatest.into_iter().find(given).map(|(_, role)| role)
    }

    /// Whether one of `values` keeps out.
    pub(super) fn refuses(&self, values: &[String]) -> bool {
        self.refused.iter().any(|name| values.contains(name))
    }

    fn is_empty(&self) -> bool {
        self.admin.is_empty() && self.analyst.is_empty() && self.viewer.is_empty()
    }
}

/// The section as run.
#[derive(Clone, Debug)]
pub(in crate::web) struct Settings {
    pub(in crate::web) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<Hidden>,
    /// With the certificates that are trusted.
    pub(super) client: Client,
    /// Separated by spaces.
    pub(super) scopes: String,
    pub(in crate::web) label: String,
    pub(super) name_claim: String,
    pub(super) role_claim: Option<String>,
    pub(super) roles: RoleNames,
    pub(super) default_role: Option<Role>,
    pub(super) require: Vec<(String, Vec<String>)>,
    pub(in crate::web) create: bool,
    pub(super) skew: Duration,
    pub(super) timeout: Duration,
    pub(super) logout: bool,
}

impl Options {
    /// What is written, checked; `None` where there is no provider, or something is wrong with it. `listen` is the
    /// address of the console, `has_url` says whether its own URL is known.
    pub(in crate::web) fn check(
        &self,
        listen: Option<SocketAddr>,
        has_url: bool,
        base: &Path,
        findings: &mut Findings<'_>,
    ) -> Option<Settings> {
        findings.within(
            &self.clock_skew,
            Seconds::new(0),
            Seconds::new(600),
            "of skew",
        );
        let (least, most) = (Seconds::millis(100), Seconds::new(60));
        findings.within(&self.timeout, least, most, "for a request");
        let (least, most) = (Seconds::new(3600), Seconds::new(3650 * 86_400));
        findings.within(&self.tokens, least, most, "for tokens");
        let issuer = self.issuer.as_ref()?;
        self.check_place(issuer, listen, has_url, findings);
        self.check_words(findings);
        self.check_roles(issuer, findings);
        let client_id = self.client_id.as_ref();
        if client_id.is_none_or(|id| !is_word(&id.value)) {
            let help = "write what the provider calls this console in `client_id`";
            match client_id {
                Some(id) => findings.wrong_with_help(id, "this is no client id", help),
                None => findings.wrong_with_help(issuer, "there is no client id", help),
            }
        }
        let client_secret = self.secret(base, findings);
        let ca_file = self.ca_file.as_ref();
        let client = Client::new(ca_file.map(|file| base.join(&file.value)).as_deref());
        let client = match (client, ca_file) {
            (Ok(client), _) => client,
            (Err(why), file) => {
                match file {
                    Some(file) => findings.wrong(file, why.to_string()),
                    None => findings.wrong(issuer, why.to_string()),
                }
                return None;
            }
        };
        let scopes = self.scopes.iter().map(|scope| scope.value.as_str());
        let others: Vec<&str> = scopes.filter(|scope| *scope != "openid").collect();
        let require = self.require.iter();
        Some(Settings {
            issuer: issuer.value.clone(),
            client_id: client_id?.value.clone(),
            client_secret,
            client,
            scopes: ["openid"]
                .into_iter()
                .chain(others)
                .collect::<Vec<_>>()
                .join(" "),
            label: self.label.value.clone(),
            name_claim: self.name_claim.value.clone(),
            role_claim: self.role_claim.as_ref().map(|claim| claim.value.clone()),
            roles: self.roles.value.clone(),
            default_role: self.default_role.as_ref().map(|role| role.value),
            require: require
                .map(|(claim, values)| (claim.clone(), values.value.clone()))
                .collect(),
            create: self.create.value,
            skew: self.clock_skew.value.0,
            timeout: self.timeout.value.0,
            logout: self.logout,
        })
    }

    /// The provider must be found, and must be able to send people back.
    fn check_place(
        &self,
        issuer: &Spanned<String>,
        listen: Option<SocketAddr>,
        has_url: bool,
        findings: &mut Findings<'_>,
    ) {
        if let Err(why) = Target::parse(&issuer.value) {
            findings.wrong(issuer, why);
        } else if issuer.value.contains(['?', '#', '{']) {
            findings.wrong_with_help(
                issuer,
                "an issuer has neither query nor fragment nor placeholder",
                "write the issuer of one realm or tenant, as its /.well-known/openid-configuration says",
            );
        }
        let found = listen.is_none_or(|listen| listen.ip().is_loopback() && listen.port() != 0);
        if !found && !has_url {
            findings.wrong_with_help(
                issuer,
                "the provider must know where to send people back to",
                "set console.url to what they type to get to the console",
            );
        }
    }

    fn check_words(&self, findings: &mut Findings<'_>) {
        for scope in &self.scopes {
            if !is_word(&scope.value) {
                findings.wrong(scope, "a scope is one word of printable ASCII");
            }
        }
        let label = &self.label;
        let fits = (1..=LABEL).contains(&label.value.trim().chars().count());
        if !fits || label.value.chars().any(printable::deceives) {
            findings.wrong(label, format!("a label has one to {LABEL} characters"));
        }
        for claim in [Some(&self.name_claim), self.role_claim.as_ref()] {
            if let Some(claim) = claim.filter(|claim| !is_word(&claim.value)) {
                findings.wrong(claim, "a claim is one word of printable ASCII");
            }
        }
        for values in self.require.values().filter(|v| v.value.is_empty()) {
            findings.wrong(values, "without a value that is taken nobody would come in");
        }
    }

    /// Whoever comes in must have a role, and not everybody may come in.
    fn check_roles(&self, issuer: &Spanned<String>, findings: &mut Findings<'_>) {
        let roles = &self.roles;
        match &self.role_claim {
            None if !roles.value.is_empty() || !roles.value.refused.is_empty() => findings
                .wrong_with_help(
                    roles,
                    "there is no claim that these values could stand in",
                    "name it in `role_claim`",
                ),
            Some(claim) if roles.value.is_empty() && self.default_role.is_none() => findings
                .wrong_with_help(
                    claim,
                    "no value of this claim gives a role, so nobody would come in",
                    "say in `roles` which values do, or set `default_role`",
                ),
            _ => {}
        }
        if !self.create.value {
            return;
        }
        if self.role_claim.is_none() && self.default_role.is_none() {
            findings.wrong_with_help(
                &self.create,
                "new users would have no role",
                "set `role_claim` and `roles`, or `default_role`",
            );
        }
        let public = PUBLIC.contains(&issuer.value.trim_end_matches('/'));
        if let Some(role) = self.default_role.as_ref().filter(|_| public)
            && self.require.is_empty()
        {
            findings.wrong_with_help(
                role,
                "anybody can have an account at this provider, and would come in",
                "say in `require` who is yours: require: { hd: [example.org] }",
            );
        }
    }

    fn secret(&self, base: &Path, findings: &mut Findings<'_>) -> Option<Hidden> {
        let read = match (&self.client_secret_file, &self.client_secret_env) {
            (Some(_), Some(env)) => {
                findings.wrong(env, "the secret stands in a file already");
                return None;
            }
            (Some(file), None) => secret_line(&base.join(&file.value), "client secret")
                .map_err(|why| findings.wrong(file, why)),
            (None, Some(env)) => match std::env::var(&env.value) {
                Ok(secret) if !secret.is_empty() => Ok(secret),
                _ => {
                    let why = "the environment has no such variable, or nothing in it";
                    findings.wrong(env, why);
                    Err(())
                }
            },
            (None, None) => return None,
        };
        read.ok().map(Hidden)
    }
}

fn is_word(text: &str) -> bool {
    (1..=WORD).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
