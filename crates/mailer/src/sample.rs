//! Made-up mails of every kind, for `mailer preview` and the tests.

use prost_types::Timestamp;
use proto::identity::events::v1::{AccountLink, Brand, NoticeMail, ResetMail, notice_mail, reset_mail};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::{Uuid, uuid};

use crate::render::{self, Letterhead, RenderError, Rendered, letter};

/// Every kind of mail there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A person asked for a reset.
    Reset,
    /// An admin asked for it.
    Admin,
    /// A first password.
    Invitation,
    /// Several accounts on one address.
    Accounts,
    /// A password was reset by a link.
    PasswordReset,
    /// A password was changed.
    PasswordChanged,
    /// An address was changed.
    AddressChanged,
}

/// The languages of the mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Locale {
    /// Indonesian.
    Id,
    /// English.
    En,
}

/// A private part, as it comes out of the seal.
#[derive(Debug, Clone)]
pub enum Sample {
    /// With links.
    Reset(ResetMail),
    /// Without.
    Notice(NoticeMail),
}

/// The event id of every sample.
pub const EVENT_ID: Uuid = uuid!("0193577e-8a00-7000-8000-000000000001");
/// When the samples were asked for: 14.00 in Jakarta.
pub const REQUESTED: OffsetDateTime = datetime!(2026-11-23 07:00:00 UTC);
/// When they are rendered.
pub const NOW: OffsetDateTime = datetime!(2026-11-23 07:00:01 UTC);

/// How the samples are signed.
///
/// # Panics
/// Never: the addresses are well-formed.
pub fn letterhead() -> Letterhead {
    let address = |text: &str| text.parse().expect("a sample address");
    Letterhead {
        from: address("akun@mail.kopi.example"),
        reply_to: Some(address("bantuan@kopi.example")),
        message_id_domain: "mail.kopi.example".to_owned(),
        bounce_address: address("bounces@mail.kopi.example"),
    }
}

/// The made-up mail of one kind in one language.
pub fn sample(kind: Kind, locale: Locale) -> Sample {
    match kind {
        Kind::Reset => Sample::Reset(reset(locale, reset_mail::Kind::SelfService, 30)),
        Kind::Admin => Sample::Reset(reset(locale, reset_mail::Kind::Admin, 24 * 60)),
        Kind::Invitation => Sample::Reset(reset(locale, reset_mail::Kind::Invitation, 24 * 60)),
        Kind::Accounts => Sample::Reset(accounts(locale)),
        Kind::PasswordReset => Sample::Notice(notice(locale, notice_mail::Kind::PasswordReset)),
        Kind::PasswordChanged => Sample::Notice(notice(locale, notice_mail::Kind::PasswordChanged)),
        Kind::AddressChanged => Sample::Notice(notice(locale, notice_mail::Kind::AddressChanged)),
    }
}

impl Sample {
    /// The letter, for its two forms.
    ///
    /// # Errors
    /// As [`letter::reset`] and [`letter::notice`].
    pub fn letter(&self) -> Result<letter::Letter, RenderError> {
        match self {
            Self::Reset(mail) => letter::reset(mail, REQUESTED, NOW),
            Self::Notice(mail) => letter::notice(mail),
        }
    }

    /// The whole mail.
    ///
    /// # Errors
    /// As [`render::reset`] and [`render::notice`].
    pub fn render(&self, head: &Letterhead) -> Result<Rendered, RenderError> {
        match self {
            Self::Reset(mail) => render::reset(mail, EVENT_ID, REQUESTED, NOW, head),
            Self::Notice(mail) => render::notice(mail, EVENT_ID, NOW, head),
        }
    }
}

fn reset(locale: Locale, kind: reset_mail::Kind, minutes: i64) -> ResetMail {
    ResetMail {
        recipient: "budi@kopi.example".to_owned(),
        brand: Some(brand()),
        locale: code(locale),
        time_zone: "Asia/Jakarta".to_owned(),
        request_time: Some(timestamp(REQUESTED)),
        device: "Chrome on Android".to_owned(),
        links: vec![link("budi", "Kopi Nusantara", "https://masuk.kopi.example", minutes, 'A')],
        kind: kind.into(),
        support_code: "7Q2MK-XTD4B".to_owned(),
    }
}

/// The instance's brand, since the accounts may be of several organisations.
fn accounts(locale: Locale) -> ResetMail {
    ResetMail {
        brand: Some(Brand {
            sender_name: brand().product_name,
            product_name: brand().product_name,
            ..Brand::default()
        }),
        links: vec![
            link("budi", "Kopi Nusantara", "https://masuk.kopi.example", 30, 'A'),
            link("budi.gudang", "Teh Priangan", "https://masuk.teh.example", 30, 'B'),
        ],
        ..reset(locale, reset_mail::Kind::SelfService, 30)
    }
}

fn notice(locale: Locale, kind: notice_mail::Kind) -> NoticeMail {
    NoticeMail {
        recipient: "budi@kopi.example".to_owned(),
        brand: Some(brand()),
        locale: code(locale),
        time_zone: "Asia/Jakarta".to_owned(),
        username: "budi".to_owned(),
        display_name: "Budi Santoso".to_owned(),
        change_time: Some(timestamp(REQUESTED)),
        device: "Firefox on Windows".to_owned(),
        support_code: "7Q2MK-XTD4B".to_owned(),
        kind: kind.into(),
    }
}

fn brand() -> Brand {
    Brand {
        sender_name: String::new(),
        organization_display_name: "Kopi Nusantara".to_owned(),
        support_contact: "bantuan@kopi.example".to_owned(),
        reply_to: "bantuan@kopi.example".to_owned(),
        product_name: "Nusa CRM".to_owned(),
    }
}

fn link(username: &str, organisation: &str, base: &str, minutes: i64, letter: char) -> AccountLink {
    let token: String = std::iter::repeat_n(letter, 43).collect();
    AccountLink {
        username: username.to_owned(),
        display_name: "Budi Santoso".to_owned(),
        organization_display_name: organisation.to_owned(),
        link: format!("{base}/reset#{token}"),
        expire_time: Some(timestamp(REQUESTED + time::Duration::minutes(minutes))),
    }
}

fn code(locale: Locale) -> String {
    match locale {
        Locale::Id => "id",
        Locale::En => "en",
    }
    .to_owned()
}

fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: at.unix_timestamp(), nanos: 0 }
}
