//! Every change of a header.

use messaging::topology::RESET_REQUESTED;
use prost::Message as _;
use proto::identity::events::v1::{MailHeader, ResetRequested};

use super::{
    forged::{Forged, SEAL_BROKEN},
    sealer::Sealer,
};

/// An event whose header is another one, each field in turn.
pub(super) fn changed(genuine: &ResetRequested) -> Vec<Forged> {
    let header = MailHeader::decode(genuine.header.as_slice()).expect("it is one of ours");
    let with = |what, why, change: &dyn Fn(&mut MailHeader)| {
        let mut changed = header.clone();
        change(&mut changed);
        assert_ne!(changed, header, "{what}");
        with_bytes(genuine, what, why, changed.encode_to_vec())
    };
    let other_id = "01999999-9999-7999-8999-999999999999";
    let malformed = "header_malformed";
    vec![
        with("another event id", SEAL_BROKEN, &|it| it.event_id = other_id.to_owned()),
        with("an event id that is none", malformed, &|it| it.event_id = "x".to_owned()),
        with("a later event time", SEAL_BROKEN, &|it| seconds(&mut it.event_time, 60)),
        with("no event time", malformed, &|it| it.event_time = None),
        with("another organisation", SEAL_BROKEN, &|it| it.organization_id = other_id.to_owned()),
        with("a later end", SEAL_BROKEN, &|it| seconds(&mut it.expire_time, 3600)),
        with("an earlier end", SEAL_BROKEN, &|it| seconds(&mut it.expire_time, -1)),
        with("no end", malformed, &|it| it.expire_time = None),
        with("an end beyond the calendar", malformed, &|it| seconds(&mut it.expire_time, i64::MAX / 2)),
        with("another sender's key", "sender_key_unknown", &|it| it.sender_key_id = Sealer::other_id()),
        with("no sender's key", "sender_key_unknown", &|it| it.sender_key_id.clear()),
        with("another recipient's key", "recipient_key_unknown", &|it| it.recipient_key_id = Sealer::other_id()),
        with("one bit of the encapsulated key", SEAL_BROKEN, &|it| it.encapsulated_key[5] ^= 1),
        with("an encapsulated key of zeros", SEAL_BROKEN, &|it| it.encapsulated_key.fill(0)),
        with("a short encapsulated key", malformed, &|it| it.encapsulated_key.truncate(31)),
        with_bytes(genuine, "no header", malformed, Vec::new()),
        with_bytes(genuine, "a header of garbage", malformed, vec![0xff; 64]),
        // Field 99, a number: what a later version may add.
        with_bytes(genuine, "a field that is not known", SEAL_BROKEN, [&genuine.header[..], &[0x98, 0x06, 1]].concat()),
        with_bytes(genuine, "the same fields in another order", SEAL_BROKEN, reordered(&header)),
    ]
}

fn with_bytes(genuine: &ResetRequested, what: &'static str, why: &'static str, header: Vec<u8>) -> Forged {
    let body = ResetRequested { header, ..genuine.clone() }.encode_to_vec();
    Forged { what, why, key: RESET_REQUESTED, body }
}

fn seconds(time: &mut Option<prost_types::Timestamp>, more: i64) {
    let time = time.as_mut().expect("it is set");
    time.seconds = time.seconds.saturating_add(more);
}

/// The same header to protobuf, and other bytes.
fn reordered(header: &MailHeader) -> Vec<u8> {
    let first = MailHeader { event_id: header.event_id.clone(), ..Default::default() };
    let others = MailHeader { event_id: String::new(), ..header.clone() };
    let bytes = [others.encode_to_vec(), first.encode_to_vec()].concat();
    assert_eq!(MailHeader::decode(bytes.as_slice()).as_ref(), Ok(header));
    bytes
}
