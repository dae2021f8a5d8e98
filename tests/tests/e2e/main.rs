//! Everything seen from outside. One module for each subject.

mod access;
mod bad_input;
mod browser;
mod calls;
mod crowd;
mod delivery;
mod deployment;
mod errors;
mod faults;
mod forgery;
mod gateway;
mod hardening;
mod journeys;
mod leaks;
mod mail_programs;
mod metrics;
mod operations;
mod previews;
mod programs;
mod races;
mod sameness;
mod spelling;
mod tokens;
mod traces;
mod waiting;
