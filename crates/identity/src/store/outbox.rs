//! Table `outbox`: events on their way out, and mails whose outcome is not final yet.

use std::time::Duration;

use messaging::topology::RESET_REQUESTED;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Result;
use crate::domain::states::{LinkState, UserState};

/// An event to write.
pub struct NewEvent {
    /// UUID version 7.
    pub event_id: Uuid,
    /// Routing key on `identity.events`.
    pub routing_key: &'static str,
    /// The organisation the event is about.
    pub organization_id: Uuid,
    /// Associated data of the seal; empty for events in the clear.
    pub header: Vec<u8>,
    /// The sealed part, or an event in the clear.
    pub body: Vec<u8>,
    /// No mail after this.
    pub expire_time: Option<OffsetDateTime>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace state.
    pub tracestate: Option<String>,
}

/// An event a relay has claimed.
#[derive(FromRow)]
pub struct Claimed {
    /// UUID version 7.
    pub event_id: Uuid,
    /// Routing key on `identity.events`.
    pub routing_key: String,
    /// Associated data of the seal; empty for events in the clear.
    pub header: Vec<u8>,
    /// The sealed part, or an event in the clear.
    pub body: Vec<u8>,
    /// Number of the attempt.
    pub attempt: i32,
    /// The event's time.
    pub create_time: OffsetDateTime,
    /// Whether its time is over.
    pub expired: bool,
    /// Whether a link in it is live; true for events without links.
    pub live: bool,
    /// Whether the account of such a link is active; true for events without links.
    pub active: bool,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace state.
    pub tracestate: Option<String>,
}

/// A mail that waits for its outcome, locked.
#[derive(FromRow)]
pub struct Waiting {
    /// Number of the attempt that is out.
    pub attempt: i32,
    /// How often the mail server fell silent after the content.
    pub unknowns: i16,
    /// No mail after this.
    pub expire_time: Option<OffsetDateTime>,
    /// The database's clock.
    pub now: OffsetDateTime,
}

/// How full the outbox is, for the metrics.
#[derive(FromRow)]
pub struct Backlog {
    /// Rows that are due.
    pub due: i64,
    /// Age of the oldest of them in seconds.
    pub oldest_seconds: f64,
    /// Rows that wait for a status or their next attempt.
    pub waiting: i64,
}

/// Writes events, in one statement.
///
/// # Errors
/// The database's.
pub async fn insert(connection: &mut PgConnection, events: &[NewEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut insert = sqlx::QueryBuilder::new(
        "INSERT INTO outbox
             (event_id, routing_key, organization_id, header, body, expire_time, traceparent, tracestate) ",
    );
    insert.push_values(events, |mut row, event| {
        row.push_bind(event.event_id)
            .push_bind(event.routing_key)
            .push_bind(event.organization_id)
            .push_bind(&event.header)
            .push_bind(&event.body)
            .push_bind(event.expire_time)
            .push_bind(&event.traceparent)
            .push_bind(&event.tracestate);
    });
    insert.build().execute(connection).await?;
    Ok(())
}

/// Claims what is due, oldest first. Other relays leave a claimed row alone until the lease is over.
///
/// # Errors
/// The database's.
pub async fn claim(connection: &mut PgConnection, limit: usize, lease: Duration) -> Result<Vec<Claimed>> {
    Ok(sqlx::query_as(
        "WITH due AS (
             SELECT event_id FROM outbox
             WHERE due_time <= now() AND (lease_time IS NULL OR lease_time <= now())
             ORDER BY due_time
             LIMIT $1
             FOR UPDATE SKIP LOCKED
         )
         UPDATE outbox o
         SET lease_time = now() + make_interval(secs => $2)
         FROM due
         WHERE o.event_id = due.event_id
         RETURNING o.event_id, o.routing_key, o.header, o.body, o.attempt, o.create_time, o.traceparent, o.tracestate,
             COALESCE(o.expire_time <= clock_timestamp(), false) AS expired,
             o.routing_key <> $3 OR EXISTS (
                 SELECT FROM resets r
                 WHERE r.event_id = o.event_id AND r.link_state = $4 AND r.expire_time > clock_timestamp()) AS live,
             o.routing_key <> $3 OR EXISTS (
                 SELECT FROM resets r
                 JOIN users u USING (user_id)
                 JOIN organizations g ON g.organization_id = u.organization_id
                 WHERE r.event_id = o.event_id AND r.link_state = $4 AND u.state = $5 AND NOT g.suspended) AS active",
    )
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(lease.as_secs_f64())
    .bind(RESET_REQUESTED)
    .bind(LinkState::Live.as_i16())
    .bind(UserState::Active.as_i16())
    .fetch_all(connection)
    .await?)
}

/// Marks published mails: they wait for a status now. Returns those that had none yet, because the
/// mailer may be quicker than this statement.
///
/// # Errors
/// The database's.
pub async fn published(connection: &mut PgConnection, events: &[(Uuid, i32)]) -> Result<Vec<Uuid>> {
    let (event_ids, attempts): (Vec<Uuid>, Vec<i32>) = events.iter().copied().unzip();
    Ok(sqlx::query_scalar(
        "UPDATE outbox o
         SET due_time = NULL, lease_time = NULL, heard_time = now()
         FROM unnest($1::uuid[], $2::integer[]) AS p (event_id, attempt)
         WHERE o.event_id = p.event_id AND o.attempt = p.attempt AND o.lease_time IS NOT NULL
         RETURNING o.event_id",
    )
    .bind(event_ids)
    .bind(attempts)
    .fetch_all(connection)
    .await?)
}

/// Gives claimed rows back, to be claimed again after the delay. They stay due, so that their age shows.
///
/// # Errors
/// The database's.
pub async fn put_off(connection: &mut PgConnection, event_ids: &[Uuid], delay: Duration) -> Result<()> {
    sqlx::query(
        "UPDATE outbox
         SET lease_time = now() + make_interval(secs => $2)
         WHERE event_id = ANY($1) AND lease_time IS NOT NULL",
    )
    .bind(event_ids)
    .bind(delay.as_secs_f64())
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes events that are done with.
///
/// # Errors
/// The database's.
pub async fn delete(connection: &mut PgConnection, event_ids: &[Uuid]) -> Result<()> {
    sqlx::query("DELETE FROM outbox WHERE event_id = ANY($1)").bind(event_ids).execute(connection).await?;
    Ok(())
}

/// Finds a mail that waits for its outcome, and keeps it from changing.
///
/// # Errors
/// The database's.
pub async fn lock_waiting(connection: &mut PgConnection, event_id: Uuid) -> Result<Option<Waiting>> {
    Ok(sqlx::query_as(
        "SELECT attempt, unknowns, expire_time, clock_timestamp() AS now
         FROM outbox
         WHERE event_id = $1
         FOR UPDATE",
    )
    .bind(event_id)
    .fetch_optional(connection)
    .await?)
}

/// Notes that a mail was heard of.
///
/// # Errors
/// The database's.
pub async fn heard(connection: &mut PgConnection, event_id: Uuid) -> Result<()> {
    sqlx::query("UPDATE outbox SET heard_time = now() WHERE event_id = $1").bind(event_id).execute(connection).await?;
    Ok(())
}

/// Schedules the next attempt of a mail; without a time it only waits for its end.
///
/// # Errors
/// The database's.
pub async fn schedule(
    connection: &mut PgConnection,
    event_id: Uuid,
    attempt: i32,
    due_time: Option<OffsetDateTime>,
    unknowns: i16,
) -> Result<()> {
    sqlx::query(
        "UPDATE outbox
         SET attempt = $2, due_time = $3, unknowns = $4, lease_time = NULL, heard_time = NULL, silences = 0
         WHERE event_id = $1",
    )
    .bind(event_id)
    .bind(attempt)
    .bind(due_time)
    .bind(unknowns)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a published mail has been silent for too long.
///
/// # Errors
/// The database's.
pub async fn any_silent(connection: &mut PgConnection, silence: Duration) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT FROM outbox
             WHERE due_time IS NULL AND silences < $2 AND heard_time < now() - make_interval(secs => $1))",
    )
    .bind(silence.as_secs_f64())
    .bind(MAX_SILENCES)
    .fetch_one(connection)
    .await?)
}

/// How often a silent mail is published again.
const MAX_SILENCES: i16 = 3;

/// Makes mails that have been silent for too long due again: same event, same attempt.
///
/// # Errors
/// The database's.
pub async fn republish_silent(connection: &mut PgConnection, silence: Duration, limit: i64) -> Result<u64> {
    Ok(sqlx::query(
        "UPDATE outbox
         SET due_time = now(), lease_time = NULL, silences = silences + 1
         WHERE event_id IN (
             SELECT event_id FROM outbox
             WHERE due_time IS NULL AND silences < $3 AND heard_time < now() - make_interval(secs => $1)
             LIMIT $2
             FOR UPDATE SKIP LOCKED)",
    )
    .bind(silence.as_secs_f64())
    .bind(limit)
    .bind(MAX_SILENCES)
    .execute(connection)
    .await?
    .rows_affected())
}

/// Deletes mails whose end passed longer than `grace` ago, and returns them.
///
/// # Errors
/// The database's.
pub async fn sweep(connection: &mut PgConnection, grace: Duration, limit: i64) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar(
        "DELETE FROM outbox WHERE event_id IN (
             SELECT event_id FROM outbox
             WHERE expire_time < now() - make_interval(secs => $1)
             ORDER BY expire_time
             LIMIT $2
             FOR UPDATE SKIP LOCKED)
         RETURNING event_id",
    )
    .bind(grace.as_secs_f64())
    .bind(limit)
    .fetch_all(connection)
    .await?)
}

/// Measures the outbox. Counts end at 10,000, so that looking costs the same however long it is.
///
/// # Errors
/// The database's.
pub async fn backlog(connection: &mut PgConnection) -> Result<Backlog> {
    Ok(sqlx::query_as(
        "SELECT
             (SELECT count(*) FROM (SELECT FROM outbox WHERE due_time <= now() LIMIT 10000) AS due) AS due,
             COALESCE(extract(epoch FROM now() - (
                 SELECT due_time FROM outbox WHERE due_time <= now() ORDER BY due_time LIMIT 1)), 0)::float8
                 AS oldest_seconds,
             (SELECT count(*) FROM (SELECT FROM outbox WHERE due_time > now() LIMIT 10000) AS later)
             + (SELECT count(*) FROM (SELECT FROM outbox WHERE due_time IS NULL AND heard_time <= now() LIMIT 10000)
                AS published) AS waiting",
    )
    .fetch_one(connection)
    .await?)
}
