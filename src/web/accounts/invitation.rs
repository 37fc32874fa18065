//! One-time links: how the first admin comes in, and how users set a password that nobody else has seen. A link works
//! once, for a limited time; a new one for the same user takes the place of the old.

use sqlx::{Row as _, Sqlite, Transaction};

use super::audit::record;
use super::user::{insert, name_of, store_password};
use super::{AccountError, Accounts, Actor, Password, Role, Secret, name, now};

/// How long a link works, seconds.
const VALID: i64 = 24 * 3600;

/// What a link is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invitation {
    /// The first admin chooses a name and a password.
    First,
    /// A user, by number and name, sets a password.
    User(i64, String),
}

impl Accounts {
    /// A link for the first admin, while there is none; those that were given before no longer work.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub async fn invite_first(&self) -> Result<Option<Secret>, AccountError> {
        if !self.lack_an_admin().await? {
            return Ok(None);
        }
        let mut tx = self.database.begin().await?;
        let secret = renew(&mut tx, None).await?;
        tx.commit().await?;
        Ok(Some(secret))
    }

    /// A link for a user to set a password.
    ///
    /// # Errors
    /// [`AccountError::Absent`]; a file that cannot be written.
    pub async fn invite(&self, by: &Actor, user: i64) -> Result<Secret, AccountError> {
        let mut tx = self.database.begin().await?;
        let name = name_of(&mut tx, user).await?;
        let secret = renew(&mut tx, Some(user)).await?;
        record(&mut tx, by, "user.invite", &name, "").await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// What a link is for, if it works still.
    ///
    /// # Errors
    /// [`AccountError::Spent`]; a file that cannot be read.
    pub(in crate::web) async fn invitation(
        &self,
        secret: &Secret,
    ) -> Result<Invitation, AccountError> {
        let row = sqlx::query(
            "SELECT user, name FROM invitations LEFT JOIN users ON users.id = invitations.user
             WHERE digest = ? AND expires > ? AND coalesce(disabled, 0) = 0",
        )
        .bind(secret.digest())
        .bind(now())
        .fetch_optional(self.database.readers())
        .await?;
        let row = row.ok_or(AccountError::Spent)?;
        match (row.try_get(0)?, row.try_get(1)?) {
            (Some(user), Some(name)) => Ok(Invitation::User(user, name)),
            _ => match self.lack_an_admin().await? {
                true => Ok(Invitation::First),
                false => Err(AccountError::Spent),
            },
        }
    }

    /// Uses a link: the first admin is added under `chosen`, or the user it is for; either with this password. Gives
    /// the user's number. The link is used up with the change, or not at all.
    ///
    /// # Errors
    /// [`AccountError::Spent`], a name that does not serve; a file that cannot be written.
    pub(in crate::web) async fn accept(
        &self,
        secret: &Secret,
        chosen: &str,
        password: &Password,
        address: &str,
    ) -> Result<i64, AccountError> {
        let invitation = self.invitation(secret).await?;
        let hash = password.hash().await?;
        let mut tx = self.database.begin().await?;
        let used = sqlx::query("DELETE FROM invitations WHERE digest = ? AND expires > ?")
            .bind(secret.digest())
            .bind(now())
            .execute(&mut *tx)
            .await?;
        if used.rows_affected() == 0 {
            return Err(AccountError::Spent);
        }
        let by = |name: &str| Actor {
            name: name.to_owned(),
            address: address.to_owned(),
        };
        let user = match invitation {
            Invitation::First => {
                let name = name::user(chosen)?;
                let user = insert(&mut tx, name, Role::Admin, Some(hash)).await?;
                record(
                    &mut tx,
                    &by(name),
                    "user.add",
                    name,
                    "admin, by the first link",
                )
                .await?;
                user
            }
            Invitation::User(user, name) => {
                store_password(&mut tx, user, hash).await?;
                record(&mut tx, &by(&name), "user.password", &name, "by a link").await?;
                user
            }
        };
        tx.commit().await?;
        Ok(user)
    }
}

/// A new link in place of an earlier one: of a user, or for the first admin. What has expired goes too.
async fn renew(
    tx: &mut Transaction<'static, Sqlite>,
    user: Option<i64>,
) -> Result<Secret, AccountError> {
    let (secret, now) = (Secret::new("")?, now());
    sqlx::query("DELETE FROM invitations WHERE user IS ? OR expires <= ?")
        .bind(user)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    sqlx::query("INSERT INTO invitations (digest, user, expires) VALUES (?, ?, ?)")
        .bind(secret.digest())
        .bind(user)
        .bind(now + VALID)
        .execute(&mut **tx)
        .await?;
    Ok(secret)
}
