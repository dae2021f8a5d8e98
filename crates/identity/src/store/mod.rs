//! All SQL. Functions take a connection, so that the caller decides what is one transaction.

pub mod audit;
pub mod canary;
mod check;
pub mod delivery_attempts;
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
mod session;
pub mod users;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use opentelemetry::metrics::Histogram;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, PgPool};
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use error::StoreError;
pub use session::{Session, Transaction};

/// Longest wait for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections are made anew after this, so that a moved database is found.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A connection idle for longer is tested before use.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Between two tries to open the sessions beforehand.
const WARM_AGAIN: Duration = Duration::from_secs(1);
/// Settings of each session. No statement outlives the longest call, no lock is waited for in vain,
/// and a transaction that was left open by accident is ended by the server.
///
/// Every statement is a handful of look-ups by index, each of few rows. Statistics taken at a quiet moment (empty
/// queues, no link) would tell the planner that to read all is as good: a table, an index of another column, a queue
/// from end to end to sort it. So it is not left the choice, and plans each time, by the size that the tables have then;
/// a plan that was kept from the quiet moment would stay for as long as the statistics do. That costs a tenth of a
/// millisecond at most, for what many share. Compiling such statements never pays.
const SESSION: [(&str, &str); 10] = [
    ("statement_timeout", "9s"),
    ("lock_timeout", "4s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("timezone", "UTC"),
    ("plan_cache_mode", "force_custom_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// A place in a queue: the time a row is due, and its id.
pub type Place = (OffsetDateTime, Uuid);
/// A result of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The database.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    /// A share of the sessions; none for calls, which may have all.
    places: Option<Arc<Semaphore>>,
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
            // A session that is closed for its age is replaced at once, and none for being idle: a new one takes
            // seconds just when the machine is busiest.
            .min_connections(max_connections)
            .idle_timeout(None)
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
        Ok(Self { pool, places: None, wait: pool::wait() })
    }

    /// The same sessions for one kind of work, which takes two fifths of them at most: however much of it has queued, and
    /// however long the disk takes to sync it, others have sessions left. Whoever holds such a session asks for no
    /// second one.
    #[must_use]
    pub fn share(&self) -> Self {
        let share = (self.pool.options().get_max_connections() * 2 / 5).max(1) as usize;
        Self { places: Some(Arc::new(Semaphore::new(share))), ..self.clone() }
    }

    /// Opens the sessions that the pool may have, one after the other, so that none has to be made when the load
    /// comes. Waits for a database that is away.
    pub async fn warm(self, stop: CancellationToken) {
        let mut held = Vec::new();
        while self.pool.size() < self.pool.options().get_max_connections() && !stop.is_cancelled() {
            // Those that are held are not given out twice; calls that come meanwhile open their own.
            match self.pool.acquire().await {
                Ok(session) => held.push(session),
                Err(_) => {
                    held.clear();
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(WARM_AGAIN) => {}
                    }
                }
            }
        }
    }

    /// A place in the share, if this is one, as soon as one is free; no longer is waited than for a session.
    async fn place(&self) -> Result<session::Place> {
        let Some(places) = &self.places else { return Ok(None) };
        let place = tokio::time::timeout(ACQUIRE_TIMEOUT, Arc::clone(places).acquire_owned()).await;
        // Never closed.
        Ok(place.map_err(|_| StoreError::away())?.ok())
    }

    /// Begins a transaction. Call only from a task that runs to its end: a BEGIN that is dropped
    /// half way leaves the pooled connection in a transaction (sqlx up to 0.9.0).
    ///
    /// # Errors
    /// The database is away, or the pool is exhausted.
    pub async fn begin(&self) -> Result<Transaction> {
        self.begin_with("BEGIN").await
    }

    /// As [`Store::begin`]; all its statements see the same moment, for what is read by several of them. Nothing that
    /// exists is changed in it: that fails when another transaction has changed it meanwhile.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn begin_snapshot(&self) -> Result<Transaction> {
        self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await
    }

    async fn begin_with(&self, statement: &'static str) -> Result<Transaction> {
        let begun = Instant::now();
        let place = self.place().await?;
        let transaction = boxed(self.pool.begin_with(statement)).await;
        self.wait.record(begun.elapsed().as_secs_f64(), &*pool::NAME);
        Ok(Transaction { transaction: transaction?, _place: place })
    }

    /// A connection for single statements.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn connection(&self) -> Result<Session> {
        let begun = Instant::now();
        let place = self.place().await?;
        let connection = boxed(self.pool.acquire()).await;
        self.wait.record(begun.elapsed().as_secs_f64(), &*pool::NAME);
        Ok(Session { connection: connection?, _place: place })
    }
}

impl Store {
    /// The database's clock.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn time(&self) -> Result<OffsetDateTime> {
        let mut connection = self.connection().await?;
        Ok(sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *connection).await?)
    }
}

/// On the heap: it holds all that opening a session may need, a hundred kilobytes, and would be a part of each operation
/// that asks for one, to be copied wherever that is moved.
fn boxed<F: Future>(asked: F) -> Pin<Box<F>> {
    Box::pin(asked)
}

/// Options of a connection; statements are not logged by us. TLS "if possible", which is also what a URL without `sslmode`
/// asks for, is TLS with the server's name verified, except on this machine: whoever can cut the line could else have the
/// password in clear. Who writes `disable`, `require` or `verify-ca` has
/// said so.
///
/// # Errors
/// The URL is not one of PostgreSQL.
pub fn connect_options(url: &SecretString) -> anyhow::Result<PgConnectOptions> {
    let url = url.expose_secret();
    // The parser takes any scheme.
    let named = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    let options = url.parse::<PgConnectOptions>().ok().filter(|_| named);
    let options = options.context("must be a PostgreSQL URL: postgres://user:password@host/database")?;
    let options = match options.get_ssl_mode() {
        PgSslMode::Allow | PgSslMode::Prefer if !is_local(&options) => options.ssl_mode(PgSslMode::VerifyFull),
        _ => options,
    };
    Ok(options.application_name("sandi-identity").disable_statement_logging())
}

/// Whether the server is reached without a network.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let loopback = host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    loopback || host == "localhost" || host.starts_with('/') || options.get_socket().is_some()
}

/// One column of many rows, to be bound as an array: the statement has one text then, however many rows there are, and
/// is prepared once.
fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_elsewhere_is_reached_by_tls_unless_the_url_says_no() {
        use PgSslMode::{Disable, Prefer, Require, VerifyFull};
        for (url, mode) in [
            ("postgres://a@db.internal/s", VerifyFull),
            ("postgres://a@db.internal/s?sslmode=prefer", VerifyFull),
            ("postgres://a@db.internal/s?sslmode=require", Require),
            ("postgres://a@db.internal/s?sslmode=disable", Disable),
            ("postgres://a@203.0.113.7/s", VerifyFull),
            ("postgres://a@127.0.0.1/s", Prefer),
            ("postgres://a@[::1]/s", Prefer),
            ("postgres://a@localhost/s", Prefer),
            ("postgres://a@%2Frun%2Fpostgresql/s", Prefer),
            ("postgres:///s?host=/run/postgresql", Prefer),
        ] {
            let found = connect_options(&url.into()).expect("a URL").get_ssl_mode();
            assert_eq!(format!("{found:?}"), format!("{mode:?}"), "{url}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_is_waited_for_no_longer_than_a_session() {
        let store = Store::new(&"postgres://nobody@127.0.0.1:1/nothing".into(), 5).expect("a URL");
        let share = store.share();
        let held = [share.place().await.expect("one"), share.place().await.expect("two fifths of five")];
        let begun = tokio::time::Instant::now();
        assert!(matches!(share.place().await, Err(StoreError::Unavailable(_))));
        assert_eq!(begun.elapsed(), ACQUIRE_TIMEOUT);
        assert!(matches!(store.place().await, Ok(None)), "who has no share needs no place");
        drop(held);
        assert!(share.place().await.is_ok());
    }
}
