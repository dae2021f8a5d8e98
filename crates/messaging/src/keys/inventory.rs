//! What keys a directory holds, and taking one out of use.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use super::{
    KeysError, Role,
    files::{self, Age, Found, RETIRED},
};

/// How long a retired key is kept: the longest life of a link, and five minutes for what is on its way.
pub const RETIRED_LIFE: Duration = Duration::from_secs(24 * 60 * 60 + 5 * 60);

/// What a key is for at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// New events are sealed with it, or to it.
    Seals,
    /// It opens. It seals once those before it are retired.
    Opens,
    /// It opens, and seals no more.
    Retired {
        /// Since when.
        since: OffsetDateTime,
    },
}

/// A key of a directory.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Whose.
    pub role: Role,
    /// Its fingerprint, as the file's name has it.
    pub id: String,
    /// What it is for.
    pub state: State,
    /// When it was made, as its file says, else when its file was written.
    pub made: OffsetDateTime,
    /// The names of its files.
    pub files: Vec<String>,
}

/// What [`retire`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Whose key it is.
    pub role: Role,
    /// Since when it is retired.
    pub since: OffsetDateTime,
}

/// The keys in `directory`, by role, oldest first. No key is tried.
///
/// # Errors
///
/// [`KeysError::File`] if it cannot be read, [`KeysError::Made`] if the time in a file is none.
pub fn inventory(directory: &Path) -> Result<Vec<Listed>, KeysError> {
    // Who holds identity's private keys seals; in the mailer's directory no key does.
    let seals_here = !files::list(directory, Role::Identity, "key")?.is_empty();
    let mut all = Vec::new();
    for role in [Role::Identity, Role::Mailer] {
        let mut keys = of_role(directory, role)?;
        let first = keys.iter_mut().find(|key| key.state == State::Opens && counts(key, role));
        if let Some(first) = first.filter(|_| seals_here) {
            first.state = State::Seals;
        }
        all.append(&mut keys);
    }
    Ok(all)
}

/// Identity seals with its private keys, and to the mailer's public ones.
fn counts(key: &Listed, role: Role) -> bool {
    let extension = if role == Role::Identity { ".key" } else { ".pub" };
    key.files.iter().any(|file| file.ends_with(extension))
}

fn of_role(directory: &Path, role: Role) -> Result<Vec<Listed>, KeysError> {
    let mut keys: BTreeMap<String, (Age, Listed)> = BTreeMap::new();
    for extension in ["key", "pub"] {
        for found in files::list(directory, role, extension)? {
            let state = if found.is_retired() { State::Retired { since: since(&found)? } } else { State::Opens };
            let name = format!("{role}-{}.{extension}", found.id);
            let new = Listed { role, id: found.id.clone(), state, made: found.age.made, files: Vec::new() };
            keys.entry(found.id).or_insert((found.age, new)).1.files.push(name);
        }
    }
    let mut keys: Vec<(Age, Listed)> = keys.into_values().collect();
    keys.sort_by(|(a, one), (b, other)| (a, &one.id).cmp(&(b, &other.id)));
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

/// When the newest key of each role in `directory` was made; nothing of a role whose keys cannot be read.
#[must_use]
pub fn newest(directory: &Path) -> BTreeMap<&'static str, OffsetDateTime> {
    let newest = |role| of_role(directory, role).ok()?.into_iter().map(|key| key.made).max();
    [Role::Identity, Role::Mailer].into_iter().filter_map(|role| Some((role.prefix(), newest(role)?))).collect()
}

/// When a key was retired: what its mark says, else when the mark was made.
fn since(found: &Found) -> Result<OffsetDateTime, KeysError> {
    let mark = found.path.with_extension(RETIRED);
    let text = fs::read_to_string(&mark).map_err(|source| files::file_error(&mark, source))?;
    if let Ok(since) = OffsetDateTime::parse(text.trim(), &Rfc3339) {
        return Ok(since);
    }
    let modified = fs::metadata(&mark).and_then(|metadata| metadata.modified());
    modified.map(OffsetDateTime::from).map_err(|source| files::file_error(&mark, source))
}

/// Marks the key `id` in `directory`: it seals no more, and opens as before. Once is enough; a
/// second time changes nothing.
///
/// # Errors
///
/// [`KeysError::Unknown`] if it is not there, [`KeysError::Last`] if no other key of its role
/// would be left to seal, [`KeysError::File`] if the mark cannot be written.
pub fn retire(directory: &Path, id: &str, now: OffsetDateTime) -> Result<Retired, KeysError> {
    let all = inventory(directory)?;
    let Some(key) = all.iter().find(|key| key.id == id) else {
        return Err(KeysError::Unknown { id: id.to_owned(), directory: directory.to_owned() });
    };
    let role = key.role;
    if let State::Retired { since } = key.state {
        return Ok(Retired { role, since });
    }
    let comparable = |other: &&Listed| other.role == role && other.id != id && has_same_half(key, other);
    if !all.iter().filter(comparable).any(|other| !matches!(other.state, State::Retired { .. })) {
        return Err(KeysError::Last { role, id: id.to_owned() });
    }
    let since = now.replace_nanosecond(0).unwrap_or(now);
    let text = since.format(&Rfc3339).unwrap_or_default();
    files::write_new(&directory.join(format!("{role}-{id}.{RETIRED}")), 0o644, Zeroizing::new(text))?;
    Ok(Retired { role, since })
}

/// A public half alone does not stand in for a pair.
fn has_same_half(key: &Listed, other: &Listed) -> bool {
    let is_pair = |key: &Listed| key.files.iter().any(|file| file.ends_with(".key"));
    is_pair(other) || !is_pair(key)
}

#[cfg(test)]
mod tests;
