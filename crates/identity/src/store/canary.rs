//! How the canary fares.

use sqlx::{FromRow, PgConnection};

use super::Result;
use crate::domain::states::DeliveryState;

/// How long ago, in seconds.
#[derive(FromRow)]
pub struct Flight {
    /// Since the last one was asked for.
    pub asked_ago: Option<f64>,
    /// Since the last one was asked for that the mail server accepted.
    pub arrived_ago: Option<f64>,
}

/// Who asks for the canary. An index holds its requests alone; so the name stands in the statement.
pub const CALLER: &str = "(canary)";

/// Looks at the canary's requests and the mails of its user.
///
/// # Errors
/// The database's.
pub async fn flight(connection: &mut PgConnection, username: &str) -> Result<Flight> {
    Ok(sqlx::query_as(
        "SELECT
             (SELECT extract(epoch FROM now() - request_time)::float8 FROM reset_requests
              WHERE caller = '(canary)' ORDER BY request_time DESC LIMIT 1) AS asked_ago,
             (SELECT extract(epoch FROM now() - resets.request_time)::float8 FROM resets JOIN users USING (user_id)
              WHERE users.username = $1 AND resets.delivery_state = $2
              ORDER BY resets.request_time DESC LIMIT 1) AS arrived_ago",
    )
    .bind(username)
    .bind(DeliveryState::Sent.as_i16())
    .fetch_one(connection)
    .await?)
}
