//! Waiting with a bound.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often [`until`] looks again.
const PAUSE: Duration = Duration::from_millis(25);

/// Calls `ready` until it answers `Some`, or fails once `bound` has passed.
///
/// # Errors
/// The error of `ready`, at once; or that `what` did not come about in time.
pub fn until<T>(what: &str, bound: Duration, mut ready: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        if start.elapsed() > bound {
            bail!("not within {} s: {what}", bound.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}
