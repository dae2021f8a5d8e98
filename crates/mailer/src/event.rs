//! A sealed event, opened.

use messaging::EventHeader;
use messaging::keys::Keys;
use messaging::seal::{decode_event, open};
use messaging::topology::RESET_REQUESTED;
use prost::Message;
use proto::identity::events::v1::{NoticeMail, ResetMail, notice_mail, reset_mail};
use time::OffsetDateTime;
use zeroize::Zeroize;

use crate::render::{self, Letterhead, RenderError, Rendered};

/// An event that the identity service wrote to us. What it says may still make no sense.
pub struct MailEvent {
    /// Its clear part, which the seal vouches for.
    pub header: EventHeader,
    /// Numbers the statuses.
    pub attempt: u32,
    private: Option<Private>,
}

enum Private {
    Reset(ResetMail),
    Notice(NoticeMail),
}

impl MailEvent {
    /// Reads a message and opens its seal.
    ///
    /// # Errors
    /// A stable reason, when it is no event, or not one that the identity service sealed to us.
    pub fn open(keys: &Keys, routing_key: &str, body: &[u8]) -> Result<Self, &'static str> {
        let event = decode_event(routing_key, body).map_err(|error| error.reason())?;
        let (header, plaintext) =
            open(keys, routing_key, &event.header, &event.sealed).map_err(|error| error.reason())?;
        let private = if routing_key == RESET_REQUESTED {
            ResetMail::decode(plaintext.as_slice()).map(Private::Reset)
        } else {
            NoticeMail::decode(plaintext.as_slice()).map(Private::Notice)
        };
        Ok(Self { header, attempt: event.attempt, private: private.ok() })
    }

    /// Makes the mail.
    ///
    /// # Errors
    /// See [`RenderError`].
    pub fn render(&self, now: OffsetDateTime, head: &Letterhead) -> Result<Rendered, RenderError> {
        let EventHeader { event_id, expire_time, .. } = self.header;
        match &self.private {
            Some(Private::Reset(mail)) => render::reset(mail, event_id, expire_time, now, head),
            Some(Private::Notice(mail)) => render::notice(mail, event_id, now, head),
            None => Err(RenderError::NotUnderstood),
        }
    }

    /// Its language, for metrics.
    pub fn locale(&self) -> &'static str {
        let locale = match &self.private {
            Some(Private::Reset(mail)) => mail.locale.as_str(),
            Some(Private::Notice(mail)) => mail.locale.as_str(),
            None => "",
        };
        ["id", "en"].into_iter().find(|known| *known == locale).unwrap_or("unknown")
    }

    /// What kind of mail it is, for logs and metrics.
    pub fn kind(&self) -> &'static str {
        match &self.private {
            Some(Private::Reset(mail)) => match mail.kind() {
                reset_mail::Kind::SelfService => "reset",
                reset_mail::Kind::Admin => "admin",
                reset_mail::Kind::Invitation => "invitation",
                reset_mail::Kind::Unspecified => "unknown",
            },
            Some(Private::Notice(mail)) => match mail.kind() {
                notice_mail::Kind::PasswordReset => "password_reset",
                notice_mail::Kind::PasswordChanged => "password_changed",
                notice_mail::Kind::AddressChanged => "address_changed",
                notice_mail::Kind::Unspecified => "unknown",
            },
            None => "unknown",
        }
    }
}

impl Drop for Private {
    /// Live links do not stay in freed memory.
    fn drop(&mut self) {
        if let Self::Reset(mail) = self {
            mail.links.iter_mut().for_each(|link| link.link.zeroize());
        }
    }
}
