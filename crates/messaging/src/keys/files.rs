//! The files: made whole or not at all, found by name, oldest first.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hpke::{Kem as _, Serializable};
use zeroize::Zeroizing;

use super::{KEY_BYTES, Kem, KeyId, KeysError, PublicKey, Role};

/// The extension of the mark beside a retired key.
pub(super) const RETIRED: &str = "retired";

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
    write_new(&path("key"), 0o600, Zeroizing::new(STANDARD.encode(private_bytes)))?;
    write_new(&path("pub"), 0o644, Zeroizing::new(STANDARD.encode(public.to_bytes())))?;
    Ok(id)
}

/// Writes one line under another name and then links, because a rename would replace what is there.
pub(super) fn write_new(path: &Path, mode: u32, mut line: Zeroizing<String>) -> Result<(), KeysError> {
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

pub(super) fn file_error(path: &Path, source: io::Error) -> KeysError {
    KeysError::File { path: path.to_owned(), source }
}

/// A file of a key.
pub(super) struct Found {
    pub(super) modified: SystemTime,
    pub(super) path: PathBuf,
    pub(super) id: String,
}

impl Found {
    /// Whether the mark of a retired key stands beside it.
    pub(super) fn is_retired(&self) -> bool {
        self.path.with_extension(RETIRED).exists()
    }

    /// The fingerprint in the name is what people go by, so it has to be right.
    pub(super) fn check(&self, public: &PublicKey) -> Result<KeyId, KeysError> {
        let found = KeyId::of(public);
        if found.as_str() == self.id { Ok(found) } else { Err(KeysError::WrongName { path: self.path.clone(), found }) }
    }
}

/// The files `<role>-<id>.<extension>`, oldest first, by name where the times are equal.
pub(super) fn list(directory: &Path, role: Role, extension: &str) -> Result<Vec<Found>, KeysError> {
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

pub(super) fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let line = Zeroizing::new(fs::read(path).map_err(|source| file_error(path, source))?);
    let bytes = STANDARD.decode(line.trim_ascii()).map_err(|_| KeysError::Malformed(path.to_owned()))?;
    let bytes = Zeroizing::new(bytes);
    if bytes.len() == KEY_BYTES { Ok(bytes) } else { Err(KeysError::Malformed(path.to_owned())) }
}
