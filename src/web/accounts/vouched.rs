//! Users of a provider: somebody else vouches for who they are, so they have no password here. A user belongs to the
//! provider by issuer and subject, which are never given to another; the name serves once, to find the user whom an
//! admin has added for that person.

use sqlx::Row as _;
use sqlx::{Sqlite, Transaction};

use super::audit::record;
use super::user::insert;
use super::{AccountError, Accounts, Actor, Role, name};

/// Somebody for whom a provider vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web) struct Vouched {
    /// The provider.
    pub(in crate::web) issuer: String,
    /// What the provider knows them by, always the same.
    pub(in crate::web) subject: String,
    /// Their name there.
    pub(in crate::web) name: String,
    /// Their role, where the provider has the say; `None`: the one that they have here stays.
    pub(in crate::web) role: Option<Role>,
    /// The role of a new user.
    pub(in crate::web) first_role: Option<Role>,
}

/// A user as the file has it.
struct Found {
    id: i64,
    name: String,
    role: String,
    disabled: bool,
    /// Whether nobody can sign in as this user yet.
    is_free: bool,
}

impl Accounts {
    /// The number and name of the user whom a provider vouches for. One who was here before is known by the subject;
    /// one whom an admin has added, and who has no password, is theirs from now on; a new one is added where `adds`. The user
    /// gets the role that the provider gives.
    ///
    /// # Errors
    /// [`AccountError::KeptOut`], [`AccountError::Foreign`] for the name of somebody else, [`AccountError::Unknown`], a
    /// name that does not serve; a file that cannot be written.
    pub(in crate::web) async fn admit(
        &self,
        who: &Vouched,
        adds: bool,
        address: &str,
    ) -> Result<(i64, String), AccountError> {
        let mut tx = self.database.begin().await?;
        let condition = "issuer = ? AND subject = ?";
        let found = match find(&mut tx, condition, &[&who.issuer, &who.subject]).await? {
            Some(found) => found,
            None => bind_by_name(&mut tx, who, adds, address).await?,
        };
        if found.disabled {
            return Err(AccountError::KeptOut);
        }
        // What the provider takes away is gone, were it the last admin's.
        if let Some(role) = who.role.filter(|role| role.name() != found.role) {
            sqlx::query("UPDATE users SET role = ? WHERE id = ?")
                .bind(role.name())
                .bind(found.id)
                .execute(&mut *tx)
                .await?;
            let by = actor(&found.name, address);
            let detail = format!("{role}, by the provider");
            record(&mut tx, &by, "user.role", &found.name, &detail).await?;
        }
        tx.commit().await?;
        Ok((found.id, found.name))
    }
}

/// Somebody who comes for the first time: the user whom an admin has added for them, or a new one.
async fn bind_by_name(
    tx: &mut Transaction<'static, Sqlite>,
    who: &Vouched,
    adds: bool,
    address: &str,
) -> Result<Found, AccountError> {
    let name = name::user(&who.name)?;
    let by = actor(name, address);
    let found = match find(tx, "name = ?", &[name]).await? {
        Some(found) if found.disabled => return Err(AccountError::KeptOut),
        Some(found) if !found.is_free => return Err(AccountError::Foreign),
        Some(found) => found,
        None => {
            let role = who.first_role.filter(|_| adds);
            let role = role.ok_or(AccountError::Unknown)?;
            let id = insert(tx, name, role, None).await?;
            record(tx, &by, "user.add", name, role.name()).await?;
            Found {
                id,
                name: name.to_owned(),
                role: role.name().to_owned(),
                disabled: false,
                is_free: true,
            }
        }
    };
    sqlx::query("UPDATE users SET issuer = ?, subject = ? WHERE id = ?")
        .bind(&who.issuer)
        .bind(&who.subject)
        .bind(found.id)
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM invitations WHERE user = ?")
        .bind(found.id)
        .execute(&mut **tx)
        .await?;
    let detail = format!("{} at {}", who.subject, who.issuer);
    record(tx, &by, "user.bind", &found.name, &detail).await?;
    Ok(found)
}

fn actor(name: &str, address: &str) -> Actor {
    Actor {
        name: name.to_owned(),
        address: address.to_owned(),
    }
}

/// The one user for whom a condition with these values holds.
async fn find(
    tx: &mut Transaction<'static, Sqlite>,
    condition: &'static str,
    values: &[&str],
) -> Result<Option<Found>, AccountError> {
    let sql = format!(
        "SELECT id, name, role, disabled, password IS NULL AND subject IS NULL
         FROM users WHERE {condition}"
    );
    let query = sqlx::query::<Sqlite>(sqlx::AssertSqlSafe(sql));
    let query = values.iter().fold(query, |query, value| query.bind(*value));
    let Some(row) = query.fetch_optional(&mut **tx).await? else {
        return Ok(None);
    };
    Ok(Some(Found {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        role: row.try_get(2)?,
        disabled: row.try_get(3)?,
        is_free: row.try_get(4)?,
    }))
}
