//! Asking tells nothing: RequestReset is the same for every name, and its limits are silent.

mod answers;
mod limits;
