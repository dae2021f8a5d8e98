//! The web gateway over plain HTTP, without a browser and without JavaScript.

mod admin;
mod away;
mod below;
mod bounds;
mod calls;
mod forged;
mod journeys;
mod pages;
mod reload;
mod sameness;
mod sessions;
mod strangers;

/// A password that nobody has yet.
const NEW: &str = "ombak besar di pantai selatan 9";
