//! A provider of OpenID Connect, as strict as one should be, and hostile where it is told to.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use super::place::installed;

/// What the console is called there, and by which secret it is known. Both need writing out in the head of a request.
pub(crate) const CLIENT: &str = "mail:weir";
pub(crate) const SECRET: &str = "s3cret/with+marks";

/// What opens its userinfo endpoint.
const ACCESS: &str = "opaque.access-token";

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    None,
    // What a token says.
    OtherNonce,
    OtherAudience,
    OtherIssuer,
    Expired,
    Old,
    // How it is signed.
    OtherKey,
    Unsigned,
    BySecret,
    // Where people are sent from.
    MixedUp,
    Nameless,
    Denied,
    // What it answers.
    NoToken,
    NoJson,
    Refuses,
    Redirects,
    HugeTokens,
    HugeKeys,
    HugeMetadata,
    OtherMetadata,
    SlowTokens,
    SlowKeys,
    SlowMetadata,
    /// Takes a code as often as it comes.
    Forgetful,
}

/// A sign-in that was granted.
#[derive(Clone)]
struct Grant {
    back: String,
    nonce: String,
    challenge: String,
    used: bool,
}

enum Key {
    Curve(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl Key {
    fn curve() -> Key {
        let (random, curve) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(curve, pkcs8.as_ref(), &random);
        Key::Curve(Box::new(key.unwrap()))
    }

    /// As most providers have it; `None` where nothing can make one.
    fn rsa() -> Option<Key> {
        let made = Command::new(installed("openssl")?)
            .args(["genpkey", "-algorithm", "RSA", "-outform", "DER"])
            .args(["-pkeyopt", "rsa_keygen_bits:2048"])
            .output()
            .unwrap();
        // Which form it writes depends on its version.
        let key = RsaKeyPair::from_pkcs8(&made.stdout);
        let key = key.or_else(|_| RsaKeyPair::from_der(&made.stdout)).unwrap();
        Some(Key::Rsa(Box::new(key)))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Key::Curve(_) => "ES256",
            Key::Rsa(_) => "RS256",
        }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Key::Curve(key) => key.sign(&random, text).unwrap().as_ref().to_vec(),
            Key::Rsa(key) => {
                let mut signed = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signed)
                    .unwrap();
                signed
            }
        }
    }

    fn shown(&self, id: &str) -> Value {
        let written = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        match self {
            Key::Curve(key) => {
                let point = key.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id,
                        "x": written(&point[1..33]), "y": written(&point[33..]) })
            }
            Key::Rsa(key) => {
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "use": "sig", "kid": id, "n": written(&n), "e": written(&e) })
            }
        }
    }
}

struct State {
    twist: Twist,
    /// Claims of whoever signs in next, beyond those that every token has.
    person: Value,
    /// Claims that it tells at its userinfo endpoint only; there is none without.
    told: Option<Value>,
    key: Key,
    /// Counts keys, codes.
    number: u32,
    key_number: u32,
    grants: HashMap<String, Grant>,
    /// Paths that were asked for.
    asked: Vec<String>,
    /// Who waits for an answer that does not come.
    held: Vec<TcpStream>,
}

/// A running provider.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Provider {
    /// One that signs with an elliptic curve.
    pub(crate) fn start() -> Provider {
        Provider::with(Key::curve())
    }

    /// One that signs with RSA; `None`, and a word, where no key can be made.
    pub(crate) fn by_rsa() -> Option<Provider> {
        Key::rsa().map(Provider::with)
    }

    fn with(key: Key) -> Provider {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let provider = Provider {
            port: listener.local_addr().unwrap().port(),
            state: Arc::new(Mutex::new(State {
                twist: Twist::None,
                person: json!({}),
                told: None,
                key,
                number: 0,
                key_number: 0,
                grants: HashMap::new(),
                asked: Vec::new(),
                held: Vec::new(),
            })),
        };
        let serving = provider.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (serving, stream) = (serving.clone(), stream.unwrap());
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        provider
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another host than that of the console, so that browsers take it for another site.
    pub(crate) fn issuer(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Who signs in next.
    pub(crate) fn person(&self, claims: Value) {
        self.state().person = claims;
    }

    /// What is told of them to whoever comes with the access token.
    pub(crate) fn tells(&self, claims: Value) {
        self.state().told = Some(claims);
    }

    pub(crate) fn twist(&self, twist: Twist) {
        self.state().twist = twist;
    }

    /// Signs with a new key from now on, and shows the old one no more.
    pub(crate) fn change_key(&self) {
        let mut state = self.state();
        state.key = Key::curve();
        state.key_number += 1;
    }

    /// How often something was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let state = self.state();
        state.asked.iter().filter(|asked| *asked == path).count()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut line, mut length, mut authorization) = (String::new(), 0, None);
        if reader.read_line(&mut line).is_err() {
            return;
        }
        let Some(target) = line.split(' ').nth(1).map(str::to_owned) else {
            return;
        };
        loop {
            let mut field = String::new();
            if reader.read_line(&mut field).unwrap_or(0) == 0 || field.trim().is_empty() {
                break;
            }
            let (name, value) = field.split_once(':').unwrap();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "authorization" => authorization = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let form = fields(&String::from_utf8_lossy(&body));
        let mut state = self.state();
        state.asked.push(path.to_owned());
        let slow = match path {
            "/token" => Twist::SlowTokens,
            "/keys" => Twist::SlowKeys,
            _ => Twist::SlowMetadata,
        };
        if state.twist == slow && path != "/authorize" {
            state.held.push(stream);
            return;
        }
        let answer = match path {
            "/.well-known/openid-configuration" => Ok(self.metadata(&state)),
            "/keys" => Ok(state.keys()),
            "/authorize" => self.authorize(&mut state, &fields(query)),
            "/token" => self.token(&mut state, &form, authorization.as_deref()),
            "/logout" => self.logout(&fields(query)),
            "/userinfo" => userinfo(&state, authorization.as_deref()),
            _ => Err("no such page".to_owned()),
        };
        let answer = answer.unwrap_or_else(|why| page(400, &[], &why));
        let _ = stream.write_all(answer.as_bytes());
    }

    fn metadata(&self, state: &State) -> String {
        let issuer = match state.twist {
            Twist::OtherMetadata => "https://evil.example".to_owned(),
            _ => self.issuer(),
        };
        let at = |path: &str| format!("{}{path}", self.issuer());
        let mut metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "jwks_uri": at("/keys"),
            "end_session_endpoint": at("/logout"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        if state.told.is_some() {
            metadata["userinfo_endpoint"] = json!(at("/userinfo"));
        }
        if state.twist == Twist::HugeMetadata {
            metadata["padding"] = json!("x".repeat(1 << 20));
        }
        json_page(200, &metadata)
    }

    /// The person signs in at once.
    fn authorize(
        &self,
        state: &mut State,
        asked: &HashMap<String, String>,
    ) -> Result<String, String> {
        let has = |key: &str| asked.get(key).cloned().ok_or(format!("no {key}"));
        let is = |key: &str, wanted: &str| match has(key)? == wanted {
            true => Ok(()),
            false => Err(format!("{key} is not {wanted}")),
        };
        is("response_type", "code")?;
        is("client_id", CLIENT)?;
        is("code_challenge_method", "S256")?;
        if !has("scope")?.split(' ').any(|scope| scope == "openid") {
            return Err("openid is not asked for".to_owned());
        }
        let back = has("redirect_uri")?;
        if !back.starts_with("http://127.0.0.1:") || !back.ends_with("/login/oidc/callback") {
            return Err(format!("{back} is not registered"));
        }
        let grant = Grant {
            back: back.clone(),
            nonce: has("nonce")?,
            challenge: has("code_challenge")?,
            used: false,
        };
        state.number += 1;
        let code = format!("code-{}", state.number);
        state.grants.insert(code.clone(), grant);
        let mut place = format!("{back}?state={}", has("state")?);
        match state.twist {
            Twist::Denied => place.push_str("&error=access_denied&error_description=%3Cscript%3E"),
            _ => place.push_str(&format!("&code={code}")),
        }
        match state.twist {
            Twist::MixedUp => place.push_str("&iss=https%3A//evil.example"),
            Twist::Nameless => {}
            _ => place.push_str(&format!("&iss={}", self.issuer())),
        }
        Ok(page(302, &[("Location", &place)], ""))
    }

    fn token(
        &self,
        state: &mut State,
        form: &HashMap<String, String>,
        authorization: Option<&str>,
    ) -> Result<String, String> {
        let known = format!(
            "Basic {}",
            BASE64.encode(b"mail%3Aweir:s3cret/with%2Bmarks")
        );
        if authorization != Some(&known) {
            return Ok(json_page(401, &json!({ "error": "invalid_client" })));
        }
        let given = |key: &str| form.get(key).map_or("", String::as_str);
        let forgetful = state.twist == Twist::Forgetful;
        let grant = state.grants.get_mut(given("code"));
        let grant = grant.filter(|grant| {
            let digest = digest::digest(&digest::SHA256, given("code_verifier").as_bytes());
            (forgetful || !grant.used)
                && given("grant_type") == "authorization_code"
                && grant.back == given("redirect_uri")
                && grant.challenge == BASE64URL_NOPAD.encode(digest.as_ref())
        });
        let Some(grant) = grant else {
            return Ok(json_page(400, &json!({ "error": "invalid_grant" })));
        };
        grant.used = true;
        let nonce = grant.nonce.clone();
        Ok(match state.twist {
            Twist::NoToken => json_page(200, &json!({ "access_token": "x" })),
            Twist::NoJson => page(200, &[], "<html>"),
            Twist::Refuses => json_page(500, &json!({ "error": "server_error" })),
            Twist::Redirects => {
                let place = format!("{}/elsewhere", self.issuer());
                page(307, &[("Location", &place)], "")
            }
            Twist::HugeTokens => json_page(200, &json!({ "id_token": "x".repeat(1 << 20) })),
            _ => {
                let token = self.id_token(state, &nonce);
                let tokens =
                    json!({ "access_token": ACCESS, "token_type": "Bearer", "id_token": token });
                json_page(200, &tokens)
            }
        })
    }

    fn id_token(&self, state: &State, nonce: &str) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.issuer(), "aud": CLIENT, "nonce": nonce, "iat": now, "exp": now + 300,
        });
        for (claim, value) in state.person.as_object().unwrap() {
            claims[claim] = value.clone();
        }
        match state.twist {
            Twist::OtherNonce => claims["nonce"] = json!("0".repeat(64)),
            Twist::OtherAudience => claims["aud"] = json!("another-client"),
            Twist::OtherIssuer => claims["iss"] = json!("https://evil.example"),
            Twist::Expired => claims["exp"] = json!(now - 3600),
            Twist::Old => claims["iat"] = json!(now - 86_400),
            _ => {}
        }
        let algorithm = match state.twist {
            Twist::Unsigned => "none",
            Twist::BySecret => "HS256",
            _ => state.key.algorithm(),
        };
        let head = json!({ "alg": algorithm, "typ": "JWT", "kid": state.key_id() });
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let text = format!("{}.{}", part(&head), part(&claims));
        let signed = match state.twist {
            Twist::Unsigned => Vec::new(),
            Twist::BySecret => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
                ring::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            Twist::OtherKey => Key::curve().sign(text.as_bytes()),
            _ => state.key.sign(text.as_bytes()),
        };
        format!("{text}.{}", BASE64URL_NOPAD.encode(&signed))
    }

    fn logout(&self, asked: &HashMap<String, String>) -> Result<String, String> {
        if asked.get("client_id").map(String::as_str) != Some(CLIENT) {
            return Err("no such client".to_owned());
        }
        let back = asked.get("post_logout_redirect_uri");
        let back = back
            .filter(|back| back.ends_with("/login"))
            .ok_or("no way back")?;
        Ok(page(302, &[("Location", back)], ""))
    }
}

impl State {
    fn key_id(&self) -> String {
        format!("key-{}", self.key_number)
    }

    fn keys(&self) -> String {
        let mut keys = json!({ "keys": [self.key.shown(&self.key_id())] });
        if self.twist == Twist::HugeKeys {
            keys["padding"] = json!("x".repeat(1 << 20));
        }
        json_page(200, &keys)
    }
}

fn json_page(status: u16, value: &Value) -> String {
    page(
        status,
        &[("Content-Type", "application/json")],
        &value.to_string(),
    )
}

fn page(status: u16, fields: &[(&str, &str)], body: &str) -> String {
    let mut head = format!(
        "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{body}")
}

/// The fields of a query or a form.
pub(crate) fn fields(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digits = format!("{}{}", *high as char, *low as char);
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
                rest = after;
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn userinfo(state: &State, authorization: Option<&str>) -> Result<String, String> {
    let told = state.told.as_ref().ok_or("there is no such page")?;
    match authorization == Some(&format!("Bearer {ACCESS}")) {
        true => Ok(json_page(200, told)),
        false => Ok(json_page(401, &json!({ "error": "invalid_token" }))),
    }
}
