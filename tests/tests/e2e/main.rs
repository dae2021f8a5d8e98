//! Everything seen from outside. One module for each subject.

mod bad_input;
mod crowd;
mod delivery;
mod faults;
mod journeys;
mod metrics;
mod waiting;
