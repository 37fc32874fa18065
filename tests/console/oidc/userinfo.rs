//! Claims that the provider tells at its userinfo endpoint only.

use serde_json::json;

use super::joint::{BY_GROUPS, Joint};
use crate::provider::Provider;

#[test]
fn claims_that_are_not_in_the_token_are_asked_for_and_others_not() {
    let provider = Provider::start();
    provider.tells(json!({ "sub": "1", "groups": ["mail-admins"], "preferred_username": "eve" }));
    let joint = Joint::new(provider, BY_GROUPS);
    joint
        .provider
        .person(json!({ "sub": "1", "preferred_username": "ann" }));
    let answer = joint.sign_in();
    let ann = answer.cookie().unwrap();
    // The role is that of there, the name that of the token, which is signed.
    assert_eq!(
        joint.whoami(&ann),
        json!({ "name": "ann", "role": "admin", "token": null })
    );
    assert_eq!(joint.provider.asked("/userinfo"), 1);

    // Who has all of it in the token is not asked about, and what it says holds.
    joint.session("2", "bob", json!(["desk"]));
    assert_eq!(joint.provider.asked("/userinfo"), 1);

    // What is told of somebody else counts for nobody, and the sign-in fails instead of being one without groups.
    joint
        .provider
        .person(json!({ "sub": "3", "preferred_username": "cid" }));
    let refused = joint.sign_in();
    assert_ne!(refused.status, 200, "{refused:?}");
    assert_eq!(joint.provider.asked("/userinfo"), 2);
    assert!(joint.site.daemon.log().contains("speaks of somebody else"));
    joint.provider.tells(json!({ "sub": "3" }));
    let without = joint.sign_in();
    assert!(without.body.contains("None of your roles"), "{without:?}");
}
