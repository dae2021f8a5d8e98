//! Table `audit_events`, append only.

use std::borrow::Cow;

use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Result, column};

/// An event to keep.
#[derive(Debug, Clone, Default)]
pub struct AuditEvent {
    /// UUID version 7.
    pub event_id: Uuid,
    /// The RPC's name, or issue, send, expire and so on.
    pub action: &'static str,
    /// ok, or the ErrorReason.
    pub outcome: &'static str,
    /// The exact cause, which callers are not told; of an update, what changed.
    pub cause: Cow<'static, str>,
    /// Who called.
    pub caller: String,
    /// The person on whose behalf.
    pub actor_user_id: Option<Uuid>,
    /// The person it was done to.
    pub user_id: Option<Uuid>,
    /// The organisation it was done in.
    pub organization_id: Option<Uuid>,
    /// The reason the person gave.
    pub reason: String,
    /// Keyed digest of a name that no account matched.
    pub subject_digest: Option<Vec<u8>>,
    /// W3C trace id.
    pub trace_id: Option<String>,
    /// /24 or /48.
    pub ip_prefix: Option<String>,
}

/// Appends events.
///
/// # Errors
/// The database's.
pub async fn append(connection: &mut PgConnection, events: &[AuditEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut statement = QueryBuilder::new("");
    push_insert(&mut statement, events);
    statement.build().execute(connection).await?;
    Ok(())
}

/// Writes the insertion of events into a statement: of one text, however many there are, so that it is prepared once.
pub(super) fn push_insert(statement: &mut QueryBuilder<Postgres>, events: &[AuditEvent]) {
    statement.push(
        "INSERT INTO audit_events
             (event_id, action, outcome, cause, caller, actor_user_id, user_id, organization_id, reason,
              subject_digest, trace_id, ip_prefix)
         SELECT * FROM unnest(",
    );
    let mut columns = statement.separated(", ");
    columns
        .push_bind(column(events, |it| it.event_id))
        .push_bind(column(events, |it| it.action))
        .push_bind(column(events, |it| it.outcome))
        .push_bind(column(events, |it| it.cause.as_ref()))
        .push_bind(column(events, |it| it.caller.as_str()))
        .push_bind(column(events, |it| it.actor_user_id))
        .push_bind(column(events, |it| it.user_id))
        .push_bind(column(events, |it| it.organization_id))
        .push_bind(column(events, |it| it.reason.as_str()))
        .push_bind(column(events, |it| it.subject_digest.as_deref()))
        .push_bind(column(events, |it| it.trace_id.as_deref()))
        .push_bind(column(events, |it| it.ip_prefix.as_deref()))
        .push_unseparated(")");
}

/// Which events to read; what is not set is no condition.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Done in this organisation.
    pub organization_id: Option<Uuid>,
    /// Done to this user.
    pub user_id: Option<Uuid>,
    /// Of this name.
    pub action: Option<String>,
    /// Not before.
    pub from_time: Option<OffsetDateTime>,
    /// Before.
    pub to_time: Option<OffsetDateTime>,
}

/// An event that was kept; see [`AuditEvent`].
#[derive(Debug, FromRow)]
#[expect(missing_docs, reason = "as in AuditEvent")]
pub struct Kept {
    pub event_id: Uuid,
    pub event_time: OffsetDateTime,
    pub action: String,
    pub outcome: String,
    pub cause: String,
    pub caller: String,
    pub actor_user_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub organization_id: Option<Uuid>,
    pub reason: String,
    pub trace_id: Option<String>,
    pub ip_prefix: Option<String>,
}

/// One page of events, newest first, after the one of that time and id. `limit` rows at most.
///
/// # Errors
/// The database's.
pub async fn list(
    connection: &mut PgConnection,
    filter: &Filter,
    after: Option<(OffsetDateTime, Uuid)>,
    limit: i64,
) -> Result<Vec<Kept>> {
    let mut select = QueryBuilder::<Postgres>::new(
        "SELECT event_id, event_time, action, outcome, cause, caller, actor_user_id, user_id, organization_id,
                reason, trace_id, ip_prefix
         FROM audit_events WHERE true",
    );
    if let Some(organization_id) = filter.organization_id {
        select.push(" AND organization_id = ").push_bind(organization_id);
    }
    if let Some(user_id) = filter.user_id {
        select.push(" AND user_id = ").push_bind(user_id);
    }
    if let Some(action) = &filter.action {
        select.push(" AND action = ").push_bind(action);
    }
    if let Some(from_time) = filter.from_time {
        select.push(" AND event_time >= ").push_bind(from_time);
    }
    if let Some(to_time) = filter.to_time {
        select.push(" AND event_time < ").push_bind(to_time);
    }
    if let Some((time, id)) = after {
        // The first condition is for the partitions, the second for the rows of one moment.
        select.push(" AND event_time <= ").push_bind(time);
        select.push(" AND (event_time, event_id) < (").push_bind(time).push(", ").push_bind(id).push(")");
    }
    select.push(" ORDER BY event_time DESC, event_id DESC LIMIT ").push_bind(limit);
    Ok(select.build_query_as().fetch_all(connection).await?)
}
