//! What a provider says of itself at `/.well-known/openid-configuration` (OpenID Connect Discovery 1.0).

use serde::Deserialize;

use super::error::OidcError;
use super::journey::Journey;
use super::options::Settings;
use crate::https::Target;
use crate::web::login::encoded;

/// Where its answer lies, below the issuer.
const PATH: &str = "/.well-known/openid-configuration";

/// The place of the metadata of an issuer.
pub(super) fn address(issuer: &str) -> String {
    format!("{}{PATH}", issuer.trim_end_matches('/'))
}

/// As the provider writes it; what we do not need is left out.
#[derive(Deserialize)]
struct Written {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// A provider, as far as it is of use to us.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    authorization: String,
    pub(super) token: Target,
    pub(super) keys: Target,
    /// Where it tells claims that its ID tokens leave out.
    pub(super) userinfo: Option<Target>,
    end_session: Option<String>,
    /// Whether the client secret goes into the form instead of the head of a request (RFC 6749, section 2.3.1).
    pub(super) secret_in_form: bool,
    /// Whether people come back with the word of who has sent them (RFC 9207).
    pub(super) names_itself: bool,
}

impl Metadata {
    /// Reads the answer of the provider that we know as `issuer`.
    ///
    /// # Errors
    /// An answer that makes no sense, or is that of somebody else.
    pub(super) fn read(text: &[u8], issuer: &str) -> Result<Metadata, OidcError> {
        let written: Written = serde_json::from_slice(text).map_err(|e| {
            OidcError::Answer(format!("its metadata: {}", e.to_string().escape_debug()))
        })?;
        if written.issuer != issuer {
            return Err(OidcError::Answer(format!(
                "it calls itself {:?}, and console.oidc.issuer is {issuer:?}",
                written.issuer.chars().take(200).collect::<String>()
            )));
        }
        let place = |name: &str, url: &str| {
            Target::parse(url).map_err(|why| OidcError::Answer(format!("its {name}: {why}")))
        };
        // Browsers go there; it must be a place, and no script.
        place("authorization_endpoint", &written.authorization_endpoint)?;
        let end_session = written.end_session_endpoint;
        let methods = written.token_endpoint_auth_methods_supported;
        let takes = |method: &str| {
            let named = methods.as_ref();
            named.map(|all| all.iter().any(|one| one == method))
        };
        Ok(Metadata {
            token: place("token_endpoint", &written.token_endpoint)?,
            keys: place("jwks_uri", &written.jwks_uri)?,
            userinfo: match &written.userinfo_endpoint {
                Some(url) => Some(place("userinfo_endpoint", url)?),
                None => None,
            },
            authorization: written.authorization_endpoint,
            end_session: end_session.filter(|url| Target::parse(url).is_ok()),
            secret_in_form: takes("client_secret_basic") == Some(false)
                && takes("client_secret_post") == Some(true),
            names_itself: written.authorization_response_iss_parameter_supported,
        })
    }

    /// Where a browser is sent for a sign-in, to come back to `back`.
    pub(super) fn authorization(&self, plan: &Settings, back: &str, journey: &Journey) -> String {
        with_query(
            &self.authorization,
            &[
                ("response_type", "code"),
                ("client_id", &plan.client_id),
                ("redirect_uri", back),
                ("scope", &plan.scopes),
                ("state", &journey.state()),
                ("nonce", &journey.nonce()),
                ("code_challenge", &journey.challenge()),
                ("code_challenge_method", "S256"),
            ],
        )
    }

    /// Where a browser is sent for signing out there too, to come back to `back` (RP-Initiated Logout 1.0).
    pub(super) fn end_session(&self, plan: &Settings, back: &str) -> Option<String> {
        let place = self.end_session.as_deref()?;
        let fields = [
            ("client_id", plan.client_id.as_str()),
            ("post_logout_redirect_uri", back),
        ];
        Some(with_query(place, &fields))
    }
}

/// A URL with more fields in its query; a fragment would swallow them.
fn with_query(url: &str, fields: &[(&str, &str)]) -> String {
    let url = url.split('#').next().unwrap_or(url);
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{}", form(fields))
}

/// Fields of a query or a form.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields
        .iter()
        .map(|(key, value)| format!("{key}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}
