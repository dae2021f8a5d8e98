//! One connection of a publisher, from its opening to its end.

use std::{
    collections::HashMap,
    future::{self, Future},
    pin::Pin,
    sync::atomic::Ordering,
    time::Duration,
};

use futures::stream::{FuturesUnordered, StreamExt};
use lapin::{
    BasicProperties, Channel, Confirmation, Event,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::FieldTable,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::{info, warn};

use super::{Message, PublishError, Reply, Request, State, answer};
use crate::{
    broker::{self, Broker, BrokerError, Link, reason},
    confirms::{Confirmed, Fate, Ledger},
    headers::{PUBLISHED, put_time},
    topology,
};

/// Messages handed to the client and not yet confirmed, at most. They are all the memory that a
/// broker which takes nothing more can cost.
const WINDOW: usize = 1024;
/// Without a confirmation for so long, and not blocked, the connection is given up.
const SILENCE_BOUND: Duration = Duration::from_secs(30);
/// How often that is looked at.
const TICK: Duration = Duration::from_secs(1);

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

/// An open connection with its one channel, and what is under way on it.
pub(super) struct Session {
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
    pub(super) async fn open(broker: &Broker) -> Result<Self, BrokerError> {
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
    pub(super) async fn run(mut self, line: &mut mpsc::Receiver<Request>, state: &State) -> String {
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
            if let Err(error) = topology::declare_exchange(&self.link, message.exchange).await {
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

fn headers(message: &Message) -> FieldTable {
    let mut table = message.trace.to_table();
    put_time(&mut table, PUBLISHED, message.published);
    table
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
        .with_headers(headers(message))
}

#[cfg(test)]
mod tests;
