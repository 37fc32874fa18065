use std::time::Duration;

use super::*;

pub(super) const LIFETIME: Lifetime = Lifetime {
    idle: Duration::from_secs(3600),
    total: Duration::from_secs(7200),
    vouched_tokens: Duration::from_secs(7200),
};

pub(super) fn root() -> Actor {
    Actor {
        name: "command line".to_owned(),
        address: String::new(),
    }
}

pub(super) fn password(text: &str) -> Password {
    Password::chosen(text, "").unwrap()
}

pub(super) async fn accounts() -> (tempfile::TempDir, Accounts) {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::open(folder.path()).await.unwrap();
    (folder, accounts)
}

/// Adds a user, and gives the number.
pub(super) async fn add(accounts: &Accounts, name: &str, role: Role, text: Option<&str>) -> i64 {
    let chosen = text.map(password);
    let by = root();
    let added = accounts.add_user(&by, name, role, chosen.as_ref());
    added.await.unwrap()
}

/// With one admin, `ann`, whose password is `correct horse battery`.
pub(super) async fn with_an_admin() -> (tempfile::TempDir, Accounts, i64) {
    let (folder, accounts) = accounts().await;
    let ann = add(&accounts, "ann", Role::Admin, Some("correct horse battery")).await;
    (folder, accounts, ann)
}

#[tokio::test]
async fn the_first_link_makes_one_admin_and_no_second() {
    let (_folder, accounts) = accounts().await;
    let old = accounts.invite_first().await.unwrap().unwrap();
    let link = accounts.invite_first().await.unwrap().unwrap();
    let spent = accounts.invitation(&old).await.unwrap_err();
    assert!(matches!(spent, AccountError::Spent), "{spent}");
    assert_eq!(accounts.invitation(&link).await.unwrap(), Invitation::First);
    let secret = password("correct horse battery");
    // A name that does not serve does not use it up.
    let wrong = accounts.accept(&link, "a b", &secret, "::1").await;
    assert!(matches!(wrong, Err(AccountError::Name(_))), "{wrong:?}");
    accounts.accept(&link, "ann", &secret, "::1").await.unwrap();
    let again = accounts.accept(&link, "eve", &secret, "::1").await;
    assert!(matches!(again, Err(AccountError::Spent)), "{again:?}");
    assert_eq!(accounts.invite_first().await.unwrap(), None);
    let ann = accounts
        .verify("ANN", "correct horse battery")
        .await
        .unwrap();
    assert_eq!(ann.unwrap().role, Role::Admin);
}

#[tokio::test]
async fn a_link_that_was_printed_before_there_was_an_admin_is_worthless_after() {
    let (_folder, accounts) = accounts().await;
    let link = accounts.invite_first().await.unwrap().unwrap();
    add(&accounts, "ann", Role::Admin, Some("correct horse battery")).await;
    let secret = password("correct horse battery");
    let late = accounts.accept(&link, "eve", &secret, "::1").await;
    assert!(matches!(late, Err(AccountError::Spent)), "{late:?}");
}

#[tokio::test]
async fn only_name_and_password_together_open_the_door() {
    let (_folder, accounts, ann) = with_an_admin().await;
    for (name, text, opens) in [
        ("ann", "correct horse battery", true),
        ("Ann", "correct horse battery", true),
        ("ann", "Correct horse battery", false),
        ("ann", "", false),
        ("bob", "correct horse battery", false),
        ("' OR 1=1 --", "correct horse battery", false),
    ] {
        let user = accounts.verify(name, text).await.unwrap();
        assert_eq!(user.is_some(), opens, "{name} {text}");
    }
    add(&accounts, "bob", Role::Viewer, None).await;
    assert_eq!(accounts.verify("bob", "").await.unwrap(), None);
    let second = accounts.add_user(&root(), "ANN", Role::Viewer, None).await;
    assert!(matches!(second, Err(AccountError::Taken)), "{second:?}");
    let new = password("a wholly new password");
    accounts.set_password(&root(), ann, &new).await.unwrap();
    let old = accounts
        .verify("ann", "correct horse battery")
        .await
        .unwrap();
    assert_eq!(old, None);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let (_folder, accounts, ann) = with_an_admin().await;
    let told = accounts.remove_user(&root(), ann).await.unwrap_err();
    assert!(matches!(told, AccountError::LastAdmin));
    let told = accounts.set_role(&root(), ann, Role::Analyst).await;
    assert!(matches!(told, Err(AccountError::LastAdmin)));
    let told = accounts.set_disabled(&root(), ann, true).await;
    assert!(matches!(told, Err(AccountError::LastAdmin)));
    // One who has no password yet is none.
    let bob = add(&accounts, "bob", Role::Admin, None).await;
    assert!(accounts.remove_user(&root(), ann).await.is_err());
    let secret = password("correct horse battery");
    accounts.set_password(&root(), bob, &secret).await.unwrap();
    accounts.remove_user(&root(), ann).await.unwrap();
    let left: Vec<_> = accounts.users().await.unwrap();
    assert_eq!(left.len(), 1);
    // What failed has left no line.
    let lines = accounts.audit(None, "user.remove", 10).await.unwrap();
    assert_eq!(lines.len(), 1);
}

#[tokio::test]
async fn a_session_ends_with_its_time_its_user_and_his_password() {
    let (_folder, accounts, ann) = with_an_admin().await;
    let begin = || accounts.begin_session(ann, "::1", "by password", LIFETIME);
    let lives = async |secret: &Secret| {
        let session = accounts.session(secret, LIFETIME, true).await.unwrap();
        session.is_some()
    };
    let session = begin().await.unwrap();
    let who = accounts
        .session(&session, LIFETIME, true)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((who.name.as_str(), who.role), ("ann", Role::Admin));
    assert!(!lives(&Secret::presented("something-else").unwrap()).await);
    for column in ["seen", "created"] {
        let old = begin().await.unwrap();
        let sql = format!("UPDATE sessions SET {column} = {column} - 7300 WHERE digest = ?");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(old.digest())
            .execute(accounts.database.writer())
            .await
            .unwrap();
        assert!(!lives(&old).await, "{column}");
    }
    // What a page asks for by itself does not count as somebody being there.
    let seen = async || -> i64 {
        sqlx::query_scalar("SELECT seen FROM sessions WHERE digest = ?")
            .bind(session.digest())
            .fetch_one(accounts.database.readers())
            .await
            .unwrap()
    };
    sqlx::query("UPDATE sessions SET seen = seen - 600")
        .execute(accounts.database.writer())
        .await
        .unwrap();
    let before = seen().await;
    accounts
        .session(&session, LIFETIME, false)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen().await, before);
    accounts
        .session(&session, LIFETIME, true)
        .await
        .unwrap()
        .unwrap();
    assert!(seen().await > before);
    accounts.end_session(&session).await.unwrap();
    assert!(!lives(&session).await);
    let session = begin().await.unwrap();
    let new = password("a wholly new password");
    accounts.set_password(&root(), ann, &new).await.unwrap();
    assert!(!lives(&session).await);
    let first = begin().await.unwrap();
    for _ in 0..20 {
        begin().await.unwrap();
    }
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions")
        .fetch_one(accounts.database.readers())
        .await
        .unwrap();
    assert_eq!(open, 20);
    drop(first);
}

/// A token that somebody makes by hand.
pub(super) fn new_token(user: i64, role: Role, expires: i64) -> NewToken<'static> {
    NewToken {
        user,
        label: "backup",
        role,
        expires,
        maker: None,
    }
}

#[tokio::test]
async fn what_a_token_has_made_goes_with_it() {
    let (_folder, accounts, ann) = with_an_admin().await;
    let by = root();
    let late = now() + 3600;
    let mut made = Vec::new();
    for maker in [None, Some(0), Some(1), None] {
        let maker = maker.map(|place: usize| made[place]);
        let new = NewToken {
            maker,
            ..new_token(ann, Role::Admin, late)
        };
        made.push(accounts.add_token(&by, new).await.unwrap().0);
    }
    let left = async || {
        let tokens = accounts.tokens(None).await.unwrap();
        tokens.into_iter().map(|t| t.id).collect::<Vec<_>>()
    };
    assert_eq!(left().await.len(), 4);
    accounts.remove_token(&by, made[0], None).await.unwrap();
    assert_eq!(left().await, [made[3]]);
    let audit = accounts.audit(None, "token.remove", 10).await.unwrap();
    assert_eq!(audit[0].detail, "with 2 made by it");
}

#[tokio::test]
async fn a_token_may_no_more_than_its_user() {
    let (_folder, accounts, _) = with_an_admin().await;
    let by = root();
    let bob = add(&accounts, "bob", Role::Analyst, None).await;
    let late = now() + 3600;
    let add = async |role, expires| {
        let made = accounts.add_token(&by, new_token(bob, role, expires)).await;
        made.unwrap().1
    };
    let token = add(Role::Admin, late).await;
    assert!(token.reveal().starts_with("mailweir_"));
    let (who, known) = accounts.bearer(&token, LIFETIME).await.unwrap().unwrap();
    assert_eq!((who.role, known.label.as_str()), (Role::Analyst, "backup"));
    let weak = add(Role::Viewer, late).await;
    let (who, _) = accounts.bearer(&weak, LIFETIME).await.unwrap().unwrap();
    assert_eq!(who.role, Role::Viewer);
    let over = add(Role::Viewer, now()).await;
    assert_eq!(accounts.bearer(&over, LIFETIME).await.unwrap(), None);
    accounts.set_disabled(&by, bob, true).await.unwrap();
    assert_eq!(accounts.bearer(&token, LIFETIME).await.unwrap(), None);
    accounts.set_disabled(&by, bob, false).await.unwrap();
    let tokens = accounts.tokens(Some(bob)).await.unwrap();
    let strongest = tokens.iter().find(|t| t.role == Role::Admin).unwrap();
    let wrong = accounts
        .remove_token(&by, strongest.id, Some(bob + 1))
        .await;
    assert!(matches!(wrong, Err(AccountError::Absent(_))), "{wrong:?}");
    accounts
        .remove_token(&by, strongest.id, None)
        .await
        .unwrap();
    assert_eq!(accounts.bearer(&token, LIFETIME).await.unwrap(), None);
}

#[tokio::test]
async fn no_secret_stands_in_the_file() {
    let (folder, accounts, ann) = with_an_admin().await;
    let session = accounts
        .begin_session(ann, "::1", "by password", LIFETIME)
        .await
        .unwrap();
    let by = root();
    let token = accounts.add_token(&by, new_token(ann, Role::Viewer, now() + 60));
    let (_, token) = token.await.unwrap();
    let link = accounts.invite(&root(), ann).await.unwrap();
    accounts.close().await;
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(memchr::memmem::find(&bytes, b"ann").is_some());
    for secret in [
        session.reveal(),
        token.reveal(),
        link.reveal(),
        "correct horse battery",
    ] {
        assert!(memchr::memmem::find(&bytes, secret.as_bytes()).is_none());
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(folder.path().join(FILE)).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn every_change_has_its_line() {
    let (_folder, accounts, ann) = with_an_admin().await;
    let by = Actor {
        name: "ann".to_owned(),
        address: "192.0.2.1".to_owned(),
    };
    let bob = accounts.add_user(&by, "bob", Role::Viewer, None);
    let bob = bob.await.unwrap();
    accounts.set_role(&by, bob, Role::Analyst).await.unwrap();
    accounts.invite(&by, bob).await.unwrap();
    let token = accounts.add_token(&by, new_token(ann, Role::Viewer, now() + 60));
    token.await.unwrap();
    accounts
        .record(&by, "list.edit", "deny.txt", &"x".repeat(5000))
        .await
        .unwrap();
    let lines = accounts.audit(None, "", 100).await.unwrap();
    let actions: Vec<_> = lines.iter().map(|l| l.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "list.edit",
            "token.add",
            "user.invite",
            "user.role",
            "user.add",
            "user.add"
        ]
    );
    assert_eq!(lines[0].detail.len(), 2000);
    assert_eq!(lines[3].actor, by);
    let older = accounts.audit(Some(lines[3].id), "", 1).await.unwrap();
    assert_eq!(older, [lines[4].clone()]);
    let found = accounts.audit(None, "DENY", 100).await.unwrap();
    assert_eq!(found, [lines[0].clone()]);
}

#[tokio::test]
async fn a_name_that_nobody_has_takes_as_long_as_a_wrong_password() {
    let (_folder, accounts, _) = with_an_admin().await;
    add(&accounts, "unset", Role::Viewer, None).await;
    let mut times = Vec::new();
    for name in ["nobody", "ann", "nobody", "unset"] {
        let mut shortest = Duration::MAX;
        for _ in 0..3 {
            let begun = std::time::Instant::now();
            let user = accounts.verify(name, "not this one at all").await.unwrap();
            assert_eq!(user, None);
            shortest = shortest.min(begun.elapsed());
        }
        times.push(shortest);
    }
    // A hash takes thousands of times as long as to find that there is none.
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*least * 10 > *most, "{times:?}");
}
