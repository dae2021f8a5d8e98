//! Opens sealed mail events, renders them, hands them to a mail server, and says what became of
//! each. No database, no schedule of its own: an event in, one attempt, a status out.

pub mod backoff;
pub mod outcome;
pub mod render;
pub mod sample;
pub mod transport;
