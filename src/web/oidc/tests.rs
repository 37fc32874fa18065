//! Tokens, keys and what they make of somebody, kind and hostile.

use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::error::OidcError;
use super::identity::identity;
use super::keys::Keys;
use super::metadata::Metadata;
use super::options::{Options, Settings};
use super::token::{Claims, Expected, check};
use crate::config::{Findings, Source, parse_yaml};
use crate::web::accounts::Role;

/// Who signs.
struct Signer {
    curve: EcdsaKeyPair,
    edwards: Ed25519KeyPair,
}

impl Signer {
    fn new() -> Signer {
        let random = SystemRandom::new();
        let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
        let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Signer {
            curve: EcdsaKeyPair::from_pkcs8(curve, pkcs8.as_ref(), &random).unwrap(),
            edwards: Ed25519KeyPair::from_pkcs8(edwards.as_ref()).unwrap(),
        }
    }

    fn keys(&self) -> Value {
        let point = self.curve.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|part| BASE64URL_NOPAD.encode(part));
        let edwards = BASE64URL_NOPAD.encode(self.edwards.public_key().as_ref());
        json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "kid": "curve", "use": "sig", "x": x, "y": y },
            { "kty": "OKP", "crv": "Ed25519", "kid": "edwards", "alg": "EdDSA", "x": edwards },
            { "kty": "oct", "kid": "shared", "k": "c2VjcmV0" },
            { "kty": "EC", "crv": "secp256k1", "kid": "unknown", "x": x, "y": y },
            { "kty": "EC", "crv": "P-256", "kid": "secrets", "use": "enc", "x": x, "y": y },
            "no key at all",
        ] })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let text = format!("{}.{}", part(header), part(claims));
        let signed = match header["alg"].as_str() {
            Some("EdDSA") => self.edwards.sign(text.as_bytes()).as_ref().to_vec(),
            Some("HS256") => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"secret");
                ring::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            Some("none") => Vec::new(),
            _ => {
                let random = SystemRandom::new();
                let signed = self.curve.sign(&random, text.as_bytes()).unwrap();
                signed.as_ref().to_vec()
            }
        };
        format!("{text}.{}", BASE64URL_NOPAD.encode(&signed))
    }
}

/// As the clock of the library counts.
fn clock() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example", "aud": "mailweir", "sub": "17", "nonce": "once",
        "iat": clock(), "exp": clock() + 300,
    })
}

fn checked(
    signer: &Signer,
    keys: &Value,
    header: &Value,
    claims: &Value,
) -> Result<Claims, OidcError> {
    let keys = Keys::read(keys.to_string().as_bytes()).unwrap();
    let expected = Expected {
        issuer: "https://id.example",
        client_id: "mailweir",
        nonce: "once",
        skew: Duration::from_secs(60),
        now: clock(),
    };
    check(&signer.sign(header, claims), &keys, &expected)
}

#[test]
fn a_token_holds_that_is_signed_for_us_for_this_sign_in_and_now() {
    let signer = Signer::new();
    let keys = signer.keys();
    for header in [
        json!({ "alg": "ES256", "kid": "curve" }),
        json!({ "alg": "EdDSA", "kid": "edwards" }),
        json!({ "alg": "ES256", "typ": "JWT" }),
    ] {
        let held = checked(&signer, &keys, &header, &claims()).unwrap();
        assert_eq!(held["sub"], "17", "{header}");
    }
    for (claim, value) in [
        ("aud", json!(["mailweir"])),
        ("azp", json!("mailweir")),
        ("exp", json!(clock() - 30)),
        ("iat", json!(clock() + 30)),
        ("nbf", json!(clock() + 30)),
        ("iat", json!(clock() as f64 + 0.5)),
    ] {
        let mut claims = claims();
        claims[claim] = value;
        let header = json!({ "alg": "ES256", "kid": "curve" });
        let held = checked(&signer, &keys, &header, &claims);
        assert!(held.is_ok(), "{claims}: {held:?}");
    }
    let mut both = claims();
    both["aud"] = json!(["mailweir", "other"]);
    both["azp"] = json!("mailweir");
    checked(&signer, &keys, &json!({ "alg": "ES256" }), &both).unwrap();
}

#[test]
fn a_token_that_says_anything_else_does_not() {
    let signer = Signer::new();
    let keys = signer.keys();
    for (claim, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(["https://id.example"])),
        ("iss", Value::Null),
        ("aud", json!("other")),
        ("aud", json!(["other"])),
        ("aud", json!(["mailweir", "other"])),
        ("aud", json!({ "mailweir": true })),
        ("aud", Value::Null),
        ("azp", json!("other")),
        ("azp", json!(7)),
        ("nonce", json!("twice")),
        ("nonce", Value::Null),
        ("exp", json!(clock() - 90)),
        ("exp", json!("tomorrow")),
        ("exp", Value::Null),
        ("iat", json!(clock() - 900)),
        ("iat", json!(clock() + 900)),
        ("iat", Value::Null),
        ("nbf", json!(clock() + 900)),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!(17)),
    ] {
        let mut claims = claims();
        claims[claim] = value;
        let held = checked(
            &signer,
            &keys,
            &json!({ "alg": "ES256", "kid": "curve" }),
            &claims,
        );
        assert!(
            matches!(held, Err(OidcError::Token(_))),
            "{claims}: {held:?}"
        );
    }
}

#[test]
fn a_token_that_is_signed_in_another_way_or_by_another_does_not() {
    let (signer, other) = (Signer::new(), Signer::new());
    let keys = signer.keys();
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "HS256", "kid": "shared" }),
        json!({ "alg": "HS256", "kid": "curve" }),
        json!({ "alg": "ES256", "kid": "curve", "crit": ["b64"], "b64": false }),
        json!({ "kid": "curve" }),
        json!("ES256"),
    ] {
        let held = checked(&signer, &keys, &header, &claims());
        assert!(
            matches!(held, Err(OidcError::Token(_))),
            "{header}: {held:?}"
        );
    }
    // Newer keys may have these; a key for secrets, and one of another kind, sign nothing.
    for header in [
        json!({ "alg": "ES256", "kid": "next" }),
        json!({ "alg": "ES256", "kid": "secrets" }),
        json!({ "alg": "ES256", "kid": "unknown" }),
        json!({ "alg": "ES256", "kid": "edwards" }),
        json!({ "alg": "EdDSA", "kid": "curve" }),
        json!({ "alg": "RS256", "kid": "curve" }),
    ] {
        let held = checked(&signer, &keys, &header, &claims());
        assert_eq!(held, Err(OidcError::UnknownKey), "{header}");
    }
    let forged = checked(&other, &keys, &json!({ "alg": "ES256" }), &claims());
    assert!(matches!(forged, Err(OidcError::Token(_))), "{forged:?}");
    // A key that the token brings along is nobody's.
    let own = json!({ "alg": "ES256", "jwk": other.keys()["keys"][0] });
    let forged = checked(&other, &keys, &own, &claims());
    assert!(matches!(forged, Err(OidcError::Token(_))), "{forged:?}");
}

#[test]
fn a_signature_by_rsa_is_that_of_the_standard() {
    // RFC 7515, appendix A.2.
    let key = json!({ "kty": "RSA", "e": "AQAB", "n":
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" });
    let keys = Keys::read(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    let text = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    super::verifier::install();
    let header = jsonwebtoken::decode_header(format!("{text}.{signature}")).unwrap();
    let key = keys.fitting(&header).next().unwrap();
    let held = |text: &str| {
        let text = text.as_bytes();
        jsonwebtoken::crypto::verify(signature, text, key, header.alg).unwrap()
    };
    assert!(held(text));
    assert!(!held(&text.replace("AsDQog", "AsDQoh")));
}

fn settings(text: &str) -> Result<Settings, String> {
    let source = Source::new("o.yaml", text);
    let options: Options = parse_yaml(&source).map_err(|p| p.to_string())?;
    let mut findings = Findings::new(&source);
    let listen = Some(([127, 0, 0, 1], 8898).into());
    let checked = options.check(listen, false, Path::new("/nowhere"), &mut findings);
    findings.finish(()).map_err(|p| p.to_string())?;
    Ok(checked.unwrap())
}

#[test]
fn what_is_wrong_with_the_section_is_shown_where_it_stands() {
    for (text, place, part) in [
        ("issuer: id.example", "o.yaml:1:9", "https://"),
        ("issuer: http://id.example", "o.yaml:1:9", "without https"),
        ("issuer: https://id.example/a?b", "o.yaml:1:9", "query"),
        ("issuer: https://id.example", "o.yaml:1:9", "`client_id`"),
        (
            "issuer: https://id.example\nclient_id: ''",
            "o.yaml:2:12",
            "client id",
        ),
        (
            "issuer: https://id.example\nclient_id: a\nclient_secret_file: absent",
            "o.yaml:3:21",
            "cannot read the client secret",
        ),
        (
            "issuer: https://id.example\nclient_id: a\nclient_secret_env: MAILWEIR_NO_SUCH_VARIABLE",
            "o.yaml:3:20",
            "no such variable",
        ),
        (
            "issuer: https://id.example\nclient_id: a\nclient_secret_env: A\nclient_secret_file: b",
            "o.yaml:3:20",
            "in a file already",
        ),
        (
            "issuer: https://id.example\nclient_id: a\nca_file: absent",
            "o.yaml:3:10",
            "absent",
        ),
        (
            "issuer: https://id.example\nclient_id: a\nscopes: [a b]",
            "o.yaml:3:10",
            "one word",
        ),
        (
            "issuer: https://id.example\nclient_id: a\nlabel: ''",
            "o.yaml:3:8",
            "40 characters",
        ),
        (
            "issuer: https://id.example\nclient_id: a\nname_claim: a b",
            "o.yaml:3:13",
            "one word",
        ),
        (
            "issuer: https://id.example\nclient_id: a\nroles: { admin: [a] }",
            "o.yaml:3:8",
            "`role_claim`",
        ),
        (
            "issuer: https://id.example\nclient_id: a\nrole_claim: groups",
            "o.yaml:3:13",
            "`default_role`",
        ),
        (
            "issuer: https://id.example\nclient_id: a\ncreate: true",
            "o.yaml:3:9",
            "no role",
        ),
        (
            "issuer: https://accounts.google.com\nclient_id: a\ncreate: true\ndefault_role: viewer",
            "o.yaml:4:15",
            "anybody",
        ),
        (
            "issuer: https://id.example\nclient_id: a\nrequire: { hd: [] }",
            "o.yaml:3:16",
            "nobody",
        ),
        ("clock_skew: 1h", "o.yaml:1:13", "of skew"),
        ("timeout: 0s", "o.yaml:1:10", "for a request"),
        ("tokens: 1s", "o.yaml:1:9", "for tokens"),
        ("default_role: king", "o.yaml:1:15", "king"),
        ("isuer: a", "o.yaml:1:1", "did you mean `issuer`?"),
    ] {
        let told = settings(text).unwrap_err();
        assert!(
            told.contains(place) && told.contains(part),
            "{text}:\n{told}"
        );
    }
    let source = Source::new("o.yaml", "issuer: https://id.example\nclient_id: a");
    let options: Options = parse_yaml(&source).unwrap();
    for (listen, has_url, fits) in [
        ("127.0.0.1:8898", false, true),
        ("0.0.0.0:8898", false, false),
        ("127.0.0.1:0", false, false),
        ("0.0.0.0:8898", true, true),
    ] {
        let mut findings = Findings::new(&source);
        let listen = Some(listen.parse().unwrap());
        options.check(listen, has_url, Path::new("/"), &mut findings);
        assert_eq!(findings.finish(()).is_ok(), fits, "{listen:?}");
    }
}

#[test]
fn a_secret_is_shown_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "s3cret\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "issuer: https://id.example\nclient_id: a\nclient_secret_file: {}",
        file.display()
    );
    let settings = settings(&text).unwrap();
    assert_eq!(settings.client_secret.as_ref().unwrap().0, "s3cret");
    assert!(!format!("{settings:?}").contains("s3cret"));
}

const BY_GROUPS: &str = "issuer: https://id.example\nclient_id: a\nrole_claim: realm_access.roles\n\
    roles: { admin: [boss], analyst: [post, desk], viewer: [all], refused: [leaver] }\n\
    require: { hd: [example.org, example.com], email_verified: ['true'] }";

#[test]
fn claims_say_who_comes_in_and_as_what() {
    let settings = settings(BY_GROUPS).unwrap();
    let who = |roles: Value| {
        let claims = json!({
            "sub": "17", "preferred_username": "ann", "hd": "example.com", "email_verified": true,
            "realm_access": { "roles": roles },
        });
        identity(&settings, claims.as_object().unwrap())
    };
    for (roles, role) in [
        (json!(["all"]), Role::Viewer),
        (json!("all"), Role::Viewer),
        (json!(["x", "desk"]), Role::Analyst),
        (json!(["all", "boss", "post"]), Role::Admin),
    ] {
        let who = who(roles.clone()).unwrap();
        assert_eq!(
            (who.role, who.name.as_str()),
            (Some(role), "ann"),
            "{roles}"
        );
    }
    for roles in [
        json!([]),
        json!(["Boss"]),
        json!({ "boss": true }),
        json!(["boss", "leaver"]),
        Value::Null,
    ] {
        let refused = who(roles.clone());
        assert!(matches!(refused, Err(OidcError::Refused(_))), "{roles}");
    }
}

#[test]
fn who_lacks_a_claim_that_is_asked_for_or_a_name_is_refused() {
    let settings = settings(BY_GROUPS).unwrap();
    let good = json!({
        "sub": "17", "preferred_username": "ann", "hd": "example.com", "email_verified": true,
        "realm_access.roles": ["boss"],
    });
    identity(&settings, good.as_object().unwrap()).unwrap();
    for (claim, value) in [
        ("hd", json!("evil.example")),
        ("hd", Value::Null),
        ("email_verified", json!(false)),
        ("preferred_username", Value::Null),
        ("preferred_username", json!(["ann", "bob"])),
        ("preferred_username", json!({ "ann": 1 })),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        let refused = identity(&settings, claims.as_object().unwrap());
        assert!(matches!(refused, Err(OidcError::Refused(_))), "{claims}");
    }
}

#[test]
fn an_address_that_nobody_has_checked_is_no_name() {
    let text = "issuer: https://id.example\nclient_id: a\nname_claim: email\ndefault_role: viewer";
    let settings = settings(text).unwrap();
    for (verified, comes_in) in [
        (json!(true), true),
        (Value::Null, true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
    ] {
        let mut claims = json!({ "sub": "17", "email": "ann@example.org" });
        claims["email_verified"] = verified;
        let who = identity(&settings, claims.as_object().unwrap());
        assert_eq!(who.is_ok(), comes_in, "{claims}");
    }
    // Without a claim for it, the role that somebody has here stays.
    let claims = json!({ "sub": "17", "email": "ann@example.org" });
    let who = identity(&settings, claims.as_object().unwrap()).unwrap();
    assert_eq!((who.role, who.first_role), (None, Some(Role::Viewer)));
}

#[test]
fn a_provider_that_calls_itself_otherwise_or_leads_elsewhere_is_not_believed() {
    let good = json!({
        "issuer": "https://id.example/",
        "authorization_endpoint": "https://id.example/auth?realm=a",
        "token_endpoint": "https://id.example/token",
        "jwks_uri": "https://id.example/keys",
        "end_session_endpoint": "javascript:alert(1)",
    });
    let read = |value: &Value| Metadata::read(value.to_string().as_bytes(), "https://id.example/");
    let metadata = read(&good).unwrap();
    let settings = settings("issuer: https://id.example/\nclient_id: a b").unwrap_err();
    assert!(settings.contains("client id"), "{settings}");
    let settings = self::settings("issuer: https://id.example/\nclient_id: a&b").unwrap();
    assert_eq!(metadata.end_session(&settings, "https://here/login"), None);
    let journey = super::journey::Journey::new(None).unwrap();
    let place = metadata.authorization(&settings, "https://here/back", &journey);
    assert!(
        place.starts_with("https://id.example/auth?realm=a&response_type=code&"),
        "{place}"
    );
    assert!(
        place.contains("&client_id=a%26b&redirect_uri=https%3A//here/back&"),
        "{place}"
    );
    for (key, value) in [
        ("issuer", json!("https://id.example")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("token_endpoint", json!("http://id.example/token")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("jwks_uri", Value::Null),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        let read = read(&bad);
        assert!(matches!(read, Err(OidcError::Answer(_))), "{bad}: {read:?}");
    }
    for (methods, in_form) in [
        (json!(["client_secret_basic", "client_secret_post"]), false),
        (json!(["client_secret_post"]), true),
        (json!(["private_key_jwt"]), false),
    ] {
        let mut other = good.clone();
        other["token_endpoint_auth_methods_supported"] = methods;
        assert_eq!(read(&other).unwrap().secret_in_form, in_form, "{other}");
    }
}
