//! Users: who there is, what they may do, their passwords.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::audit::record;
use super::{AccountError, Accounts, Actor, Password, Role, name, now, password};

/// Users that there may be.
const USERS: i64 = 1_000;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number, never given again.
    pub id: i64,
    /// The name to sign in with; upper and lower case are the same.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// Whether a password is set yet.
    pub has_password: bool,
    /// Whether the user belongs to a provider, which says who that is.
    pub is_vouched: bool,
    /// Whether the user is kept out.
    pub disabled: bool,
    /// When the user was added, seconds since 1970.
    pub created: i64,
    /// The last sign-in, seconds since 1970.
    pub seen: Option<i64>,
}

const COLUMNS: &str =
    "id, name, role, password IS NOT NULL, disabled, created, seen, subject IS NOT NULL";

fn user(row: &SqliteRow) -> Result<User, sqlx::Error> {
    let role: String = row.try_get(2)?;
    Ok(User {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        role: role
            .parse()
            .map_err(|e: String| sqlx::Error::Decode(e.into()))?,
        has_password: row.try_get(3)?,
        disabled: row.try_get(4)?,
        created: row.try_get(5)?,
        seen: row.try_get(6)?,
        is_vouched: row.try_get(7)?,
    })
}

impl Accounts {
    /// All users, by name.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn users(&self) -> Result<Vec<User>, AccountError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM users ORDER BY name"
        )))
        .fetch_all(self.database.readers())
        .await?;
        Ok(rows.iter().map(user).collect::<Result<_, _>>()?)
    }

    /// Whether there is nobody who could sign in as admin, so that one has to be invited.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn lack_an_admin(&self) -> Result<bool, AccountError> {
        let admins: i64 = sqlx::query_scalar(ADMINS)
            .fetch_one(self.database.readers())
            .await?;
        Ok(admins == 0)
    }

    /// The user of this name.
    ///
    /// # Errors
    /// [`AccountError::Absent`]; a file that cannot be read.
    pub async fn user_named(&self, name: &str) -> Result<User, AccountError> {
        let sql = format!("SELECT {COLUMNS} FROM users WHERE name = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(name)
            .fetch_optional(self.database.readers())
            .await?;
        let row = row.ok_or(AccountError::Absent("user"))?;
        Ok(user(&row)?)
    }

    /// Adds a user, without a password unless one is given, and gives the user's number.
    ///
    /// # Errors
    /// A name that is taken or does not serve; too many users; a file that cannot be written.
    pub async fn add_user(
        &self,
        by: &Actor,
        name: &str,
        role: Role,
        password: Option<&Password>,
    ) -> Result<i64, AccountError> {
        let name = name::user(name)?;
        let hash = match password {
            Some(password) => Some(password.hash().await?),
            None => None,
        };
        let mut tx = self.database.begin().await?;
        let id = insert(&mut tx, name, role, hash).await?;
        record(&mut tx, by, "user.add", name, role.name()).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Gives a user another role.
    ///
    /// # Errors
    /// [`AccountError::Absent`], [`AccountError::LastAdmin`]; a file that cannot be written.
    pub async fn set_role(&self, by: &Actor, id: i64, role: Role) -> Result<(), AccountError> {
        let mut tx = self.database.begin().await?;
        let name = name_of(&mut tx, id).await?;
        sqlx::query("UPDATE users SET role = ? WHERE id = ?")
            .bind(role.name())
            .bind(id)
            .execute(&mut *tx)
            .await?;
        keeps_an_admin(&mut tx).await?;
        record(&mut tx, by, "user.role", &name, role.name()).await?;
        Ok(tx.commit().await?)
    }

    /// Keeps a user out, with all their sessions and tokens, or lets them in again.
    ///
    /// # Errors
    /// As [`Accounts::set_role`].
    pub async fn set_disabled(
        &self,
        by: &Actor,
        id: i64,
        disabled: bool,
    ) -> Result<(), AccountError> {
        let mut tx = self.database.begin().await?;
        let name = name_of(&mut tx, id).await?;
        sqlx::query("UPDATE users SET disabled = ? WHERE id = ?")
            .bind(disabled)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        if disabled {
            keeps_an_admin(&mut tx).await?;
            end_sessions(&mut tx, id).await?;
        }
        let action = if disabled {
            "user.disable"
        } else {
            "user.enable"
        };
        record(&mut tx, by, action, &name, "").await?;
        Ok(tx.commit().await?)
    }

    /// Removes a user with sessions and tokens.
    ///
    /// # Errors
    /// As [`Accounts::set_role`].
    pub async fn remove_user(&self, by: &Actor, id: i64) -> Result<(), AccountError> {
        let mut tx = self.database.begin().await?;
        let name = name_of(&mut tx, id).await?;
        sqlx::query("DELETE FROM users WHERE id = ?")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        keeps_an_admin(&mut tx).await?;
        record(&mut tx, by, "user.remove", &name, "").await?;
        Ok(tx.commit().await?)
    }

    /// Sets a password, and ends the user's sessions and one-time link.
    ///
    /// # Errors
    /// [`AccountError::Absent`], [`AccountError::Busy`]; a file that cannot be written.
    pub async fn set_password(
        &self,
        by: &Actor,
        id: i64,
        password: &Password,
    ) -> Result<(), AccountError> {
        let hash = password.hash().await?;
        let mut tx = self.database.begin().await?;
        let name = name_of(&mut tx, id).await?;
        store_password(&mut tx, id, hash).await?;
        record(&mut tx, by, "user.password", &name, "").await?;
        Ok(tx.commit().await?)
    }

    /// The user with this name and password, unless they are kept out. Takes as long when there is none.
    ///
    /// # Errors
    /// [`AccountError::Busy`]; a file that cannot be read.
    pub async fn verify(&self, name: &str, text: &str) -> Result<Option<User>, AccountError> {
        let sql = format!("SELECT {COLUMNS}, password FROM users WHERE name = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(name)
            .fetch_optional(self.database.readers())
            .await?;
        let hash: Option<String> = match &row {
            Some(row) => row.try_get(8)?,
            None => None,
        };
        if !password::matches(text, hash).await? {
            return Ok(None);
        }
        let user = row.as_ref().map(user).transpose()?;
        Ok(user.filter(|user| !user.disabled))
    }
}

const ADMINS: &str = "SELECT count(*) FROM users WHERE role = 'admin' AND disabled = 0
     AND (password IS NOT NULL OR subject IS NOT NULL)";

/// An admin who can sign in must be left.
async fn keeps_an_admin(tx: &mut Transaction<'static, Sqlite>) -> Result<(), AccountError> {
    let admins: i64 = sqlx::query_scalar(ADMINS).fetch_one(&mut **tx).await?;
    match admins {
        0 => Err(AccountError::LastAdmin),
        _ => Ok(()),
    }
}

pub(super) async fn name_of(
    tx: &mut Transaction<'static, Sqlite>,
    id: i64,
) -> Result<String, AccountError> {
    let name = sqlx::query_scalar("SELECT name FROM users WHERE id = ?")
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?;
    name.ok_or(AccountError::Absent("user"))
}

pub(super) async fn insert(
    tx: &mut Transaction<'static, Sqlite>,
    name: &str,
    role: Role,
    hash: Option<String>,
) -> Result<i64, AccountError> {
    let (users, taken): (i64, i64) =
        sqlx::query_as("SELECT count(*), coalesce(sum(name = ?), 0) FROM users")
            .bind(name)
            .fetch_one(&mut **tx)
            .await?;
    if taken > 0 {
        return Err(AccountError::Taken);
    }
    if users >= USERS {
        let (what, most) = ("users", USERS);
        return Err(AccountError::TooMany { what, most });
    }
    let done = sqlx::query("INSERT INTO users (name, role, password, created) VALUES (?, ?, ?, ?)")
        .bind(name)
        .bind(role.name())
        .bind(hash)
        .bind(now())
        .execute(&mut **tx)
        .await?;
    Ok(done.last_insert_rowid())
}

/// Gives a user a password, which ends their sessions, their one-time link and that a provider vouches for them.
pub(super) async fn store_password(
    tx: &mut Transaction<'static, Sqlite>,
    id: i64,
    hash: String,
) -> Result<(), AccountError> {
    sqlx::query("UPDATE users SET password = ?, issuer = NULL, subject = NULL WHERE id = ?")
        .bind(hash)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM invitations WHERE user = ?")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    end_sessions(tx, id).await
}

async fn end_sessions(tx: &mut Transaction<'static, Sqlite>, id: i64) -> Result<(), AccountError> {
    sqlx::query("DELETE FROM sessions WHERE user = ?")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
