//! The reference web gateway: log-in, forgotten passwords, the page of a link, account settings, and the admin's list
//! of users, as pages in Indonesian and English. It has no database; all it knows comes from the identity service, and
//! who is logged in stands in a signed cookie.
//!
//! - [`pages`]: one file a journey; [`texts`]: every sentence, in both languages
//! - [`web`]: what the pages share: visits, sessions, forms, cookies, languages
//! - [`identity`]: the gRPC client; tonic stands nowhere else
//! - [`server`]: connections, bounds, headers, whose address is believed
//! - [`settings`], [`cli`], [`serve`]: the program around it

pub mod cli;
pub mod identity;
pub mod pages;
pub mod serve;
pub mod server;
pub mod settings;
pub mod texts;
pub mod web;
