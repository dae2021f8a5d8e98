//! What can go wrong with the database, as far as anybody has to tell it apart.

/// A failure of the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is away, overloaded, shutting down or locked: trying again later may help.
    #[error("the database is away")]
    Unavailable(#[source] sqlx::Error),
    /// Two transactions got in each other's way; trying again at once helps.
    #[error("transactions collided")]
    Collision(#[source] sqlx::Error),
    /// A unique value is taken.
    #[error("already taken: {constraint}")]
    Taken {
        /// Name of the constraint.
        constraint: String,
    },
    /// Anything else: a mistake of ours.
    #[error("the database refused a statement")]
    Other(#[source] sqlx::Error),
}

impl StoreError {
    /// No session could be had in time.
    pub fn away() -> Self {
        Self::Unavailable(sqlx::Error::PoolTimedOut)
    }

    /// Whether the server had no room on its disk (`disk_full`).
    pub(super) fn is_of_full_disk(&self) -> bool {
        let (Self::Unavailable(error) | Self::Collision(error) | Self::Other(error)) = self else { return false };
        error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "53100")
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
        match (&error, code.as_deref()) {
            (_, Some("23505")) => Self::Taken {
                constraint: error.as_database_error().and_then(|e| e.constraint()).unwrap_or_default().into(),
            },
            (_, Some("40001" | "40P01")) => Self::Collision(error),
            // Connection exceptions, resources, operator intervention, system errors, lock and statement
            // timeouts, read-only server, idle-in-transaction timeout.
            (_, Some(code))
                if code.starts_with("08")
                    || code.starts_with("53")
                    || code.starts_with("57")
                    || code.starts_with("58")
                    || matches!(code, "55P03" | "25006" | "25P03" | "28000" | "28P01" | "3D000") =>
            {
                Self::Unavailable(error)
            }
            (
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::Protocol(_),
                None,
            ) => Self::Unavailable(error),
            _ => Self::Other(error),
        }
    }
}
