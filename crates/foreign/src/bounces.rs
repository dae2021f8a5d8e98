//! Bounces, which anybody may write to us.

use lettre::Address;
use mailer::notification::Notification;
use mailer::verp::{self, Verp};

use crate::events::mailer_keys;

/// What is read of a notification is short and plain, and no address that we did not make is believed.
pub fn bounces(data: &[u8]) {
    let mailbox: Address = "bounces@mail.kopi.example".parse().expect("an address");
    let believed = |address: &str| matches!(verp::read(&mailbox, address, mailer_keys()), Some(Verp::Genuine(_)));
    assert!(!believed(&String::from_utf8_lossy(data)));
    let Some(read) = Notification::read(data) else { return };
    assert!(read.addresses.iter().all(|address| address.contains('@') && !believed(address)));
    let report = read.report;
    assert!(report.server.len() <= 255 && report.server.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(report.reply.code == 0 || (400..600).contains(&report.reply.code));
    let enhanced = &report.reply.enhanced;
    assert!(enhanced.len() <= 11 && enhanced.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit()), "{enhanced}");
}
