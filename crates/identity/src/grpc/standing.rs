//! How far a connection has come, told by those who answer its calls.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use runtime::places::Hold;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

/// So many calls of unknown callers in a row are answered: more than any program makes by mistake before somebody looks.
const STRANGERS_MAX: u32 = 1000;
/// So many calls that need no token are under way at one time where no known caller has called: who watches health may do
/// so for as long as he likes, and each costs 8 KiB.
const OPEN_MAX: u32 = 4;

/// Clones are of the same connection; requests carry one in their extensions.
#[derive(Clone)]
pub struct Standing(Arc<State>);

struct State {
    hold: Hold,
    called: AtomicBool,
    known: AtomicBool,
    /// Calls of unknown callers since the last one of a known caller.
    strangers: AtomicU32,
    estranged: CancellationToken,
    /// Calls under way that need no token.
    open: AtomicU32,
    calls: Mutex<Calls>,
}

struct Calls {
    under_way: u32,
    /// When the last of them ended.
    ended: Instant,
}

/// A call under way, until dropped.
pub struct UnderWay(Standing);

/// One that needs no token, until dropped.
pub struct Open(Standing);

impl Standing {
    /// Of a connection without a call yet, that loses its place to others until a known caller has called on it.
    pub fn new(hold: Hold) -> Self {
        Self(Arc::new(State {
            hold,
            called: AtomicBool::default(),
            known: AtomicBool::default(),
            strangers: AtomicU32::default(),
            estranged: CancellationToken::new(),
            open: AtomicU32::default(),
            calls: Mutex::new(Calls { under_way: 0, ended: Instant::now() }),
        }))
    }

    /// A call came.
    pub fn called(&self) -> UnderWay {
        self.0.called.store(true, Relaxed);
        self.calls().under_way += 1;
        UnderWay(self.clone())
    }

    /// A call of a known caller came.
    pub fn known(&self) {
        self.0.hold.keep(true);
        self.0.known.store(true, Relaxed);
        self.0.strangers.store(0, Relaxed);
    }

    /// A call of an unknown caller came; false when there were too many in a row, and the connection ends.
    pub fn stranger(&self) -> bool {
        let count = self.0.strangers.fetch_add(1, Relaxed).saturating_add(1);
        if count >= STRANGERS_MAX {
            self.0.estranged.cancel();
        }
        count <= STRANGERS_MAX
    }

    /// A call came that needs no token; none when there are too many under way.
    pub fn open(&self) -> Option<Open> {
        let before = self.0.open.fetch_add(1, Relaxed);
        // Counts less again when it is dropped.
        let open = Open(self.clone());
        (before < OPEN_MAX || self.is_known()).then_some(open)
    }

    /// Whether any call came yet.
    pub fn has_called(&self) -> bool {
        self.0.called.load(Relaxed)
    }

    /// Waits until too many calls of unknown callers came in a row.
    pub async fn estranged(&self) {
        self.0.estranged.cancelled().await;
    }

    /// Waits until there was no call for so long; for ever once a known caller has called.
    pub async fn idle(&self, bound: Duration) {
        loop {
            let now = Instant::now();
            let end = match *self.calls() {
                Calls { under_way: 0, ended } => ended + bound,
                Calls { .. } => now + bound,
            };
            if self.is_known() {
                std::future::pending().await
            } else if end <= now {
                return;
            }
            sleep_until(end).await;
        }
    }

    /// Whether a known caller has called.
    pub fn is_known(&self) -> bool {
        self.0.known.load(Relaxed)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// Is under way until that response is sent, which a stream of them may take long to be.
    pub fn until_sent(self, response: Response<Body>) -> Response<Body> {
        if self.0.is_known() { response } else { keep_until_sent(self, response) }
    }
}

/// Keeps something until a response is sent.
pub fn keep_until_sent<T: Send + 'static>(kept: T, response: Response<Body>) -> Response<Body> {
    if response.body().is_end_stream() {
        return response;
    }
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _until_dropped = &kept;
            frame
        }))
    })
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Relaxed);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut calls = self.0.calls();
        calls.under_way -= 1;
        calls.ended = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(30);

    /// Whether it is over once so much more time has passed.
    async fn after(time: Duration, future: impl Future<Output = ()>) -> bool {
        tokio::time::timeout(time, future).await.is_ok()
    }

    #[tokio::test]
    async fn so_many_strangers_in_a_row_end_a_connection_and_a_known_caller_between_them_none() {
        let standing = Standing::new(Hold::default());
        assert!((1..STRANGERS_MAX).all(|_| standing.stranger()));
        standing.known();
        assert!((1..STRANGERS_MAX).all(|_| standing.stranger()));
        assert!(!after(Duration::ZERO, standing.estranged()).await);
        assert!(standing.stranger(), "the last is answered");
        assert!(after(Duration::ZERO, standing.estranged()).await);
        assert!(!standing.stranger(), "no more");
    }

    #[test]
    fn a_stranger_has_four_calls_without_a_token_at_one_time_and_a_known_caller_more() {
        let standing = Standing::new(Hold::default());
        let mut open: Vec<_> = (0..OPEN_MAX).map(|_| standing.open().expect("so many")).collect();
        assert!(standing.open().is_none());
        open.pop();
        let last = standing.open().expect("another one ended");
        let response = Response::new(Body::new("more".to_owned().map_err(|never| match never {})));
        let response = keep_until_sent(last, response);
        assert!(standing.open().is_none(), "it is being sent");
        drop(response);
        open.push(standing.open().expect("it was sent"));
        standing.known();
        assert!(standing.open().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_idles_from_its_last_call_on_and_not_while_one_is_under_way() {
        let standing = Standing::new(Hold::default());
        let call = standing.called();
        assert!(!after(BOUND * 3, standing.idle(BOUND)).await, "it is under way");
        let response = call.until_sent(Response::new(Body::new("more".to_owned().map_err(|never| match never {}))));
        assert!(!after(BOUND * 3, standing.idle(BOUND)).await, "it is being sent");
        drop(response);
        assert!(!after(BOUND - Duration::from_secs(1), standing.idle(BOUND)).await);
        drop(standing.called().until_sent(Response::default()));
        assert!(!after(BOUND - Duration::from_secs(1), standing.idle(BOUND)).await, "another call");
        assert!(after(Duration::from_secs(2), standing.idle(BOUND)).await);
        standing.known();
        assert!(!after(BOUND * 3, standing.idle(BOUND)).await, "a known caller's");
    }
}
