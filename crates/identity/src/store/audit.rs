//! Table `audit_events`, append only.

use sqlx::PgConnection;
use uuid::Uuid;

use super::Result;

/// An event to keep.
#[derive(Debug, Clone, Default)]
pub struct AuditEvent {
    /// UUID version 7.
    pub event_id: Uuid,
    /// The RPC's name, or issue, send, expire and so on.
    pub action: &'static str,
    /// ok, or the ErrorReason.
    pub outcome: &'static str,
    /// The exact cause, which callers are not told.
    pub cause: &'static str,
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
    let mut insert = sqlx::QueryBuilder::new(
        "INSERT INTO audit_events
             (event_id, action, outcome, cause, caller, actor_user_id, user_id, organization_id, reason,
              subject_digest, trace_id, ip_prefix) ",
    );
    insert.push_values(events, |mut row, event| {
        row.push_bind(event.event_id)
            .push_bind(event.action)
            .push_bind(event.outcome)
            .push_bind(event.cause)
            .push_bind(&event.caller)
            .push_bind(event.actor_user_id)
            .push_bind(event.user_id)
            .push_bind(event.organization_id)
            .push_bind(&event.reason)
            .push_bind(&event.subject_digest)
            .push_bind(&event.trace_id)
            .push_bind(&event.ip_prefix);
    });
    insert.build().execute(connection).await?;
    Ok(())
}
