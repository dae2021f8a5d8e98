//! The key pairs of the seal, as files: `<role>-<key id>.key` and `.pub`, one line of base64 each.
//!
//! The identity service holds its own private keys and the mailer's public ones, the mailer the
//! reverse. Several may be live at once: all of them open, the newest file of each kind seals.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hpke::{Deserializable, Kem as _, Serializable, kem::X25519HkdfSha256};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

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

/// Makes a key pair in `directory` from 32 bytes of `random`, as `<role>-<key id>.key` (mode 0600)
/// and `.pub`. Each file appears whole or not at all.
///
/// # Errors
///
/// [`KeysError::Exists`] rather than overwriting; [`KeysError::File`] if it cannot be written.
pub fn generate(directory: &Path, role: Role, random: &dyn Fn(&mut [u8])) -> Result<KeyId, KeysError> {
    let mut seed = Zeroizing::new([0_u8; KEY_BYTES]);
    random(seed.as_mut_slice());
    let (private, public) = Kem::derive_keypair(seed.as_slice());
    let id = KeyId::of(&public);

    fs::create_dir_all(directory).map_err(|source| file_error(directory, source))?;
    let private_bytes = Zeroizing::new(<[u8; KEY_BYTES]>::from(private.to_bytes()));
    let path = |extension| directory.join(format!("{}-{id}.{extension}", role.prefix()));
    write_new(&path("key"), 0o600, private_bytes.as_slice())?;
    write_new(&path("pub"), 0o644, public.to_bytes().as_slice())?;
    Ok(id)
}

/// Writes under another name and then links, because a rename would replace what is there.
fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), KeysError> {
    let mut line = Zeroizing::new(STANDARD.encode(bytes));
    line.push('\n');
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let written = write_and_link(&draft, path, mode, line.as_bytes());
    let _ = fs::remove_file(&draft);
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeysError::Exists(path.to_owned()),
        _ => file_error(path, source),
    })
}

fn write_and_link(draft: &Path, path: &Path, mode: u32, line: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
    file.write_all(line)?;
    file.sync_all()?;
    fs::hard_link(draft, path)
}

fn file_error(path: &Path, source: io::Error) -> KeysError {
    KeysError::File { path: path.to_owned(), source }
}

pub(crate) struct OwnKey {
    pub(crate) id: KeyId,
    pub(crate) private: PrivateKey,
    pub(crate) public: PublicKey,
}

pub(crate) struct PeerKey {
    pub(crate) id: KeyId,
    pub(crate) public: PublicKey,
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
        let own = self.own.iter().map(|key| &key.id).collect::<Vec<_>>();
        let peers = self.peers.iter().map(|key| &key.id).collect::<Vec<_>>();
        f.debug_struct("Keys").field("own", &own).field("peers", &peers).finish()
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
        Ok(keys)
    }

    /// The id of the key that seals from now on.
    #[must_use]
    pub fn sealing_id(&self) -> &KeyId {
        &self.sealing().id
    }

    pub(crate) fn sealing(&self) -> &OwnKey {
        self.own.last().expect("load refuses an empty set")
    }

    pub(crate) fn sealing_to(&self) -> &PeerKey {
        self.peers.last().expect("load refuses an empty set")
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
    for found in list(directory, role, "key")? {
        let bytes = read_key(&found.path)?;
        let private = PrivateKey::from_bytes(bytes.as_slice()).map_err(|_| KeysError::Malformed(found.path.clone()))?;
        let public = Kem::sk_to_pk(&private);
        let id = found.check(&public)?;
        keys.push(OwnKey { id, private, public });
    }
    Ok(keys)
}

fn read_peers(directory: &Path, role: Role) -> Result<Vec<PeerKey>, KeysError> {
    let mut keys = Vec::new();
    for found in list(directory, role, "pub")? {
        let bytes = read_key(&found.path)?;
        let public = PublicKey::from_bytes(bytes.as_slice()).map_err(|_| KeysError::Malformed(found.path.clone()))?;
        let id = found.check(&public)?;
        keys.push(PeerKey { id, public });
    }
    Ok(keys)
}

struct Found {
    modified: SystemTime,
    path: PathBuf,
    id: String,
}

impl Found {
    /// The fingerprint in the name is what people go by, so it has to be right.
    fn check(&self, public: &PublicKey) -> Result<KeyId, KeysError> {
        let found = KeyId::of(public);
        if found.as_str() == self.id { Ok(found) } else { Err(KeysError::WrongName { path: self.path.clone(), found }) }
    }
}

/// The files `<role>-<id>.<extension>`, oldest first, by name where the times are equal.
fn list(directory: &Path, role: Role, extension: &str) -> Result<Vec<Found>, KeysError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(|source| file_error(directory, source))? {
        let path = entry.map_err(|source| file_error(directory, source))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let id = name
            .strip_prefix(role.prefix())
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.strip_suffix(extension))
            .and_then(|rest| rest.strip_suffix('.'));
        let Some(id) = id.map(str::to_owned) else {
            continue;
        };
        // Follows links: mounted secrets are links to the real files.
        let modified =
            fs::metadata(&path).and_then(|metadata| metadata.modified()).map_err(|source| file_error(&path, source))?;
        found.push(Found { modified, path, id });
    }
    found.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
    Ok(found)
}

fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let line = Zeroizing::new(fs::read(path).map_err(|source| file_error(path, source))?);
    let bytes = STANDARD.decode(line.trim_ascii()).map_err(|_| KeysError::Malformed(path.to_owned()))?;
    let bytes = Zeroizing::new(bytes);
    if bytes.len() == KEY_BYTES { Ok(bytes) } else { Err(KeysError::Malformed(path.to_owned())) }
}

#[cfg(test)]
pub(crate) mod tests;
