//! The files: made whole or not at all, found by name, oldest first by the time that stands in them.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hpke::{Kem as _, Serializable};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use super::{KEY_BYTES, Kem, KeyId, KeysError, PublicKey, Role};

/// The extension of the mark beside a retired key.
pub(super) const RETIRED: &str = "retired";
/// Begins the line that tells when a key was made (RFC 3339). The file's own times do not: a copy changes them, and
/// a volume of Kubernetes writes all its files anew.
const MADE: &str = "# made";
/// Such a line and a key, so that the text of a private key never moves in memory.
const TEXT_LIMIT: usize = 128;

/// Makes a key pair in `directory` from 32 bytes of `random`, as `<role>-<key id>.key` (mode 0600)
/// and `.pub`. Each file appears whole or not at all, and says that it was made `now`.
///
/// # Errors
///
/// [`KeysError::Exists`] rather than overwriting; [`KeysError::File`] if it cannot be written.
pub fn generate(
    directory: &Path,
    role: Role,
    now: OffsetDateTime,
    random: &dyn Fn(&mut [u8]),
) -> Result<KeyId, KeysError> {
    let mut seed = Zeroizing::new([0_u8; KEY_BYTES]);
    random(seed.as_mut_slice());
    let (private, public) = Kem::derive_keypair(seed.as_slice());
    let id = KeyId::of(&public);

    fs::create_dir_all(directory).map_err(|source| file_error(directory, source))?;
    let private_bytes = Zeroizing::new(<[u8; KEY_BYTES]>::from(private.to_bytes()));
    let path = |extension| directory.join(format!("{}-{id}.{extension}", role.prefix()));
    write_new(&path("key"), 0o600, text(now, private_bytes.as_slice()))?;
    write_new(&path("pub"), 0o644, text(now, &public.to_bytes()))?;
    Ok(id)
}

fn text(made: OffsetDateTime, key: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(TEXT_LIMIT));
    let _ = writeln!(text, "{MADE} {}", made.format(&Rfc3339).unwrap_or_default());
    STANDARD.encode_string(key, &mut text);
    text
}

/// Writes a text and a line end under another name and then links, because a rename would replace what is there.
pub(super) fn write_new(path: &Path, mode: u32, mut text: Zeroizing<String>) -> Result<(), KeysError> {
    text.push('\n');
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let written = write_and_link(&draft, path, mode, text.as_bytes());
    let _ = fs::remove_file(&draft);
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeysError::Exists(path.to_owned()),
        _ => file_error(path, source),
    })
}

fn write_and_link(draft: &Path, path: &Path, mode: u32, text: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::hard_link(draft, path)
}

pub(super) fn file_error(path: &Path, source: io::Error) -> KeysError {
    KeysError::File { path: path.to_owned(), source }
}

/// A file of a key.
pub(super) struct Found {
    pub(super) age: Age,
    pub(super) path: PathBuf,
    pub(super) id: String,
}

/// What files are in order by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    /// Whether the file says when it was made. One that does not is of before they did, or made by hand, and comes
    /// first: its time may be that of the mount, and so later than that of a key which waits for its turn.
    written: bool,
    /// When it was made, as it says, else when the file was written.
    pub(super) made: OffsetDateTime,
}

impl Age {
    fn of(path: &Path) -> Result<Self, KeysError> {
        let text = read(path)?;
        if let Some(line) = lines(&text).find_map(|line| line.strip_prefix(MADE.as_bytes())) {
            let told =
                std::str::from_utf8(line).ok().and_then(|time| OffsetDateTime::parse(time.trim(), &Rfc3339).ok());
            let made = told.ok_or_else(|| KeysError::Made(path.to_owned()))?;
            return Ok(Self { written: true, made });
        }
        // Follows links: mounted secrets are links to the real files.
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
        let made = modified.map(OffsetDateTime::from).map_err(|source| file_error(path, source))?;
        Ok(Self { written: false, made })
    }
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

/// The files `<role>-<id>.<extension>`, oldest first, by name where the ages are equal.
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
        found.push(Found { age: Age::of(&path)?, path, id });
    }
    found.sort_by(|a, b| (a.age, &a.path).cmp(&(b.age, &b.path)));
    Ok(found)
}

pub(super) fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let malformed = || KeysError::Malformed(path.to_owned());
    let text = read(path)?;
    let mut keys = lines(&text).filter(|line| !line.starts_with(b"#"));
    let (Some(line), None) = (keys.next(), keys.next()) else { return Err(malformed()) };
    let bytes = Zeroizing::new(STANDARD.decode(line).map_err(|_| malformed())?);
    if bytes.len() == KEY_BYTES { Ok(bytes) } else { Err(malformed()) }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    fs::read(path).map(Zeroizing::new).map_err(|source| file_error(path, source))
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}
