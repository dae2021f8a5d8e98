//! Events between the programs: what somebody who may publish could send.

use std::sync::LazyLock;

use mailer::event::MailEvent;
use mailer::sample;
use messaging::EventHeader;
use messaging::keys::{Keys, Role, generate};
use messaging::seal::{SealedEvent, decode_event, encode_event, open, seal as seal_event};
use messaging::topology::{NOTICE_REQUESTED, RESET_REQUESTED};
use prost::Message as _;
use proto::mailer::events::v1::MailStatus;
use time::OffsetDateTime;
use uuid::Uuid;

const KINDS: [&str; 2] = [RESET_REQUESTED, NOTICE_REQUESTED];
const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

struct Both {
    identity: Keys,
    mailer: Keys,
}

static KEYS: LazyLock<Both> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    for (role, seed) in [(Role::Identity, 1), (Role::Mailer, 2)] {
        generate(folder.path(), role, NOW, &|bytes| bytes.fill(seed)).expect("keys");
    }
    let load = |role| Keys::load(folder.path(), role).expect("keys");
    Both { identity: load(Role::Identity), mailer: load(Role::Mailer) }
});

/// The mailer's keys.
pub(crate) fn mailer_keys() -> &'static Keys {
    &KEYS.mailer
}

fn header() -> EventHeader {
    EventHeader { event_id: Uuid::nil(), event_time: NOW, organization_id: Uuid::nil(), expire_time: NOW }
}

fn sealed(kind: &str, plaintext: &[u8]) -> SealedEvent {
    seal_event(&KEYS.identity, kind, &header(), plaintext).expect("it is sealed")
}

/// Bodies of messages: none that nobody sealed is opened.
pub fn events(data: &[u8]) {
    for kind in KINDS {
        if let Ok(event) = decode_event(kind, data) {
            assert!(open(&KEYS.mailer, kind, &event.header, &event.sealed).is_err(), "opened without a seal");
        }
        assert!(MailEvent::open(&KEYS.mailer, kind, data).is_err());
    }
    if let Ok(status) = MailStatus::decode(data) {
        let again = MailStatus::decode(status.encode_to_vec().as_slice()).expect("what we write we can read");
        assert!(status == again);
    }
}

/// Alterations of a sealed event, pairs of a place and a change: none is opened.
pub fn seal(data: &[u8]) {
    let [kind, other] = KINDS;
    let good = sealed(kind, b"a live link");
    assert!(open(&KEYS.mailer, kind, &good.header, &good.sealed).is_ok(), "as it was sealed");
    assert!(open(&KEYS.mailer, other, &good.header, &good.sealed).is_err(), "under another routing key");
    assert!(open(&KEYS.identity, kind, &good.header, &good.sealed).is_err(), "by the one who sealed it");
    let mut bad = good.clone();
    for change in data.chunks_exact(2) {
        let both = bad.header.len() + bad.sealed.len();
        let at = usize::from(change[0]) % both;
        match at.checked_sub(bad.header.len()) {
            None => bad.header[at] ^= change[1],
            Some(at) => bad.sealed[at] ^= change[1],
        }
    }
    if bad != good {
        assert!(open(&KEYS.mailer, kind, &bad.header, &bad.sealed).is_err(), "altered");
    }
}

/// Genuine events that make no sense: they become a mail or are put aside, and nothing breaks.
pub fn mails(data: &[u8]) {
    for kind in KINDS {
        let body = encode_event(kind, &sealed(kind, data), 1);
        let event = MailEvent::open(&KEYS.mailer, kind, &body).expect("it is genuine");
        assert!(!event.kind().is_empty());
        // What cannot be made into a mail is put aside.
        let _ = event.render(NOW, &sample::letterhead());
    }
}
