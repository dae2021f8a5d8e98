//! Looking at messages that were put aside, without taking them away.

use lapin::{message::BasicGetMessage, options::BasicGetOptions, types::AMQPValue};
use time::OffsetDateTime;

use crate::{
    broker::{self, Broker, BrokerError},
    headers::{count, field, text},
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
/// each time.
///
/// # Errors
///
/// [`BrokerError::Absent`] if there is no such queue, else what [`Broker`] says of connections.
pub async fn peek(broker: &Broker, queue: &str, limit: usize) -> Result<Vec<Parked>, BrokerError> {
    let link = broker.connect("peek").await?;
    let result = get(link.connection(), queue, limit).await;
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

async fn get(connection: &lapin::Connection, queue: &str, limit: usize) -> Result<Vec<Parked>, BrokerError> {
    let channel = broker::channel(connection).await?;
    let mut parked = Vec::new();
    while parked.len() < limit {
        let got = broker::within(channel.basic_get(queue.into(), BasicGetOptions { no_ack: false })).await;
        match got.map_err(|error| error.or_absent(|| format!("queue {queue}")))? {
            Some(message) => parked.push(read(message)),
            None => break,
        }
    }
    // Whatever was not acknowledged goes back.
    broker::close_channel(&channel).await;
    Ok(parked)
}

fn read(message: BasicGetMessage) -> Parked {
    let death = message.properties.headers().as_ref().and_then(|headers| last_death(field(headers, "x-death")?));
    let of_death = |name| death.and_then(|death| field(death, name));
    Parked {
        routing_key: of_death("routing-keys").and_then(first_text).unwrap_or_else(|| message.routing_key.to_string()),
        message_id: message.properties.message_id().as_ref().map(ToString::to_string),
        reason: of_death("reason").and_then(text),
        count: of_death("count").and_then(count).unwrap_or_default(),
        time: of_death("time").and_then(time),
        body: message.delivery.data,
    }
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
