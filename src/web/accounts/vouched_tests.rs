//! Users of a provider, beside those who have a password.

use super::tests::{LIFETIME, accounts, add, new_token, password, root, with_an_admin};
use super::*;

fn vouched(subject: &str, name: &str, role: Option<Role>) -> Vouched {
    Vouched {
        issuer: "https://id.example".to_owned(),
        subject: subject.to_owned(),
        name: name.to_owned(),
        role,
        first_role: role,
    }
}

async fn user(accounts: &Accounts, name: &str) -> User {
    accounts.user_named(name).await.unwrap()
}

#[tokio::test]
async fn whom_an_admin_has_added_is_bound_once_and_known_by_his_subject() {
    let (_folder, accounts, _) = with_an_admin().await;
    let bob = add(&accounts, "bob", Role::Analyst, None).await;
    let link = accounts.invite(&root(), bob).await.unwrap();
    let who = vouched("17", "bob", None);
    let admitted = accounts.admit(&who, false, "::1").await.unwrap();
    assert_eq!(admitted, (bob, "bob".to_owned()));
    assert_eq!(user(&accounts, "bob").await.role, Role::Analyst);
    assert!(user(&accounts, "bob").await.is_vouched);
    // The link would have let somebody else in.
    let spent = accounts.invitation(&link).await.unwrap_err();
    assert!(matches!(spent, AccountError::Spent));
    // People marry; another may take the name; another provider is another.
    let renamed = vouched("17", "robert", None);
    assert_eq!(accounts.admit(&renamed, false, "::1").await.unwrap().0, bob);
    let other = vouched("18", "bob", Some(Role::Admin));
    let told = accounts.admit(&other, true, "::1").await.unwrap_err();
    assert!(matches!(told, AccountError::Foreign), "{told}");
    let mut elsewhere = vouched("17", "bob", None);
    elsewhere.issuer = "https://evil.example".to_owned();
    let told = accounts.admit(&elsewhere, true, "::1").await.unwrap_err();
    assert!(matches!(told, AccountError::Foreign), "{told}");
    let lines = accounts.audit(None, "user.bind", 10).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].detail, "17 at https://id.example");
}

#[tokio::test]
async fn a_user_with_a_password_is_taken_over_by_nobody() {
    let (_folder, accounts, _) = with_an_admin().await;
    for adds in [false, true] {
        let who = vouched("17", "Ann", Some(Role::Admin));
        let told = accounts.admit(&who, adds, "::1").await.unwrap_err();
        assert!(matches!(told, AccountError::Foreign), "{told}");
    }
    let opens = accounts.verify("ann", "correct horse battery").await;
    assert!(!opens.unwrap().unwrap().is_vouched);
    let lines = accounts.audit(None, "", 10).await.unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[tokio::test]
async fn new_users_are_made_where_that_is_wanted_and_have_a_role() {
    let (_folder, accounts, _) = with_an_admin().await;
    let who = vouched("17", "bob@example.org", Some(Role::Viewer));
    let told = accounts.admit(&who, false, "::1").await.unwrap_err();
    assert!(matches!(told, AccountError::Unknown), "{told}");
    let roleless = vouched("17", "bob@example.org", None);
    let told = accounts.admit(&roleless, true, "::1").await.unwrap_err();
    assert!(matches!(told, AccountError::Unknown), "{told}");
    let wrong = vouched("17", "Bob <script>", Some(Role::Viewer));
    let told = accounts.admit(&wrong, true, "::1").await.unwrap_err();
    assert!(matches!(told, AccountError::Name(_)), "{told}");
    accounts.admit(&who, true, "::1").await.unwrap();
    let bob = user(&accounts, "bob@example.org").await;
    assert_eq!((bob.role, bob.has_password), (Role::Viewer, false));
    assert_eq!(accounts.verify("bob@example.org", "").await.unwrap(), None);
}

#[tokio::test]
async fn the_provider_has_the_say_over_roles_and_not_over_who_was_kept_out() {
    let (_folder, accounts) = accounts().await;
    let who = |role| vouched("17", "bob", Some(role));
    let (bob, _) = accounts
        .admit(&who(Role::Admin), true, "::1")
        .await
        .unwrap();
    // An admin who comes by the provider is one.
    assert!(!accounts.lack_an_admin().await.unwrap());
    let told = accounts.remove_user(&root(), bob).await.unwrap_err();
    assert!(matches!(told, AccountError::LastAdmin));
    accounts
        .admit(&who(Role::Viewer), true, "::1")
        .await
        .unwrap();
    assert_eq!(user(&accounts, "bob").await.role, Role::Viewer);
    let lines = accounts.audit(None, "user.role", 10).await.unwrap();
    assert_eq!(lines[0].detail, "viewer, by the provider");
    add(&accounts, "ann", Role::Admin, Some("correct horse battery")).await;
    accounts.set_disabled(&root(), bob, true).await.unwrap();
    let told = accounts.admit(&who(Role::Admin), true, "::1").await;
    assert!(matches!(told, Err(AccountError::KeptOut)), "{told:?}");
    assert_eq!(user(&accounts, "bob").await.role, Role::Viewer);
    // One who was kept out before ever coming, too.
    let cid = add(&accounts, "cid", Role::Viewer, None).await;
    accounts.set_disabled(&root(), cid, true).await.unwrap();
    let told = accounts
        .admit(&vouched("18", "cid", None), true, "::1")
        .await;
    assert!(matches!(told, Err(AccountError::KeptOut)), "{told:?}");
    assert!(!user(&accounts, "cid").await.is_vouched);
}

#[tokio::test]
async fn a_password_ends_what_a_provider_vouches_for() {
    let (_folder, accounts, _) = with_an_admin().await;
    let who = vouched("17", "bob", Some(Role::Viewer));
    let (bob, _) = accounts.admit(&who, true, "::1").await.unwrap();
    let session = accounts.begin_session(bob, "::1", "by id", LIFETIME);
    let session = session.await.unwrap();
    let link = accounts.invite(&root(), bob).await.unwrap();
    let secret = password("correct horse battery");
    accounts.accept(&link, "", &secret, "::1").await.unwrap();
    assert!(!user(&accounts, "bob").await.is_vouched);
    let lives = accounts.session(&session, LIFETIME, true).await.unwrap();
    assert_eq!(lives, None);
    let told = accounts.admit(&who, true, "::1").await.unwrap_err();
    assert!(matches!(told, AccountError::Foreign), "{told}");
}

#[tokio::test]
async fn tokens_outlive_the_last_sign_in_by_a_time_and_no_longer() {
    let (_folder, accounts, _) = with_an_admin().await;
    let who = vouched("17", "bob", Some(Role::Viewer));
    let (bob, _) = accounts.admit(&who, true, "::1").await.unwrap();
    accounts
        .begin_session(bob, "::1", "by id", LIFETIME)
        .await
        .unwrap();
    let by = root();
    let token = accounts.add_token(&by, new_token(bob, Role::Viewer, now() + 90_000));
    let (_, token) = token.await.unwrap();
    assert!(accounts.bearer(&token, LIFETIME).await.unwrap().is_some());
    sqlx::query("UPDATE users SET seen = seen - 7300")
        .execute(accounts.database.writer())
        .await
        .unwrap();
    assert_eq!(accounts.bearer(&token, LIFETIME).await.unwrap(), None);
}

#[tokio::test]
async fn a_link_works_once_and_for_a_day() {
    let (_folder, accounts, _) = with_an_admin().await;
    let bob = add(&accounts, "bob", Role::Viewer, None).await;
    let secret = password("correct horse battery");
    let old = accounts.invite(&root(), bob).await.unwrap();
    sqlx::query("UPDATE invitations SET expires = expires - 24 * 3600")
        .execute(accounts.database.writer())
        .await
        .unwrap();
    let late = accounts.invitation(&old).await;
    assert!(matches!(late, Err(AccountError::Spent)), "{late:?}");
    let late = accounts.accept(&old, "", &secret, "::1").await;
    assert!(matches!(late, Err(AccountError::Spent)), "{late:?}");
    let link = accounts.invite(&root(), bob).await.unwrap();
    let both = tokio::join!(
        accounts.accept(&link, "", &secret, "::1"),
        accounts.accept(&link, "", &secret, "::2"),
    );
    let used = [both.0, both.1].into_iter().filter(Result::is_ok).count();
    assert_eq!(used, 1, "the link was used twice at one time");
    let again = accounts.accept(&link, "", &secret, "::1").await;
    assert!(matches!(again, Err(AccountError::Spent)), "{again:?}");
}

#[tokio::test]
async fn a_file_of_before_there_were_providers_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = Accounts::path(folder.path());
    std::fs::write(&path, "").unwrap();
    let before = Schema {
        steps: &SCHEMA.steps[..1],
        durability: SCHEMA.durability,
    };
    let database = Database::open(&path, before).await.unwrap();
    sqlx::query("INSERT INTO users (name, role, created) VALUES ('ann', 'admin', 1)")
        .execute(database.writer())
        .await
        .unwrap();
    database.close().await;
    let accounts = Accounts::open(folder.path()).await.unwrap();
    let ann = user(&accounts, "ann").await;
    assert_eq!((ann.role, ann.is_vouched), (Role::Admin, false));
}
