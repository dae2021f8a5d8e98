//! Where the demo listens.

use std::iter;

use testbed::{ports, ports::Port};

/// Where everything listens; each knows whether it had to move.
pub struct Ports {
    /// The calls, one for each identity process.
    pub grpc: Vec<Port>,
    /// Metrics of each identity process.
    pub identity_admin: Vec<Port>,
    /// Metrics of each mailer.
    pub mailer_admin: Vec<Port>,
    /// The web gateway's pages.
    pub gateway: Port,
    /// Metrics of the web gateway.
    pub gateway_admin: Port,
    /// The sink.
    pub smtp: Port,
    /// The page.
    pub page: Port,
    /// PostgreSQL.
    pub postgres: Port,
    /// RabbitMQ for programs.
    pub amqp: Port,
    /// RabbitMQ for people.
    pub management: Port,
}

impl Ports {
    /// The usual ports, and others where those are taken.
    pub fn choose(identities: usize, mailers: usize) -> Self {
        let from = |first: u16, more: u16, count: usize| {
            let usual = iter::once(first).chain(more..).take(count);
            usual.map(ports::prefer).collect::<Vec<_>>()
        };
        Self {
            grpc: from(50051, 50052, identities),
            identity_admin: from(9464, 9474, identities),
            mailer_admin: from(9465, 9484, mailers),
            gateway: ports::prefer(8080),
            gateway_admin: ports::prefer(9466),
            smtp: ports::prefer(1025),
            page: ports::prefer(8025),
            postgres: ports::prefer(5432),
            amqp: ports::prefer(5672),
            management: ports::prefer(15672),
        }
    }
}
