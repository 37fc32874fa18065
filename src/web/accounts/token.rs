//! API tokens: secrets for programs, each with a user, a role no greater than the user's, and an end.

use sqlx::Row as _;

use super::audit::record;
use super::user::name_of;
use super::{AccountError, Accounts, Actor, Lifetime, Role, Secret, Session, name, now};

/// Tokens of one user.
const OF_ONE_USER: i64 = 50;
/// What each begins with.
const PREFIX: &str = "mailweir_";
/// Use is written down when the last was so long ago, seconds.
const NOTED: i64 = 60;

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number.
    pub id: i64,
    /// Number of its user.
    pub user: i64,
    /// The user's name.
    pub owner: String,
    /// What it is for.
    pub label: String,
    /// What it may do at most.
    pub role: Role,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// When it ends, seconds since 1970.
    pub expires: i64,
    /// When it was used last, seconds since 1970.
    pub seen: Option<i64>,
}

/// A token that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// Number of its user.
    pub user: i64,
    /// What it is for.
    pub label: &'a str,
    /// What it may do at most.
    pub role: Role,
    /// When it ends, seconds since 1970.
    pub expires: i64,
    /// Number of the token with which it is made, if it is made with one. It goes when that one goes.
    pub maker: Option<i64>,
}

/// A token that somebody has come with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web) struct Bearer {
    /// Its number.
    pub(in crate::web) id: i64,
    /// What it is for.
    pub(in crate::web) label: String,
    /// When it ends, seconds since 1970.
    pub(in crate::web) expires: i64,
}

impl Accounts {
    /// Makes a token for a user, and gives its number and its secret, this once.
    ///
    /// # Errors
    /// A label that does not serve; too many tokens; [`AccountError::Absent`]; a file that cannot be written.
    pub async fn add_token(
        &self,
        by: &Actor,
        new: NewToken<'_>,
    ) -> Result<(i64, Secret), AccountError> {
        let NewToken { user, role, .. } = new;
        let label = name::label(new.label)?;
        let secret = Secret::new(PREFIX)?;
        let mut tx = self.database.begin().await?;
        let owner = name_of(&mut tx, user).await?;
        let now = now();
        sqlx::query("DELETE FROM tokens WHERE user = ? AND expires <= ?")
            .bind(user)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        let tokens: i64 = sqlx::query_scalar("SELECT count(*) FROM tokens WHERE user = ?")
            .bind(user)
            .fetch_one(&mut *tx)
            .await?;
        if tokens >= OF_ONE_USER {
            let (what, most) = ("tokens of this user", OF_ONE_USER);
            return Err(AccountError::TooMany { what, most });
        }
        let made = sqlx::query(
            "INSERT INTO tokens (digest, user, label, role, created, expires, maker) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(secret.digest())
        .bind(user)
        .bind(label)
        .bind(role.name())
        .bind(now)
        .bind(new.expires)
        .bind(new.maker)
        .execute(&mut *tx)
        .await?;
        let detail = format!("{label} ({role})");
        record(&mut tx, by, "token.add", &owner, &detail).await?;
        tx.commit().await?;
        Ok((made.last_insert_rowid(), secret))
    }

    /// Tokens of a user, or of all, the newest first.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn tokens(&self, user: Option<i64>) -> Result<Vec<Token>, AccountError> {
        let rows = sqlx::query(
            "SELECT tokens.id, user, name, label, tokens.role, tokens.created, expires, tokens.seen
             FROM tokens JOIN users ON users.id = tokens.user
             WHERE ?1 IS NULL OR user = ?1 ORDER BY tokens.id DESC",
        )
        .bind(user)
        .fetch_all(self.database.readers())
        .await?;
        let mut tokens = Vec::with_capacity(rows.len());
        for row in rows {
            let role: String = row.try_get(4)?;
            let Ok(role) = role.parse() else { continue };
            tokens.push(Token {
                id: row.try_get(0)?,
                user: row.try_get(1)?,
                owner: row.try_get(2)?,
                label: row.try_get(3)?,
                role,
                created: row.try_get(5)?,
                expires: row.try_get(6)?,
                seen: row.try_get(7)?,
            });
        }
        Ok(tokens)
    }

    /// Removes a token, and those that were made with it; with `owner`, only one of that user.
    ///
    /// # Errors
    /// [`AccountError::Absent`]; a file that cannot be written.
    pub async fn remove_token(
        &self,
        by: &Actor,
        id: i64,
        owner: Option<i64>,
    ) -> Result<(), AccountError> {
        let mut tx = self.database.begin().await?;
        let made: i64 = sqlx::query_scalar(
            "WITH RECURSIVE made (id) AS (
                 SELECT id FROM tokens WHERE maker = ?
                 UNION SELECT tokens.id FROM tokens JOIN made ON maker = made.id
             ) SELECT count(*) FROM made",
        )
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
        let label: Option<String> = sqlx::query_scalar(
            "DELETE FROM tokens WHERE id = ?1 AND (?2 IS NULL OR user = ?2) RETURNING label",
        )
        .bind(id)
        .bind(owner)
        .fetch_optional(&mut *tx)
        .await?;
        let label = label.ok_or(AccountError::Absent("token"))?;
        let detail = match made {
            0 => String::new(),
            made => format!("with {made} made by it"),
        };
        record(&mut tx, by, "token.remove", &label, &detail).await?;
        Ok(tx.commit().await?)
    }

    /// Who comes with a token, and which that is, while it lives; that of a provider's user lives as long as they are seen there
    /// now and then. The role is the lesser of the user's and the token's.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub(in crate::web) async fn bearer(
        &self,
        secret: &Secret,
        lifetime: Lifetime,
    ) -> Result<Option<(Session, Bearer)>, AccountError> {
        let now = now();
        let row = sqlx::query(
            "SELECT tokens.id, users.id, name, users.role, tokens.role, tokens.created, tokens.seen, label,
                    subject IS NOT NULL, expires
             FROM tokens JOIN users ON users.id = tokens.user
             WHERE digest = ? AND expires > ? AND disabled = 0 AND (subject IS NULL OR users.seen >= ?)",
        )
        .bind(secret.digest())
        .bind(now)
        .bind(lifetime.vouched_since(now))
        .fetch_optional(self.database.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (of_user, of_token): (String, String) = (row.try_get(3)?, row.try_get(4)?);
        let (Ok(of_user), Ok(of_token)) = (of_user.parse::<Role>(), of_token.parse::<Role>())
        else {
            return Ok(None);
        };
        let bearer = Bearer {
            id: row.try_get(0)?,
            label: row.try_get(7)?,
            expires: row.try_get(9)?,
        };
        let seen: Option<i64> = row.try_get(6)?;
        if seen.is_none_or(|seen| seen < now - NOTED) {
            sqlx::query("UPDATE tokens SET seen = ? WHERE id = ?")
                .bind(now)
                .bind(bearer.id)
                .execute(self.database.writer())
                .await?;
        }
        let session = Session {
            user: row.try_get(1)?,
            name: row.try_get(2)?,
            role: of_user.min(of_token),
            created: row.try_get(5)?,
            is_vouched: row.try_get(8)?,
        };
        Ok(Some((session, bearer)))
    }
}
