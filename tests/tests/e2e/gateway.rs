//! The web gateway over plain HTTP, without a browser and without JavaScript.

mod admin;
mod away;
mod bounds;
mod forged;
mod journeys;
mod pages;
mod sameness;
mod sessions;
mod strangers;

/// A password that nobody has yet.
const NEW: &str = "ombak besar di pantai selatan 9";
