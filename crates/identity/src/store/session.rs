//! Sessions of the pool, and whose share of them they count against.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use tokio::sync::OwnedSemaphorePermit;

/// A place in a share of the sessions; most calls need none.
pub(super) type Place = Option<OwnedSemaphorePermit>;

/// A session for single statements.
pub struct Session {
    pub(super) connection: PoolConnection<Postgres>,
    // After the session: its place is free when it is.
    pub(super) _place: Place,
}

/// An open transaction; it is undone unless it is committed.
pub struct Transaction {
    pub(super) transaction: sqlx::Transaction<'static, Postgres>,
    pub(super) _place: Place,
}

impl Transaction {
    /// Makes what was written last.
    ///
    /// # Errors
    /// The database's; then it is not known whether it lasts, unless the database says so.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.transaction.commit().await
    }
}

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}
