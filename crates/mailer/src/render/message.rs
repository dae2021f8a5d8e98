//! The mail as it travels (RFC 5322, MIME): headers, two parts, envelope.

use std::time::SystemTime;

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use proto::identity::events::v1::Brand;
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::letter::{Letter, sender_name};
use super::{RenderError, form};

/// How we sign: section `mail` of the settings.
#[derive(Clone, Debug)]
pub struct Letterhead {
    /// Address of the From header, aligned with the relay's DKIM or SPF domain.
    pub from: Address,
    /// Where people answer to, unless the organisation has an address of its own.
    pub reply_to: Option<Address>,
    /// Right side of Message-ID.
    pub message_id_domain: String,
    /// Mailbox of bounces; the envelope sender is made from it (see [`crate::verp`]).
    pub bounce_address: Address,
}

/// A mail, rendered. The bytes hold live links, so they are wiped after use.
pub struct Rendered {
    /// The one recipient.
    pub recipient: Address,
    /// Headers and body with CRLF line ends.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// A letter with all that goes on the envelope.
pub(super) struct Parts<'a> {
    pub letter: &'a Letter,
    pub brand: &'a Brand,
    pub recipient: &'a str,
    pub event_id: Uuid,
    pub now: OffsetDateTime,
}

pub(super) fn message(parts: &Parts<'_>, head: &Letterhead) -> Result<Rendered, RenderError> {
    let recipient: Address = parts.recipient.parse().map_err(|_| RenderError::RecipientMalformed)?;
    let reply_to = parts.brand.reply_to.trim().parse().ok().or_else(|| head.reply_to.clone());

    let mut builder = lettre::Message::builder()
        .from(Mailbox::new(Some(sender_name(parts.brand)), head.from.clone()))
        .to(Mailbox::new(None, recipient.clone()))
        .subject(parts.letter.subject.clone())
        .date(SystemTime::from(parts.now))
        .message_id(Some(format!("<{}@{}>", parts.event_id, head.message_id_domain)));
    if let Some(reply_to) = reply_to {
        builder = builder.reply_to(Mailbox::new(None, reply_to));
    }
    for (name, value) in [
        ("Content-Language", parts.letter.texts.locale),
        // RFC 3834, section 5: no automatic answer to this.
        ("Auto-Submitted", "auto-generated"),
        // The same to Exchange, which asks in its own way.
        ("X-Auto-Response-Suppress", "All"),
    ] {
        builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned()));
    }

    let part = |kind: ContentType, body: &str| SinglePart::builder().header(kind).body(body.to_owned());
    let message = builder
        .multipart(
            MultiPart::builder()
                .kind(lettre::message::MultiPartKind::Alternative)
                .boundary(format!("sandi-{}", parts.event_id.simple()))
                .singlepart(part(ContentType::TEXT_PLAIN, &form::text(parts.letter)?))
                .singlepart(part(ContentType::TEXT_HTML, &form::html(parts.letter)?)),
        )
        .map_err(|_| RenderError::Template)?;
    Ok(Rendered { recipient, bytes: Zeroizing::new(message.formatted()) })
}
