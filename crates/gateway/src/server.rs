//! Between the network and the pages: connections and their bounds, bodies, headers, and whose word about addresses is
//! believed.

mod body;
mod connections;
mod edge;
mod headers;
mod proxies;

pub use connections::{Bounds, Peer, serve};
pub use edge::{Edge, edge};
pub use proxies::{Proxies, Via};
