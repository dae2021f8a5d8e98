//! Acknowledged consuming: a message leaves its queue when its handler has said what became of it.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::{FutureExt, StreamExt};
use lapin::{
    Acker, Channel, Consumer,
    message::Delivery as Received,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};
use time::OffsetDateTime;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    broker::{self, Broker, BrokerError, Link, reason},
    headers::{PUBLISHED, TraceHeaders, count, field, time},
    topology::{self, Side},
};

/// How soon a binding is tried again whose other end is not there yet.
const BIND_RETRY: Duration = Duration::from_secs(2);
/// How often the topology is declared again while all is well: a binding or an exchange that somebody
/// deletes breaks no connection, so that nothing else would bring it back.
const REPAIR: Duration = Duration::from_secs(60);
/// A message that came back so often may be what kills its reader: it is handled alone, so that it takes no
/// neighbours with it.
const SUSPECT: u32 = 2;
/// For so long it waits for the others to be done.
const OTHERS: Duration = Duration::from_secs(30);
/// What has not killed its reader by then only takes its time, and others go on beside it.
const ALONE: Duration = Duration::from_secs(10);
/// A connection that held so long starts the waits between attempts anew.
const STEADY: Duration = Duration::from_secs(10);

/// A message in a handler's hands. Only the body and the routing key mean anything, and the body
/// only as far as its seal goes.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The key it was published under.
    pub routing_key: String,
    /// What was published.
    pub body: Vec<u8>,
    /// Whether it was in a reader's hands before, as far as the broker knows.
    pub redelivered: bool,
    /// How often it came back to the queue (`x-delivery-count`); 0 the first time.
    pub delivery_count: u32,
    /// The AMQP property: for logs.
    pub message_id: Option<String>,
    /// The trace it was published in.
    pub trace: TraceHeaders,
    /// When it was published, as it says itself: for a metric.
    pub published: Option<OffsetDateTime>,
}

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done with.
    Ack,
    /// Put aside for a person: rejected without requeue, so that the broker dead-letters it.
    Park,
    /// Back to the queue, at once: only for a program that is shutting down.
    Requeue,
}

/// Consumes `queue` until `stop`, over a connection of its own, with up to `prefetch` handlers at once.
///
/// Connects again for as long as it takes whenever the connection, the channel or the queue is lost,
/// and declares the topology of the side that reads `queue`, then and every minute. `state` is told
/// `Ok` while everything stands, else what is wrong. What was being handled when a connection
/// broke goes on, but comes again. A handler that panics parks its message. One that came back twice
/// is handled alone, and until the first good one has come only one is taken at a time: a message that kills
/// its reader raises the delivery count of everything the reader holds.
///
/// On `stop` nothing new is taken; this returns when the running handlers are done and their
/// verdicts are given. The caller bounds that by dropping the future.
pub async fn consume<H, F>(
    broker: Broker,
    queue: &'static str,
    prefetch: u16,
    stop: CancellationToken,
    state: impl Fn(Result<(), String>),
    handler: H,
) where
    H: Fn(Delivery) -> F + Clone + Send + 'static,
    F: Future<Output = Verdict> + Send + 'static,
{
    let mut work = Work { prefetch, stop, state, handler, handlers: JoinSet::new() };
    let mut waits = broker::retry_waits();
    loop {
        let since = Instant::now();
        let attempt = Session::open(&broker, queue, prefetch);
        let opened = tokio::select! {
            opened = attempt => opened,
            () = work.stop.cancelled() => break,
        };
        let cause = match opened {
            Ok(mut session) => {
                info!(queue, "consuming");
                let lost = session.run(&mut work).await;
                if lost.is_none() {
                    session.cancel().await;
                    work.finish().await;
                }
                session.link.close().await;
                let Some(cause) = lost else { return };
                cause
            }
            Err(error) => error.reason(),
        };
        warn!(queue, cause, "not consuming");
        (work.state)(Err(cause));
        if since.elapsed() > STEADY {
            waits = broker::retry_waits();
        }
        tokio::select! {
            () = sleep(waits.next().unwrap_or_default()) => {}
            () = work.stop.cancelled() => break,
        }
    }
    work.finish().await;
}

/// What outlives a connection.
struct Work<S, H> {
    prefetch: u16,
    stop: CancellationToken,
    state: S,
    handler: H,
    handlers: JoinSet<()>,
}

impl<S, H> Work<S, H> {
    /// Handlers of a connection that broke count too: the bound is one of this program.
    fn has_room(&self) -> bool {
        self.handlers.len() < usize::from(self.prefetch.max(1))
    }

    fn hand_out<F>(&mut self, received: Received)
    where
        H: Fn(Delivery) -> F + Clone + Send + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        self.handlers.spawn(handle(self.handler.clone(), received));
    }

    async fn finish(&mut self) {
        while self.handlers.join_next().await.is_some() {}
    }
}

/// One connection's life.
struct Session {
    link: Link,
    channel: Channel,
    consumer: Consumer,
    queue: &'static str,
    /// Whether as many are taken as the program handles at once, or one.
    wide: bool,
    /// The side whose topology is kept up.
    side: Option<Side>,
}

impl Session {
    async fn open(broker: &Broker, queue: &'static str, prefetch: u16) -> Result<Self, BrokerError> {
        let link = broker.connect("consume").await?;
        match subscribe(&link, queue).await {
            Ok((channel, consumer)) => {
                let wide = prefetch <= 1;
                Ok(Self { link, channel, consumer, queue, wide, side: Side::reading(queue) })
            }
            Err(error) => {
                link.close().await;
                Err(error)
            }
        }
    }

    /// Hands out deliveries until `stop` (`None`) or until something breaks, and says what.
    async fn run<S, H, F>(&mut self, work: &mut Work<S, H>) -> Option<String>
    where
        S: Fn(Result<(), String>),
        H: Fn(Delivery) -> F + Clone + Send + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        if self.side.is_none() {
            (work.state)(Ok(()));
        }
        let mut repair_at = Instant::now();
        let mut suspect: Option<(Received, Instant)> = None;
        let mut alone_until: Option<Instant> = None;
        loop {
            let idle = work.handlers.is_empty();
            if idle {
                alone_until = None;
            }
            let waits_until = suspect.as_ref().map(|(_, since)| *since + OTHERS);
            let overdue = waits_until.is_some_and(|end| end <= Instant::now());
            if (idle || overdue)
                && let Some((received, _)) = suspect.take()
            {
                alone_until = Some(Instant::now() + ALONE);
                work.hand_out(received);
            }
            let room = work.has_room() && suspect.is_none() && alone_until.is_none();
            tokio::select! {
                biased;
                () = work.stop.cancelled() => return None,
                () = sleep_until(repair_at), if self.side.is_some() => match self.repair().await {
                    Ok(()) => {
                        repair_at = Instant::now() + REPAIR;
                        (work.state)(Ok(()));
                    }
                    // What is in the queue already is handled meanwhile.
                    Err(error @ BrokerError::Absent(_)) => {
                        repair_at = Instant::now() + BIND_RETRY;
                        warn!(cause = error.reason(), "nothing new can come yet");
                        (work.state)(Err(error.reason()));
                    }
                    Err(error) => return Some(error.reason()),
                },
                Some(_) = work.handlers.join_next() => {}
                () = sleep_until(waits_until.unwrap_or(repair_at)), if suspect.is_some() => {}
                () = sleep_until(alone_until.unwrap_or(repair_at)), if alone_until.is_some() => {
                    alone_until = None;
                    if let Err(error) = self.widen(work.prefetch).await {
                        return Some(error.reason());
                    }
                }
                received = self.consumer.next(), if room => match received {
                    Some(Ok(received)) if delivery_count(&received) >= SUSPECT => {
                        suspect = Some((received, Instant::now()));
                    }
                    Some(Ok(received)) => {
                        if let Err(error) = self.widen(work.prefetch).await {
                            return Some(error.reason());
                        }
                        work.hand_out(received);
                    }
                    Some(Err(error)) => return Some(reason(&error)),
                    None => return Some("the broker cancelled the consumer: the queue was deleted or moved".to_owned()),
                },
            }
        }
    }

    /// Takes as many as the program handles at once, from the first good message on. The broker counts what a
    /// consumer holds from its beginning, so a new one takes over.
    async fn widen(&mut self, prefetch: u16) -> Result<(), BrokerError> {
        if self.wide {
            return Ok(());
        }
        let tag = self.consumer.tag();
        broker::within(self.channel.basic_cancel(tag, BasicCancelOptions::default())).await?;
        self.consumer = consumer(&self.channel, self.queue, prefetch).await?;
        self.wide = true;
        Ok(())
    }

    async fn repair(&self) -> Result<(), BrokerError> {
        let Some(side) = self.side else { return Ok(()) };
        topology::repair(&self.link, side).await
    }

    /// Takes nothing more; what was delivered and not handled yet goes back when the connection closes.
    async fn cancel(&self) {
        let cancelled = self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        if let Err(error) = broker::within(cancelled).await {
            debug!(cause = error.reason(), "the consumer was gone already");
        }
    }
}

async fn subscribe(link: &Link, queue: &'static str) -> Result<(Channel, Consumer), BrokerError> {
    if let Some(side) = Side::reading(queue) {
        topology::declare_own(link, side).await?;
    }
    let channel = broker::channel(link.connection()).await?;
    let consumer = consumer(&channel, queue, 1).await?;
    Ok((channel, consumer))
}

async fn consumer(channel: &Channel, queue: &'static str, prefetch: u16) -> Result<Consumer, BrokerError> {
    broker::within(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let consuming =
        channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    broker::within(consuming).await.map_err(|error| error.or_absent(|| format!("queue {queue}")))
}

async fn handle<H, F>(handler: H, received: Received)
where
    H: Fn(Delivery) -> F,
    F: Future<Output = Verdict>,
{
    let acker = received.acker.clone();
    let delivery = delivery(received);
    let message_id = delivery.message_id.clone();
    // Both making the future and running it may panic.
    let handled = AssertUnwindSafe(async move { handler(delivery).await }).catch_unwind().await;
    let verdict = handled.unwrap_or_else(|_| {
        error!(message_id, "a handler panicked: its message is parked");
        Verdict::Park
    });
    give(&acker, verdict).await;
}

async fn give(acker: &Acker, verdict: Verdict) {
    let given = match verdict {
        Verdict::Ack => acker.ack(BasicAckOptions::default()).await,
        Verdict::Park => acker.reject(BasicRejectOptions { requeue: false }).await,
        Verdict::Requeue => acker.nack(BasicNackOptions { requeue: true, multiple: false }).await,
    };
    match given {
        Ok(true) => {}
        Ok(false) => debug!(?verdict, "the connection was gone: the message comes again"),
        Err(error) => debug!(?verdict, cause = reason(&error), "the connection was lost: the message comes again"),
    }
}

fn delivery_count(received: &Received) -> u32 {
    let headers = received.properties.headers().as_ref();
    let count = headers.and_then(|headers| count(field(headers, "x-delivery-count")?));
    count.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn delivery(received: Received) -> Delivery {
    let headers = received.properties.headers().as_ref();
    Delivery {
        routing_key: received.routing_key.to_string(),
        redelivered: received.redelivered,
        delivery_count: delivery_count(&received),
        message_id: received.properties.message_id().as_ref().map(ToString::to_string),
        trace: TraceHeaders::from_table(headers),
        published: headers.and_then(|headers| time(headers, PUBLISHED)),
        body: received.data,
    }
}
