//! Many at once: one token, one key, one user.

mod address;
mod idempotency;
mod orders;
mod token;
