//! What a mail says, before it has a form: the text part and the HTML part are both made from the
//! same [`Letter`], so they carry the same facts.

use proto::identity::events::v1::{Brand, NoticeMail, ResetMail, notice_mail, reset_mail};
use time::OffsetDateTime;
use zeroize::Zeroize;

use super::names::{name, tidy, username};
use super::texts::{Texts, texts};
use super::when::{Zone, life};
use super::{RenderError, time_of};

/// Longest name of a person, an organisation or a product, in characters.
const NAME: usize = 100;
/// Longest support contact.
const CONTACT: usize = 200;
/// Longest device and code.
const SHORT: usize = 60;

/// A mail without its form.
pub struct Letter {
    /// The language.
    pub texts: &'static Texts,
    /// The subject, also the title and the heading.
    pub subject: String,
    /// Hidden first line of the HTML part, shown in lists of mails.
    pub preheader: String,
    /// Whose mail it is: the organisation, or the product where the mail speaks of several.
    pub from: String,
    /// The content, in order.
    pub blocks: Vec<Block>,
    /// For support.
    pub support_code: Option<String>,
}

/// A piece of a letter.
pub enum Block {
    /// A paragraph.
    Text(String),
    /// An account: labels and what they say.
    Account(Vec<(&'static str, String)>),
    /// The one action.
    Link {
        /// On the button.
        label: String,
        /// Where it leads.
        url: String,
    },
}

impl Drop for Block {
    /// Live links do not stay in freed memory.
    fn drop(&mut self) {
        if let Self::Link { url, .. } = self {
            url.zeroize();
        }
    }
}

/// A link that still lives.
struct Live<'a> {
    username: String,
    organisation: String,
    display_name: &'a str,
    url: &'a str,
    expire_time: OffsetDateTime,
}

/// The letter of a reset, whoever asked for it. Links that are over are left out.
///
/// # Errors
/// When the event does not say what is needed, and [`RenderError::Over`] when no link lives.
pub fn reset(mail: &ResetMail, default_expiry: OffsetDateTime, now: OffsetDateTime) -> Result<Letter, RenderError> {
    let brand = mail.brand.clone().unwrap_or_default();
    let texts = texts(&mail.locale);
    let product = product(&brand);
    let requested = time_of(mail.request_time.as_ref()).ok_or(RenderError::TimeMissing)?;
    let links = live_links(mail, default_expiry, now)?;
    let zone = Zone::of(&mail.time_zone);
    let support = support(&brand).unwrap_or_else(|| texts.notice.administrator.to_owned());
    let ends = links.iter().map(|link| link.expire_time).min().unwrap_or(now);
    let hour = zone.moment(ends, texts).hour;
    let asked = (texts.moment)(&zone.moment(requested, texts));
    let expiry_of = |link: &Live<'_>, say: fn(&str, &str) -> String| {
        let moment = (texts.moment)(&zone.moment(link.expire_time, texts));
        Block::Text(say(&moment, &life(link.expire_time - requested, texts)))
    };

    let (subject, preheader, not_you, say_expiry, origin) = match mail.kind() {
        reset_mail::Kind::Unspecified => return Err(RenderError::KindUnknown),
        reset_mail::Kind::SelfService => (
            (texts.reset.subject)(&product),
            (texts.preheader)(&hour),
            (texts.reset.not_you)(&support),
            texts.reset.expiry,
            Some((texts.reset.origin)(&asked, device(&mail.device, texts).as_deref())),
        ),
        reset_mail::Kind::Admin => (
            (texts.reset.subject)(&product),
            (texts.admin.preheader)(&hour),
            (texts.admin.not_you)(&support),
            texts.reset.expiry,
            Some((texts.reset.origin)(&asked, None)),
        ),
        reset_mail::Kind::Invitation => (
            (texts.invitation.subject)(&product),
            (texts.invitation.preheader)(&hour),
            (texts.invitation.not_you)(&support),
            texts.invitation.expiry,
            None,
        ),
    };

    let mut blocks = Vec::new();
    match links.as_slice() {
        [link] => {
            blocks.push(Block::Text(hello(link.display_name, texts)));
            blocks.push(Block::Text(match mail.kind() {
                reset_mail::Kind::Admin => (texts.admin.intro)(&link.organisation),
                reset_mail::Kind::Invitation => (texts.invitation.intro)(&product),
                _ => texts.reset.intro.to_owned(),
            }));
            blocks.push(account(&link.username, &link.organisation, texts));
            blocks.push(Block::Link { label: texts.choose.to_owned(), url: link.url.to_owned() });
            blocks.push(expiry_of(link, say_expiry));
        }
        links => {
            blocks.push(Block::Text(texts.hello_anyone.to_owned()));
            blocks.push(Block::Text((texts.several)(links.len())));
            for link in links {
                blocks.push(account(&link.username, &link.organisation, texts));
                blocks.push(Block::Link { label: (texts.choose_for)(&link.username), url: link.url.to_owned() });
                blocks.push(expiry_of(link, say_expiry));
            }
        }
    }
    blocks.extend(origin.map(Block::Text));
    blocks.push(Block::Text(not_you));
    blocks.push(Block::Text(texts.never_ask.to_owned()));
    Ok(Letter {
        texts,
        subject: tidy(&subject, 200),
        preheader,
        from: signature(&brand),
        blocks,
        support_code: code(&mail.support_code),
    })
}

/// The letter that tells of a change. It has no link at all.
///
/// # Errors
/// When the event does not say what is needed.
pub fn notice(mail: &NoticeMail) -> Result<Letter, RenderError> {
    let brand = mail.brand.clone().unwrap_or_default();
    let texts = texts(&mail.locale);
    let notice = &texts.notice;
    let product = product(&brand);
    let changed = time_of(mail.change_time.as_ref()).ok_or(RenderError::TimeMissing)?;
    let moment = (texts.moment)(&Zone::of(&mail.time_zone).moment(changed, texts));
    let (subject, what, then, known) = match mail.kind() {
        notice_mail::Kind::Unspecified => return Err(RenderError::KindUnknown),
        notice_mail::Kind::PasswordReset => {
            (notice.reset_subject, (notice.reset)(&moment), notice.signed_out, notice.you)
        }
        notice_mail::Kind::PasswordChanged => {
            (notice.changed_subject, (notice.changed)(&moment), notice.signed_out, notice.you)
        }
        notice_mail::Kind::AddressChanged => {
            (notice.address_subject, (notice.address)(&moment), notice.moved, notice.you_know)
        }
    };
    let support_code = code(&mail.support_code);
    let not_you = (notice.not_you)(support(&brand).as_deref(), support_code.as_deref());

    let mut blocks = vec![
        Block::Text(hello(&mail.display_name, texts)),
        Block::Text(what),
        account(&username(&mail.username, &mail.recipient), &name(&brand.organization_display_name, NAME), texts),
    ];
    blocks.extend(device(&mail.device, texts).map(|device| Block::Text((notice.device)(&device))));
    blocks.push(Block::Text(then.to_owned()));
    blocks.push(Block::Text(format!("{known} {not_you}")));
    blocks.push(Block::Text(texts.never_ask.to_owned()));
    Ok(Letter {
        texts,
        subject: tidy(&subject(&product), 200),
        preheader: notice.preheader.to_owned(),
        from: signature(&brand),
        blocks,
        support_code,
    })
}

/// The sender as people know it: the organisation's own choice, or the product and the
/// organisation.
pub fn sender_name(brand: &Brand) -> String {
    let organisation = tidy(&brand.organization_display_name, NAME);
    let product = product(brand);
    let sender = match tidy(&brand.sender_name, NAME) {
        own if !own.is_empty() => own,
        _ if organisation.is_empty() || organisation == product => product,
        _ => format!("{product} - {organisation}"),
    };
    // What looks like an encoded word (RFC 2047) would be decoded into something else.
    sender.replace("=?", "= ?")
}

fn live_links(
    mail: &ResetMail,
    default_expiry: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Vec<Live<'_>>, RenderError> {
    if mail.links.is_empty() {
        return Err(RenderError::NoLink);
    }
    let mut links = Vec::new();
    for link in &mail.links {
        if !sound(&link.link) {
            return Err(RenderError::LinkMalformed);
        }
        let expire_time = time_of(link.expire_time.as_ref()).unwrap_or(default_expiry);
        if expire_time > now {
            links.push(Live {
                username: username(&link.username, &mail.recipient),
                organisation: name(&link.organization_display_name, NAME),
                display_name: &link.display_name,
                url: &link.link,
                expire_time,
            });
        }
    }
    if links.is_empty() {
        return Err(RenderError::Over);
    }
    Ok(links)
}

/// Whether a link can stand in a mail as it is. The identity service made it from configuration;
/// this only keeps a broken one from being mailed.
fn sound(link: &str) -> bool {
    let rest = link.strip_prefix("https://").or_else(|| link.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty())
        && link.len() <= 512
        && link.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&b))
}

fn account(username: &str, organisation: &str, texts: &Texts) -> Block {
    let mut rows = vec![(texts.username, username.to_owned())];
    if !organisation.is_empty() {
        rows.push((texts.organisation, organisation.to_owned()));
    }
    Block::Account(rows)
}

fn hello(display_name: &str, texts: &Texts) -> String {
    match name(display_name, NAME) {
        nobody if nobody.is_empty() => texts.hello_anyone.to_owned(),
        name => (texts.hello)(&name),
    }
}

fn product(brand: &Brand) -> String {
    match tidy(&brand.product_name, NAME) {
        none if none.is_empty() => tidy(&brand.organization_display_name, NAME),
        product => product,
    }
}

fn signature(brand: &Brand) -> String {
    match name(&brand.organization_display_name, NAME) {
        none if none.is_empty() => product(brand),
        organisation => organisation,
    }
}

fn support(brand: &Brand) -> Option<String> {
    Some(tidy(&brand.support_contact, CONTACT)).filter(|contact| !contact.is_empty())
}

fn device(device: &str, texts: &Texts) -> Option<String> {
    let device = name(device, SHORT);
    (!device.is_empty()).then(|| (texts.device)(&device))
}

fn code(code: &str) -> Option<String> {
    Some(name(code, SHORT)).filter(|code| !code.is_empty())
}
