//! Table `delivery_attempts`: what the mailer tried, for each mail.

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Result, column};
use crate::domain::states::DeliveryState;

/// One delivery attempt.
#[derive(Debug, Clone, FromRow)]
pub struct Attempt {
    /// The mail.
    pub event_id: Uuid,
    /// From 1.
    pub attempt: i32,
    /// When it began.
    pub attempt_time: OffsetDateTime,
    outcome: i16,
    /// The mail server.
    pub relay: String,
    /// SMTP reply code; 0: none.
    pub smtp_code: i32,
    /// RFC 3463; may be empty.
    pub enhanced_code: String,
    /// Where in the conversation it ended.
    pub phase: String,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
}

impl Attempt {
    /// What it came to.
    pub fn outcome(&self) -> Option<DeliveryState> {
        DeliveryState::from_i16(self.outcome)
    }
}

/// An attempt to record.
pub struct NewAttempt<'a> {
    /// The mail.
    pub event_id: Uuid,
    /// From 1.
    pub attempt: i32,
    /// When it began.
    pub attempt_time: OffsetDateTime,
    /// What it came to.
    pub outcome: DeliveryState,
    /// The mail server.
    pub relay: &'a str,
    /// SMTP reply code; 0: none.
    pub smtp_code: i32,
    /// RFC 3463; may be empty.
    pub enhanced_code: &'a str,
    /// Where in the conversation it ended.
    pub phase: &'a str,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
}

/// What was tried of these mails, each in its order.
///
/// # Errors
/// The database's.
pub async fn of(connection: &mut PgConnection, event_ids: &[Uuid]) -> Result<Vec<Attempt>> {
    Ok(sqlx::query_as(
        "SELECT event_id, attempt, attempt_time, outcome, relay, smtp_code, enhanced_code, phase, duration_ms
         FROM delivery_attempts
         WHERE event_id = ANY($1)
         ORDER BY attempt",
    )
    .bind(event_ids)
    .fetch_all(connection)
    .await?)
}

/// Records attempts of different mails; number 0 is the last one. A hold gives way to what the attempt came to,
/// anything gives way to a later bounce.
///
/// # Errors
/// The database's.
pub async fn record(connection: &mut PgConnection, attempts: &[NewAttempt<'_>]) -> Result<()> {
    sqlx::query(
        "INSERT INTO delivery_attempts AS a
             (event_id, attempt, attempt_time, outcome, relay, smtp_code, enhanced_code, phase, duration_ms)
         SELECT n.event_id,
             coalesce(nullif(n.attempt, 0),
                 (SELECT max(attempt) FROM delivery_attempts d WHERE d.event_id = n.event_id), 1),
             n.attempt_time, n.outcome, n.relay, n.smtp_code, n.enhanced_code, n.phase, n.duration_ms
         FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::smallint[], $5::text[], $6::integer[],
                 $7::text[], $8::text[], $9::bigint[])
             AS n (event_id, attempt, attempt_time, outcome, relay, smtp_code, enhanced_code, phase, duration_ms)
         ORDER BY n.event_id
         ON CONFLICT (event_id, attempt) DO UPDATE
         SET outcome = EXCLUDED.outcome, relay = EXCLUDED.relay, smtp_code = EXCLUDED.smtp_code,
             enhanced_code = EXCLUDED.enhanced_code, phase = EXCLUDED.phase, duration_ms = EXCLUDED.duration_ms
         WHERE a.outcome = $10 OR EXCLUDED.outcome = $11",
    )
    .bind(column(attempts, |it| it.event_id))
    .bind(column(attempts, |it| it.attempt))
    .bind(column(attempts, |it| it.attempt_time))
    .bind(column(attempts, |it| it.outcome.as_i16()))
    .bind(column(attempts, |it| it.relay))
    .bind(column(attempts, |it| it.smtp_code))
    .bind(column(attempts, |it| it.enhanced_code))
    .bind(column(attempts, |it| it.phase))
    .bind(column(attempts, |it| it.duration_ms))
    .bind(DeliveryState::Held.as_i16())
    .bind(DeliveryState::Bounced.as_i16())
    .execute(connection)
    .await?;
    Ok(())
}
