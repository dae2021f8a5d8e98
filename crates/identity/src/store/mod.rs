//! All SQL. Functions take a connection, so that the caller decides what is one transaction.

pub mod audit;
pub mod canary;
pub mod error;
pub mod guesses;
pub mod idempotency;
pub mod maintenance;
pub mod migrate;
pub mod organizations;
pub mod outbox;
mod pool;
pub mod requests;
pub mod resets;
pub mod users;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use opentelemetry::metrics::Histogram;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool, Postgres};
use time::OffsetDateTime;

pub use error::StoreError;

/// Longest wait for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections are made anew after this, so that a moved database is found.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A connection idle for longer is tested before use.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Settings of each session. No statement outlives the longest call, no lock is waited for in vain,
/// and a transaction that was left open by accident is ended by the server.
const SESSION: [(&str, &str); 4] = [
    ("statement_timeout", "9s"),
    ("lock_timeout", "4s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("timezone", "UTC"),
];

/// A result of the store.
pub type Result<T> = std::result::Result<T, StoreError>;
/// An open transaction.
pub type Transaction = sqlx::Transaction<'static, Postgres>;

/// The database.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    wait: Histogram<f64>,
}

impl Store {
    /// A pool; it connects when it is first used.
    ///
    /// # Errors
    /// The URL is not one of PostgreSQL.
    pub fn new(url: &SecretString, max_connections: u32) -> anyhow::Result<Self> {
        let options = connect_options(url)?.options(SESSION);
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .max_lifetime(MAX_LIFETIME)
            // A test of every connection would cost a sixth of the rate; one that was busy a moment ago is alive.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        pool::observe(&pool, max_connections);
        Ok(Self { pool, wait: pool::wait() })
    }

    /// Begins a transaction. Call only from a task that runs to its end: a BEGIN that is dropped
    /// half way leaves the pooled connection in a transaction (sqlx up to 0.9.0).
    ///
    /// # Errors
    /// The database is away, or the pool is exhausted.
    pub async fn begin(&self) -> Result<Transaction> {
        let begun = Instant::now();
        let transaction = self.pool.begin().await;
        self.wait.record(begun.elapsed().as_secs_f64(), &*pool::NAME);
        Ok(transaction?)
    }

    /// A connection for single statements.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn connection(&self) -> Result<PoolConnection<Postgres>> {
        let begun = Instant::now();
        let connection = self.pool.acquire().await;
        self.wait.record(begun.elapsed().as_secs_f64(), &*pool::NAME);
        Ok(connection?)
    }

    /// Whether the database answers and has every migration this program needs; a newer one is as good.
    ///
    /// # Errors
    /// One line for the health page.
    pub async fn check(&self) -> std::result::Result<(), String> {
        // Read-only after a failover to a replica, or by an operator's order.
        let found: Result<(Option<i64>, bool)> = sqlx::query_as(
            "SELECT max(version), current_setting('transaction_read_only')::boolean
             FROM _sqlx_migrations WHERE success",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(StoreError::from);
        match found {
            Ok((_, true)) => Err("the database is read-only".into()),
            Ok((newest, false)) if newest >= migrate::newest() => Ok(()),
            Err(StoreError::Unavailable(_)) => Err("the database is away".into()),
            _ => Err("the database is not at this version; run `identity migrate`".into()),
        }
    }
}

impl Store {
    /// The database's clock.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn time(&self) -> Result<OffsetDateTime> {
        Ok(sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&self.pool).await?)
    }
}

/// Options of a connection; statements are not logged by us.
///
/// # Errors
/// The URL is not one of PostgreSQL.
pub fn connect_options(url: &SecretString) -> anyhow::Result<PgConnectOptions> {
    let url = url.expose_secret();
    // The parser takes any scheme.
    let named = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    let options = url.parse::<PgConnectOptions>().ok().filter(|_| named);
    let options = options.context("must be a PostgreSQL URL: postgres://user:password@host/database")?;
    Ok(options.application_name("sandi-identity").disable_statement_logging())
}

/// A locale as stored.
fn locale(text: &str) -> Option<crate::domain::locale::Locale> {
    crate::domain::locale::Locale::parse(text).ok()
}

/// The database's clock, in a transaction: one time for all it writes.
///
/// # Errors
/// The database's.
pub async fn now(transaction: &mut Transaction) -> Result<OffsetDateTime> {
    Ok(sqlx::query_scalar("SELECT now()").fetch_one(&mut **transaction).await?)
}
