//! Seen and done in a real browser.

mod mails;
