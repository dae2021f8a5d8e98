//! Everything the services say to each other through the broker: the names, the seal, and delivery
//! that is confirmed on one side and acknowledged on the other. No other crate knows the AMQP client.
//!
//! - [`topology`]: exchanges, queues, bindings, rights
//! - [`keys`] and [`seal`]: who may write an event and who may read it
//! - [`broker`]: connections, each bounded in time
//! - [`publisher`] and [`consumer`]: the two directions
//! - [`parked`]: what was put aside
//! - [`queues`]: how long they are

pub mod broker;
pub mod consumer;
pub mod keys;
pub mod parked;
pub mod publisher;
pub mod queues;
pub mod seal;
pub mod topology;

mod confirms;
mod headers;

pub use broker::{Broker, BrokerError};
pub use consumer::{Delivery, Verdict, consume};
pub use headers::TraceHeaders;
pub use keys::{KeyId, KeyRing, Keys, KeysError, Role};
pub use parked::Parked;
pub use publisher::{Message, PublishError, Publisher};
pub use seal::{DecodeError, Event, EventHeader, OpenError, SealError, SealedEvent};
pub use topology::Side;
