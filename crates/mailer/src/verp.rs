//! The envelope sender of a mail (VERP), and the way back from it to the event:
//! `bounces+<event id>-<tag>@…`.
//!
//! Anybody may write to that address, so the tag shows that we made it: 40 bits of an HMAC over the
//! event id. Its key comes from the mailer's private keys, so all mailers with the same keys believe each
//! other's addresses, and an address is believed for as long as the key stays that it was made with.

use data_encoding::BASE32_NOPAD_NOCASE;
use hmac::{Hmac, KeyInit, Mac};
use lettre::Address;
use messaging::Keys;
use sha2::Sha256;
use uuid::Uuid;

/// Separates this use of the keys from any other.
const PURPOSE: &str = "sandi bounce address v1";
/// Bytes of the tag; 8 characters.
const TAG: usize = 5;
/// Characters that an address of ours needs beside the name of the bounce mailbox.
pub const ROOM: usize = 1 + 36 + 1 + 8;

/// What a bounce's address says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verp {
    /// We wrote to the world under it, for this event.
    Genuine(Uuid),
    /// It has our form, and not our tag.
    Forged,
}

/// The envelope sender of one event; none when the mailbox's name is too long, which the settings' check
/// rules out.
pub fn envelope_sender(mailbox: &Address, event_id: Uuid, keys: &Keys) -> Option<Address> {
    let key = keys.derived(PURPOSE).into_iter().next()?;
    let tag = mac(key.as_slice(), event_id).finalize().into_bytes();
    let tag = BASE32_NOPAD_NOCASE.encode(&tag[..TAG]).to_ascii_lowercase();
    Address::new(format!("{}+{event_id}-{tag}", mailbox.user()), mailbox.domain()).ok()
}

/// Reads an address that a bounce came to; none when it is not of our form.
pub fn read(mailbox: &Address, address: &str, keys: &Keys) -> Option<Verp> {
    let (user, domain) = address.rsplit_once('@')?;
    let name = mailbox.user();
    let ours = domain.eq_ignore_ascii_case(mailbox.domain())
        && user.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let detail = user.get(name.len()..).filter(|_| ours)?.strip_prefix('+')?;
    let event_id = Uuid::try_parse(detail.get(..36)?).ok()?;
    let tag = detail[36..].strip_prefix('-').unwrap_or_default();
    let tag = BASE32_NOPAD_NOCASE.decode(tag.as_bytes()).unwrap_or_default();
    let genuine =
        |key: &zeroize::Zeroizing<[u8; 32]>| mac(key.as_slice(), event_id).verify_truncated_left(&tag).is_ok();
    let known = tag.len() == TAG && keys.derived(PURPOSE).iter().any(genuine);
    Some(if known { Verp::Genuine(event_id) } else { Verp::Forged })
}

fn mac(key: &[u8], event_id: Uuid) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length fits");
    mac.update(event_id.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use messaging::keys::{Role, generate};
    use runtime::{Random, SeededRandom};

    use super::*;
    use crate::sample::{EVENT_ID, NOW};

    fn keys(directory: &std::path::Path, seed: u64) -> Keys {
        for (role, seed) in [(Role::Mailer, seed), (Role::Identity, seed + 1)] {
            let random = SeededRandom::new(seed);
            generate(directory, role, NOW, &|bytes| random.fill(bytes)).unwrap();
        }
        Keys::load(directory, Role::Mailer).unwrap()
    }

    #[test]
    fn the_sender_of_a_mail_leads_back_to_its_event_and_cannot_be_made_up() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (ours, theirs) = (keys(ours.path(), 1), keys(theirs.path(), 9));
        let mailbox: Address = "bounces@mail.kopi.example".parse().unwrap();
        let sender = envelope_sender(&mailbox, EVENT_ID, &ours).unwrap().to_string();
        assert_eq!(sender.len(), "bounces@mail.kopi.example".len() + ROOM);
        let read = |text: &str| read(&mailbox, text, &ours);
        assert_eq!(read(&sender), Some(Verp::Genuine(EVENT_ID)));
        assert_eq!(read(&sender.to_uppercase()), Some(Verp::Genuine(EVENT_ID)), "some servers change the case");
        let stranger = envelope_sender(&mailbox, EVENT_ID, &theirs).unwrap().to_string();
        let without = format!("bounces+{EVENT_ID}@mail.kopi.example");
        let other = sender.replacen(&EVENT_ID.to_string(), "01935a01-0000-7000-8000-000000000002", 1);
        for forged in [stranger, without, other] {
            assert_eq!(read(&forged), Some(Verp::Forged), "{forged}");
        }
        for foreign in ["bounces@mail.kopi.example", "budi@kopi.example", "bounces+x@mail.kopi.example", "", "é@x"] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn an_address_of_an_older_key_is_still_believed() {
        let directory = tempfile::tempdir().unwrap();
        let old = keys(directory.path(), 1);
        let mailbox: Address = "bounces@mail.kopi.example".parse().unwrap();
        let sender = envelope_sender(&mailbox, EVENT_ID, &old).unwrap().to_string();
        let both = keys(directory.path(), 5);
        assert_eq!(read(&mailbox, &sender, &both), Some(Verp::Genuine(EVENT_ID)));
    }
}
