//! The gRPC edge: adapters that convert, call an operation and map its result. No rule and no SQL here.

pub mod actors;
pub mod callers;
mod connection;
mod directory_service;
mod edge;
mod fields;
mod frames;
mod health;
mod identity_service;
mod limits;
mod peer;
mod present;
mod run;
pub mod server;
mod standing;
mod status;
mod support_service;
pub mod tls;
