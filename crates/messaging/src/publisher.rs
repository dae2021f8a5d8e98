//! Confirmed publishing: success is *acknowledged and not returned*, and nothing less.
//!
//! One task owns the connection. It publishes without waiting, so that many messages share a write
//! to the socket, and it alone looks at confirmations: the client numbers publishes and queues their
//! frames in two steps, which several threads could interleave, and hands out returned messages
//! carelessly (see `confirms`).

use std::{
    collections::HashMap,
    future::{self, Future},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::stream::{FuturesUnordered, StreamExt};
use lapin::{
    BasicProperties, Channel, Confirmation, Event,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    broker::{self, Broker, BrokerError, Link, reason},
    confirms::{Confirmed, Fate, Ledger},
    headers::TraceHeaders,
    topology,
};

/// Bound of [`Publisher::publish`], waiting for a connection included.
const PUBLISH_BOUND: Duration = Duration::from_secs(10);
/// Messages handed to the client and not yet confirmed, at most. They are all the memory that a
/// broker which takes nothing more can cost.
const WINDOW: usize = 1024;
/// Callers in line behind the window before further ones wait outside.
const LINE: usize = 256;
/// A connection that held so long starts the waits between attempts anew.
const STEADY: Duration = Duration::from_secs(10);
/// Without a confirmation for so long, and not blocked, the connection is given up.
const SILENCE_BOUND: Duration = Duration::from_secs(30);
/// How often that is looked at.
const TICK: Duration = Duration::from_secs(1);

/// What is to be published.
#[derive(Clone, Debug)]
pub struct Message {
    /// An exchange of [`topology`].
    pub exchange: &'static str,
    /// A routing key of [`topology`]; also the AMQP `type`.
    pub routing_key: &'static str,
    /// The event's id; the same on each repetition.
    pub message_id: Uuid,
    /// A serialised protobuf message.
    pub body: Vec<u8>,
    /// When the event was made; AMQP keeps whole seconds.
    pub timestamp: OffsetDateTime,
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
    /// is none ([`topology::needs_queue`]).
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

/// What comes out of the futures in flight.
enum Done {
    Confirmed(Confirmed),
    Failed {
        number: u64,
        cause: lapin::Error,
    },
    /// Everything that was ready before it was pushed has come out.
    Barrier,
}

type InFlight = FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>;

struct Waiting {
    reply: Reply,
    since: Instant,
}

/// One connection's life.
struct Session {
    link: Link,
    channel: Channel,
    app_id: String,
    declared: Vec<&'static str>,
    in_flight: InFlight,
    waiting: HashMap<u64, Waiting>,
    next_number: u64,
    ledger: Ledger,
    /// Confirmed and waiting for the barrier that is under way.
    behind_barrier: Option<Vec<Confirmed>>,
    /// Confirmed since then: these wait for the next one.
    fresh: Vec<Confirmed>,
    last_confirmation: Instant,
}

impl Session {
    async fn open(broker: &Broker) -> Result<Self, BrokerError> {
        let link = broker.connect("publish").await?;
        match confirming_channel(&link).await {
            Ok(channel) => Ok(Self {
                link,
                channel,
                app_id: broker.program().to_owned(),
                declared: Vec::new(),
                in_flight: FuturesUnordered::new(),
                waiting: HashMap::new(),
                next_number: 0,
                ledger: Ledger::default(),
                fresh: Vec::new(),
                behind_barrier: None,
                last_confirmation: Instant::now(),
            }),
            Err(error) => {
                link.close().await;
                Err(error)
            }
        }
    }

    /// Publishes until the connection breaks or nobody is left to publish; says why it ended.
    async fn run(mut self, line: &mut mpsc::Receiver<Request>, state: &State) -> String {
        let cause = self.work(line, state).await;
        for (_, waiting) in self.waiting.drain() {
            answer(waiting.reply, Err(PublishError::Disconnected(cause.clone())));
        }
        self.link.close().await;
        cause
    }

    async fn work(&mut self, line: &mut mpsc::Receiver<Request>, state: &State) -> String {
        let mut events = Box::pin(self.link.connection().events_listener());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = true;
        loop {
            let blocked = state.blocked.load(Ordering::Relaxed);
            let room = !blocked && self.waiting.len() < WINDOW;
            tokio::select! {
                Some(event) = events.next() => match event {
                    Event::ConnectionBlocked(why) => {
                        warn!(why, "the broker takes no messages for now");
                        state.blocked.store(true, Ordering::Relaxed);
                    }
                    Event::ConnectionUnblocked => {
                        info!("the broker takes messages again");
                        state.blocked.store(false, Ordering::Relaxed);
                        self.last_confirmation = Instant::now();
                    }
                    Event::Error(error) => return reason(&error),
                    _ => {}
                },
                Some(done) = self.in_flight.next() => if let Err(cause) = self.finish(done) {
                    return reason(&cause);
                },
                request = line.recv(), if open && room => match request {
                    Some(request) => if let Err(error) = self.start(request).await {
                        return error.reason();
                    },
                    None => open = false,
                },
                _ = tick.tick() => if let Some(cause) = self.look(blocked) {
                    return cause;
                },
            }
            if !open && self.waiting.is_empty() {
                return "nobody is left to publish".to_owned();
            }
        }
    }

    /// Hands a message to the client, unless its caller has gone.
    async fn start(&mut self, request: Request) -> Result<(), BrokerError> {
        let Request { message, reply } = request;
        if reply.is_closed() {
            return Ok(());
        }
        if !self.declared.contains(&message.exchange) {
            if let Err(error) = topology::declare_exchange(&self.channel, message.exchange).await {
                answer(reply, Err(PublishError::Disconnected(error.reason())));
                return Err(error);
            }
            self.declared.push(message.exchange);
        }
        let number = self.next_number;
        self.next_number += 1;
        if self.waiting.is_empty() {
            self.last_confirmation = Instant::now();
        }
        self.waiting.insert(number, Waiting { reply, since: Instant::now() });
        let properties = properties(&message, &self.app_id);
        self.in_flight.push(Box::pin(publish(self.channel.clone(), number, message, properties)));
        Ok(())
    }

    fn finish(&mut self, done: Done) -> Result<(), lapin::Error> {
        match done {
            Done::Confirmed(confirmed) => {
                self.last_confirmation = Instant::now();
                self.ledger.note(&confirmed);
                self.fresh.push(confirmed);
            }
            // The client fails a publish only with its channel, so that all others fail as well.
            Done::Failed { number, cause } => {
                if let Some(waiting) = self.waiting.remove(&number) {
                    answer(waiting.reply, Err(PublishError::Disconnected(reason(&cause))));
                }
                return Err(cause);
            }
            Done::Barrier => self.settle(),
        }
        if self.behind_barrier.is_none() && !self.fresh.is_empty() {
            // Ready futures come out in the order in which they became ready, and a new one is ready
            // at once: when it comes out, all confirmations resolved before it have been noted.
            self.behind_barrier = Some(std::mem::take(&mut self.fresh));
            self.in_flight.push(Box::pin(future::ready(Done::Barrier)));
        }
        Ok(())
    }

    fn settle(&mut self) {
        let mut batch = self.behind_barrier.take().unwrap_or_default();
        let idle = self.in_flight.is_empty();
        if idle {
            batch.append(&mut self.fresh);
        }
        for (number, fate) in self.ledger.settle(batch, idle) {
            let Some(waiting) = self.waiting.remove(&number) else {
                continue;
            };
            answer(
                waiting.reply,
                match fate {
                    Fate::Delivered => Ok(()),
                    Fate::Unroutable => Err(PublishError::Unroutable),
                    Fate::Refused => Err(PublishError::Refused),
                },
            );
        }
    }

    /// Whether the connection is to be given up.
    fn look(&self, blocked: bool) -> Option<String> {
        if !self.link.connection().status().connected() || !self.channel.status().connected() {
            return Some("the broker closed the channel".to_owned());
        }
        let waiting_since = self.waiting.values().map(|waiting| waiting.since).min()?;
        let silent = waiting_since.max(self.last_confirmation).elapsed() > SILENCE_BOUND;
        (silent && !blocked).then(|| format!("no confirmation for {} s", SILENCE_BOUND.as_secs()))
    }
}

async fn confirming_channel(link: &Link) -> Result<Channel, BrokerError> {
    let channel = broker::channel(link.connection()).await?;
    broker::within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

async fn publish(channel: Channel, number: u64, message: Message, properties: BasicProperties) -> Done {
    let options =
        BasicPublishOptions { mandatory: topology::needs_queue(message.routing_key), ..BasicPublishOptions::default() };
    let sent = channel
        .basic_publish(message.exchange.into(), message.routing_key.into(), options, &message.body, properties)
        .await;
    let confirmation = match sent {
        Ok(confirm) => confirm.await,
        Err(error) => Err(error),
    };
    match confirmation {
        Ok(confirmation) => Done::Confirmed(Confirmed {
            number,
            message_id: message.message_id.to_string(),
            acked: confirmation.is_ack(),
            returned: returned_id(confirmation),
        }),
        Err(cause) => Done::Failed { number, cause },
    }
}

fn returned_id(confirmation: Confirmation) -> Option<String> {
    let message = confirmation.take_message()?;
    Some(message.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default())
}

fn properties(message: &Message, app_id: &str) -> BasicProperties {
    const PERSISTENT: u8 = 2;
    let timestamp = u64::try_from(message.timestamp.unix_timestamp()).unwrap_or_default();
    BasicProperties::default()
        .with_message_id(message.message_id.to_string().into())
        .with_type(message.routing_key.into())
        .with_content_type("application/protobuf".into())
        .with_delivery_mode(PERSISTENT)
        .with_timestamp(timestamp)
        .with_app_id(app_id.into())
        .with_headers(message.trace.to_table())
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// What the barrier rests on, whatever else is in flight.
    #[tokio::test]
    async fn what_became_ready_before_the_barrier_comes_out_before_it() {
        for woken in [[0_usize, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut in_flight = FuturesUnordered::new();
            let mut keys = Vec::new();
            for number in 0_usize..3 {
                let (key, lock) = oneshot::channel::<()>();
                keys.push(Some(key));
                in_flight.push(Box::pin(async move {
                    let _ = lock.await;
                    Some(number)
                }) as Pin<Box<dyn Future<Output = Option<usize>>>>);
            }
            assert!(in_flight.next().now_or_never().is_none(), "nothing is ready");
            for number in woken {
                drop(keys[number].take());
            }
            in_flight.push(Box::pin(future::ready(None)));
            let mut out = Vec::new();
            while let Some(number) = in_flight.next().await {
                out.push(number);
            }
            assert_eq!(out, woken.map(Some).into_iter().chain([None]).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_message_says_what_it_is() {
        let message = Message {
            exchange: topology::IDENTITY_EVENTS,
            routing_key: topology::RESET_REQUESTED,
            message_id: Uuid::from_u128(5),
            body: Vec::new(),
            timestamp: OffsetDateTime::UNIX_EPOCH + Duration::from_millis(2_900),
            trace: TraceHeaders::default(),
        };
        let properties = properties(&message, "sandi-identity");
        let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
        assert_eq!(text(properties.message_id()), Some(message.message_id.to_string()));
        assert_eq!(text(properties.kind()), Some("identity.reset.requested.v1".to_owned()));
        assert_eq!(text(properties.content_type()), Some("application/protobuf".to_owned()));
        assert_eq!(text(properties.app_id()), Some("sandi-identity".to_owned()));
        assert_eq!((*properties.delivery_mode(), *properties.timestamp()), (Some(2), Some(2)));
    }
}
