//! Everything seen from outside. One module for each subject.

mod access;
mod bad_input;
mod calls;
mod crowd;
mod delivery;
mod errors;
mod faults;
mod forgery;
mod journeys;
mod leaks;
mod metrics;
mod programs;
mod races;
mod sameness;
mod tokens;
mod waiting;
