//! Who somebody is here, by what the provider says: name, role, or why they do not come in.

use serde_json::Value;

use super::error::OidcError;
use super::options::Settings;
use super::token::Claims;
use crate::web::accounts::Vouched;

/// Values of one claim that are looked at.
const VALUES: usize = 2_000;

/// Who the claims of a token speak of.
///
/// # Errors
/// [`OidcError::Refused`] with a sentence for them.
pub(super) fn identity(plan: &Settings, claims: &Claims) -> Result<Vouched, OidcError> {
    let refused = |why: &str| Err(OidcError::Refused(why.to_owned()));
    for (claim, taken) in &plan.require {
        let values = values(claims, claim);
        if !taken.iter().any(|value| values.contains(value)) {
            return refused("this console is not for users like you: ask its admin");
        }
    }
    // An address that nobody has checked can be anybody's.
    // Some providers write the word as a text.
    let unverified = || {
        let said = values(claims, "email_verified");
        said.iter().any(|said| said != "true")
    };
    if plan.name_claim == "email" && unverified() {
        return refused("your mail address was not verified where you have signed in");
    }
    let role = match &plan.role_claim {
        None => None,
        Some(claim) => {
            let values = values(claims, claim);
            if plan.roles.refuses(&values) {
                return refused("people with one of your roles do not come in here");
            }
            match plan.roles.role(&values).or(plan.default_role) {
                Some(role) => Some(role),
                None => return refused("none of your roles comes in here: ask its admin"),
            }
        }
    };
    let mut names = values(claims, &plan.name_claim).into_iter();
    let (Some(name), None) = (names.next(), names.next()) else {
        return refused(
            "your name was not told where you have signed in: the admin of this console can say in which claim it stands",
        );
    };
    let subject = claims.get("sub").and_then(Value::as_str);
    Ok(Vouched {
        issuer: plan.issuer.clone(),
        subject: subject.unwrap_or_default().to_owned(),
        name,
        role,
        first_role: role.or(plan.default_role),
    })
}

/// What stands under the name of a claim, or in objects along its dots.
pub(super) fn find<'a>(claims: &'a Claims, claim: &str) -> Option<&'a Value> {
    claims.get(claim).or_else(|| {
        let mut parts = claim.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    })
}

/// The values of a claim.
fn values(claims: &Claims, claim: &str) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    match find(claims, claim) {
        Some(Value::Array(all)) => all.iter().take(VALUES).filter_map(text).collect(),
        Some(one) => text(one).into_iter().collect(),
        None => Vec::new(),
    }
}
