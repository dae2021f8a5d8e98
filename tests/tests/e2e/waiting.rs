//! Waiting for what must happen, with a bound on every wait.

use std::time::Duration;

use e2e::World;
use tokio::time::{Instant, sleep};

/// How long anything that must happen may take.
pub const BOUND: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks until there is something to be seen.
///
/// # Panics
/// When there is nothing within 20 s.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(BOUND, what, look).await
}

/// As [`until`], with a bound of its own.
///
/// # Panics
/// When there is nothing within it.
pub async fn until_within<T>(bound: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + bound;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < end, "not within {} s: {what}", bound.as_secs_f32());
        sleep(PAUSE).await;
    }
}

/// The answer of a query with one number.
///
/// # Panics
/// When it is refused.
pub async fn number(world: &World, sql: &'static str) -> i64 {
    let database = world.database().await;
    sqlx::query_scalar(sql).fetch_one(&database).await.expect("the query is right")
}

/// Waits until a query with one number answers this one.
///
/// # Panics
/// When it does not within 20 s.
pub async fn until_number(world: &World, sql: &'static str, expected: i64) {
    let database = world.database().await;
    let mut last = None;
    let look = async || {
        let found: i64 = sqlx::query_scalar(sql).fetch_one(&database).await.expect("the query is right");
        last = Some(found);
        (found == expected).then_some(())
    };
    until(&format!("{expected} from {sql}"), look).await;
}
