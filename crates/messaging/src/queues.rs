//! How long our queues are, and whether anybody reads them: for metrics.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use crate::broker::{self, Broker, BrokerError, Link};
use crate::topology::{IDENTITY_MAIL_STATUS, IDENTITY_PARKED, MAILER_PARKED, MAILER_REQUESTS};

/// The queues that belong to Sandi itself.
pub const ALL: [&str; 4] = [MAILER_REQUESTS, MAILER_PARKED, IDENTITY_MAIL_STATUS, IDENTITY_PARKED];

/// A queue, as the broker tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: &'static str,
    /// Messages that wait, without those in a reader's hands.
    pub messages: u32,
    /// Who reads it.
    pub consumers: u32,
}

/// Looks at the queues over a connection that it keeps.
pub struct Watch {
    broker: Broker,
    link: Option<Link>,
}

impl Watch {
    /// Connects when it first looks.
    #[must_use]
    pub fn new(broker: Broker) -> Self {
        Self { broker, link: None }
    }

    /// The queues that there are. Looking needs no rights on them.
    ///
    /// # Errors
    ///
    /// What [`Broker`] says of connections; the next look makes a new one.
    pub async fn look(&mut self) -> Result<Vec<Queue>, BrokerError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.broker.connect("watch").await?,
        };
        let mut found = Vec::with_capacity(ALL.len());
        for name in ALL {
            match look_at(&link, name).await {
                Ok(queue) => found.push(queue),
                Err(BrokerError::Absent(_)) => {}
                Err(error) => {
                    link.close().await;
                    return Err(error);
                }
            }
        }
        self.link = Some(link);
        Ok(found)
    }

    /// Says goodbye.
    pub async fn close(self) {
        if let Some(link) = self.link {
            link.close().await;
        }
    }
}

async fn look_at(link: &Link, name: &'static str) -> Result<Queue, BrokerError> {
    // A queue that is missing closes the channel: each has one of its own.
    let channel = broker::channel(link.connection()).await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = broker::within(channel.queue_declare(name.into(), options, FieldTable::default())).await;
    let found = found.map_err(|error| error.or_absent(|| format!("queue {name}")))?;
    broker::close_channel(&channel).await;
    Ok(Queue { name, messages: found.message_count(), consumers: found.consumer_count() })
}
