//! What goes on beside the calls: each worker in a task of its own, and begun again if it panics.

use std::sync::Arc;
use std::time::Duration;

use messaging::broker::Broker;
use messaging::publisher::Publisher;
use runtime::{Checks, Random, backoff};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::service::Service;
use crate::{canary, feedback, issuer, maintenance, relay, watch};

/// How long the calls are alone with the database and the broker after the start.
const HEAD_START: Duration = Duration::from_millis(100);
/// The first and the longest wait before a worker that panicked begins again.
const AGAIN_WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Starts the workers; each ends by itself after the stop. Those that need the database or the broker begin a moment
/// later, so that nothing of theirs stands before the first calls.
pub fn start(service: &Arc<Service>, broker: Broker, checks: &Checks, stop: &CancellationToken) -> TaskTracker {
    let workers = TaskTracker::new();
    // What is no error to a caller is shown, and does not make us unready.
    let keys = checks.clone();
    workers.spawn(Arc::clone(&service.keys).watch(stop.clone(), move |state| keys.set_informative("keys", state)));
    let (service, checks, stop) = (Arc::clone(service), checks.clone(), stop.clone());
    workers.spawn(async move {
        if stop.run_until_cancelled(tokio::time::sleep(HEAD_START)).await.is_none() {
            return;
        }
        let (service, broker, stop) = (&service, &broker, &stop);
        let random = &*service.random;
        // One for all runs of the relay, and so one that is observed.
        let publisher = Publisher::new(broker.clone());
        runtime::telemetry::observe_blocked(publisher.watch_blocked());
        checks.watch_informative("publishing", publisher.watch());
        tokio::join!(
            kept("warm", stop, random, || service.store.clone().warm(stop.clone())),
            kept("issuer", stop, random, || issuer::run(Arc::clone(service), stop.clone())),
            kept("relay", stop, random, || {
                relay::run(Arc::clone(service), broker.clone(), publisher.clone(), stop.clone())
            }),
            kept("canary", stop, random, || canary::run(Arc::clone(service), stop.clone())),
            kept("watch", stop, random, || {
                let checks = checks.clone();
                let clock = move |state| checks.set_informative("clock", state);
                watch::run(Arc::clone(service), broker.clone(), stop.clone(), clock)
            }),
            kept("feedback", stop, random, || {
                let checks = checks.clone();
                let state = move |state| checks.set_informative("broker", state);
                feedback::run(Arc::clone(service), broker.clone(), stop.clone(), state)
            }),
            kept("maintenance", stop, random, || maintenance::run(Arc::clone(service), stop.clone())),
        );
    });
    workers
}

/// In a task of its own, so that the workers run side by side and a panic is that worker's alone. What it held comes
/// back by itself, as after the end of a process, and it begins again after a while.
async fn kept<F>(worker: &'static str, stop: &CancellationToken, random: &dyn Random, work: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for panics in 0.. {
        if tokio::spawn(work()).await.is_ok() {
            return;
        }
        let wait = backoff::wait(panics, AGAIN_WAITS.0, AGAIN_WAITS.1, random);
        tracing::error!(worker, again_in = ?wait, "a worker panicked");
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use runtime::SeededRandom;

    use super::*;

    fn panics_until(times: u32, seen: &Arc<AtomicU32>) -> impl Fn() -> futures::future::BoxFuture<'static, ()> {
        let seen = Arc::clone(seen);
        move || {
            let seen = Arc::clone(&seen);
            Box::pin(async move { assert!(seen.fetch_add(1, Ordering::SeqCst) >= times, "again") })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_panicked_begins_again_after_growing_waits() {
        let (stop, random, seen) = (CancellationToken::new(), SeededRandom::new(1), Arc::default());
        let begun = tokio::time::Instant::now();
        kept("test", &stop, &random, panics_until(3, &seen)).await;
        assert_eq!(seen.load(Ordering::SeqCst), 4);
        let took = begun.elapsed().as_secs_f64();
        assert!((3.5..=7.0).contains(&took), "1, 2 and 4 s at most, half of each at least: {took}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_it_at_the_end() {
        let (stop, random, seen) = (CancellationToken::new(), SeededRandom::new(1), Arc::default());
        stop.cancel();
        kept("test", &stop, &random, panics_until(u32::MAX, &seen)).await;
        assert_eq!(seen.load(Ordering::SeqCst), 1);
    }
}
