//! The gRPC edge: adapters that convert, call an operation and map its result. No rule and no SQL here.

pub mod callers;
mod directory_service;
mod edge;
mod fields;
mod health;
mod identity_service;
mod limits;
mod present;
mod rules;
mod run;
pub mod server;
mod status;
mod support_service;
