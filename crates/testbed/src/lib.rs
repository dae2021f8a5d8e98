//! Everything that Sandi needs around it, private and on loopback: PostgreSQL, RabbitMQ, an SMTP sink with a mailbox
//! page, an OTLP collector, a browser, and the two programs themselves. Tests, benchmarks and the demo stand on it.
//!
//! Starting and stopping is plain blocking code with a bound on every wait; only the sink, the page, the collector and
//! the browser are async.
//! Nothing here touches a server that the machine runs already.

pub mod browser;
pub mod collector;
pub mod http;
pub mod mailbox;
pub mod ports;
pub mod postfix;
pub mod postgres;
pub mod private;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod rabbitmq;
pub mod random;
pub mod sandi;
pub mod shared;
pub mod smtp;
pub mod wait;
