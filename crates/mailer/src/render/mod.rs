//! From an opened event to a mail: what it says ([`letter`]), how it looks ([`form`]), how it
//! travels ([`message`]).

use prost_types::Timestamp;
use proto::identity::events::v1::{NoticeMail, ResetMail};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

pub mod form;
pub mod letter;
pub mod message;
pub mod names;
pub mod texts;
pub mod when;

pub use self::message::{Letterhead, Rendered};

/// Why an opened event cannot be made into a mail. It is parked with this as the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The private part is not the message of its routing key.
    #[error("the private part is not understood")]
    NotUnderstood,
    /// A kind that this version does not know.
    #[error("the kind of mail is not known")]
    KindUnknown,
    /// The address cannot stand in an SMTP command.
    #[error("the recipient is not an address")]
    RecipientMalformed,
    /// The configured bounce address leaves no room for the event id.
    #[error("the bounce address is too long")]
    SenderMalformed,
    /// A reset without a link.
    #[error("no link")]
    NoLink,
    /// A link that is none.
    #[error("a link is malformed")]
    LinkMalformed,
    /// A moment that has to be told is missing.
    #[error("a time is missing")]
    TimeMissing,
    /// Every link is over: no fault, but nothing to mail either.
    #[error("no link lives")]
    Over,
    /// The template did not render.
    #[error("the template failed")]
    Template,
}

impl RenderError {
    /// A stable name for logs, metrics and the `parked` command.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotUnderstood => "not_understood",
            Self::KindUnknown => "kind_unknown",
            Self::RecipientMalformed => "recipient_malformed",
            Self::SenderMalformed => "sender_malformed",
            Self::NoLink => "no_link",
            Self::LinkMalformed => "link_malformed",
            Self::TimeMissing => "time_missing",
            Self::Over => "expired",
            Self::Template => "template",
        }
    }
}

/// Makes the mail of a reset, an admin's reset or an invitation.
///
/// # Errors
/// See [`RenderError`].
pub fn reset(
    mail: &ResetMail,
    event_id: Uuid,
    expire_time: OffsetDateTime,
    now: OffsetDateTime,
    head: &Letterhead,
) -> Result<Rendered, RenderError> {
    let parts = message::Parts {
        letter: &letter::reset(mail, expire_time, now)?,
        brand: &mail.brand.clone().unwrap_or_default(),
        recipient: &mail.recipient,
        event_id,
        now,
    };
    message::message(&parts, head)
}

/// Makes the mail that tells of a change.
///
/// # Errors
/// See [`RenderError`].
pub fn notice(
    mail: &NoticeMail,
    event_id: Uuid,
    now: OffsetDateTime,
    head: &Letterhead,
) -> Result<Rendered, RenderError> {
    let parts = message::Parts {
        letter: &letter::notice(mail)?,
        brand: &mail.brand.clone().unwrap_or_default(),
        recipient: &mail.recipient,
        event_id,
        now,
    };
    message::message(&parts, head)
}

/// A moment of an event; none when it is absent or beyond the calendar.
pub(crate) fn time_of(timestamp: Option<&Timestamp>) -> Option<OffsetDateTime> {
    let timestamp = timestamp?;
    OffsetDateTime::from_unix_timestamp(timestamp.seconds)
        .ok()?
        .checked_add(Duration::nanoseconds(i64::from(timestamp.nanos)))
}
