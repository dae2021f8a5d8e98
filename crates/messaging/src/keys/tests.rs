use std::{
    cell::Cell,
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::datetime};

use super::files::list;
use super::*;

/// The key directories of both sides, as they would be deployed.
pub(crate) struct Pair {
    identity: TempDir,
    mailer: TempDir,
    /// Makes each further key newer than the ones before.
    age: Cell<u64>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::seeded(1)
    }

    pub(crate) fn seeded(seed: u8) -> Self {
        let directory = || tempfile::tempdir().expect("a directory");
        let pair = Self { identity: directory(), mailer: directory(), age: Cell::new(0) };
        pair.add_key(Role::Identity, seed);
        pair.add_key(Role::Mailer, seed + 1);
        pair
    }

    pub(crate) fn identity(&self) -> Keys {
        Keys::load(self.identity.path(), Role::Identity).expect("keys")
    }

    pub(crate) fn mailer(&self) -> Keys {
        Keys::load(self.mailer.path(), Role::Mailer).expect("keys")
    }

    /// Makes a pair for `role` and gives the other side the public half.
    pub(crate) fn add_key(&self, role: Role, seed: u8) -> KeyId {
        let id = generate(self.of(role), role, self.later(), &|bytes| bytes.fill(seed)).expect("a pair");
        let public = self.of(role).join(format!("{role}-{id}.pub"));
        let copy = self.of(role.other()).join(format!("{role}-{id}.pub"));
        fs::copy(public, copy).expect("copies");
        id
    }

    /// Lets our identity side know the `role` of another pair instead of its own.
    pub(crate) fn take_public_keys(&self, other: &Pair, role: Role) {
        for found in list(self.identity.path(), role, "pub").expect("lists") {
            fs::remove_file(found.path).expect("removes");
        }
        for found in list(other.of(role), role, "pub").expect("lists") {
            let name = found.path.file_name().expect("a name");
            fs::copy(&found.path, self.identity.path().join(name)).expect("copies");
        }
    }

    /// Takes a key out of use at the identity side.
    pub(crate) fn retire(&self, id: &KeyId) {
        retire(self.identity.path(), id.as_str(), time::OffsetDateTime::UNIX_EPOCH).expect("retires");
    }

    pub(crate) fn put_public_key(&self, role: Role, bytes: [u8; KEY_BYTES]) {
        let id = KeyId::of(&PublicKey::from_bytes(&bytes).expect("32 bytes"));
        let path = self.of(role.other()).join(format!("{role}-{id}.pub"));
        let made = self.later().format(&Rfc3339).expect("a time");
        fs::write(&path, format!("# made {made}\n{}", STANDARD.encode(bytes))).expect("writes");
    }

    pub(crate) fn directory(&self, role: Role) -> &Path {
        self.of(role)
    }

    fn of(&self, role: Role) -> &Path {
        match role {
            Role::Identity => self.identity.path(),
            Role::Mailer => self.mailer.path(),
        }
    }

    fn later(&self) -> OffsetDateTime {
        self.age.set(self.age.get() + 1);
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(self.age.get())
    }
}

/// As if the file had been written so many seconds after 1970.
fn touch(path: &Path, seconds: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("opens");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).expect("sets the time");
}

fn make(directory: &Path, role: Role) -> Result<KeyId, KeysError> {
    generate(directory, role, datetime!(2026-11-27 12:00:00.25 UTC), &|bytes| bytes.fill(7))
}

#[test]
fn a_key_is_named_after_its_fingerprint_and_readable_by_its_owner_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let id = make(directory.path(), Role::Mailer).expect("a pair");
    assert_eq!(id.as_str().len(), 16);
    let mut names = fs::read_dir(directory.path())
        .expect("lists")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect::<Vec<_>>();
    names.sort();
    assert_eq!(names, [format!("mailer-{id}.key"), format!("mailer-{id}.pub")]);
    let private = directory.path().join(format!("mailer-{id}.key"));
    assert_eq!(fs::metadata(&private).expect("metadata").permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(private).expect("text");
    assert_eq!(text.lines().count(), 2);
    assert!(text.starts_with("# made 2026-11-27T12:00:00.25Z\n"));
}

#[test]
fn a_key_is_never_overwritten() {
    let directory = tempfile::tempdir().expect("a directory");
    make(directory.path(), Role::Identity).expect("a pair");
    let refused = make(directory.path(), Role::Identity);
    assert!(matches!(refused, Err(KeysError::Exists(_))));
}

#[test]
fn the_oldest_key_seals_until_it_is_retired() {
    let pair = Pair::new();
    let before = pair.identity();
    let newer = pair.add_key(Role::Identity, 30);
    let newest = pair.add_key(Role::Mailer, 31);
    assert_eq!(pair.identity().sealing_id(), before.sealing_id());
    assert_eq!(pair.identity().sealing_to().id, before.sealing_to().id);
    pair.retire(before.sealing_id());
    pair.retire(&before.sealing_to().id);
    assert_eq!(pair.identity().sealing_id(), &newer);
    assert_eq!(pair.identity().sealing_to().id, newest);
}

#[test]
fn the_time_in_the_file_counts_and_not_that_of_the_mount() {
    let pair = Pair::new();
    let before = pair.identity();
    let newer = pair.add_key(Role::Identity, 30);
    let newest = pair.add_key(Role::Mailer, 31);
    let path = |role: Role, id: &KeyId, half: &str| pair.identity.path().join(format!("{role}-{id}.{half}"));
    touch(&path(Role::Identity, &newer, "key"), 1);
    touch(&path(Role::Mailer, &newest, "pub"), 1);
    assert_eq!(pair.identity().sealing_id(), before.sealing_id());
    assert_eq!(pair.identity().sealing_to().id, before.sealing_to().id);
}

#[test]
fn keys_without_a_time_are_older_than_those_with_one_and_in_the_order_of_their_files() {
    let pair = Pair::new();
    let first = pair.identity().sealing_id().clone();
    let second = pair.add_key(Role::Identity, 30);
    let third = pair.add_key(Role::Identity, 32);
    for (id, seconds) in [(&second, 1_000_000), (&third, 2_000_000)] {
        let path = pair.identity.path().join(format!("identity-{id}.key"));
        let text = fs::read_to_string(&path).expect("text");
        fs::write(&path, text.lines().last().expect("the key")).expect("writes");
        touch(&path, seconds);
    }
    assert_eq!(pair.identity().own.iter().map(|key| &key.id).collect::<Vec<_>>(), [&second, &third, &first]);
}

#[test]
fn a_key_made_by_hand_may_have_comments_and_the_line_ends_of_others() {
    let pair = Pair::new();
    let before = pair.identity().sealing_id().clone();
    let path = pair.identity.path().join(format!("identity-{before}.key"));
    let text = fs::read_to_string(&path).expect("text");
    let key = text.lines().last().expect("the key");
    fs::write(&path, format!("# by hand\r\n\r\n{key}\r\n# made 2026-11-27T19:00:00+07:00\r\n")).expect("writes");
    assert_eq!(pair.identity().sealing_id(), &before);
    let made = newest(pair.identity.path())["identity"];
    // The public half beside it is no newer one.
    assert_eq!(made, datetime!(2026-11-27 12:00 UTC));
}

#[test]
fn a_time_that_is_none_is_a_clear_error_that_shows_no_key() {
    let pair = Pair::new();
    let id = pair.identity().sealing_id().clone();
    let path = pair.identity.path().join(format!("identity-{id}.key"));
    let text = fs::read_to_string(&path).expect("text");
    let key = text.lines().last().expect("the key");
    for line in ["# made yesterday", "# made", "# made 2026-11-27", &format!("# made {key}")] {
        fs::write(&path, format!("{line}\n{key}\n")).expect("writes");
        let refused = Keys::load(pair.identity.path(), Role::Identity).expect_err("no time");
        assert!(matches!(&refused, KeysError::Made(named) if *named == path), "{refused}");
        let shown = format!("{refused} {refused:?}");
        assert!(shown.contains(&id.to_string()) && !shown.contains(key));
        assert!(matches!(inventory(pair.identity.path()), Err(KeysError::Made(_))));
    }
}

#[test]
fn without_a_key_that_seals_there_are_no_keys() {
    let pair = Pair::new();
    let id = pair.identity().sealing_id().clone();
    let mark = pair.identity.path().join(format!("identity-{id}.retired"));
    fs::write(mark, "").expect("writes");
    let refused = Keys::load(pair.identity.path(), Role::Identity).expect_err("none seals");
    assert!(matches!(refused, KeysError::NoneSeals { role: Role::Identity, .. }));
}

#[test]
fn a_missing_key_says_how_to_get_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = Keys::load(directory.path(), Role::Mailer).expect_err("no keys");
    assert!(matches!(missing, KeysError::NoPrivateKey { role: Role::Mailer, .. }));
    assert!(missing.to_string().contains("`identity keys generate --role mailer`"));

    make(directory.path(), Role::Mailer).expect("a pair");
    let missing = Keys::load(directory.path(), Role::Mailer).expect_err("no public key");
    assert!(matches!(missing, KeysError::NoPublicKey { role: Role::Identity, .. }));
    assert!(missing.to_string().contains("`identity keys generate --role identity`"));
}

#[test]
fn a_file_that_is_no_key_is_named_and_not_shown() {
    let pair = Pair::new();
    let path = pair.identity.path().join("identity-0000000000000000.key");
    for content in ["", "c2hvcnQ=", "no base64 ~", "# made 2026-11-27T12:00:00Z", "AAAA\nAAAA"] {
        fs::write(&path, content).expect("writes");
        let refused = Keys::load(pair.identity.path(), Role::Identity).expect_err("malformed");
        assert!(matches!(&refused, KeysError::Malformed(named) if *named == path));
        assert!(content.is_empty() || !refused.to_string().contains(content));
    }
}

#[test]
fn a_key_under_another_name_is_refused() {
    let pair = Pair::new();
    let id = pair.identity().sealing_id().clone();
    let name = |id: &str| pair.identity.path().join(format!("identity-{id}.key"));
    fs::rename(name(id.as_str()), name("0000000000000000")).expect("renames");
    let refused = Keys::load(pair.identity.path(), Role::Identity).expect_err("a wrong name");
    assert!(matches!(refused, KeysError::WrongName { found, .. } if found == id));
}

#[test]
fn keys_do_not_show_themselves() {
    let pair = Pair::new();
    let keys = pair.identity();
    let shown = format!("{keys:?}");
    let secret = STANDARD.encode(keys.sealing().private.to_bytes());
    assert!(shown.contains(keys.sealing_id().as_str()) && !shown.contains(&secret));
}

#[test]
fn a_private_key_beside_the_public_half_of_another_pair_is_refused() {
    let pair = Pair::new();
    let id = pair.mailer().sealing_id().clone();
    let other = Pair::seeded(9).mailer().sealing().public.clone();
    let path = pair.mailer.path().join(format!("mailer-{id}.pub"));
    fs::write(&path, STANDARD.encode(other.to_bytes())).expect("writes");
    let refused = Keys::load(pair.mailer.path(), Role::Mailer).expect_err("two halves of two pairs");
    assert!(matches!(refused, KeysError::WrongName { path: named, .. } if named == path));
}

#[test]
fn secrets_derived_from_keys_differ_by_key_and_by_purpose_and_that_of_the_sealing_key_comes_first() {
    let pair = Pair::new();
    let before = pair.mailer().derived("one");
    pair.add_key(Role::Mailer, 7);
    let both = pair.mailer().derived("one");
    assert_eq!((before.len(), both.len()), (1, 2));
    assert!(both[0] == before[0] && both[0] != both[1] && pair.mailer().derived("two")[0] != both[0]);
}
