//! What is thrown away when its time is over, a bounded number of rows at a time.

use std::time::Duration;

use sqlx::PgConnection;

use super::Result;

/// Deletes requests, resets and attempts older than `age`, and returns how many rows went.
///
/// # Errors
/// The database's.
pub async fn prune_resets(connection: &mut PgConnection, age: Duration, limit: i64) -> Result<u64> {
    let mut gone = 0;
    for statement in [
        "DELETE FROM resets WHERE reset_id IN (
             SELECT reset_id FROM resets WHERE request_time < now() - make_interval(secs => $1)
             ORDER BY request_time LIMIT $2)",
        "DELETE FROM reset_requests WHERE request_id IN (
             SELECT request_id FROM reset_requests
             WHERE request_time < now() - make_interval(secs => $1) AND due_time IS NULL
             ORDER BY request_time LIMIT $2)",
        "DELETE FROM delivery_attempts WHERE (event_id, attempt) IN (
             SELECT event_id, attempt FROM delivery_attempts
             WHERE record_time < now() - make_interval(secs => $1)
             ORDER BY record_time LIMIT $2)",
    ] {
        gone +=
            sqlx::query(statement).bind(age.as_secs_f64()).bind(limit).execute(&mut *connection).await?.rows_affected();
    }
    Ok(gone)
}

/// Deletes stored answers older than `age`.
///
/// # Errors
/// The database's.
pub async fn prune_idempotency_keys(connection: &mut PgConnection, age: Duration, limit: i64) -> Result<u64> {
    Ok(sqlx::query(
        "DELETE FROM idempotency_keys WHERE (caller, idempotency_key) IN (
             SELECT caller, idempotency_key FROM idempotency_keys
             WHERE create_time < now() - make_interval(secs => $1)
             ORDER BY create_time LIMIT $2)",
    )
    .bind(age.as_secs_f64())
    .bind(limit)
    .execute(connection)
    .await?
    .rows_affected())
}

/// Makes the coming partitions of the audit and drops those past their retention, which the owner wrote.
///
/// # Errors
/// The database's.
pub async fn maintain_audit_partitions(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("SELECT maintain_audit_partitions()").execute(connection).await?;
    Ok(())
}
