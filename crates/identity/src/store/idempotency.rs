//! Table `idempotency_keys`: successes to repeat.

use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::Result;

/// A stored success.
#[derive(Debug, Clone, FromRow)]
pub struct Stored {
    /// Keyed digest of the call that succeeded.
    pub fingerprint: Vec<u8>,
    /// What it made or changed.
    pub resource_id: Option<Uuid>,
    /// The version a password call answered.
    pub credential_version: Option<i64>,
}

/// What became of a claim on a key.
pub enum Claim {
    /// Nobody has used the key: go on.
    Fresh,
    /// A call with this key has succeeded.
    Taken(Stored),
}

/// Looks a key up without claiming it.
///
/// # Errors
/// The database's.
pub async fn find(connection: &mut PgConnection, caller: &str, key: &str) -> Result<Option<Stored>> {
    Ok(sqlx::query_as(
        "SELECT fingerprint, resource_id, credential_version
         FROM idempotency_keys
         WHERE caller = $1 AND idempotency_key = $2",
    )
    .bind(caller)
    .bind(key)
    .fetch_optional(connection)
    .await?)
}

/// Claims a key for this transaction; waits for another one that has claimed it.
///
/// # Errors
/// The database's.
pub async fn claim(connection: &mut PgConnection, caller: &str, key: &str, fingerprint: &[u8]) -> Result<Claim> {
    let (fresh, stored_fingerprint, resource_id, credential_version): (bool, Vec<u8>, Option<Uuid>, Option<i64>) =
        sqlx::query_as(
            "INSERT INTO idempotency_keys (caller, idempotency_key, fingerprint)
             VALUES ($1, $2, $3)
             ON CONFLICT (caller, idempotency_key) DO UPDATE SET caller = EXCLUDED.caller
             RETURNING xmax = 0, fingerprint, resource_id, credential_version",
        )
        .bind(caller)
        .bind(key)
        .bind(fingerprint)
        .fetch_one(connection)
        .await?;
    Ok(if fresh {
        Claim::Fresh
    } else {
        Claim::Taken(Stored { fingerprint: stored_fingerprint, resource_id, credential_version })
    })
}

/// Stores the success of the call that claimed the key in this transaction.
///
/// # Errors
/// The database's.
pub async fn succeed(
    connection: &mut PgConnection,
    caller: &str,
    key: &str,
    resource_id: Option<Uuid>,
    credential_version: Option<i64>,
) -> Result<()> {
    sqlx::query(
        "UPDATE idempotency_keys
         SET resource_id = $3, credential_version = $4
         WHERE caller = $1 AND idempotency_key = $2",
    )
    .bind(caller)
    .bind(key)
    .bind(resource_id)
    .bind(credential_version)
    .execute(connection)
    .await?;
    Ok(())
}
