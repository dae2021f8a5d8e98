//! Seen and done in a real browser.

mod below;
mod journeys;
mod keyboard;
mod link;
mod mails;
mod stage;
mod trouble;
