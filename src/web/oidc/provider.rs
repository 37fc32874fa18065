//! The provider, as far as we have got to know it: asked when something is needed that is missing or too old, by one at
//! a time. Its answers are bounded in size and time; one that failed is not asked again for [`REST`]; a key that we do
//! not know brings the keys anew, at most every [`REST`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::BASE64;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};

use super::error::OidcError;
use super::journey::Journey;
use super::keys::Keys;
use super::metadata::{self, Metadata, form};
use super::options::Settings;
use super::token::{self, Claims, Expected};
use super::userinfo;
use crate::https::Target;
use crate::metrics::Metrics;
use crate::web;
use crate::web::login::encoded;

/// From which age on metadata and keys are asked for anew.
const AGE: Duration = Duration::from_secs(3600);
/// Between two questions for the same thing.
const REST: Duration = Duration::from_secs(5);
/// Longest metadata and key set, bytes.
const DOCUMENT: usize = 256 << 10;
/// Longest answer to a code, bytes: tokens of people with hundreds of groups are long.
const TOKENS: usize = 256 << 10;
/// Longest answer to a question about somebody, bytes.
const USERINFO: usize = 256 << 10;
/// Codes that are redeemed at one time.
const AT_ONCE: usize = 8;

/// The provider of the console.
#[derive(Debug)]
pub(in crate::web) struct Provider {
    pub(in crate::web) plan: Settings,
    metadata: Mutex<Known<Metadata>>,
    keys: Mutex<Known<Keys>>,
    turns: Semaphore,
    metrics: Arc<Metrics>,
}

/// Something that the provider has said, and when it was asked last.
struct Known<T> {
    said: Option<(Arc<T>, Instant)>,
    asked: Option<(Instant, Option<OidcError>)>,
}

impl<T> std::fmt::Debug for Known<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Known {
            said: None,
            asked: None,
        }
    }
}

impl<T> Known<T> {
    /// What was said, if it is not too old.
    fn fresh(&self) -> Option<Arc<T>> {
        let (said, at) = self.said.as_ref()?;
        (at.elapsed() < AGE).then(|| said.clone())
    }

    /// How the last question ended, if it was asked just now.
    fn resting(&self) -> Option<&Option<OidcError>> {
        let (at, ended) = self.asked.as_ref()?;
        (at.elapsed() < REST).then_some(ended)
    }

    fn note(&mut self, said: Result<T, OidcError>) -> Result<Arc<T>, OidcError> {
        let now = Instant::now();
        match said {
            Ok(said) => {
                let said = Arc::new(said);
                self.said = Some((said.clone(), now));
                self.asked = Some((now, None));
                Ok(said)
            }
            Err(error) => {
                self.asked = Some((now, Some(error.clone())));
                Err(error)
            }
        }
    }
}

impl Provider {
    /// That of a console; `None` where users have passwords only.
    pub(in crate::web) fn of(
        console: &web::Settings,
        metrics: &Arc<Metrics>,
    ) -> Option<Arc<Provider>> {
        let plan = console.oidc.clone()?;
        Some(Arc::new(Provider::new(plan, metrics.clone())))
    }

    fn new(plan: Settings, metrics: Arc<Metrics>) -> Provider {
        Provider {
            plan,
            metadata: Mutex::default(),
            keys: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
            metrics,
        }
    }

    /// What it says of itself.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, OidcError> {
        let mut known = self.metadata.lock().await;
        if let Some(metadata) = known.fresh() {
            return Ok(metadata);
        }
        if let Some(Some(error)) = known.resting() {
            return Err(error.clone());
        }
        let read = self.ask_metadata().await;
        known.note(read)
    }

    async fn ask_metadata(&self) -> Result<Metadata, OidcError> {
        let address = metadata::address(&self.plan.issuer);
        let target = Target::parse(&address).map_err(|why| OidcError::Answer(why.to_owned()))?;
        Metadata::read(&self.get(&target).await?, &self.plan.issuer)
    }

    /// Where a browser goes to sign out there too, and to come back to `back`; `None` where there is no such place, it is
    /// not wanted, or the provider does not answer.
    pub(in crate::web) async fn sign_out(&self, back: &str) -> Option<String> {
        if !self.plan.logout {
            return None;
        }
        let metadata = self.metadata().await.ok()?;
        metadata.end_session(&self.plan, back)
    }

    /// Its keys; new ones where a token names one that is not among those of `unlike`.
    pub(super) async fn keys(
        &self,
        metadata: &Metadata,
        unlike: Option<&Arc<Keys>>,
    ) -> Result<Arc<Keys>, OidcError> {
        let mut known = self.keys.lock().await;
        if let Some(keys) = known.fresh() {
            let changed = unlike.is_none_or(|old| !Arc::ptr_eq(old, &keys));
            if changed || known.resting().is_some() {
                return Ok(keys);
            }
        }
        if let Some(Some(error)) = known.resting() {
            return Err(error.clone());
        }
        let read = self.get(&metadata.keys).await;
        known.note(read.and_then(|text| Keys::read(&text)))
    }

    /// Redeems the code that a browser has brought back to `back`, and gives what the ID token says, once it holds; what is
    /// needed and not in there is asked for.
    pub(super) async fn redeem(
        &self,
        code: &str,
        back: &str,
        journey: &Journey,
    ) -> Result<Claims, OidcError> {
        let _turn = self.turns.try_acquire().map_err(|_| OidcError::Busy)?;
        let metadata = self.metadata().await?;
        let (token, access) = self.tokens(&metadata, code, back, journey).await?;
        let expected = Expected {
            issuer: &self.plan.issuer,
            client_id: &self.plan.client_id,
            nonce: &journey.nonce(),
            skew: self.plan.skew,
            now: jiff::Timestamp::now().as_second(),
        };
        let keys = self.keys(&metadata, None).await?;
        let mut claims = match token::check(&token, &keys, &expected) {
            // It may have taken a new one.
            Err(OidcError::UnknownKey) => {
                let keys = self.keys(&metadata, Some(&keys)).await?;
                token::check(&token, &keys, &expected)
            }
            checked => checked,
        }?;
        let missing = userinfo::missing(&self.plan, &claims);
        if !missing.is_empty()
            && let (Some(place), Some(access)) = (&metadata.userinfo, access)
        {
            let answer = self.userinfo(place, &access).await?;
            userinfo::complete(&mut claims, &missing, &answer)?;
        }
        Ok(claims)
    }

    /// What the provider tells of whom this access token speaks for.
    async fn userinfo(&self, place: &Target, access: &str) -> Result<Bytes, OidcError> {
        let request = place
            .request(Method::GET)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Bearer {access}"))
            .body(Full::default());
        match self.send(place, request, USERINFO).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(OidcError::Answer(format!(
                "status {status} for its userinfo"
            ))),
        }
    }

    /// The ID token, and the access token where there is one (RFC 6749, section 4.1.3).
    async fn tokens(
        &self,
        metadata: &Metadata,
        code: &str,
        back: &str,
        journey: &Journey,
    ) -> Result<(String, Option<String>), OidcError> {
        let verifier = journey.verifier();
        let id = self.plan.client_id.as_str();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", back),
            ("code_verifier", verifier.as_str()),
        ];
        let mut head = None;
        match &self.plan.client_secret {
            Some(secret) if metadata.secret_in_form => {
                fields.extend([("client_id", id), ("client_secret", secret.0.as_str())]);
            }
            Some(secret) => {
                let pair = format!("{}:{}", encoded(id), encoded(&secret.0));
                head = Some(format!("Basic {}", BASE64.encode(pair.as_bytes())));
            }
            None => fields.push(("client_id", id)),
        }
        let mut request = metadata
            .token
            .request(Method::POST)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(head) = head {
            request = request.header(AUTHORIZATION, head);
        }
        let request = request.body(Full::new(form(&fields).into()));
        let (status, body) = self.send(&metadata.token, request, TOKENS).await?;
        #[derive(Deserialize)]
        struct Tokens {
            id_token: Option<String>,
            access_token: Option<String>,
            error: Option<String>,
        }
        let tokens: Tokens = serde_json::from_slice(&body)
            .map_err(|_| OidcError::Answer(format!("status {status} to a code, and no JSON")))?;
        match (status, tokens.id_token, tokens.error) {
            (StatusCode::OK, Some(token), _) => Ok((token, tokens.access_token)),
            (StatusCode::OK, None, _) => {
                Err(OidcError::Answer("no ID token for a code".to_owned()))
            }
            (_, _, error) => {
                let error: String = error.unwrap_or_default().chars().take(100).collect();
                Err(OidcError::Answer(format!(
                    "status {status} to a code: {error:?}"
                )))
            }
        }
    }

    /// A document.
    async fn get(&self, target: &Target) -> Result<Bytes, OidcError> {
        let request = target
            .request(Method::GET)
            .header(ACCEPT, "application/json")
            .body(Full::default());
        match self.send(target, request, DOCUMENT).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(OidcError::Answer(format!(
                "status {status} for {}",
                target.path.escape_debug()
            ))),
        }
    }

    async fn send(
        &self,
        target: &Target,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
        most: usize,
    ) -> Result<(StatusCode, Bytes), OidcError> {
        let request = request.map_err(|e| OidcError::Answer(e.to_string()))?;
        let asked = self.plan.client.send(target, request, most);
        let answer = tokio::time::timeout(self.plan.timeout, asked).await;
        let (result, answer) = match answer {
            Ok(Ok(answer)) => ("ok", Ok((answer.status(), answer.into_body()))),
            Ok(Err(error)) => {
                let why = format!("{}: {error}", target.authority);
                let why = why.escape_debug().to_string();
                ("error", Err(OidcError::Unreachable(why)))
            }
            Err(_) => {
                let why = format!("{} does not answer in time", target.authority);
                ("timeout", Err(OidcError::Unreachable(why)))
            }
        };
        let requests = &self.metrics.console_oidc_requests;
        requests.with_label_values(&[result]).inc();
        answer
    }
}
