//! Many at once: one token, one key, one user.

mod idempotency;
mod orders;
mod token;
