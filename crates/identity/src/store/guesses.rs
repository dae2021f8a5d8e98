//! Table `guesses`: attempts to prove a password, counted before they are made, so that no number of replicas lets
//! through more than one would.
//!
//! Every statement touches the row of a source first and the row of all strangers after it, and so none waits for
//! another in a circle.

use std::time::Duration;

use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::Result;
use super::audit::{self, AuditEvent};

/// The source that stands for all from which the person has not logged in.
pub const STRANGERS: Uuid = Uuid::max();
/// Longest wait (as Amazon Cognito's, OWASP WSTG-ATHN-03).
pub const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// How long strangers' attempts, and names that nobody has, are remembered.
const FORGET_DAYS: i32 = 1;
/// How long a source of a log-in is remembered, and a lock of a name that nobody has.
const REMEMBER_DAYS: i32 = 90;

/// Attempts that nobody tells the end of are wrong ones after a while: their process has died.
macro_rules! failures {
    () => {
        "(g.failures + CASE WHEN g.attempt_time < now() - interval '30 seconds' THEN g.pending ELSE 0 END)"
    };
}

macro_rules! pending {
    () => {
        "(CASE WHEN g.attempt_time < now() - interval '30 seconds' THEN 0 ELSE g.pending END)"
    };
}

/// Whose password it would be, and where the attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The user, or a keyed digest of a name that nobody has.
    pub subject: Uuid,
    /// Keyed digest of the network.
    pub source: Uuid,
}

/// How many wrong ones are too many.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// In a row from one source, before waits begin.
    pub free: i32,
    /// In a row from all sources that the person has not logged in from.
    pub strangers: i32,
}

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It may, and counts as wrong until [`succeed`] or [`withdraw`]. `strange`: not from a source of a log-in.
    LetThrough {
        /// Whether it counts among the strangers'.
        strange: bool,
    },
    /// Not before this time has passed.
    Waits(Duration),
    /// As many as may are under way: their end decides.
    UnderWay,
    /// Strangers have had their number.
    Locked,
}

#[derive(FromRow)]
struct Row {
    strange: bool,
    among_strangers: bool,
}

/// Lets an attempt through, or says why not. Nobody waits for the disk: what a crash of the database takes back are the
/// attempts of its last moment, which end with it.
///
/// # Errors
/// The database's.
pub async fn begin(connection: &mut PgConnection, origin: Origin, bounds: Bounds) -> Result<Begun> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "WITH lazily AS MATERIALIZED (
             SELECT set_config('synchronous_commit', 'off', true)
         ), own AS (
             INSERT INTO guesses AS g (subject, source, pending, attempt_time, attempt_day)
             SELECT $1, $2, 1, now(), current_date FROM lazily
             ON CONFLICT (subject, source) DO UPDATE
             SET failures = ",
        failures!(),
        ", pending = ",
        pending!(),
        " + 1,
                 attempt_time = now(), attempt_day = current_date
             WHERE (g.wait_until IS NULL OR g.wait_until <= clock_timestamp())
               AND (",
        pending!(),
        " = 0 OR ",
        failures!(),
        " + ",
        pending!(),
        " < $3)
             RETURNING log_in_day IS NULL AS strange
         ), strangers AS (
             INSERT INTO guesses AS g (subject, source, pending, attempt_time, attempt_day)
             SELECT $1, $5, 1, now(), current_date FROM own WHERE own.strange
             ON CONFLICT (subject, source) DO UPDATE
             SET failures = ",
        failures!(),
        ", pending = ",
        pending!(),
        " + 1,
                 attempt_time = now(), attempt_day = current_date
             WHERE ",
        failures!(),
        " + ",
        pending!(),
        " < $4
             RETURNING true
         )
         SELECT own.strange, EXISTS (SELECT FROM strangers) AS among_strangers FROM own"
    ))
    .bind(origin.subject)
    .bind(origin.source)
    .bind(bounds.free)
    .bind(bounds.strangers)
    .bind(STRANGERS)
    .fetch_optional(&mut *connection)
    .await?;
    match row {
        Some(row) if row.strange && !row.among_strangers => {
            withdraw(connection, origin, false).await?;
            Ok(Begun::Locked)
        }
        Some(row) => Ok(Begun::LetThrough { strange: row.strange }),
        None => wait(connection, origin).await,
    }
}

async fn wait(connection: &mut PgConnection, origin: Origin) -> Result<Begun> {
    let seconds: Option<f64> = sqlx::query_scalar(
        "SELECT EXTRACT(EPOCH FROM wait_until - clock_timestamp())::float8
         FROM guesses WHERE subject = $1 AND source = $2 AND wait_until > clock_timestamp()",
    )
    .bind(origin.subject)
    .bind(origin.source)
    .fetch_optional(connection)
    .await?;
    Ok(seconds.map_or(Begun::UnderWay, |seconds| Begun::Waits(Duration::from_secs_f64(seconds.max(0.001)))))
}

/// The password was wrong: waits grow from the last free one on, 1 s, 2 s, 4 s, to 15 minutes.
///
/// # Errors
/// The database's.
pub async fn fail(connection: &mut PgConnection, origin: Origin, strange: bool, bounds: Bounds) -> Result<()> {
    sqlx::query(
        "WITH own AS (
             UPDATE guesses
             SET pending = GREATEST(pending - 1, 0), failures = failures + 1,
                 wait_until = CASE WHEN failures + 1 >= $4 THEN
                     clock_timestamp() + make_interval(secs => LEAST($5, 2 ^ LEAST(failures + 1 - $4, 30))) END
             WHERE subject = $1 AND source = $2
             RETURNING subject
         )
         UPDATE guesses g SET pending = GREATEST(g.pending - 1, 0), failures = g.failures + 1
         FROM own WHERE $3 AND g.subject = own.subject AND g.source = $6",
    )
    .bind(origin.subject)
    .bind(origin.source)
    .bind(strange)
    .bind(bounds.free)
    .bind(WAIT_MAX.as_secs_f64())
    .bind(STRANGERS)
    .execute(connection)
    .await?;
    Ok(())
}

/// The attempt was not made after all: nothing was hashed.
///
/// # Errors
/// The database's.
pub async fn withdraw(connection: &mut PgConnection, origin: Origin, strange: bool) -> Result<()> {
    sqlx::query(
        "WITH own AS (
             UPDATE guesses SET pending = GREATEST(pending - 1, 0)
             WHERE subject = $1 AND source = $2
             RETURNING subject
         )
         UPDATE guesses g SET pending = GREATEST(g.pending - 1, 0)
         FROM own WHERE $3 AND g.subject = own.subject AND g.source = $4",
    )
    .bind(origin.subject)
    .bind(origin.source)
    .bind(strange)
    .bind(STRANGERS)
    .execute(connection)
    .await?;
    Ok(())
}

/// The password was right: its source starts anew, is remembered as one of a log-in if `known` by its network, and
/// breaks the strangers' row if it was one. `event` goes into the audit in the same statement.
///
/// # Errors
/// The database's.
pub async fn succeed(
    connection: &mut PgConnection,
    origin: Origin,
    strange: bool,
    known: bool,
    event: Option<&AuditEvent>,
) -> Result<()> {
    let mut statement = QueryBuilder::<Postgres>::new(
        "WITH own AS (
             UPDATE guesses SET pending = GREATEST(pending - 1, 0), failures = 0, wait_until = NULL,
                 log_in_day = CASE WHEN ",
    );
    statement.push_bind(known).push(" THEN current_date END WHERE subject = ").push_bind(origin.subject);
    statement.push(" AND source = ").push_bind(origin.source).push(
        " RETURNING subject
         ), strangers AS (
             UPDATE guesses g SET pending = GREATEST(g.pending - 1, 0), failures = 0
             FROM own WHERE g.subject = own.subject AND ",
    );
    statement.push_bind(strange).push(" AND g.source = ").push_bind(STRANGERS).push(") ");
    match event {
        Some(event) => audit::push_insert(&mut statement, std::slice::from_ref(event)),
        None => {
            statement.push("SELECT");
        }
    }
    statement.build().execute(connection).await?;
    Ok(())
}

/// Forgives a user's wrong passwords, wherever they came from: the person has come in by another way, or somebody who
/// may has said so.
///
/// # Errors
/// The database's.
pub async fn forgive(connection: &mut PgConnection, user_id: Uuid) -> Result<()> {
    sqlx::query(
        "WITH locked AS (SELECT source FROM guesses WHERE subject = $1 ORDER BY source FOR UPDATE)
         UPDATE guesses g SET failures = 0, wait_until = NULL
         FROM locked WHERE g.subject = $1 AND g.source = locked.source",
    )
    .bind(user_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets old attempts, at most twice `limit` rows, and returns how many went: a stranger's after a day, a source of a
/// log-in after 90. What strangers have failed at stays with a user until it is forgiven; with a name that nobody has
/// it goes after a day, and after 90 if it is locked by `bounds`.
///
/// # Errors
/// The database's.
pub async fn forget(connection: &mut PgConnection, bounds: Bounds, limit: i64) -> Result<u64> {
    let strange = sqlx::query(
        "DELETE FROM guesses WHERE (subject, source) IN (
             SELECT subject, source FROM guesses g
             WHERE g.log_in_day IS NULL AND g.attempt_day < current_date - $1
               AND CASE
                   WHEN g.source <> $3 THEN true
                   WHEN EXISTS (SELECT FROM users u WHERE u.user_id = g.subject) THEN g.failures + g.pending = 0
                   ELSE g.failures + g.pending < $4 OR g.attempt_day < current_date - $2
               END
             LIMIT $5)",
    )
    .bind(FORGET_DAYS)
    .bind(REMEMBER_DAYS)
    .bind(STRANGERS)
    .bind(bounds.strangers)
    .bind(limit)
    .execute(&mut *connection)
    .await?;
    let known = sqlx::query(
        "DELETE FROM guesses WHERE (subject, source) IN (
             SELECT subject, source FROM guesses WHERE log_in_day < current_date - $1 LIMIT $2)",
    )
    .bind(REMEMBER_DAYS)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(strange.rows_affected() + known.rows_affected())
}
