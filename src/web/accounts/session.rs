//! Sessions: one for each browser that has signed in. A session ends when it is idle for too long, when it is too
//! old, when its user signs out, is kept out or removed, or changes the password.

use std::time::Duration;

use sqlx::Row as _;

use super::audit::record;
use super::user::name_of;
use super::{AccountError, Accounts, Actor, Role, Secret, now};

/// Sessions of one user; the one that was used longest ago goes.
const OF_ONE_USER: i64 = 20;
/// Use is written down when the last was so long ago, seconds: not each click is a write.
const NOTED: i64 = 30;

/// Who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Number of the user.
    pub user: i64,
    /// The user's name.
    pub name: String,
    /// What the user may do now.
    pub role: Role,
    /// When it began, seconds since 1970.
    pub created: i64,
    /// Whether the user belongs to a provider.
    pub is_vouched: bool,
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub(in crate::web) struct Lifetime {
    /// Without a request.
    pub(in crate::web) idle: Duration,
    /// In all.
    pub(in crate::web) total: Duration,
    /// Of the tokens of a provider's user, after the user's last sign-in: the provider tells of nobody who has left.
    pub(in crate::web) vouched_tokens: Duration,
}

impl Lifetime {
    /// Sessions seen before the first and begun before the second have ended.
    fn bounds(self, now: i64) -> (i64, i64) {
        (before(now, self.idle), before(now, self.total))
    }

    /// Tokens of a provider's user who was seen before then do not work.
    pub(super) fn vouched_since(self, now: i64) -> i64 {
        before(now, self.vouched_tokens)
    }
}

fn before(now: i64, wait: Duration) -> i64 {
    now - i64::try_from(wait.as_secs()).unwrap_or(i64::MAX / 2)
}

impl Accounts {
    /// Begins a session of a user who has proved who they are, from `address`; `way` says how, for the audit log.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(in crate::web) async fn begin_session(
        &self,
        user: i64,
        address: &str,
        way: &str,
        lifetime: Lifetime,
    ) -> Result<Secret, AccountError> {
        let secret = Secret::new("")?;
        let now = now();
        let (seen, begun) = lifetime.bounds(now);
        let mut tx = self.database.begin().await?;
        sqlx::query("DELETE FROM sessions WHERE seen < ? OR created < ?")
            .bind(seen)
            .bind(begun)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "DELETE FROM sessions WHERE user = ?1 AND digest IN
             (SELECT digest FROM sessions WHERE user = ?1 ORDER BY seen DESC LIMIT -1 OFFSET ?2)",
        )
        .bind(user)
        .bind(OF_ONE_USER - 1)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO sessions (digest, user, address, created, seen) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(secret.digest())
        .bind(user)
        .bind(address)
        .bind(now)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE users SET seen = ? WHERE id = ?")
            .bind(now)
            .bind(user)
            .execute(&mut *tx)
            .await?;
        let name = name_of(&mut tx, user).await?;
        let by = Actor {
            name: name.clone(),
            address: address.to_owned(),
        };
        record(&mut tx, &by, "session.begin", &name, way).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// The session of a cookie, if it lives. `is_click`: whether somebody is there; what a page asks for by itself does not
    /// keep its session alive.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub(in crate::web) async fn session(
        &self,
        secret: &Secret,
        lifetime: Lifetime,
        is_click: bool,
    ) -> Result<Option<Session>, AccountError> {
        let now = now();
        let (seen, begun) = lifetime.bounds(now);
        let digest = secret.digest();
        let row = sqlx::query(
            "SELECT users.id, users.name, users.role, sessions.created, sessions.seen,
                    users.subject IS NOT NULL
             FROM sessions JOIN users ON users.id = sessions.user
             WHERE digest = ? AND sessions.seen >= ? AND sessions.created >= ? AND users.disabled = 0",
        )
        .bind(&digest)
        .bind(seen)
        .bind(begun)
        .fetch_optional(self.database.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let role: String = row.try_get(2)?;
        let Ok(role) = role.parse() else {
            return Ok(None);
        };
        if is_click && row.try_get::<i64, _>(4)? < now - NOTED.min(now - seen) / 2 {
            sqlx::query("UPDATE sessions SET seen = ? WHERE digest = ?")
                .bind(now)
                .bind(&digest)
                .execute(self.database.writer())
                .await?;
        }
        Ok(Some(Session {
            user: row.try_get(0)?,
            name: row.try_get(1)?,
            role,
            created: row.try_get(3)?,
            is_vouched: row.try_get(5)?,
        }))
    }

    /// Ends one session.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(in crate::web) async fn end_session(&self, secret: &Secret) -> Result<(), AccountError> {
        sqlx::query("DELETE FROM sessions WHERE digest = ?")
            .bind(secret.digest())
            .execute(self.database.writer())
            .await?;
        Ok(())
    }
}
