//! Every sentence of every page, in both languages. A text that is missing in one of them does not compile. Terms and
//! rules are those of the mails: Anda with a capital, "atur ulang", "tautan", "kedaluwarsa", times as "14.30 WIB";
//! short active sentences; nothing urgent.

use proto::identity::v1::{AddressState, DeliveryState, LinkState, NotSentReason, Role};

use crate::web::Language;

mod english;
mod indonesian;

pub use english::ENGLISH;
pub use indonesian::INDONESIAN;

/// All that is said in a language.
pub fn texts(language: Language) -> &'static Texts {
    match language {
        Language::Id => &INDONESIAN,
        Language::En => &ENGLISH,
    }
}

/// All that is said in one language.
pub struct Texts {
    /// BCP 47, for `lang`.
    pub tag: &'static str,
    /// January first.
    pub months: [&'static str; 12],
    /// Hour and minute.
    pub clock: fn(i8, i8) -> String,
    /// What is on every page.
    pub frame: Frame,
    /// What several pages have.
    pub common: Common,
    /// Logging in.
    pub log_in: LogIn,
    /// Asking for a link.
    pub forgot: Forgot,
    /// The page of a link.
    pub link: Link,
    /// What a new password must be like.
    pub rules: Rules,
    /// Account settings.
    pub account: Account,
    /// The first page after the log-in.
    pub home: Home,
    /// The admin's list.
    pub users: Users,
    /// The admin's reset of a user.
    pub admin: Admin,
    /// What became of it.
    pub outcome: Outcome,
    /// What went wrong.
    pub failure: Failure,
}

/// What is on every page.
pub struct Frame {
    /// Leads past the menu.
    pub skip: &'static str,
    /// Name of the menu.
    pub menu: &'static str,
    /// To the first page.
    pub home: &'static str,
    /// To the account settings.
    pub account: &'static str,
    /// To the list of users.
    pub users: &'static str,
    /// Ends the session.
    pub log_out: &'static str,
    /// Name of the choice of languages.
    pub languages: &'static str,
}

/// What several pages have.
pub struct Common {
    /// The label of the username.
    pub username: &'static str,
    /// The label of a password.
    pub password: &'static str,
    /// The label of the organisation.
    pub organisation: &'static str,
    /// Above the list of what is wrong.
    pub problems: &'static str,
    /// Back to the log-in.
    pub to_log_in: &'static str,
    /// From the contact: whom to ask.
    pub support: fn(&str) -> String,
    /// To be waited, in seconds.
    pub wait: fn(u64) -> String,
    /// Something cannot be had now; what was typed is kept.
    pub away: &'static str,
    /// What is found in the logs, for whoever helps.
    pub support_code: &'static str,
}

/// Logging in.
pub struct LogIn {
    /// Title, and the button.
    pub title: &'static str,
    /// To the forgotten password.
    pub forgot: &'static str,
    /// The session is over.
    pub ended: &'static str,
    /// Logged out.
    pub out: &'static str,
}

/// Asking for a link.
pub struct Forgot {
    /// By username: title.
    pub title: &'static str,
    /// What happens then.
    pub intro: &'static str,
    /// The button.
    pub submit: &'static str,
    /// To the other page.
    pub no_username: &'static str,
    /// By address: title.
    pub by_email_title: &'static str,
    /// What happens then.
    pub by_email_intro: &'static str,
    /// The label of the address.
    pub email: &'static str,
    /// Accepted: title.
    pub sent_title: &'static str,
    /// The same for everybody.
    pub sent: &'static str,
    /// How long it works.
    pub sent_life: &'static str,
    /// Above what to do.
    pub not_come: &'static str,
    /// What to do when no mail comes.
    pub steps: [&'static str; 3],
    /// Asks again.
    pub again: &'static str,
}

/// The page of a link.
pub struct Link {
    /// Title.
    pub title: &'static str,
    /// What to do without a token.
    pub paste: &'static str,
    /// Why that is so without JavaScript.
    pub no_script: &'static str,
    /// The label of the pasted link.
    pub label: &'static str,
    /// The button.
    pub open: &'static str,
    /// From the minutes: how long it works.
    pub life: fn(i64) -> String,
    /// The label of the new password.
    pub new: &'static str,
    /// The label of the same again.
    pub confirm: &'static str,
    /// The button.
    pub save: &'static str,
    /// Nobody can look at it now: it is not lost.
    pub kept: &'static str,
    /// Looks again.
    pub retry: &'static str,
    /// Nobody can take the password now: the link is not lost.
    pub kept_password: &'static str,
    /// It is over: title.
    pub over_title: &'static str,
    /// Why.
    pub over: &'static str,
    /// What to do.
    pub over_next: &'static str,
    /// To a new link.
    pub ask_again: &'static str,
    /// It is set: title.
    pub done_title: &'static str,
    /// What follows.
    pub done: &'static str,
}

/// What a new password must be like.
pub struct Rules {
    /// Above the list.
    pub title: &'static str,
    /// From the least length.
    pub length: fn(u32) -> String,
    /// Without the username.
    pub name: &'static str,
    /// Typed twice.
    pub same: &'static str,
    /// Who has the last word.
    pub verdict: &'static str,
    /// A rule is met.
    pub met: &'static str,
    /// It is not yet.
    pub unmet: &'static str,
}

/// Account settings.
pub struct Account {
    /// Title.
    pub title: &'static str,
    /// What follows from a change.
    pub intro: &'static str,
    /// The label of the current password.
    pub current: &'static str,
    /// The button.
    pub submit: &'static str,
    /// It is changed: title.
    pub done_title: &'static str,
    /// What follows.
    pub done: &'static str,
}

/// The first page after the log-in.
pub struct Home {
    /// From the name.
    pub hello: fn(&str) -> String,
    /// From the product and the organisation.
    pub where_: fn(&str, &str) -> String,
}

/// The admin's list.
pub struct Users {
    /// Title.
    pub title: &'static str,
    /// The label of the search.
    pub search: &'static str,
    /// Its button.
    pub find: &'static str,
    /// Nobody is found.
    pub nobody: &'static str,
    /// Column: who.
    pub user: &'static str,
    /// Column: the role.
    pub role: &'static str,
    /// Column: the address.
    pub address: &'static str,
    /// Column: the last reset.
    pub last: &'static str,
    /// Column: what can be done.
    pub action: &'static str,
    /// The button.
    pub reset: &'static str,
    /// From the username: what the button says to those who do not see the row.
    pub reset_of: fn(&str) -> String,
    /// Instead of the button, where no link can be sent.
    pub help: &'static str,
    /// From the username: what that says to those who do not see the row.
    pub help_of: fn(&str) -> String,
    /// The account is disabled.
    pub disabled: &'static str,
    /// No reset yet.
    pub never: &'static str,
    /// The next page.
    pub next: &'static str,
    /// The first page.
    pub first: &'static str,
    /// A role's name.
    pub role_name: fn(Role) -> &'static str,
    /// An address's state.
    pub address_state: fn(AddressState) -> &'static str,
}

/// The admin's reset of a user.
pub struct Admin {
    /// From the username: title.
    pub title: fn(&str) -> String,
    /// What happens then.
    pub intro: &'static str,
    /// From the username: title where no link can be sent.
    pub cannot: fn(&str) -> String,
    /// Above what can be done instead.
    pub instead: &'static str,
    /// There is no address.
    pub missing: Obstacle,
    /// The account is disabled.
    pub disabled: Obstacle,
    /// Mail did not reach it.
    pub undeliverable: &'static str,
    /// The label of the reason.
    pub reason: &'static str,
    /// What it is for.
    pub reason_hint: &'static str,
    /// The button.
    pub submit: &'static str,
    /// Does nothing.
    pub cancel: &'static str,
}

/// Why no link can be sent to a user.
pub struct Obstacle {
    /// Why.
    pub why: &'static str,
    /// What the admin can do.
    pub steps: [&'static str; 2],
}

/// What became of a reset.
pub struct Outcome {
    /// From the username: title.
    pub title: fn(&str) -> String,
    /// Label of the mail.
    pub mail: &'static str,
    /// Label of the link.
    pub link: &'static str,
    /// Label of the address.
    pub address: &'static str,
    /// Label of when it was asked for.
    pub asked: &'static str,
    /// Label of when the link ends.
    pub ends: &'static str,
    /// Label of the reason.
    pub reason: &'static str,
    /// Label of the code in the mail.
    pub code: &'static str,
    /// Looks again.
    pub again: &'static str,
    /// Back to the list.
    pub back: &'static str,
    /// What became of the mail.
    pub delivery: fn(DeliveryState, NotSentReason) -> &'static str,
    /// What became of the link; empty when there is none.
    pub link_state: fn(LinkState) -> &'static str,
    /// What to do now.
    pub next: fn(DeliveryState, NotSentReason) -> &'static str,
}

/// What went wrong: title and words.
pub struct Failure {
    /// 400.
    pub malformed: (&'static str, &'static str),
    /// 403: the form is not from a page of ours, or an old one.
    pub foreign: (&'static str, &'static str),
    /// 403: only for admins.
    pub forbidden: (&'static str, &'static str),
    /// 404.
    pub absent: (&'static str, &'static str),
    /// 405.
    pub method: (&'static str, &'static str),
    /// 408.
    pub slow: (&'static str, &'static str),
    /// 413.
    pub large: (&'static str, &'static str),
    /// 415.
    pub kind: (&'static str, &'static str),
    /// 429.
    pub busy: (&'static str, &'static str),
    /// 503.
    pub away: (&'static str, &'static str),
    /// 500.
    pub internal: (&'static str, &'static str),
}
