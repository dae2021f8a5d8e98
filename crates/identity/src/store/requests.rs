//! Table `reset_requests`: what was asked for, before anybody looks whether it exists.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{FromRow, PgConnection, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::audit::{self, AuditEvent};
use super::idempotency::{Claim, Stored};
use super::outbox::{self, NewEvent};
use super::resets::{self, NewReset};
use super::{Place, Result};
use crate::domain::identifier::Identifier;
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
#[derive(Clone)]
pub struct NewRequest {
    /// UUID version 7.
    pub request_id: Uuid,
    /// Name of the calling service.
    pub caller: Arc<str>,
    /// What was typed.
    pub kind: IdentifierKind,
    /// The text that was typed.
    pub identifier: Identifier,
    /// The requester's language.
    pub locale: Option<Locale>,
    /// Kind of device; may be empty.
    pub device: String,
    /// /24 or /48.
    pub ip_prefix: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace state.
    pub tracestate: Option<String>,
    /// The idempotency key, and the fingerprint of the call that carries it.
    pub once: Option<(String, Vec<u8>)>,
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
    /// When it could be issued.
    pub due_time: OffsetDateTime,
    /// The time of this transaction.
    pub now: OffsetDateTime,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace state.
    pub tracestate: Option<String>,
}

impl Request {
    /// Its place in the queue.
    pub fn place(&self) -> Place {
        (self.due_time, self.request_id)
    }

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

/// Writes requests in one statement, the same for every name, each unless its idempotency key is taken. Gives one claim
/// for each, in their order. No two may have the same caller and key.
///
/// A key that another transaction has claimed is waited for no longer than `patience`, if there is one: the others wait
/// with it.
///
/// # Errors
/// The database's; then none was written.
pub async fn insert(
    connection: &mut PgConnection,
    requests: &[&NewRequest],
    patience: Option<Duration>,
) -> Result<Vec<Claim>> {
    fn column<'a, T>(requests: &[&'a NewRequest], of: impl Fn(&'a NewRequest) -> T) -> Vec<T> {
        requests.iter().map(|request| of(request)).collect()
    }
    let keyed = requests.iter().any(|request| request.once.is_some());
    let query = if keyed { sqlx::query_as(INSERT_ONCE) } else { sqlx::query_as(INSERT) };
    let mut query = query
        .bind(column(requests, |it| it.request_id))
        .bind(column(requests, |it| &*it.caller))
        .bind(column(requests, |it| it.kind as i16))
        .bind(column(requests, |it| it.identifier.as_str()))
        .bind(column(requests, |it| it.locale.map(Locale::as_str)))
        .bind(column(requests, |it| &*it.device))
        .bind(column(requests, |it| it.ip_prefix.as_deref()))
        .bind(column(requests, |it| it.traceparent.as_deref()))
        .bind(column(requests, |it| it.tracestate.as_deref()));
    if keyed {
        query = query
            .bind(column(requests, |it| it.once.as_ref().map(|(key, _)| key.as_str())))
            .bind(column(requests, |it| it.once.as_ref().map(|(_, fingerprint)| fingerprint.as_slice())))
            .bind(patience.map(|patience| format!("{}ms", patience.as_millis())));
    }
    let claimed: Vec<ClaimedKey> = query.fetch_all(connection).await?;
    let mut taken: HashMap<(String, String), Stored> = HashMap::new();
    for (caller, key, fingerprint, resource_id, fresh) in claimed {
        if !fresh {
            taken.insert((caller, key), Stored { fingerprint, resource_id, credential_version: None });
        }
    }
    let stored = |request: &&NewRequest| {
        let (key, _) = request.once.as_ref()?;
        taken.remove(&(request.caller.to_string(), key.clone()))
    };
    Ok(requests.iter().map(stored).map(|stored| stored.map_or(Claim::Fresh, Claim::Taken)).collect())
}

/// Caller, key, fingerprint, the request that has the key, and whether that is this one.
type ClaimedKey = (String, String, Vec<u8>, Option<Uuid>, bool);

const INSERT: &str = "INSERT INTO reset_requests
         (request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, traceparent, tracestate)
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::text[],
         $8::text[], $9::text[])";

/// Keys are claimed in one order over all replicas, so that no two statements wait for each other.
const INSERT_ONCE: &str = "WITH patience AS MATERIALIZED (
         SELECT set_config('lock_timeout', COALESCE($12::text, current_setting('lock_timeout')), true)
     ), asked AS MATERIALIZED (
         SELECT r.* FROM patience, unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::text[], $6::text[],
                 $7::text[], $8::text[], $9::text[], $10::text[], $11::bytea[])
             AS r (request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, traceparent, tracestate,
                 idempotency_key, fingerprint)
     ), claim AS (
         INSERT INTO idempotency_keys (caller, idempotency_key, fingerprint, resource_id)
         SELECT caller, idempotency_key, fingerprint, request_id FROM asked
         WHERE idempotency_key IS NOT NULL
         ORDER BY caller COLLATE \"C\", idempotency_key COLLATE \"C\"
         ON CONFLICT (caller, idempotency_key) DO UPDATE SET caller = EXCLUDED.caller
         RETURNING caller, idempotency_key, fingerprint, resource_id, xmax = 0 AS fresh
     ), written AS (
         INSERT INTO reset_requests
             (request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, traceparent, tracestate)
         SELECT request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, traceparent, tracestate
         FROM asked
         WHERE idempotency_key IS NULL OR request_id IN (SELECT resource_id FROM claim WHERE fresh)
     )
     SELECT caller, idempotency_key, fingerprint, resource_id, fresh FROM claim";

macro_rules! request_columns {
    () => {
        "request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, tries,
         request_time, due_time, now() AS now, traceparent, tracestate"
    };
}

/// A request that is not finished. Were it a bare condition, the planner could read the queue for it instead of the
/// one row, and would whenever the queue was empty when it was last analysed.
macro_rules! unfinished {
    () => {
        "CASE WHEN due_time IS NULL THEN false ELSE true END"
    };
}

/// Claims what is due, oldest first, behind this place or from the head, for this transaction.
///
/// # Errors
/// The database's.
pub async fn claim_due(connection: &mut PgConnection, limit: usize, after: Option<Place>) -> Result<Vec<Request>> {
    macro_rules! claim {
        ($behind:literal) => {
            concat!(
                "SELECT ",
                request_columns!(),
                " FROM reset_requests WHERE due_time <= now()",
                $behind,
                " ORDER BY due_time, request_id LIMIT $1 FOR UPDATE SKIP LOCKED"
            )
        };
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let query = match after {
        None => sqlx::query_as(claim!("")).bind(limit),
        Some((due_time, request_id)) => {
            sqlx::query_as(claim!(" AND (due_time, request_id) > ($2, $3)")).bind(limit).bind(due_time).bind(request_id)
        }
    };
    Ok(query.fetch_all(connection).await?)
}

/// Claims one request, if it is still due and nobody else has it.
///
/// # Errors
/// The database's.
pub async fn claim(connection: &mut PgConnection, request_id: Uuid) -> Result<Option<Request>> {
    Ok(sqlx::query_as(concat!(
        "SELECT ",
        request_columns!(),
        " FROM reset_requests
         WHERE request_id = $1 AND ",
        unfinished!(),
        " FOR UPDATE SKIP LOCKED"
    ))
    .bind(request_id)
    .fetch_optional(connection)
    .await?)
}

/// Reads a request that is not finished.
///
/// # Errors
/// The database's.
pub async fn pending(connection: &mut PgConnection, request_id: Uuid) -> Result<Option<Request>> {
    Ok(sqlx::query_as(concat!(
        "SELECT ",
        request_columns!(),
        " FROM reset_requests WHERE request_id = $1 AND ",
        unfinished!()
    ))
    .bind(request_id)
    .fetch_optional(connection)
    .await?)
}

/// What became of requests.
#[derive(Default)]
pub struct Made {
    /// A reset for each account, or one that says why there is none.
    pub resets: Vec<NewReset>,
    /// Mails to send.
    pub events: Vec<NewEvent>,
    /// What is kept of it for the audit.
    pub audit: Vec<AuditEvent>,
}

/// Finishes requests and writes what became of them, in one statement; what was typed is gone with that.
///
/// # Errors
/// The database's.
pub async fn finish(connection: &mut PgConnection, request_ids: &[Uuid], made: &Made) -> Result<()> {
    let mut statement = QueryBuilder::new("WITH made_resets AS (");
    resets::push_insert(&mut statement, &made.resets);
    statement.push("), made_events AS (");
    outbox::push_insert(&mut statement, &made.events);
    statement.push("), made_audit AS (");
    audit::push_insert(&mut statement, &made.audit);
    statement.push(
        ") UPDATE reset_requests
         SET identifier = NULL, due_time = NULL
         WHERE request_id = ANY(",
    );
    statement.push_bind(request_ids).push(")");
    statement.build().execute(connection).await?;
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
    Ok(sqlx::query_scalar(concat!(
        "UPDATE reset_requests
         SET tries = tries + $3::integer, due_time = now() + make_interval(secs => $2)
         WHERE request_id = $1 AND ",
        unfinished!(),
        " RETURNING tries"
    ))
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
