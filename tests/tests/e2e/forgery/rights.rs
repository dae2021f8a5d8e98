//! What the programs' broker accounts may do, and no more.

use e2e::World;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use messaging::topology::{
    IDENTITY_EVENTS, IDENTITY_MAIL_STATUS, MAIL_STATUS, MAILER_EVENTS, MAILER_PARKED, MAILER_REQUESTS, RESET_REQUESTED,
};

/// A channel of its own, because a refusal closes it.
async fn channel(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.expect("a channel opens");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("the broker confirms");
    channel
}

async fn may_publish(connection: &Connection, exchange: &str, key: &str) -> bool {
    let options = BasicPublishOptions::default();
    let channel = channel(connection).await;
    let published = channel.basic_publish(exchange.into(), key.into(), options, b"x", BasicProperties::default());
    match published.await {
        Ok(confirm) => confirm.await.is_ok(),
        Err(_) => false,
    }
}

async fn may_read(connection: &Connection, queue: &str) -> bool {
    channel(connection).await.basic_get(queue.into(), BasicGetOptions { no_ack: false }).await.is_ok()
}

async fn may_declare(connection: &Connection, queue: &str) -> bool {
    let (options, table) = (QueueDeclareOptions::default(), FieldTable::default());
    channel(connection).await.queue_declare(queue.into(), options, table).await.is_ok()
}

async fn may_bind(connection: &Connection, queue: &str, exchange: &str) -> bool {
    let (options, table) = (QueueBindOptions::default(), FieldTable::default());
    channel(connection).await.queue_bind(queue.into(), exchange.into(), "#".into(), options, table).await.is_ok()
}

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default()).await.expect("the account may connect")
}

#[tokio::test]
async fn the_identity_account_cannot_write_statuses_or_read_mail_requests() {
    let world = World::start().await;
    let account = connect(&world.sandi().plan().servers.amqp_identity).await;
    assert!(may_publish(&account, IDENTITY_EVENTS, "nobody.listens").await);
    for (exchange, key) in
        [(MAILER_EVENTS, MAIL_STATUS), (MAILER_PARKED, ""), ("", MAILER_REQUESTS), ("", IDENTITY_MAIL_STATUS)]
    {
        assert!(!may_publish(&account, exchange, key).await, "{exchange} {key}");
    }
    for queue in [MAILER_REQUESTS, MAILER_PARKED] {
        assert!(!may_read(&account, queue).await, "{queue}");
        assert!(!may_bind(&account, queue, MAILER_EVENTS).await, "{queue}");
    }
    assert!(!may_bind(&account, IDENTITY_MAIL_STATUS, IDENTITY_EVENTS).await, "its own events are not its to read");
    assert!(!may_declare(&account, "spare").await);
}

#[tokio::test]
async fn the_mailer_account_cannot_write_events_or_read_statuses() {
    let world = World::start().await;
    let account = connect(&world.sandi().plan().servers.amqp_mailer).await;
    assert!(may_publish(&account, MAILER_EVENTS, "nobody.listens").await);
    for (exchange, key) in [(IDENTITY_EVENTS, RESET_REQUESTED), ("", IDENTITY_MAIL_STATUS), ("", MAILER_REQUESTS)] {
        assert!(!may_publish(&account, exchange, key).await, "{exchange} {key}");
    }
    for queue in [IDENTITY_MAIL_STATUS, "identity.parked"] {
        assert!(!may_read(&account, queue).await, "{queue}");
        assert!(!may_bind(&account, queue, IDENTITY_EVENTS).await, "{queue}");
    }
    assert!(!may_declare(&account, "spare").await);
}
