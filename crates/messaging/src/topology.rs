//! The only source of exchange, queue and routing key names, of the bindings between them, and of
//! the rights each side needs. [`definitions`] writes all of it for RabbitMQ to import.
//!
//! Each side declares what it owns: its exchange, the queues it reads and where their rejected
//! messages go. A binding reaches over to the other side's exchange, so it waits until that exists;
//! whichever side starts first, the second one completes the picture.

mod definitions;
mod rights;

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::broker::{self, Broker, BrokerError, Link};

pub use definitions::definitions;
pub use rights::{Declares, Permissions, permissions};

/// Topic exchange the identity service writes to.
pub const IDENTITY_EVENTS: &str = "identity.events";
/// Routing key of a sealed `ResetRequested`.
pub const RESET_REQUESTED: &str = "identity.reset.requested.v1";
/// Routing key of a sealed `NoticeRequested`.
pub const NOTICE_REQUESTED: &str = "identity.notice.requested.v1";
/// Routing key of a `CredentialChanged`, in the clear, for queues that CRM services bind themselves.
pub const CREDENTIAL_CHANGED: &str = "identity.credential.changed.v1";
/// Quorum queue of mails to send, read by the mailer.
pub const MAILER_REQUESTS: &str = "mailer.requests";
/// Quorum queue of requests the mailer rejected, and the exchange that leads there.
pub const MAILER_PARKED: &str = "mailer.parked";
/// Topic exchange the mailer writes to.
pub const MAILER_EVENTS: &str = "mailer.events";
/// Routing key of a `MailStatus`.
pub const MAIL_STATUS: &str = "mailer.mail.status.v1";
/// Quorum queue of statuses, read by the identity service.
pub const IDENTITY_MAIL_STATUS: &str = "identity.mail-status";
/// Quorum queue of statuses the identity service rejected, and the exchange that leads there.
pub const IDENTITY_PARKED: &str = "identity.parked";

/// How traces call the place of a message: where it was published, under which key, and the queue it was read from
/// (OpenTelemetry, `messaging.destination.name` of RabbitMQ).
pub fn destination(exchange: &str, routing_key: &str, queue: Option<&str>) -> String {
    match queue {
        Some(queue) => format!("{exchange}:{routing_key}:{queue}"),
        None => format!("{exchange}:{routing_key}"),
    }
}

/// Deliveries after which the broker parks a message by itself: a backstop for one that kills its
/// reader each time. RabbitMQ 3.10 has no limit of its own, 4.0 has this one.
const DELIVERY_LIMIT: i32 = 20;

/// Looking at a parked message counts as a delivery, and past its limit RabbitMQ 4 drops a message
/// that has nowhere to go. Unlimited cannot be said to 3.10, so this stands for it.
const PARKED_DELIVERY_LIMIT: i32 = 1_000_000;

/// Whose part of the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Writes requests and notices, reads statuses.
    Identity,
    /// Reads requests and notices, writes statuses.
    Mailer,
}

/// One side's part: what it declares and what it binds to.
struct Part {
    exchange: &'static str,
    queue: &'static str,
    parked: &'static str,
    source: &'static str,
    keys: &'static [&'static str],
}

const IDENTITY: Part = Part {
    exchange: IDENTITY_EVENTS,
    queue: IDENTITY_MAIL_STATUS,
    parked: IDENTITY_PARKED,
    source: MAILER_EVENTS,
    keys: &[MAIL_STATUS],
};

const MAILER: Part = Part {
    exchange: MAILER_EVENTS,
    queue: MAILER_REQUESTS,
    parked: MAILER_PARKED,
    source: IDENTITY_EVENTS,
    keys: &[RESET_REQUESTED, NOTICE_REQUESTED],
};

const SIDES: [Side; 2] = [Side::Identity, Side::Mailer];

impl Side {
    fn part(self) -> &'static Part {
        match self {
            Side::Identity => &IDENTITY,
            Side::Mailer => &MAILER,
        }
    }

    /// The side that reads `queue`, if it is one of ours.
    pub(crate) fn reading(queue: &str) -> Option<Side> {
        SIDES.into_iter().find(|side| side.part().queue == queue)
    }
}

/// Whether a message under `routing_key` that reaches no queue is a fault.
/// Having no reader is none for `credential.changed`: CRM services bind queues as they like.
#[must_use]
pub fn needs_queue(routing_key: &str) -> bool {
    routing_key != CREDENTIAL_CHANGED
}

/// Declares everything that both sides need, and says what is in place. For an operator, who may do so.
///
/// # Errors
///
/// [`BrokerError::Conflict`] or [`BrokerError::Denied`] of the first thing that is refused: what
/// comes before it is in place then. Else what [`Broker`] says of connections.
pub async fn apply(broker: &Broker) -> Result<Vec<String>, BrokerError> {
    let link = broker.connect("topology").await?;
    let result = declare_all(&link).await;
    link.close().await;
    result
}

/// Makes sure of what `side` needs, as the running program does again and again. Where an operator declares, only of the
/// exchanges and queues: bindings cannot be looked at.
///
/// # Errors
///
/// [`BrokerError::Conflict`] with what differs, [`BrokerError::Absent`] with what is missing, [`BrokerError::Denied`],
/// else what [`Broker`] says of connections.
pub async fn ensure(broker: &Broker, side: Side) -> Result<(), BrokerError> {
    let link = broker.connect("topology").await?;
    let result = repair(&link, side).await;
    link.close().await;
    result
}

/// Makes sure of what `side` owns and reads.
pub(crate) async fn repair(link: &Link, side: Side) -> Result<(), BrokerError> {
    declare_own(link, side).await?;
    bind(link, side).await
}

async fn declare_all(link: &Link) -> Result<Vec<String>, BrokerError> {
    let mut done = Vec::new();
    for side in SIDES {
        declare_own(link, side).await?;
        let Part { exchange, parked, queue, .. } = side.part();
        done.extend([format!("exchange {exchange}"), format!("queue {parked}"), format!("queue {queue}")]);
    }
    for side in SIDES {
        bind(link, side).await?;
        let Part { queue, source, keys, .. } = side.part();
        done.extend(keys.iter().map(|key| format!("binding of {key} from {source} to {queue}")));
    }
    Ok(done)
}

/// The number of messages of `queue` that are ready: waiting, and not in a reader's hands.
///
/// # Errors
///
/// [`BrokerError::Absent`] if there is no such queue, else what [`Broker`] says of connections.
pub async fn ready_messages(broker: &Broker, queue: &str) -> Result<u32, BrokerError> {
    let link = broker.connect("look").await?;
    let result = count(&link, queue).await;
    link.close().await;
    result
}

async fn count(link: &Link, queue: &str) -> Result<u32, BrokerError> {
    let channel = broker::channel(link.connection()).await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = broker::within(channel.queue_declare(queue.into(), options, FieldTable::default())).await;
    let found = found.map_err(|error| error.or_absent(|| format!("queue {queue}")))?;
    broker::close_channel(&channel).await;
    Ok(found.message_count())
}

/// Makes sure of the exchange of that name, if it is one that a side publishes to.
pub(crate) async fn declare_exchange(link: &Link, exchange: &'static str) -> Result<(), BrokerError> {
    if [IDENTITY_EVENTS, MAILER_EVENTS].contains(&exchange) {
        own_exchange(link, exchange, ExchangeKind::Topic).await?;
    }
    Ok(())
}

/// Makes sure of what `side` owns, without the binding that needs the other side.
pub(crate) async fn declare_own(link: &Link, side: Side) -> Result<(), BrokerError> {
    let part = side.part();
    own_exchange(link, part.exchange, ExchangeKind::Topic).await?;
    own_exchange(link, part.parked, ExchangeKind::Fanout).await?;
    own_queue(link, part.parked, &parked_arguments()).await?;
    if link.declares() {
        own_binding(link, part.parked, part.parked, "").await?;
    }
    own_queue(link, part.queue, &work_arguments(part.parked)).await
}

/// Binds the queue of `side` to the other side's exchange; `Absent` if that does not exist yet. A
/// user who may not declare cannot look at bindings: a missing one shows when a message comes back.
async fn bind(link: &Link, side: Side) -> Result<(), BrokerError> {
    if !link.declares() {
        return Ok(());
    }
    let part = side.part();
    for key in part.keys {
        own_binding(link, part.queue, part.source, key).await?;
    }
    Ok(())
}

/// An argument of a queue.
#[derive(Clone, Copy)]
enum Argument {
    Number(i32),
    Text(&'static str),
}

/// With its name.
type Named = (&'static str, Argument);

/// What correctness needs of a queue that is worked on; lengths are left to policies.
fn work_arguments(parked: &'static str) -> Vec<Named> {
    let mut arguments = quorum(DELIVERY_LIMIT);
    arguments.extend([
        ("x-dead-letter-exchange", Argument::Text(parked)),
        // At least once needs reject-publish: dropping the head would lose what is being moved.
        ("x-dead-letter-strategy", Argument::Text("at-least-once")),
        ("x-overflow", Argument::Text("reject-publish")),
    ]);
    arguments
}

fn parked_arguments() -> Vec<Named> {
    quorum(PARKED_DELIVERY_LIMIT)
}

fn quorum(delivery_limit: i32) -> Vec<Named> {
    vec![("x-queue-type", Argument::Text("quorum")), ("x-delivery-limit", Argument::Number(delivery_limit))]
}

fn table(arguments: &[Named]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in arguments {
        let value = match argument {
            Argument::Number(number) => AMQPValue::LongInt(*number),
            Argument::Text(text) => AMQPValue::LongString((*text).into()),
        };
        table.insert((*name).into(), value);
    }
    table
}

/// Declares an exchange, on a channel of the caller's.
pub(crate) async fn durable_exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), BrokerError> {
    exchange(channel, name, kind, false).await
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind, passive: bool) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions { durable: true, passive, ..ExchangeDeclareOptions::default() };
    broker::within(channel.exchange_declare(name.into(), kind, options, FieldTable::default())).await
}

async fn own_exchange(link: &Link, name: &str, kind: ExchangeKind) -> Result<(), BrokerError> {
    let channel = broker::channel(link.connection()).await?;
    let declared = exchange(&channel, name, kind, !link.declares()).await;
    finish(channel, declared, || missing(link, "exchange", name)).await
}

async fn own_queue(link: &Link, name: &str, arguments: &[Named]) -> Result<(), BrokerError> {
    let options = QueueDeclareOptions { durable: true, passive: !link.declares(), ..QueueDeclareOptions::default() };
    let channel = broker::channel(link.connection()).await?;
    let declared = broker::within(channel.queue_declare(name.into(), options, table(arguments))).await.map(drop);
    finish(channel, declared, || missing(link, "queue", name)).await
}

/// Binds a queue, on a channel of the caller's.
pub(crate) async fn bind_queue(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), BrokerError> {
    let options = QueueBindOptions::default();
    broker::within(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default())).await
}

async fn own_binding(link: &Link, queue: &str, exchange: &str, key: &str) -> Result<(), BrokerError> {
    let channel = broker::channel(link.connection()).await?;
    let bound = bind_queue(&channel, queue, exchange, key).await;
    finish(channel, bound, || format!("exchange {exchange}, which the other program declares,")).await
}

fn missing(link: &Link, kind: &str, name: &str) -> String {
    let remedy = if link.declares() { "" } else { " (which `identity topology apply` makes)" };
    format!("{kind} {name}{remedy}")
}

/// A failed operation closes its channel, so each has one of its own.
async fn finish(
    channel: Channel,
    result: Result<(), BrokerError>,
    what: impl FnOnce() -> String,
) -> Result<(), BrokerError> {
    if result.is_ok() {
        broker::close_channel(&channel).await;
    }
    result.map_err(|error| error.or_conflict(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_we_read_are_known_and_others_are_not() {
        assert_eq!(Side::reading(MAILER_REQUESTS), Some(Side::Mailer));
        assert_eq!(Side::reading(IDENTITY_MAIL_STATUS), Some(Side::Identity));
        assert_eq!(Side::reading(MAILER_PARKED), None);
    }
}
