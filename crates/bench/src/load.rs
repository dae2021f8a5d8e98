//! Load: closed loops, where each caller waits for its answer, and open ones, where calls are made at their time
//! whether or not the earlier ones have been answered.
//!
//! A latency of an open loop runs from the time at which the call was due, so that a stall of the service is seen in
//! every call that it held up, and not only in the first (coordinated omission).

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use hdrhistogram::Histogram;
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// One call.
pub type Call = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;
/// Makes the next call; shared by all callers.
pub type Op = Arc<dyn Fn() -> Call + Send + Sync>;

/// Longest latency that is told apart, in microseconds; longer ones count as this.
const LONGEST: u64 = 60_000_000;
/// How long a caller of a closed loop waits that was refused for want of room.
const REFUSED: Duration = Duration::from_millis(50);
/// The pacing thread sleeps until so long before a call is due.
const NEAR: Duration = Duration::from_micros(50);

/// What came of a load.
pub struct Sample {
    /// How long it was measured.
    pub time: Duration,
    /// Latencies of the calls that succeeded, in microseconds.
    pub latencies: Histogram<u64>,
    /// Latencies of the calls that were refused for want of room (`RESOURCE_EXHAUSTED`), in microseconds.
    pub refused: Histogram<u64>,
    /// How many of those said when to come back.
    pub told: u64,
    /// Calls that failed otherwise.
    pub failed: u64,
    /// What one of them said.
    failure: Option<Status>,
}

impl Sample {
    fn new(time: Duration) -> Self {
        let empty = || Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are sound");
        Self { time, latencies: empty(), refused: empty(), told: 0, failed: 0, failure: None }
    }

    fn note(&mut self, took: Duration, outcome: Result<(), Status>) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST);
        match outcome {
            Ok(()) => self.latencies.saturating_record(micros),
            Err(status) if status.code() == Code::ResourceExhausted => {
                self.refused.saturating_record(micros);
                let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
                self.told += u64::from(retry.is_some_and(|delay| !delay.is_zero()));
            }
            Err(status) => {
                self.failed += 1;
                self.failure.get_or_insert(status);
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.latencies.add(&other.latencies).expect("the bounds are the same");
        self.refused.add(&other.refused).expect("the bounds are the same");
        self.told += other.told;
        self.failed += other.failed;
        if self.failure.is_none() {
            self.failure.clone_from(&other.failure);
        }
    }

    /// Successful calls a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    /// A percentile of the latency, in milliseconds.
    pub fn ms(&self, percentile: f64) -> f64 {
        millis(&self.latencies, percentile)
    }

    /// Itself, if no call failed. A refusal for want of room is no failure: it is told at once, and the caller comes
    /// again.
    ///
    /// # Errors
    /// When more than one in a thousand failed, with what one of them said; or when none succeeded.
    pub fn sound(self) -> Result<Self> {
        if self.failed * 1000 > self.latencies.len() || self.latencies.is_empty() {
            let one = self.failure.as_ref().map(explained).unwrap_or_default();
            let (failed, refused, done) = (self.failed, self.refused.len(), self.latencies.len());
            bail!("{failed} calls failed, {refused} were refused for want of room, {done} succeeded: {one}");
        }
        Ok(self)
    }
}

/// What a failure said, and of which fields.
fn explained(status: &Status) -> String {
    let fields = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    let fields: Vec<String> = fields.into_iter().map(|it| format!("{}: {}", it.field, it.description)).collect();
    format!("{:?}: {} {}", status.code(), status.message(), fields.join("; "))
}

/// A percentile of a histogram of microseconds, in milliseconds.
pub fn millis(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    histogram.value_at_percentile(percentile) as f64 / 1000.0
}

/// Callers that each make one call after the other. Calls that end within `time` count, after `warm`.
pub async fn closed(op: &Op, callers: usize, warm: Duration, time: Duration) -> Sample {
    let begin = Instant::now() + warm;
    let end = begin + time;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let op = Arc::clone(op);
        tasks.spawn(async move {
            let mut sample = Sample::new(time);
            loop {
                let called = Instant::now();
                if called >= end {
                    return sample;
                }
                let outcome = op().await;
                let now = Instant::now();
                let refused = outcome.as_ref().is_err_and(|status| status.code() == Code::ResourceExhausted);
                if (begin..end).contains(&now) {
                    sample.note(now - called, outcome);
                }
                if refused {
                    tokio::time::sleep(REFUSED).await;
                }
            }
        });
    }
    let mut all = Sample::new(time);
    while let Some(sample) = tasks.join_next().await {
        all.add(&sample.expect("no caller panics"));
    }
    all
}

/// `rate` calls a second. Those that are due within `time` count, after `warm`; all are waited for.
pub async fn open(op: &Op, rate: f64, warm: Duration, time: Duration) -> Sample {
    let (noted, mut notes) = mpsc::unbounded_channel();
    let (op, handle) = (Arc::clone(op), Handle::current());
    // A thread of its own: the runtime's timer is only good to a millisecond.
    let pacing = std::thread::spawn(move || {
        let start = Instant::now();
        let begin = start + warm;
        for number in 0_u32.. {
            let due = start + Duration::from_secs_f64(f64::from(number) / rate);
            if due >= begin + time {
                return;
            }
            sleep_until(due);
            let (op, noted) = (Arc::clone(&op), noted.clone());
            handle.spawn(async move {
                let outcome = op().await;
                if due >= begin {
                    let _ = noted.send((due.elapsed(), outcome));
                }
            });
        }
    });
    let mut sample = Sample::new(time);
    while let Some((took, outcome)) = notes.recv().await {
        sample.note(took, outcome);
    }
    pacing.join().expect("the pacing thread does not panic");
    sample
}

fn sleep_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left <= NEAR {
            return;
        }
        std::thread::sleep(left - NEAR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stall_is_seen_in_every_call_that_it_held_up() {
        // One caller at a time, 20 ms each, 100 of them due every second: the queue grows by half of them.
        let door = Arc::new(tokio::sync::Mutex::new(()));
        let op: Op = Arc::new(move || {
            let door = Arc::clone(&door);
            Box::pin(async move {
                let _inside = door.lock().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(())
            })
        });
        let sample = open(&op, 100.0, Duration::ZERO, Duration::from_millis(400)).await;
        assert_eq!(sample.latencies.len(), 40);
        assert!(sample.ms(100.0) > 200.0, "{} ms", sample.ms(100.0));
    }

    #[tokio::test]
    async fn what_fails_is_not_counted_as_done() {
        let op: Op = Arc::new(|| Box::pin(async { Err(Status::internal("no")) }));
        let sample = closed(&op, 1, Duration::ZERO, Duration::from_millis(5)).await;
        assert!(sample.latencies.is_empty() && sample.sound().is_err());
    }
}
