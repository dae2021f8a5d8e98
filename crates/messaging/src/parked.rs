//! Messages that were put aside: looked at without taking them away, put back into their queue, thrown away.
//! [`desk`] is the command for that, which both programs have.

pub mod desk;

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ExchangeKind,
    message::BasicGetMessage,
    options::{
        BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeleteOptions,
    },
    types::AMQPValue,
};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use crate::{
    broker::{self, Broker, BrokerError},
    headers::{TraceHeaders, count, field, text},
    topology,
};

/// A message in a parking queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The routing key it was published under.
    pub routing_key: String,
    /// The AMQP property: for people, not to be believed.
    pub message_id: Option<String>,
    /// What was published.
    pub body: Vec<u8>,
    /// Why the broker moved it: `rejected` by its reader, or `delivery_limit`.
    pub reason: Option<String>,
    /// How often it was moved for that reason.
    pub count: u64,
    /// When it was moved last, to the second.
    pub time: Option<OffsetDateTime>,
}

/// The first `limit` messages of `queue`, by when they were put aside. They stay there: nothing is
/// acknowledged, and they are ready again when this returns. The same messages come in the same order
/// each time. `seen` is told how many there are so far.
///
/// # Errors
///
/// [`BrokerError::Absent`] if there is no such queue, else what [`Broker`] says of connections.
pub async fn peek(
    broker: &Broker,
    queue: &str,
    limit: usize,
    seen: impl FnMut(usize),
) -> Result<Vec<Parked>, BrokerError> {
    let link = broker.connect("peek").await?;
    let result = get(link.connection(), queue, limit, seen).await;
    link.close().await;
    result.map(|mut parked| {
        // A quorum queue takes many messages that come back at once in any order.
        parked.sort_by(|a, b| order(a).cmp(&order(b)));
        parked
    })
}

fn order(parked: &Parked) -> (Option<OffsetDateTime>, Option<&str>, &[u8]) {
    (parked.time, parked.message_id.as_deref(), &parked.body)
}

/// AMQP's `delivery_mode` of a message that is written to disk.
const PERSISTENT: u8 = 2;

/// How long the broker may take to give back what a look took out.
const COMING_BACK: Duration = Duration::from_secs(5);

/// What becomes of a parked message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Keep,
    /// It is tried again.
    Replay(WayBack),
    /// It is thrown away.
    Discard,
}

/// How a parked message is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayBack {
    /// It goes into the queue it came from, as if it came for the first time.
    Queue,
    /// Its writer is asked for it, and writes it anew unless it is superseded by now.
    Writer(Ask),
}

/// A message that asks for another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The exchange that the writer hears.
    pub exchange: &'static str,
    /// The routing key.
    pub routing_key: &'static str,
    /// What it says.
    pub body: Vec<u8>,
}

/// Goes once through the messages of `parked` until `decide` has said of `meant` of them what becomes of them; the others
/// stay. `work` is the queue they came from. A message leaves only when the broker has confirmed it elsewhere; whatever
/// breaks off leaves it where it is.
///
/// # Errors
///
/// [`BrokerError::Absent`] if there is no such queue, [`BrokerError::Lost`] if the broker does not take a message
/// back, else what [`Broker`] says of connections and rights.
pub async fn settle(
    broker: &Broker,
    parked: &str,
    work: &'static str,
    meant: usize,
    decide: impl FnMut(&Parked) -> Option<Fate>,
) -> Result<(), BrokerError> {
    let link = broker.connect("settle").await?;
    let result = go_through(link.connection(), parked, work, meant, decide).await;
    link.close().await;
    result
}

async fn go_through(
    connection: &Connection,
    parked: &str,
    work: &'static str,
    meant: usize,
    mut decide: impl FnMut(&Parked) -> Option<Fate>,
) -> Result<(), BrokerError> {
    let channel = broker::channel(connection).await?;
    broker::within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    let mut back = Back { channel: &channel, work, open: false };
    let patience = Instant::now() + COMING_BACK;
    let mut decided = 0;
    while decided < meant {
        let Some(message) = next(&channel, parked).await? else {
            // Those that were looked at a moment ago may still be on their way back.
            if Instant::now() > patience {
                break;
            }
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let acker = message.delivery.acker.clone();
        let message = read(message);
        let Some(fate) = decide(&message.0) else { continue };
        decided += 1;
        match fate {
            Fate::Keep => continue,
            Fate::Replay(WayBack::Queue) => back.take(&message).await?,
            Fate::Replay(WayBack::Writer(ask)) => back.ask(ask, &message.1).await?,
            Fate::Discard => {}
        }
        broker::within(acker.ack(BasicAckOptions::default())).await?;
    }
    back.close().await?;
    broker::close_channel(&channel).await;
    Ok(())
}

/// Puts messages back. Into the queue by an exchange named like it, for as long as that is needed: the default exchange
/// would ask for rights to write to any queue, and the one that the message came by belongs to the other side.
struct Back<'a> {
    channel: &'a Channel,
    work: &'static str,
    open: bool,
}

impl Back<'_> {
    async fn take(&mut self, (parked, properties): &(Parked, BasicProperties)) -> Result<(), BrokerError> {
        if !self.open {
            topology::durable_exchange(self.channel, self.work, ExchangeKind::Fanout).await?;
            topology::bind_queue(self.channel, self.work, self.work, "").await?;
            self.open = true;
        }
        self.publish(self.work, &parked.routing_key, &parked.body, properties).await
    }

    async fn ask(&self, ask: Ask, properties: &BasicProperties) -> Result<(), BrokerError> {
        self.publish(ask.exchange, ask.routing_key, &ask.body, properties).await
    }

    async fn publish(
        &self,
        exchange: &'static str,
        routing_key: &str,
        body: &[u8],
        properties: &BasicProperties,
    ) -> Result<(), BrokerError> {
        // Without what the broker wrote on it, so that its returns are counted anew; to disk, whatever it was before.
        let trace = TraceHeaders::from_table(properties.headers().as_ref());
        let properties = properties.clone().with_headers(trace.to_table()).with_delivery_mode(PERSISTENT);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sent = self.channel.basic_publish(exchange.into(), routing_key.into(), options, body, properties);
        let confirmed = broker::within(async { sent.await?.await }).await?;
        match confirmed {
            Confirmation::Ack(None) => Ok(()),
            _ => Err(BrokerError::Lost(format!("exchange {exchange}"))),
        }
    }

    async fn close(self) -> Result<(), BrokerError> {
        if self.open {
            let deleted = self.channel.exchange_delete(self.work.into(), ExchangeDeleteOptions::default());
            broker::within(deleted).await?;
        }
        Ok(())
    }
}

async fn get(
    connection: &Connection,
    queue: &str,
    limit: usize,
    mut seen: impl FnMut(usize),
) -> Result<Vec<Parked>, BrokerError> {
    let channel = broker::channel(connection).await?;
    let mut parked = Vec::new();
    let mut last = None;
    while parked.len() < limit {
        let Some(message) = next(&channel, queue).await? else { break };
        last = Some(message.delivery.acker.clone());
        parked.push(read(message).0);
        seen(parked.len());
    }
    // Whatever was not acknowledged goes back when the channel closes; told so, it goes back at once.
    if let Some(last) = last {
        let all = BasicNackOptions { requeue: true, multiple: true };
        broker::within(last.nack(all)).await?;
    }
    broker::close_channel(&channel).await;
    Ok(parked)
}

async fn next(channel: &Channel, queue: &str) -> Result<Option<BasicGetMessage>, BrokerError> {
    let got = broker::within(channel.basic_get(queue.into(), BasicGetOptions { no_ack: false })).await;
    got.map_err(|error| error.or_absent(|| format!("queue {queue}")))
}

fn read(message: BasicGetMessage) -> (Parked, BasicProperties) {
    let properties = message.delivery.properties;
    let death = properties.headers().as_ref().and_then(|headers| last_death(field(headers, "x-death")?));
    let of_death = |name| death.and_then(|death| field(death, name));
    let key = of_death("routing-keys").and_then(first_text);
    let parked = Parked {
        routing_key: key.unwrap_or_else(|| message.delivery.routing_key.to_string()),
        message_id: properties.message_id().as_ref().map(ToString::to_string),
        reason: of_death("reason").and_then(text),
        count: of_death("count").and_then(count).unwrap_or_default(),
        time: of_death("time").and_then(time),
        body: message.delivery.data,
    };
    (parked, properties)
}

/// The broker writes the latest move first.
fn last_death(value: &AMQPValue) -> Option<&lapin::types::FieldTable> {
    value.as_array()?.as_slice().first()?.as_field_table()
}

fn first_text(value: &AMQPValue) -> Option<String> {
    text(value.as_array()?.as_slice().first()?)
}

fn time(value: &AMQPValue) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(value.as_timestamp()?).ok()?).ok()
}
