//! The only source of exchange, queue and routing key names, of the bindings between them, and of
//! the rights each side needs.
//!
//! Each side declares what it owns: its exchange, the queues it reads and where their rejected
//! messages go. A binding reaches over to the other side's exchange, so it waits until that exists;
//! whichever side starts first, the second one completes the picture.

use std::time::Duration;

use lapin::{
    Channel, Connection, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::{Instant, sleep};

use crate::broker::{self, Broker, BrokerError};

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

/// Deliveries after which the broker parks a message by itself: a backstop for one that kills its
/// reader each time. RabbitMQ 3.10 has no limit of its own, 4.0 has this one.
const DELIVERY_LIMIT: i32 = 20;

/// Looking at a parked message counts as a delivery, and past its limit RabbitMQ 4 drops a message
/// that has nowhere to go. Unlimited cannot be said to 3.10, so this stands for it.
const PARKED_DELIVERY_LIMIT: i32 = 1_000_000;

/// How long [`declare`] waits for the other side's exchange.
const OTHER_SIDE_WAIT: Duration = Duration::from_secs(10);
const OTHER_SIDE_POLL: Duration = Duration::from_millis(250);

/// Whose part of the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Writes requests and notices, reads statuses.
    Identity,
    /// Reads requests and notices, writes statuses.
    Mailer,
}

/// The three regular expressions of a RabbitMQ user, for the vhost of Sandi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// What it may declare and delete.
    pub configure: &'static str,
    /// Exchanges it may publish to, queues it may bind.
    pub write: &'static str,
    /// Queues it may read, exchanges it may bind queues to.
    pub read: &'static str,
}

/// One side's part: what it declares and what it binds to.
struct Part {
    exchange: &'static str,
    queue: &'static str,
    parked: &'static str,
    source: &'static str,
    source_owner: &'static str,
    keys: &'static [&'static str],
}

const IDENTITY: Part = Part {
    exchange: IDENTITY_EVENTS,
    queue: IDENTITY_MAIL_STATUS,
    parked: IDENTITY_PARKED,
    source: MAILER_EVENTS,
    source_owner: "the mailer",
    keys: &[MAIL_STATUS],
};

const MAILER: Part = Part {
    exchange: MAILER_EVENTS,
    queue: MAILER_REQUESTS,
    parked: MAILER_PARKED,
    source: IDENTITY_EVENTS,
    source_owner: "the identity service",
    keys: &[RESET_REQUESTED, NOTICE_REQUESTED],
};

impl Side {
    fn part(self) -> &'static Part {
        match self {
            Side::Identity => &IDENTITY,
            Side::Mailer => &MAILER,
        }
    }

    /// The side that reads `queue`, if it is one of ours.
    pub(crate) fn reading(queue: &str) -> Option<Side> {
        [Side::Identity, Side::Mailer].into_iter().find(|side| side.part().queue == queue)
    }
}

/// The least rights with which `side` can run, [`declare`] included.
///
/// Neither side may publish to the default exchange, through which any queue can be written to:
/// rejected messages go through an exchange of their own, which also keeps their routing key.
#[must_use]
pub fn permissions(side: Side) -> Permissions {
    match side {
        Side::Identity => Permissions {
            configure: r"^identity\.(events|mail-status|parked)$",
            write: r"^identity\.(events|mail-status|parked)$",
            read: r"^(identity\.(mail-status|parked)|mailer\.events)$",
        },
        Side::Mailer => Permissions {
            configure: r"^mailer\.(events|requests|parked)$",
            write: r"^mailer\.(events|requests|parked)$",
            read: r"^(mailer\.(requests|parked)|identity\.events)$",
        },
    }
}

/// Whether a message under `routing_key` that reaches no queue is a fault.
/// Having no reader is none for `credential.changed`: CRM services bind queues as they like.
#[must_use]
pub fn needs_queue(routing_key: &str) -> bool {
    routing_key != CREDENTIAL_CHANGED
}

/// Declares the part of `side`, and binds its queue to the other side's exchange. Idempotent.
///
/// # Errors
///
/// [`BrokerError::Absent`] if the other side has not declared its exchange within 10 s: everything
/// else is in place then. [`BrokerError::Operation`] if something exists with other properties, or
/// the user may not declare it. Else what [`Broker`] says of connections.
pub async fn declare(broker: &Broker, side: Side) -> Result<(), BrokerError> {
    let link = broker.connect("declare").await?;
    let result = declare_and_wait(link.connection(), side).await;
    link.close().await;
    result
}

async fn declare_and_wait(connection: &Connection, side: Side) -> Result<(), BrokerError> {
    declare_own(connection, side).await?;
    let end = Instant::now() + OTHER_SIDE_WAIT;
    loop {
        match bind(connection, side).await {
            Err(BrokerError::Absent(_)) if Instant::now() < end => sleep(OTHER_SIDE_POLL).await,
            other => return other,
        }
    }
}

/// The number of messages of `queue` that are ready: waiting, and not in a reader's hands.
///
/// # Errors
///
/// [`BrokerError::Absent`] if there is no such queue, else what [`Broker`] says of connections.
pub async fn ready_messages(broker: &Broker, queue: &str) -> Result<u32, BrokerError> {
    let link = broker.connect("look").await?;
    let result = count(link.connection(), queue).await;
    link.close().await;
    result
}

async fn count(connection: &Connection, queue: &str) -> Result<u32, BrokerError> {
    let channel = broker::channel(connection).await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = broker::within(channel.queue_declare(queue.into(), options, FieldTable::default())).await;
    let found = found.map_err(|error| error.or_absent(|| format!("queue {queue}")))?;
    broker::close_channel(&channel).await;
    Ok(found.message_count())
}

/// Declares the exchange of that name, if it is one that a side publishes to.
pub(crate) async fn declare_exchange(channel: &Channel, exchange: &'static str) -> Result<(), BrokerError> {
    if [IDENTITY_EVENTS, MAILER_EVENTS].contains(&exchange) {
        durable_exchange(channel, exchange, ExchangeKind::Topic).await?;
    }
    Ok(())
}

/// Declares what `side` owns, without the binding that needs the other side.
pub(crate) async fn declare_own(connection: &Connection, side: Side) -> Result<(), BrokerError> {
    let part = side.part();
    let channel = broker::channel(connection).await?;
    durable_exchange(&channel, part.exchange, ExchangeKind::Topic).await?;
    durable_exchange(&channel, part.parked, ExchangeKind::Fanout).await?;
    quorum_queue(&channel, part.parked, parked_arguments()).await?;
    bind_queue(&channel, part.parked, part.parked, "").await?;
    quorum_queue(&channel, part.queue, work_arguments(part.parked)).await?;
    broker::close_channel(&channel).await;
    Ok(())
}

/// Binds the queue of `side` to the other side's exchange; `Absent` if that does not exist yet.
pub(crate) async fn bind(connection: &Connection, side: Side) -> Result<(), BrokerError> {
    let part = side.part();
    // A failed operation closes its channel: each try has one of its own.
    let channel = broker::channel(connection).await?;
    for key in part.keys {
        bind_queue(&channel, part.queue, part.source, key).await.map_err(|error| {
            error.or_absent(|| format!("exchange {}, which {} declares,", part.source, part.source_owner))
        })?;
    }
    broker::close_channel(&channel).await;
    Ok(())
}

/// What correctness needs of a queue that is worked on; lengths are left to policies.
fn work_arguments(parked: &str) -> FieldTable {
    let mut arguments = quorum(DELIVERY_LIMIT);
    insert(&mut arguments, "x-dead-letter-exchange", parked);
    // At least once needs reject-publish: dropping the head would lose what is being moved.
    insert(&mut arguments, "x-dead-letter-strategy", "at-least-once");
    insert(&mut arguments, "x-overflow", "reject-publish");
    arguments
}

fn parked_arguments() -> FieldTable {
    quorum(PARKED_DELIVERY_LIMIT)
}

fn quorum(delivery_limit: i32) -> FieldTable {
    let mut arguments = FieldTable::default();
    insert(&mut arguments, "x-queue-type", "quorum");
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(delivery_limit));
    arguments
}

fn insert(arguments: &mut FieldTable, name: &str, value: &str) {
    arguments.insert(name.into(), AMQPValue::LongString(value.into()));
}

pub(crate) async fn durable_exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    broker::within(channel.exchange_declare(name.into(), kind, options, FieldTable::default())).await
}

async fn quorum_queue(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), BrokerError> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    broker::within(channel.queue_declare(name.into(), options, arguments)).await.map(drop)
}

pub(crate) async fn bind_queue(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), BrokerError> {
    let options = QueueBindOptions::default();
    broker::within(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_may_touch_its_own_and_read_one_exchange_of_the_other() {
        for (side, own, other) in [(Side::Identity, "identity", "mailer"), (Side::Mailer, "mailer", "identity")] {
            let permissions = permissions(side);
            for rights in [permissions.configure, permissions.write] {
                assert!(rights.starts_with(&format!(r"^{own}\.")) && rights.ends_with('$'));
                assert!(!rights.contains(other));
            }
            assert_eq!(permissions.read.matches(other).count(), 1);
        }
    }

    #[test]
    fn the_queues_we_read_are_known_and_others_are_not() {
        assert_eq!(Side::reading(MAILER_REQUESTS), Some(Side::Mailer));
        assert_eq!(Side::reading(IDENTITY_MAIL_STATUS), Some(Side::Identity));
        assert_eq!(Side::reading(MAILER_PARKED), None);
    }
}
