//! The key pairs of the seal, as files: `<role>-<key id>.key` and `.pub`, one line of base64 each, and a line
//! `# made <time>`, by which they are in order. Other lines that begin with `#` are comments.
//!
//! The identity service holds its own private keys and the mailer's public ones, the mailer the
//! reverse. Several may be live at once: all of them open. Of each kind the oldest one seals that
//! is not retired (`<role>-<key id>.retired` stands beside it), so a new pair changes nothing until
//! both sides have it and the old one is retired.

mod files;
mod inventory;
mod ring;

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use hpke::{Deserializable, Kem as _, Serializable, kem::X25519HkdfSha256};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use files::Found;
pub use files::generate;
pub use inventory::{Listed, RETIRED_LIFE, Retired, State, inventory, newest, retire};
pub use ring::KeyRing;

pub(crate) type Kem = X25519HkdfSha256;
pub(crate) type PrivateKey = <Kem as hpke::Kem>::PrivateKey;
pub(crate) type PublicKey = <Kem as hpke::Kem>::PublicKey;

/// Bytes of an X25519 key, and of the randomness a pair is derived from (RFC 9180, 7.1).
const KEY_BYTES: usize = 32;

/// Whose key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The identity service, which seals.
    Identity,
    /// The mailer, which opens.
    Mailer,
}

impl Role {
    /// The first part of the file name.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Role::Identity => "identity",
            Role::Mailer => "mailer",
        }
    }

    fn other(self) -> Self {
        match self {
            Role::Identity => Role::Mailer,
            Role::Mailer => Role::Identity,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix())
    }
}

/// A key's fingerprint: the first 16 hexadecimal digits of the SHA-256 of the public key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl KeyId {
    fn of(public: &PublicKey) -> Self {
        let digest = Sha256::digest(public.to_bytes());
        Self(digest[..8].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The 16 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why keys could not be read or made. Never holds key material.
#[derive(Debug, Error)]
pub enum KeysError {
    /// None of our own.
    #[error("no private key {}-*.key in {}; `identity keys generate --role {role}` makes a pair", .role.prefix(), .directory.display())]
    NoPrivateKey {
        /// Whose.
        role: Role,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// None of the other side.
    #[error("no public key {}-*.pub in {}; `identity keys generate --role {role}` makes a pair, of which the .pub file belongs here", .role.prefix(), .directory.display())]
    NoPublicKey {
        /// Whose.
        role: Role,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// Not one line of base64 of 32 bytes.
    #[error("{} is not a key: one line of base64 with 32 bytes is needed", .0.display())]
    Malformed(PathBuf),
    /// The line of the time when it was made holds none.
    #[error("{} does not say when the key was made: `# made 2026-11-27T12:00:00Z` is the form", .0.display())]
    Made(PathBuf),
    /// What is sealed with it and to it does not open.
    #[error("the key {0} does not work: what is sealed with it and to it does not open")]
    Broken(KeyId),
    /// Renamed, or of another pair.
    #[error("{} holds the key {found}, which is not the one in its name", .path.display())]
    WrongName {
        /// The file.
        path: PathBuf,
        /// The fingerprint of what it holds.
        found: KeyId,
    },
    /// The pair is there already: it is never overwritten.
    #[error("{} exists already and is left as it is", .0.display())]
    Exists(PathBuf),
    /// Every key of a role is retired, so that none is left to seal with.
    #[error("every {role} key in {} is retired; `identity keys generate --role {role}` makes another", .directory.display())]
    NoneSeals {
        /// Whose.
        role: Role,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// There is no such key.
    #[error("no key {id} in {}", .directory.display())]
    Unknown {
        /// What was asked for.
        id: String,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// The last one of its role is not retired.
    #[error(
        "{role}-{id} is the only {role} key here that is not retired; make another and let both sides have it first"
    )]
    Last {
        /// Whose.
        role: Role,
        /// Which.
        id: String,
    },
    /// The file system refused.
    #[error("cannot use {}", .path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

pub(crate) struct OwnKey {
    pub(crate) id: KeyId,
    pub(crate) private: PrivateKey,
    pub(crate) public: PublicKey,
    retired: bool,
}

pub(crate) struct PeerKey {
    pub(crate) id: KeyId,
    pub(crate) public: PublicKey,
    retired: bool,
}

/// The keys one side works with. Private ones are wiped from memory when this is dropped.
pub struct Keys {
    /// Oldest first, never empty.
    own: Vec<OwnKey>,
    /// Oldest first, never empty.
    peers: Vec<PeerKey>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("own", &self.shown(false)).field("peers", &self.shown(true)).finish()
    }
}

impl Keys {
    /// Reads the private keys of `own` and the public keys of the other role. Other files are ignored.
    ///
    /// # Errors
    ///
    /// Says which file is missing and how to get it, or which one is not what its name says.
    pub fn load(directory: &Path, own: Role) -> Result<Keys, KeysError> {
        let keys = Keys { own: read_own(directory, own)?, peers: read_peers(directory, own.other())? };
        if keys.own.is_empty() {
            return Err(KeysError::NoPrivateKey { role: own, directory: directory.to_owned() });
        }
        if keys.peers.is_empty() {
            return Err(KeysError::NoPublicKey { role: own.other(), directory: directory.to_owned() });
        }
        if own == Role::Identity {
            keys.check_sealing(directory)?;
        }
        match crate::seal::broken_key(&keys.own) {
            Some(key) => Err(KeysError::Broken(key.id.clone())),
            None => Ok(keys),
        }
    }

    /// Only the identity service seals; the mailer may keep nothing but retired keys.
    fn check_sealing(&self, directory: &Path) -> Result<(), KeysError> {
        let retired = [
            (Role::Identity, self.own.iter().all(|key| key.retired)),
            (Role::Mailer, self.peers.iter().all(|key| key.retired)),
        ];
        match retired.into_iter().find(|(_, all)| *all) {
            Some((role, _)) => Err(KeysError::NoneSeals { role, directory: directory.to_owned() }),
            None => Ok(()),
        }
    }

    /// The ids of one kind, oldest first, retired ones marked.
    /// Their ids, for a person.
    pub fn told(&self) -> String {
        format!("own {}; of the other side {}", self.shown(false).join(", "), self.shown(true).join(", "))
    }

    fn shown(&self, peers: bool) -> Vec<String> {
        let show = |id: &KeyId, retired: bool| format!("{id}{}", if retired { " (retired)" } else { "" });
        if peers {
            self.peers.iter().map(|key| show(&key.id, key.retired)).collect()
        } else {
            self.own.iter().map(|key| show(&key.id, key.retired)).collect()
        }
    }

    /// Whether these are the same keys in the same states.
    fn same_as(&self, other: &Keys) -> bool {
        self.shown(false) == other.shown(false) && self.shown(true) == other.shown(true)
    }

    /// The id of the key that seals from now on.
    #[must_use]
    pub fn sealing_id(&self) -> &KeyId {
        &self.sealing().id
    }

    /// A secret of our own from each private key, that of the key that seals first, for another use than the
    /// seal: what it is for tells it from all others.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Vec<Zeroizing<[u8; KEY_BYTES]>> {
        let secret = |key: &OwnKey| {
            let private = Zeroizing::new(<[u8; KEY_BYTES]>::from(key.private.to_bytes()));
            let digest = Sha256::new().chain_update(purpose).chain_update([0]).chain_update(private.as_slice());
            Zeroizing::new(<[u8; KEY_BYTES]>::from(digest.finalize()))
        };
        let sealing = self.sealing();
        let others = self.own.iter().filter(|key| key.id != sealing.id);
        std::iter::once(sealing).chain(others).map(secret).collect()
    }

    pub(crate) fn sealing(&self) -> &OwnKey {
        self.own.iter().find(|key| !key.retired).or(self.own.last()).expect("load refuses an empty set")
    }

    pub(crate) fn sealing_to(&self) -> &PeerKey {
        self.peers.iter().find(|key| !key.retired).or(self.peers.last()).expect("load refuses an empty set")
    }

    pub(crate) fn own(&self, id: &str) -> Option<&OwnKey> {
        self.own.iter().find(|key| key.id.as_str() == id)
    }

    pub(crate) fn peer(&self, id: &str) -> Option<&PeerKey> {
        self.peers.iter().find(|key| key.id.as_str() == id)
    }
}

fn read_own(directory: &Path, role: Role) -> Result<Vec<OwnKey>, KeysError> {
    let mut keys = Vec::new();
    for found in files::list(directory, role, "key")? {
        let bytes = files::read_key(&found.path)?;
        let private = PrivateKey::from_bytes(bytes.as_slice()).map_err(|_| KeysError::Malformed(found.path.clone()))?;
        let public = Kem::sk_to_pk(&private);
        check_public_half(&found, &public)?;
        keys.push(OwnKey { id: found.check(&public)?, private, public, retired: found.is_retired() });
    }
    Ok(keys)
}

/// A public half that lies beside its private one has to be of the same pair: it is what the other side is given.
fn check_public_half(found: &Found, public: &PublicKey) -> Result<(), KeysError> {
    let path = found.path.with_extension("pub");
    if !path.exists() {
        return Ok(());
    }
    let bytes = files::read_key(&path)?;
    let half = PublicKey::from_bytes(bytes.as_slice()).map_err(|_| KeysError::Malformed(path.clone()))?;
    if half.to_bytes() == public.to_bytes() {
        Ok(())
    } else {
        Err(KeysError::WrongName { path, found: KeyId::of(&half) })
    }
}

fn read_peers(directory: &Path, role: Role) -> Result<Vec<PeerKey>, KeysError> {
    let mut keys = Vec::new();
    for found in files::list(directory, role, "pub")? {
        let bytes = files::read_key(&found.path)?;
        let public = PublicKey::from_bytes(bytes.as_slice()).map_err(|_| KeysError::Malformed(found.path.clone()))?;
        keys.push(PeerKey { id: found.check(&public)?, public, retired: found.is_retired() });
    }
    Ok(keys)
}

#[cfg(test)]
pub(crate) mod tests;
