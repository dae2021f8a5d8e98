//! The identity service: it owns the passwords of a multi-tenant CRM.
//!
//! Data goes one way: `grpc` -> `ops` -> `store`, then `issuer` -> `relay` -> broker, and `feedback`
//! brings back what became of each mail.

pub mod canary;
pub mod cli;
pub mod cursor;
pub mod digest;
pub mod domain;
pub mod events;
pub mod feedback;
pub mod gates;
pub mod group;
pub mod grpc;
pub mod hasher;
pub mod intake;
pub mod issuer;
pub mod maintenance;
pub mod ops;
pub mod relay;
pub mod serve;
pub mod service;
pub mod settings;
pub mod store;
pub mod watch;
pub mod workers;
