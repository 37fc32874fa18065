//! Claims that the provider does not put into the ID token and tells whoever comes with the access token (OpenID Connect
//! Core 1.0, section 5.3). It is asked only for claims that are needed and missing: what the token says holds, because that is
//! signed. An answer that is signed or encrypted itself is not taken.

use serde_json::Value;

use super::error::OidcError;
use super::identity::find;
use super::options::Settings;
use super::token::Claims;

/// Whether somebody has checked the address in `email`; it goes with that.
const VERIFIED: &str = "email_verified";

/// The claims that are needed and that the token does not have.
pub(super) fn missing<'a>(plan: &'a Settings, claims: &Claims) -> Vec<&'a str> {
    let required = plan.require.iter().map(|(claim, _)| claim);
    let needed = std::iter::once(&plan.name_claim).chain(&plan.role_claim);
    let needed = needed.chain(required).map(String::as_str);
    needed
        .filter(|claim| find(claims, claim).is_none())
        .collect()
}

/// Adds what is missing from an answer of the provider.
///
/// # Errors
/// An answer that is no JSON, or speaks of somebody else (section 5.3.2).
pub(super) fn complete(
    claims: &mut Claims,
    missing: &[&str],
    answer: &[u8],
) -> Result<(), OidcError> {
    let wrong = |why: &str| Err(OidcError::Answer(format!("its userinfo {why}")));
    let Ok(told) = serde_json::from_slice::<Claims>(answer) else {
        return wrong("is no JSON: one that is signed or encrypted is not taken");
    };
    let subject = claims.get("sub").and_then(Value::as_str);
    if subject.is_none() || told.get("sub").and_then(Value::as_str) != subject {
        return wrong("speaks of somebody else");
    }
    for claim in missing {
        if let Some(value) = find(&told, claim) {
            claims.insert((*claim).to_owned(), value.clone());
        }
    }
    if missing.contains(&"email")
        && let Some(verified) = told.get(VERIFIED)
    {
        claims.insert(VERIFIED.to_owned(), verified.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_missing_is_added_and_nothing_else() {
        let mut known = claims(json!({ "sub": "7", "name": "ann", "email_verified": true }));
        let told = json!({ "sub": "7", "name": "eve", "groups": ["a"], "realm": { "roles": ["b"] },
                           "email": "a@b", "email_verified": false, "more": 1 });
        let missing = ["groups", "realm.roles", "email", "absent"];
        complete(&mut known, &missing, told.to_string().as_bytes()).unwrap();
        let wanted = json!({ "sub": "7", "name": "ann", "groups": ["a"], "realm.roles": ["b"],
                             "email": "a@b", "email_verified": false });
        assert_eq!(known, claims(wanted));
    }

    #[test]
    fn an_answer_about_somebody_else_is_not_taken() {
        for answer in [
            r#"{"sub":"8","groups":["a"]}"#,
            r#"{"groups":["a"]}"#,
            r#"["sub","7"]"#,
            "eyJhbGciOiJub25lIn0.e30.",
            "",
        ] {
            let mut known = claims(json!({ "sub": "7" }));
            let refused = complete(&mut known, &["groups"], answer.as_bytes());
            assert!(matches!(refused, Err(OidcError::Answer(_))), "{answer}");
            assert_eq!(known.len(), 1);
        }
    }
}
