//! Argon2id on its own few low-priority threads.
//!
//! Each thread allocates its block memory once, and gives it back after a minute without a hash. The queue is bounded
//! by waiting time: a call that would wait longer than it may is refused at once, and a call whose caller has gone is
//! never started. The async threads only wait for the answer.

pub mod calibrate;
pub mod memory;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use phc::PasswordHash;
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use self::memory::Memory;
use crate::domain::password::Password;
use crate::settings::PasswordSettings;

/// Salt bytes (RFC 9106 section 3.1 recommends 16).
const SALT_BYTES: usize = 16;
/// Tag bytes.
const TAG_BYTES: usize = 32;
/// Niceness of the threads, so that cheap calls stay quick under a flood of log-ins. Not SCHED_IDLE: threads of that
/// class get next to nothing from a machine on which others are busy.
const NICE: i32 = 19;
/// Longest time that is believed of one job.
const LONGEST_JOB: Duration = Duration::from_secs(2);
/// Without a hash for so long a thread gives its memory back.
const IDLE: Duration = Duration::from_secs(60);
/// First guess of one job, until some have been measured.
const FIRST_GUESS: Duration = Duration::from_millis(20);
/// What a job takes is the mean of about so many.
const MEAN_OF: u32 = 32;
/// How much of the longest wait is given away, in percent: what a job takes is a mean, and the next ones may take longer.
const PROMISED: u32 = 90;

/// Why a hash was not computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HasherError {
    /// The queue is too long; the caller may try again after this time.
    #[error("the hashing queue is full")]
    Busy {
        /// When the queue will have shortened, as measured.
        retry_after: Duration,
    },
    /// The caller has gone or its deadline has passed; nothing was computed.
    #[error("the caller has gone")]
    Gone,
}

/// How long a caller is prepared to wait.
#[derive(Debug, Clone)]
pub struct Patience {
    /// After this the answer is of no use.
    pub deadline: Instant,
    /// Cancelled when the caller has gone.
    pub gone: CancellationToken,
}

impl Patience {
    fn is_over(&self) -> bool {
        self.gone.is_cancelled() || Instant::now() >= self.deadline
    }
}

/// The outcome of checking a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Whether the password is the right one.
    pub matches: bool,
    /// Whether the stored hash was made under other parameters than today's.
    pub outdated: bool,
}

/// A handle on the threads; they end when the last handle is dropped.
#[derive(Clone)]
pub struct Hasher {
    shared: Arc<Shared>,
    _handles: Arc<Closer>,
    parameters: Params,
    decoy: Arc<str>,
}

struct Shared {
    measures: Measures,
    state: Mutex<State>,
    ready: Condvar,
    threads: u32,
    max_wait: Duration,
}

struct State {
    jobs: VecDeque<Job>,
    running: u32,
    seats: u32,
    one_job: Duration,
    measured: u32,
    closed: bool,
}

/// A place in the queue for a job that is still to come. It is given back when it is dropped.
pub struct Seat(Arc<Shared>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.lock().seats -= 1;
    }
}

struct Job {
    since: Instant,
    patience: Patience,
    work: Work,
}

/// What a thread does with its memory.
type Work = Box<dyn FnOnce(&mut Memory) + Send>;

struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.ready.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is measured of each job.
struct Measures {
    wait: Histogram<f64>,
    duration: Histogram<f64>,
    refused: Counter<u64>,
}

impl Measures {
    fn new() -> Self {
        let meter = global::meter("sandi");
        let seconds =
            |name, description| meter.f64_histogram(name).with_unit("s").with_description(description).build();
        let refused = meter.u64_counter("sandi.hasher.refused").with_description(
            "Jobs of the hasher that were not done: busy (refused early) or gone (the caller had gone).",
        );
        let refused = refused.build();
        // There from the start, so that its first one is an increase.
        refused.add(0, &[KeyValue::new("reason", "busy")]);
        Self {
            wait: seconds("sandi.hasher.wait", "How long jobs waited for a hashing thread."),
            duration: seconds("sandi.hasher.duration", "How long a hashing thread worked on a job."),
            refused,
        }
    }
}

/// Shows how long the queue is and how many threads there are.
fn observe(shared: &Arc<Shared>) {
    let meter = global::meter("sandi");
    let queue = Arc::downgrade(shared);
    meter
        .u64_observable_gauge("sandi.hasher.queue")
        .with_description("Jobs that wait for a hashing thread.")
        .with_callback(move |observer| {
            if let Some(shared) = queue.upgrade() {
                observer.observe(shared.lock().jobs.len() as u64, &[]);
            }
        })
        .build();
    let threads = u64::from(shared.threads);
    meter
        .u64_observable_gauge("sandi.hasher.threads")
        .with_description("Hashing threads.")
        .with_callback(move |observer| observer.observe(threads, &[]))
        .build();
}

impl Hasher {
    /// Starts the threads. The parameters must have passed [`crate::settings::Settings::mistakes`].
    ///
    /// # Errors
    /// The parameters are outside what RFC 9106 allows, or a thread cannot be started.
    pub fn start(settings: &PasswordSettings) -> anyhow::Result<Self> {
        let parameters = Params::new(settings.memory_kib, settings.iterations, settings.parallelism, Some(TAG_BYTES))
            .map_err(|error| anyhow::anyhow!("passwords: {error}"))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if settings.threads == 0 { cores } else { settings.threads };
        let shared = Arc::new(Shared {
            measures: Measures::new(),
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                running: 0,
                seats: 0,
                one_job: FIRST_GUESS,
                measured: 1,
                closed: false,
            }),
            ready: Condvar::new(),
            threads: u32::try_from(threads)?,
            max_wait: settings.max_wait,
        });
        observe(&shared);
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            let blocks = parameters.block_count();
            std::thread::Builder::new().name(format!("hasher-{number}")).spawn(move || work(&shared, blocks))?;
        }
        let decoy = phc_string(&parameters, &[0; SALT_BYTES], &[0; TAG_BYTES]);
        Ok(Self { _handles: Arc::new(Closer(Arc::clone(&shared))), shared, parameters, decoy: decoy.into() })
    }

    /// Hashes a new password; the answer is a PHC string.
    ///
    /// # Errors
    /// [`HasherError`]; nothing was computed then.
    pub async fn hash(
        &self,
        password: Password,
        salt: [u8; SALT_BYTES],
        patience: &Patience,
    ) -> Result<String, HasherError> {
        let parameters = self.parameters.clone();
        self.run(None, patience, move |memory| {
            let tag = tag(&parameters, &password, &salt, memory);
            phc_string(&parameters, &salt, &tag)
        })
        .await
    }

    /// Keeps a place for a job, or refuses before anything else is done for it.
    ///
    /// # Errors
    /// [`HasherError::Busy`].
    pub fn seat(&self, patience: &Patience) -> Result<Seat, HasherError> {
        let mut state = self.shared.lock();
        self.room(&state, patience)?;
        state.seats += 1;
        Ok(Seat(Arc::clone(&self.shared)))
    }

    /// Checks a password against a stored hash. Without one (unknown user, no password yet) the same
    /// work is done on a decoy and never matches. Who has a seat is not refused any more.
    ///
    /// # Errors
    /// [`HasherError`]; nothing was computed then.
    pub async fn verify(
        &self,
        seat: Option<Seat>,
        password: Password,
        stored: Option<String>,
        patience: &Patience,
    ) -> Result<Checked, HasherError> {
        let today = self.parameters.clone();
        let real = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.to_string());
        self.run(seat, patience, move |memory| {
            // What cannot be read matches nothing, after as much work.
            let read = parse(&stored).map(|read| (read, real));
            let ((parameters, salt, expected), real) =
                read.unwrap_or_else(|| ((today.clone(), vec![0; SALT_BYTES], [0; TAG_BYTES]), false));
            let found = tag(&parameters, &password, &salt, memory);
            for more in rest(&parameters, &today) {
                std::hint::black_box(tag(&more, &password, &salt, memory));
            }
            let outdated = (parameters.m_cost(), parameters.t_cost(), parameters.p_cost())
                != (today.m_cost(), today.t_cost(), today.p_cost());
            Checked { matches: real && bool::from(found[..].ct_eq(&expected[..])), outdated }
        })
        .await
    }

    /// Runs other heavy work about a password (judging how guessable it is) on the same threads.
    ///
    /// # Errors
    /// [`HasherError`]; nothing was computed then.
    pub async fn judge<T: Send + 'static>(
        &self,
        patience: &Patience,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HasherError> {
        self.run(None, patience, move |_| work()).await
    }

    async fn run<T: Send + 'static>(
        &self,
        seat: Option<Seat>,
        patience: &Patience,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, HasherError> {
        let (answer, receive) = oneshot::channel();
        let since = Instant::now();
        self.admit(
            seat,
            Job {
                since,
                patience: patience.clone(),
                work: Box::new(move |memory| {
                    // The caller may have gone meanwhile; then nobody wants the answer.
                    let _ = answer.send(work(memory));
                }),
            },
        )?;
        tokio::select! {
            answered = receive => answered.map_err(|_| self.undone(since)),
            () = patience.gone.cancelled() => Err(HasherError::Gone),
        }
    }

    /// Why a job was taken out of the queue without being done.
    fn undone(&self, since: Instant) -> HasherError {
        if since.elapsed() < self.shared.max_wait {
            return HasherError::Gone;
        }
        HasherError::Busy { retry_after: self.shared.lock().one_job }
    }

    fn admit(&self, seat: Option<Seat>, job: Job) -> Result<(), HasherError> {
        let mut state = self.shared.lock();
        if seat.is_none() {
            self.room(&state, &job.patience)?;
        }
        state.jobs.push_back(job);
        drop(state);
        drop(seat);
        self.shared.ready.notify_one();
        Ok(())
    }

    /// Whether one more job would begin in time, as far as is known.
    fn room(&self, state: &State, patience: &Patience) -> Result<(), HasherError> {
        let jobs = u32::try_from(state.jobs.len()).unwrap_or(u32::MAX);
        let ahead = jobs.saturating_add(state.running).saturating_add(state.seats);
        // A free thread takes the job at once, whatever was measured before: else one long stall would
        // keep every later job out, and nothing would ever be measured again.
        let has_to_wait = ahead >= self.shared.threads;
        // Whole rounds of the pool that must end before this job begins.
        let wait = state.one_job * (ahead / self.shared.threads);
        let left = patience.deadline.saturating_duration_since(Instant::now());
        if has_to_wait && (wait > self.shared.max_wait * PROMISED / 100 || wait + state.one_job > left) {
            self.shared.measures.refused.add(1, &[KeyValue::new("reason", "busy")]);
            return Err(HasherError::Busy { retry_after: wait.max(state.one_job) });
        }
        Ok(())
    }
}

fn work(shared: &Shared, blocks: usize) {
    // Lower priority is a kindness to the other threads, not a need: without the right it stays as it is.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
    let mut memory = Memory::default();
    while let Some(job) = next(shared, &mut memory) {
        shared.measures.wait.record(job.since.elapsed().as_secs_f64(), &[]);
        if job.patience.is_over() {
            shared.measures.refused.add(1, &[KeyValue::new("reason", "gone")]);
        } else if job.since.elapsed() > shared.max_wait {
            // The machine became slower than it was when the job was let in.
            shared.measures.refused.add(1, &[KeyValue::new("reason", "busy")]);
        } else {
            let begun = Instant::now();
            // A panic in one job must not cost the thread.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (job.work)(&mut memory)));
            memory.shrink(blocks);
            // A stall of the whole machine is not the price of a hash.
            shared.measures.duration.record(begun.elapsed().as_secs_f64(), &[]);
            let took = begun.elapsed().min(LONGEST_JOB);
            let mut state = shared.lock();
            state.measured = (state.measured + 1).min(MEAN_OF);
            state.one_job = (state.one_job * (state.measured - 1) + took) / state.measured;
        }
        shared.lock().running -= 1;
    }
}

/// Waits for a job; gives the memory back when none comes for long.
fn next(shared: &Shared, memory: &mut Memory) -> Option<Job> {
    let mut state = shared.lock();
    loop {
        if let Some(job) = state.jobs.pop_front() {
            state.running += 1;
            return Some(job);
        }
        if state.closed {
            return None;
        }
        if memory.is_held() {
            let (woken, waited) = shared.ready.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() && state.jobs.is_empty() {
                memory.shrink(0);
            }
        } else {
            state = shared.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Which path of the compression runs here; the crate finds out by itself.
pub fn simd() -> &'static str {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if std::arch::is_x86_feature_detected!("avx2") {
        return "avx2";
    }
    "portable"
}

fn tag(parameters: &Params, password: &Password, salt: &[u8], memory: &mut Memory) -> [u8; TAG_BYTES] {
    let mut tag = [0; TAG_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters.clone())
        .hash_password_into_with_memory(
            password.expose().as_bytes(),
            salt,
            &mut tag,
            memory.blocks(parameters.block_count()),
        )
        .expect("the parameters, the salt and the tag have lengths that Argon2 accepts");
    tag
}

/// What is to be computed besides a hash of older parameters, so that it takes as long as one of today's: else a
/// failed log-in would tell who has not logged in since the parameters moved. A pass costs as much as it has memory; the
/// first only writes, and costs nine tenths of one that also reads (7.8 and 8.7 ms for 19 MiB, measured). Each further
/// call of the function makes its first blocks and its tag anew (14 us, as much as 32 blocks of a pass).
fn rest(older: &Params, today: &Params) -> Vec<Params> {
    // In tenths of a later pass over one block.
    const FIRST: u64 = 9;
    const LATER: u64 = 10;
    const CALL: u64 = 32 * LATER;
    let of = |passes: u64| (passes * LATER).saturating_sub(LATER - FIRST);
    let cost = |parameters: &Params| u64::from(parameters.m_cost()) * of(u64::from(parameters.t_cost()));
    let left = cost(today).saturating_sub(cost(older));
    let memory = u64::from(today.m_cost());
    let passes = (left / memory + LATER - FIRST) / LATER;
    let calls = passes.min(1) + 1;
    let single = left.saturating_sub(memory * of(passes) + calls * CALL) / FIRST;
    let pieces = [(memory, passes), (single.min(memory), 1), (single.saturating_sub(memory), 1)];
    let parameters = |(memory, passes)| {
        let (memory, passes) = (u32::try_from(memory).ok()?, u32::try_from(passes).ok()?);
        // None where nothing is left: Argon2 has a least memory and a least number of passes.
        Params::new(memory, passes, 1, Some(TAG_BYTES)).ok()
    };
    pieces.into_iter().filter_map(parameters).collect()
}

fn phc_string(parameters: &Params, salt: &[u8], tag: &[u8]) -> String {
    use base64::Engine as _;
    let b64 = base64::engine::general_purpose::STANDARD_NO_PAD;
    format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        parameters.m_cost(),
        parameters.t_cost(),
        parameters.p_cost(),
        b64.encode(salt),
        b64.encode(tag)
    )
}

/// Reads our own kind of hash; anything else matches no password.
fn parse(stored: &str) -> Option<(Params, Vec<u8>, [u8; TAG_BYTES])> {
    let hash = PasswordHash::new(stored).ok()?;
    if hash.algorithm.as_str() != "argon2id" || hash.version != Some(19) {
        return None;
    }
    let cost = |name| hash.params.get_decimal(name);
    let parameters = Params::new(cost("m")?, cost("t")?, cost("p")?, Some(TAG_BYTES)).ok()?;
    let salt = hash.salt?.as_ref().to_vec();
    let tag = hash.hash?.as_bytes().try_into().ok()?;
    Some((parameters, salt, tag))
}

#[cfg(test)]
mod tests;
