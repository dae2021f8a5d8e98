//! Between the network and the pages: connections and their bounds, how much an address may ask, bodies, headers, and
//! whose word about addresses is believed.

mod allowance;
mod body;
mod connections;
mod edge;
mod headers;
mod proxies;

pub use allowance::Allowance;
pub use connections::{Bounds, Peer, serve};
pub use edge::{Edge, edge};
pub use proxies::{Proxies, Via};
