use time::macros::datetime;

use super::*;
use crate::keys::{Keys, generate};

const NOW: OffsetDateTime = datetime!(2026-11-27 12:00:00.5 UTC);

fn make(directory: &Path, role: Role, seed: u8) -> String {
    let made = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seed.into());
    generate(directory, role, made, &|bytes| bytes.fill(seed)).expect("a pair").to_string()
}

/// Identity's directory: its own pairs, and the mailer's public halves.
fn directory(identity: &[u8], mailer: &[u8]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for seed in identity {
        make(directory.path(), Role::Identity, *seed);
    }
    for seed in mailer {
        let id = make(directory.path(), Role::Mailer, *seed);
        fs::remove_file(directory.path().join(format!("mailer-{id}.key"))).expect("removes");
    }
    directory
}

fn states(directory: &Path) -> Vec<(Role, State)> {
    inventory(directory).expect("lists").into_iter().map(|key| (key.role, key.state)).collect()
}

#[test]
fn the_oldest_key_of_each_role_seals_until_it_is_retired() {
    let directory = directory(&[1, 2], &[3, 4]);
    let path = directory.path();
    let waiting = [
        (Role::Identity, State::Seals),
        (Role::Identity, State::Opens),
        (Role::Mailer, State::Seals),
        (Role::Mailer, State::Opens),
    ];
    assert_eq!(states(path), waiting);
    let listed = inventory(path).expect("lists");
    let since = datetime!(2026-11-27 12:00:00 UTC);
    for key in [&listed[0], &listed[2]] {
        assert_eq!(retire(path, &key.id, NOW).expect("retires"), Retired { role: key.role, since });
    }
    let retired = State::Retired { since };
    assert_eq!(
        states(path),
        [
            (Role::Identity, retired),
            (Role::Identity, State::Seals),
            (Role::Mailer, retired),
            (Role::Mailer, State::Seals)
        ]
    );
    let keys = Keys::load(path, Role::Identity).expect("keys");
    assert_eq!(keys.sealing_id().as_str(), listed[1].id);
    assert_eq!(keys.sealing_to().id.as_str(), listed[3].id);
    assert!(keys.own(&listed[0].id).is_some(), "it still opens");
}

#[test]
fn of_a_roles_keys_the_newest_counts() {
    let directory = directory(&[2, 1], &[3]);
    let seconds = |role| newest(directory.path()).get(role).map(|made| made.unix_timestamp());
    assert_eq!((seconds("identity"), seconds("mailer")), (Some(2), Some(3)));
    assert!(newest(&directory.path().join("missing")).is_empty());
}

#[test]
fn retiring_twice_tells_the_first_time() {
    let directory = directory(&[1, 2], &[3]);
    let id = inventory(directory.path()).expect("lists")[0].id.clone();
    let first = retire(directory.path(), &id, NOW).expect("retires");
    assert_eq!(retire(directory.path(), &id, NOW + Duration::from_secs(60)).expect("as before"), first);
}

#[test]
fn the_last_key_of_a_role_is_not_retired() {
    let directory = directory(&[1, 2], &[3]);
    let path = directory.path();
    let listed = inventory(path).expect("lists");
    let refused = retire(path, &listed[2].id, NOW).expect_err("it is the only one");
    assert!(matches!(refused, KeysError::Last { role: Role::Mailer, .. }));
    // A public half does not seal for a pair.
    fs::remove_file(path.join(format!("identity-{}.key", listed[1].id))).expect("removes");
    let refused = retire(path, &listed[0].id, NOW).expect_err("the other has no private half");
    assert!(matches!(refused, KeysError::Last { role: Role::Identity, .. }));
    let unknown = retire(path, "0000000000000000", NOW).expect_err("no such key");
    assert!(matches!(unknown, KeysError::Unknown { .. }));
}

#[test]
fn in_the_directory_of_the_mailer_no_key_seals() {
    let directory = tempfile::tempdir().expect("a directory");
    make(directory.path(), Role::Mailer, 1);
    let id = make(directory.path(), Role::Identity, 2);
    fs::remove_file(directory.path().join(format!("identity-{id}.key"))).expect("removes");
    assert_eq!(states(directory.path()), [(Role::Identity, State::Opens), (Role::Mailer, State::Opens)]);
}

#[test]
fn a_mark_made_by_hand_retires_as_well() {
    let directory = directory(&[1, 2], &[3]);
    let id = inventory(directory.path()).expect("lists")[0].id.clone();
    fs::write(directory.path().join(format!("identity-{id}.retired")), "").expect("writes");
    assert!(matches!(states(directory.path())[0].1, State::Retired { .. }));
    assert_ne!(Keys::load(directory.path(), Role::Identity).expect("keys").sealing_id().as_str(), id);
}
