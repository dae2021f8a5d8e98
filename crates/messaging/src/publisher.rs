//! Confirmed publishing: success is *acknowledged and not returned*, and nothing less.
//!
//! One task owns the connection. It publishes without waiting, so that many messages share a write
//! to the socket, and it alone looks at confirmations: the client numbers publishes and queues their
//! frames in two steps, which several threads could interleave, and hands out returned messages
//! carelessly (see `confirms`).

mod session;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thiserror::Error;
use time::OffsetDateTime;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};
use uuid::Uuid;

use self::session::Session;
use crate::{
    broker::{self, Broker},
    headers::TraceHeaders,
};

/// Bound of [`Publisher::publish`], waiting for a connection included.
const PUBLISH_BOUND: Duration = Duration::from_secs(10);
/// Callers in line behind the window before further ones wait outside.
const LINE: usize = 256;
/// A connection that held so long starts the waits between attempts anew.
const STEADY: Duration = Duration::from_secs(10);
/// What is to be published.
#[derive(Clone, Debug)]
pub struct Message {
    /// An exchange of [`crate::topology`].
    pub exchange: &'static str,
    /// A routing key of [`crate::topology`]; also the AMQP `type`.
    pub routing_key: &'static str,
    /// The event's id; the same on each repetition.
    pub message_id: Uuid,
    /// A serialised protobuf message.
    pub body: Vec<u8>,
    /// When the event was made; AMQP keeps whole seconds.
    pub timestamp: OffsetDateTime,
    /// When it is published, to the millisecond: so that its reader can tell how long it waited.
    pub published: OffsetDateTime,
    /// The trace it belongs to.
    pub trace: TraceHeaders,
}

/// Why a message cannot be taken for delivered. It may have been, all the same, except when it is
/// unroutable: publish it again under the same id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PublishError {
    /// Returned: no queue is bound for its routing key.
    #[error("no queue takes the message")]
    Unroutable,
    /// Not taken by the broker (`basic.nack`): full by policy, or an internal fault.
    #[error("the broker refused the message")]
    Refused,
    /// No connection, or it broke before the confirmation came.
    #[error("not connected to the broker: {0}")]
    Disconnected(String),
    /// No confirmation within 10 s: a slow or blocked broker.
    #[error("no confirmation within {} s", PUBLISH_BOUND.as_secs())]
    TimedOut,
}

impl PublishError {
    /// For metrics and spans.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unroutable => "unroutable",
            Self::Refused => "refused",
            Self::Disconnected(_) => "disconnected",
            Self::TimedOut => "timed_out",
        }
    }
}

/// Publishes over a connection of its own, which it keeps up for as long as a clone lives. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    requests: mpsc::Sender<Request>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    connected: AtomicBool,
    blocked: AtomicBool,
}

type Reply = oneshot::Sender<Result<(), PublishError>>;

struct Request {
    message: Message,
    reply: Reply,
}

impl Publisher {
    /// Starts connecting in the background, and goes on trying: the broker's absence is no error here.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn new(broker: Broker) -> Self {
        let (requests, line) = mpsc::channel(LINE);
        let state = Arc::new(State::default());
        tokio::spawn(keep_publishing(broker, line, Arc::clone(&state)));
        Self { requests, state }
    }

    /// Publishes persistently and waits for the confirmation, 10 s at most. Many calls may run at once.
    ///
    /// Also mandatory, so that a message which reaches no queue is an error, unless having no reader
    /// is none ([`crate::topology::needs_queue`]).
    ///
    /// # Errors
    ///
    /// Whenever it is not certain that the message is in a queue, on disk.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let (reply, answer) = oneshot::channel();
        let exchange = async {
            let gone = |()| PublishError::Disconnected("the publisher has ended".to_owned());
            self.requests.send(Request { message, reply }).await.map_err(|_| gone(()))?;
            answer.await.map_err(|_| gone(()))?
        };
        match timeout(PUBLISH_BOUND, exchange).await {
            Ok(result) => result,
            Err(_) if self.connected() => Err(PublishError::TimedOut),
            Err(_) => Err(PublishError::Disconnected("still trying to connect".to_owned())),
        }
    }

    /// Whether a connection is up.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.state.connected.load(Ordering::Relaxed)
    }

    /// Whether the broker takes nothing for now, for lack of memory or disk (`connection.blocked`).
    #[must_use]
    pub fn blocked(&self) -> bool {
        self.state.blocked.load(Ordering::Relaxed)
    }

    /// Tells the same to somebody who does not keep the connection up.
    pub fn watch_blocked(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move || state.blocked.load(Ordering::Relaxed)
    }

    /// Tells whether messages can go out now, else why not, to somebody who does not keep the connection up.
    pub fn watch(&self) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move || {
            if !state.connected.load(Ordering::Relaxed) {
                return Err("not connected to the broker".to_owned());
            }
            if state.blocked.load(Ordering::Relaxed) {
                return Err("the broker takes nothing for now: it lacks memory or disk".to_owned());
            }
            Ok(())
        }
    }
}

/// The task behind a publisher: connect, publish until the connection breaks, wait, again.
async fn keep_publishing(broker: Broker, mut line: mpsc::Receiver<Request>, state: Arc<State>) {
    let mut waits = broker::retry_waits();
    while !line.is_closed() {
        let cause = match Session::open(&broker).await {
            Ok(session) => {
                info!("connected to the broker to publish");
                let since = Instant::now();
                state.connected.store(true, Ordering::Relaxed);
                let cause = session.run(&mut line, &state).await;
                state.connected.store(false, Ordering::Relaxed);
                state.blocked.store(false, Ordering::Relaxed);
                if since.elapsed() > STEADY {
                    waits = broker::retry_waits();
                }
                cause
            }
            Err(error) => error.reason(),
        };
        if line.is_closed() {
            break;
        }
        warn!(cause, "cannot publish");
        // Whoever is in line has waited for this attempt; the next ones wait for the next.
        while let Ok(request) = line.try_recv() {
            answer(request.reply, Err(PublishError::Disconnected(cause.clone())));
        }
        sleep(waits.next().unwrap_or_default()).await;
    }
}

fn answer(reply: Reply, result: Result<(), PublishError>) {
    // A caller that has stopped waiting is not told.
    let _ = reply.send(result);
}
