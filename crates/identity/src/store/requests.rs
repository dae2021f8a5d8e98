//! Table `reset_requests`: what was asked for, before anybody looks whether it exists.

use std::time::Duration;

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Result;
use super::idempotency::{Claim, Stored};
use crate::domain::locale::Locale;

/// What was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum IdentifierKind {
    /// A username.
    Username = 1,
    /// An address.
    Email = 2,
}

/// A request to insert.
pub struct NewRequest<'a> {
    /// UUID version 7.
    pub request_id: Uuid,
    /// Name of the calling service.
    pub caller: &'a str,
    /// What was typed.
    pub kind: IdentifierKind,
    /// The text that was typed.
    pub identifier: &'a str,
    /// The requester's language.
    pub locale: Option<Locale>,
    /// Kind of device; may be empty.
    pub device: &'a str,
    /// /24 or /48.
    pub ip_prefix: Option<&'a str>,
    /// W3C trace context.
    pub traceparent: Option<&'a str>,
    /// W3C trace state.
    pub tracestate: Option<&'a str>,
}

/// A request the issuer has claimed.
#[derive(FromRow)]
pub struct Request {
    /// UUID version 7.
    pub request_id: Uuid,
    /// Name of the calling service.
    pub caller: String,
    identifier_kind: i16,
    /// The text that was typed.
    pub identifier: Option<String>,
    locale: Option<String>,
    /// Kind of device; may be empty.
    pub device: String,
    /// /24 or /48.
    pub ip_prefix: Option<String>,
    /// Failures of ours so far.
    pub tries: i16,
    /// When it was accepted.
    pub request_time: OffsetDateTime,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace state.
    pub tracestate: Option<String>,
}

impl Request {
    /// What was typed.
    pub fn kind(&self) -> IdentifierKind {
        if self.identifier_kind == IdentifierKind::Email as i16 {
            IdentifierKind::Email
        } else {
            IdentifierKind::Username
        }
    }

    /// The requester's language.
    pub fn locale(&self) -> Option<Locale> {
        self.locale.as_deref().and_then(super::locale)
    }
}

/// Writes a request: one INSERT, the same for every name.
///
/// # Errors
/// The database's.
pub async fn insert(connection: &mut PgConnection, request: &NewRequest<'_>) -> Result<()> {
    sqlx::query(
        "INSERT INTO reset_requests
             (request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, traceparent, tracestate)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(request.request_id)
    .bind(request.caller)
    .bind(request.kind as i16)
    .bind(request.identifier)
    .bind(request.locale.map(Locale::as_str))
    .bind(request.device)
    .bind(request.ip_prefix)
    .bind(request.traceparent)
    .bind(request.tracestate)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a request unless its idempotency key is taken; still one statement.
///
/// # Errors
/// The database's.
pub async fn insert_once(
    connection: &mut PgConnection,
    request: &NewRequest<'_>,
    key: &str,
    fingerprint: &[u8],
) -> Result<Claim> {
    let (fingerprint, resource_id, fresh): (Vec<u8>, Option<Uuid>, bool) = sqlx::query_as(
        "WITH claim AS (
             INSERT INTO idempotency_keys (caller, idempotency_key, fingerprint, resource_id)
             VALUES ($2, $10, $11, $1)
             ON CONFLICT (caller, idempotency_key) DO UPDATE SET caller = EXCLUDED.caller
             RETURNING fingerprint, resource_id, xmax = 0 AS fresh
         ), request AS (
             INSERT INTO reset_requests
                 (request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, traceparent, tracestate)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 FROM claim WHERE fresh
         )
         SELECT fingerprint, resource_id, fresh FROM claim",
    )
    .bind(request.request_id)
    .bind(request.caller)
    .bind(request.kind as i16)
    .bind(request.identifier)
    .bind(request.locale.map(Locale::as_str))
    .bind(request.device)
    .bind(request.ip_prefix)
    .bind(request.traceparent)
    .bind(request.tracestate)
    .bind(key)
    .bind(fingerprint)
    .fetch_one(connection)
    .await?;
    Ok(if fresh { Claim::Fresh } else { Claim::Taken(Stored { fingerprint, resource_id, credential_version: None }) })
}

/// Claims what is due, oldest first, for this transaction.
///
/// # Errors
/// The database's.
pub async fn claim_due(connection: &mut PgConnection, limit: i64) -> Result<Vec<Request>> {
    Ok(sqlx::query_as(
        "SELECT request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, tries,
                request_time, traceparent, tracestate
         FROM reset_requests
         WHERE due_time <= now()
         ORDER BY due_time
         LIMIT $1
         FOR UPDATE SKIP LOCKED",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?)
}

/// Claims one request, if it is still due and nobody else has it.
///
/// # Errors
/// The database's.
pub async fn claim(connection: &mut PgConnection, request_id: Uuid) -> Result<Option<Request>> {
    Ok(sqlx::query_as(
        "SELECT request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, tries,
                request_time, traceparent, tracestate
         FROM reset_requests
         WHERE request_id = $1 AND due_time IS NOT NULL
         FOR UPDATE SKIP LOCKED",
    )
    .bind(request_id)
    .fetch_optional(connection)
    .await?)
}

/// Reads a request that is not finished.
///
/// # Errors
/// The database's.
pub async fn pending(connection: &mut PgConnection, request_id: Uuid) -> Result<Option<Request>> {
    Ok(sqlx::query_as(
        "SELECT request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, tries,
                request_time, traceparent, tracestate
         FROM reset_requests
         WHERE request_id = $1 AND due_time IS NOT NULL",
    )
    .bind(request_id)
    .fetch_optional(connection)
    .await?)
}

/// Finishes requests; what was typed is gone with that.
///
/// # Errors
/// The database's.
pub async fn finish(connection: &mut PgConnection, request_ids: &[Uuid]) -> Result<()> {
    sqlx::query(
        "UPDATE reset_requests
         SET identifier = NULL, due_time = NULL
         WHERE request_id = ANY($1)",
    )
    .bind(request_ids)
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts a request off; returns how often that was for a fault of ours so far.
///
/// # Errors
/// The database's.
pub async fn put_off(
    connection: &mut PgConnection,
    request_id: Uuid,
    delay: Duration,
    ours: bool,
) -> Result<Option<i16>> {
    Ok(sqlx::query_scalar(
        "UPDATE reset_requests
         SET tries = tries + $3::integer, due_time = now() + make_interval(secs => $2)
         WHERE request_id = $1 AND due_time IS NOT NULL
         RETURNING tries",
    )
    .bind(request_id)
    .bind(delay.as_secs_f64())
    .bind(i32::from(ours))
    .fetch_optional(connection)
    .await?)
}

/// How many requests wait for the issuer, for the metrics.
#[derive(FromRow)]
pub struct Backlog {
    /// Requests that are not issued yet.
    pub waiting: i64,
    /// Age of the oldest of them in seconds.
    pub oldest_seconds: f64,
}

/// Measures what waits for the issuer. The count ends at 10,000, so that looking costs the same however long it is.
///
/// # Errors
/// The database's.
pub async fn backlog(connection: &mut PgConnection) -> Result<Backlog> {
    Ok(sqlx::query_as(
        "SELECT count(*) AS waiting, COALESCE(extract(epoch FROM now() - min(request_time)), 0)::float8 AS oldest_seconds
         FROM (SELECT request_time FROM reset_requests WHERE due_time IS NOT NULL ORDER BY due_time LIMIT 10000) AS waiting",
    )
    .fetch_one(connection)
    .await?)
}
