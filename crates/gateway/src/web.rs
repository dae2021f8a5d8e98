//! What the pages share: who visits, in which language, with which session, and how forms come back.

mod assets;
mod base;
mod cookies;
mod form;
mod language;
mod layout;
mod member;
mod session;
mod visit;
mod when;

pub use assets::{PREFIX as ASSETS, router as assets};
pub use base::Base;
pub use cookies::Cookies;
pub use form::{Fields, Posted};
pub use language::Language;
pub use layout::{Fact, Field, Form, FormPage, Link, Message, Page, Problem, Rules, Switch, html};
pub use member::{Admin, Member, Unknown};
pub use session::Session;
pub use visit::{Visit, draw};
pub use when::{Zone, minutes_left};

use std::sync::Arc;

use runtime::{Clock, Random, Reloaded};

use crate::identity::Identity;

/// What every page works with.
pub struct App {
    /// The identity service; pages ask the one of their [`Visit`].
    pub identity: Identity,
    /// The keys of the cookies.
    pub cookies: Arc<Reloaded<Cookies>>,
    /// Where people find us.
    pub base: Base,
    /// Name of the product.
    pub product: String,
    /// Where people who are not logged in find help; may be empty.
    pub support_contact: String,
    /// For people whose browser asks for no language of ours.
    pub language: Language,
    /// How long people stay logged in at most.
    pub session_life: std::time::Duration,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}
