//! Texts that people type, and tokens.

use identity::domain::address::Address;
use identity::domain::device::parse_user_agent;
use identity::domain::identifier::Identifier;
use identity::domain::link_base::LinkBase;
use identity::domain::support_code::SupportCode;
use identity::domain::time_zone::TimeZone;
use identity::domain::token::ResetToken;
use identity::domain::username::{Username, canonical_for_lookup};
use mailer::render::names as shown;

/// Canonical forms are their own canonical forms, within their limits, and nothing hides in them.
pub fn names(data: &[u8]) {
    let text = &String::from_utf8_lossy(data);
    let plain = |text: &str, limit: usize| !text.is_empty() && text.len() <= limit && !text.contains(char::is_control);
    if let Ok(username) = Username::parse(text) {
        assert!(plain(username.as_str(), 256));
        assert_eq!(canonical_for_lookup(username.as_str()).as_deref(), Some(username.as_str()));
        assert_eq!(canonical_for_lookup(text).as_deref(), Some(username.as_str()));
    }
    if let Ok(address) = Address::parse(text) {
        assert!(plain(address.as_str(), 254) && address.domain().is_ascii());
        let again = Address::parse(address.as_str()).expect("what is stored can be read");
        assert!(again == address && Address::from_stored(address.as_str().to_owned()).is_some_and(|it| it == address));
        assert_ne!(address.masked(), address.as_str());
    }
    if let Ok(identifier) = Identifier::parse(text) {
        assert!(plain(identifier.as_str(), 256));
    }
    if let Ok(base) = LinkBase::parse(text, false) {
        assert!(plain(base.as_str(), 200) && base.as_str().starts_with("https://"));
        assert!(!base.as_str().contains(['#', '?', '\\', ' ', '"', '<', '>']), "{}", base.as_str());
        assert_eq!(LinkBase::parse(base.as_str(), false).ok(), Some(base));
    }
    if let Ok(code) = SupportCode::parse(text) {
        assert_eq!(
            SupportCode::parse(code.as_str()).ok().map(|it| it.as_str().to_owned()),
            Some(code.as_str().to_owned())
        );
    }
    if let Ok(zone) = TimeZone::parse(text) {
        assert!(TimeZone::parse(zone.as_str()).is_ok());
    }
    if let Ok(device) = parse_user_agent(text) {
        assert!(device.len() < 100 && device.is_ascii());
    }
    for shown in [shown::tidy(text, 40), shown::name(text, 40), shown::username(text, "budi@kopi.example")] {
        assert!(!shown.contains(char::is_control));
    }
    assert!(shown::tidy(text, 40).chars().count() <= 40);
}

/// A token has one spelling, and two tokens have two digests.
pub fn tokens(data: &[u8]) {
    let text = &String::from_utf8_lossy(data);
    if let Some(token) = ResetToken::parse(text) {
        assert_eq!(token.text().as_str(), text);
    }
    let made = ResetToken::generate(&|bytes| {
        let count = bytes.len().min(data.len());
        bytes[..count].copy_from_slice(&data[..count]);
    });
    let spelled = made.text();
    assert_eq!(ResetToken::parse(&spelled).expect("ours").digest(), made.digest());
    for at in 0..spelled.len() {
        let mut other = spelled.as_bytes().to_vec();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).expect("it is ASCII");
        assert!(ResetToken::parse(&other).is_none_or(|other| other.digest() != made.digest()));
    }
}
