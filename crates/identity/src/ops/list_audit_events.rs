//! ListAuditEvents: what was done, by whom and with what outcome, newest first.

use super::error::Result;
use super::pages::Page;
use crate::service::Service;
use crate::store::audit::{self, Filter, Kept};

/// What was asked.
pub struct ListAuditEvents {
    /// Which events.
    pub filter: Filter,
    /// Which page.
    pub page: Page,
}

/// One page, and the token of the next; empty at the end.
///
/// # Errors
/// The database's.
pub async fn list_audit_events(service: &Service, command: ListAuditEvents) -> Result<(Vec<Kept>, String)> {
    let ListAuditEvents { filter, page } = command;
    let mut connection = service.store.connection().await?;
    let rows = audit::list(&mut connection, &filter, page.after_time(), page.limit + 1).await?;
    Ok(page.cut_by_time(&service.digests, rows, |event| (event.event_time, event.event_id)))
}
