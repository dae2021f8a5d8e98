//! Table `outbox`: events on their way out, and mails whose outcome is not final yet.

use std::time::Duration;

use messaging::topology::RESET_REQUESTED;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Place;
use super::{Result, column};
use crate::domain::states::{DeliveryEvent, DeliveryState, LinkState, UserState};

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
    /// When it could be published.
    pub due_time: OffsetDateTime,
    /// The event's time.
    pub create_time: OffsetDateTime,
    /// Whether its time is over.
    pub expired: bool,
    /// Whether a link in it is live; true for events without links.
    pub live: bool,
    /// Whether the account of such a link is active; true for events without links.
    pub active: bool,
    /// The resets it has the links of: UUIDs, separated by commas.
    pub reset_ids: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace state.
    pub tracestate: Option<String>,
}

impl Claimed {
    /// Its place in the queue.
    pub fn place(&self) -> Place {
        (self.due_time, self.event_id)
    }
}

/// A mail that waits for its outcome, locked.
#[derive(FromRow)]
pub struct Waiting {
    /// UUID version 7.
    pub event_id: Uuid,
    /// Number of the attempt that is out.
    pub attempt: i32,
    /// How often the mail server fell silent after the content.
    pub unknowns: i16,
    /// No mail after this.
    pub expire_time: Option<OffsetDateTime>,
    /// The database's clock.
    pub now: OffsetDateTime,
    /// The resets it has the links of: UUIDs, separated by commas.
    pub reset_ids: Option<String>,
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
    let mut statement = QueryBuilder::new("");
    push_insert(&mut statement, events);
    statement.build().execute(connection).await?;
    Ok(())
}

/// Writes the insertion of events into a statement: of one text, however many there are, so that it is prepared once.
pub(super) fn push_insert(statement: &mut QueryBuilder<Postgres>, events: &[NewEvent]) {
    statement.push(
        "INSERT INTO outbox
             (event_id, routing_key, organization_id, header, body, expire_time, traceparent, tracestate)
         SELECT * FROM unnest(",
    );
    let mut columns = statement.separated(", ");
    columns
        .push_bind(column(events, |it| it.event_id))
        .push_bind(column(events, |it| it.routing_key))
        .push_bind(column(events, |it| it.organization_id))
        .push_bind(column(events, |it| it.header.as_slice()))
        .push_bind(column(events, |it| it.body.as_slice()))
        .push_bind(column(events, |it| it.expire_time))
        .push_bind(column(events, |it| it.traceparent.as_deref()))
        .push_bind(column(events, |it| it.tracestate.as_deref()))
        .push_unseparated(")");
}

/// Claims what is due, oldest first, behind this place or from the head. Other relays leave a claimed row alone until
/// the lease is over. The rows come in any order. Nobody waits for the disk: a lease that a crash of the database takes
/// back is one that is over early.
///
/// # Errors
/// The database's.
pub async fn claim(
    connection: &mut PgConnection,
    limit: usize,
    lease: Duration,
    after: Option<Place>,
) -> Result<Vec<Claimed>> {
    // The links are looked up for each row by itself: an EXISTS would leave it to the planner to read all live links.
    macro_rules! claim {
        ($behind:literal) => {
            concat!(
                "WITH due AS MATERIALIZED (
                     SELECT event_id FROM outbox
                     WHERE due_time <= now() AND (lease_time IS NULL OR lease_time <= now())",
                $behind,
                "    ORDER BY due_time, event_id
                     LIMIT $1
                     FOR UPDATE SKIP LOCKED
                 ), claimed AS (
                     UPDATE outbox o
                     SET lease_time = now() + make_interval(secs => $2)
                     FROM due
                     WHERE o.event_id = due.event_id
                     RETURNING o.*
                 )
                 SELECT c.event_id, c.routing_key, c.header, c.body, c.attempt, c.due_time, c.create_time,
                     c.traceparent, c.tracestate, COALESCE(c.expire_time <= clock_timestamp(), false) AS expired,
                     c.routing_key <> $3 OR COALESCE(links.live, false) AS live,
                     c.routing_key <> $3 OR COALESCE(links.active, false) AS active, links.reset_ids
                 FROM claimed c CROSS JOIN LATERAL (
                     SELECT bool_or(r.link_state = $4 AND r.expire_time > clock_timestamp()) AS live,
                         bool_or(r.link_state = $4 AND u.state = $5 AND NOT g.suspended) AS active,
                         string_agg(r.reset_id::text, ',' ORDER BY r.reset_id) AS reset_ids
                     FROM resets r
                     LEFT JOIN users u ON u.user_id = r.user_id
                     LEFT JOIN organizations g ON g.organization_id = u.organization_id
                     WHERE r.event_id = c.event_id
                 ) AS links
                 WHERE (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL"
            )
        };
    }
    let query = match after {
        None => sqlx::query_as(claim!("")),
        Some(_) => sqlx::query_as(claim!(" AND (due_time, event_id) > ($6, $7) ")),
    };
    let mut query = query
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(lease.as_secs_f64())
        .bind(RESET_REQUESTED)
        .bind(LinkState::Live.as_i16())
        .bind(UserState::Active.as_i16());
    if let Some((due_time, event_id)) = after {
        query = query.bind(due_time).bind(event_id);
    }
    Ok(query.fetch_all(connection).await?)
}

/// Marks published mails: they wait for a status now, and their resets are QUEUED. Those are left alone that had a
/// status already, because the mailer may be quicker than this statement.
///
/// # Errors
/// The database's.
pub async fn published(connection: &mut PgConnection, events: &[(Uuid, i32)]) -> Result<()> {
    let (event_ids, attempts): (Vec<Uuid>, Vec<i32>) = events.iter().copied().unzip();
    let before = DeliveryState::ALL.iter().filter(|state| state.after(DeliveryEvent::Published).is_some());
    let before: Vec<i16> = before.map(|state| state.as_i16()).collect();
    sqlx::query(
        "WITH told AS MATERIALIZED (
             SELECT o.event_id
             FROM unnest($1::uuid[], $2::integer[]) AS p (event_id, attempt)
             JOIN outbox o ON o.event_id = p.event_id
             WHERE o.attempt = p.attempt AND o.lease_time IS NOT NULL
             ORDER BY o.event_id
             FOR UPDATE OF o
         ), marked AS (
             UPDATE outbox o
             SET due_time = NULL, lease_time = NULL, heard_time = now()
             FROM told
             WHERE o.event_id = told.event_id
             RETURNING o.event_id
         )
         UPDATE resets r
         SET delivery_state = $3, not_sent_reason = 0, next_attempt_time = NULL, hold_time = NULL, update_time = now()
         FROM marked
         WHERE r.event_id = marked.event_id AND r.delivery_state = ANY($4)",
    )
    .bind(event_ids)
    .bind(attempts)
    .bind(DeliveryState::Queued.as_i16())
    .bind(before)
    .execute(connection)
    .await?;
    Ok(())
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

/// Finds which of these mails wait for their outcome, and keeps them from changing. Whoever locks several rows of the
/// outbox and may have to wait for them does so by their ids, so that no two wait for each other.
///
/// # Errors
/// The database's.
pub async fn lock_waiting(connection: &mut PgConnection, event_ids: &[Uuid]) -> Result<Vec<Waiting>> {
    Ok(sqlx::query_as(
        "SELECT event_id, attempt, unknowns, expire_time, clock_timestamp() AS now,
             (SELECT string_agg(r.reset_id::text, ',' ORDER BY r.reset_id)
              FROM resets r WHERE r.event_id = outbox.event_id) AS reset_ids
         FROM outbox
         WHERE event_id = ANY($1)
         ORDER BY event_id
         FOR UPDATE",
    )
    .bind(event_ids)
    .fetch_all(connection)
    .await?)
}

/// Notes that mails were heard of.
///
/// # Errors
/// The database's.
pub async fn heard(connection: &mut PgConnection, event_ids: &[Uuid]) -> Result<()> {
    sqlx::query("UPDATE outbox SET heard_time = now() WHERE event_id = ANY($1)")
        .bind(event_ids)
        .execute(connection)
        .await?;
    Ok(())
}

/// The next attempt of a mail.
pub struct NextAttempt {
    /// The mail.
    pub event_id: Uuid,
    /// Number of the attempt.
    pub attempt: i32,
    /// When it is made; none: the mail only waits for its end.
    pub due_time: Option<OffsetDateTime>,
    /// How often the mail server fell silent after the content.
    pub unknowns: i16,
}

/// Schedules the next attempts of mails. One whose links are all dead is looked at now instead of later, as
/// [`super::resets::revoke_all`] would have arranged, had it come after this.
///
/// # Errors
/// The database's.
pub async fn schedule(connection: &mut PgConnection, next: &[NextAttempt]) -> Result<()> {
    sqlx::query(
        "UPDATE outbox o
         SET attempt = n.attempt, unknowns = n.unknowns, lease_time = NULL, heard_time = NULL, silences = 0,
             due_time = CASE WHEN n.due_time > now()
                 AND (SELECT bool_and(r.link_state <> $5) FROM resets r WHERE r.event_id = n.event_id)
                 THEN now() ELSE n.due_time END
         FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::smallint[])
             AS n (event_id, attempt, due_time, unknowns)
         WHERE o.event_id = n.event_id",
    )
    .bind(column(next, |it| it.event_id))
    .bind(column(next, |it| it.attempt))
    .bind(column(next, |it| it.due_time))
    .bind(column(next, |it| it.unknowns))
    .bind(LinkState::Live.as_i16())
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

/// A mail that is given up.
#[derive(FromRow)]
pub struct Swept {
    /// UUID version 7.
    pub event_id: Uuid,
    /// The resets it had the links of: UUIDs, separated by commas.
    pub reset_ids: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace state.
    pub tracestate: Option<String>,
}

/// Deletes mails whose end passed longer than `grace` ago, and returns them.
///
/// # Errors
/// The database's.
pub async fn sweep(connection: &mut PgConnection, grace: Duration, limit: i64) -> Result<Vec<Swept>> {
    Ok(sqlx::query_as(
        "DELETE FROM outbox WHERE event_id IN (
             SELECT event_id FROM outbox
             WHERE expire_time < now() - make_interval(secs => $1)
             ORDER BY expire_time
             LIMIT $2
             FOR UPDATE SKIP LOCKED)
         RETURNING event_id, traceparent, tracestate,
             (SELECT string_agg(r.reset_id::text, ',' ORDER BY r.reset_id)
              FROM resets r WHERE r.event_id = outbox.event_id) AS reset_ids",
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
