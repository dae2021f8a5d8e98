//! Looking into the broker, and writing to it, as an administrator or as one of the programs' users.

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
        QueuePurgeOptions,
    },
    types::FieldTable,
};

use crate::World;

/// A connection with one channel that confirms.
pub struct Broker {
    connection: Connection,
    channel: Channel,
}

/// A message of a queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// The key it was published under.
    pub routing_key: String,
    /// Its body.
    pub body: Vec<u8>,
    /// Its properties, headers among them.
    pub properties: BasicProperties,
}

impl World {
    /// The broker with all rights.
    ///
    /// # Panics
    /// When it is away.
    pub async fn broker(&self) -> Broker {
        Broker::connect(&self.rabbitmq().administrator_url(self.vhost())).await
    }

    /// The broker with the identity service's rights.
    ///
    /// # Panics
    /// When it is away.
    pub async fn broker_as_identity(&self) -> Broker {
        Broker::connect(&self.sandi.plan().servers.amqp_identity).await
    }

    /// The broker with the mailer's rights.
    ///
    /// # Panics
    /// When it is away.
    pub async fn broker_as_mailer(&self) -> Broker {
        Broker::connect(&self.sandi.plan().servers.amqp_mailer).await
    }
}

impl Broker {
    /// Connects.
    ///
    /// # Panics
    /// When the broker is away or refuses.
    pub async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("the broker answers");
        let channel = connection.create_channel().await.expect("a channel opens");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("the broker confirms");
        Self { connection, channel }
    }

    /// All messages of a queue, which stay there.
    ///
    /// # Panics
    /// When there is no such queue.
    pub async fn peek(&self, queue: &str) -> Vec<Message> {
        // Closing a channel gives back what it did not acknowledge.
        let channel = self.connection.create_channel().await.expect("a channel opens");
        let messages = get_all(&channel, queue, false).await;
        channel.close(200, "OK".into()).await.expect("the channel closes");
        messages
    }

    /// All messages of a queue, which are then gone.
    ///
    /// # Panics
    /// When there is no such queue.
    pub async fn take(&self, queue: &str) -> Vec<Message> {
        get_all(&self.channel, queue, true).await
    }

    /// Publishes a message; true when it reached a queue.
    ///
    /// # Panics
    /// When the broker refuses it.
    pub async fn publish(&self, exchange: &str, routing_key: &str, body: &[u8], properties: BasicProperties) -> bool {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let sent = self.channel.basic_publish(exchange.into(), routing_key.into(), options, body, properties).await;
        match sent.expect("the channel is open").await.expect("the broker answers") {
            Confirmation::Ack(returned) => returned.is_none(),
            other => panic!("the broker refuses it: {other:?}"),
        }
    }

    /// Removes all messages of a queue.
    ///
    /// # Panics
    /// When there is no such queue.
    pub async fn purge(&self, queue: &str) {
        self.channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.expect("the queue is there");
    }

    /// How many messages a queue has ready.
    ///
    /// # Panics
    /// When there is no such queue.
    pub async fn ready(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let declared = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        declared.expect("the queue is there").message_count()
    }

    /// Waits until a queue has exactly so many messages ready.
    ///
    /// # Panics
    /// When it has not within 20 s.
    pub async fn wait_ready(&self, queue: &str, count: u32) {
        let end = tokio::time::Instant::now() + crate::resets::BOUND;
        loop {
            let ready = self.ready(queue).await;
            if ready == count {
                return;
            }
            assert!(tokio::time::Instant::now() < end, "{queue} has {ready} messages, not {count}");
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    }
}

async fn get_all(channel: &Channel, queue: &str, acknowledge: bool) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(got) =
        channel.basic_get(queue.into(), BasicGetOptions { no_ack: false }).await.expect("the queue is there")
    {
        let delivery = got.delivery;
        messages.push(Message {
            routing_key: delivery.routing_key.to_string(),
            body: delivery.data.clone(),
            properties: delivery.properties.clone(),
        });
        if acknowledge {
            delivery.ack(BasicAckOptions::default()).await.expect("the broker takes it");
        }
    }
    messages
}
