//! Everything seen from outside. One module for each subject.

mod journeys;
