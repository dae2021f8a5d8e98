//! Keyed digests (HMAC-SHA-256): fingerprints of idempotent calls, subjects in the audit, page tokens.
//!
//! A plain digest of a username could be found by trying names; a keyed one cannot, without the key.

use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Name of the key's file in `keys.directory`.
pub const FILE: &str = "digest.key";
/// Bytes of the key.
pub const KEY_BYTES: usize = 32;
/// Bytes of the shortened digest in a page token (128 bits).
const PAGE_MAC_BYTES: usize = 16;
/// Bytes of a cursor: an id.
const CURSOR_BYTES: usize = 16;
/// Bytes of a cursor of a list by time: a time and an id.
const TIMED_CURSOR_BYTES: usize = 24;

/// What a digest is for, so that one kind never passes for another.
#[derive(Clone, Copy)]
enum Purpose {
    Fingerprint,
    Subject,
    Page,
    GuessedName,
    GuessSource,
}

/// The key, shared by all replicas.
#[derive(Clone)]
pub struct DigestKey(Zeroizing<[u8; KEY_BYTES]>);

impl DigestKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads `digest.key` in the folder.
    ///
    /// # Errors
    /// The file is missing or is not 32 bytes in base64.
    pub fn load(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(FILE);
        let text = Zeroizing::new(std::fs::read_to_string(&path).with_context(|| {
            format!("keys.directory: {} cannot be read; `identity keys generate` makes it", path.display())
        })?);
        let Ok(bytes) = STANDARD.decode(text.trim()).map(Zeroizing::new) else {
            bail!("keys.directory: {} is not base64", path.display());
        };
        let Ok(key) = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()) else {
            bail!("keys.directory: {} must hold {KEY_BYTES} bytes", path.display());
        };
        Ok(Self::new(key))
    }

    /// Writes a new key unless there is one; says whether it did.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn generate(directory: &Path, random: &dyn Fn(&mut [u8])) -> anyhow::Result<bool> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;

        let path = directory.join(FILE);
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        random(&mut *key);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        match file {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error).with_context(|| format!("{} cannot be written", path.display())),
            Ok(mut file) => {
                let text = Zeroizing::new(STANDARD.encode(*key) + "\n");
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                Ok(true)
            }
        }
    }

    /// Fingerprint of a call: its method and its fields, without passwords.
    pub fn fingerprint(&self, method: &str, fields: &[&[u8]]) -> Vec<u8> {
        let mut all = vec![method.as_bytes()];
        all.extend(fields);
        self.digest(Purpose::Fingerprint, &all)
    }

    /// Digest of a username or address that no account matched.
    pub fn subject(&self, text: &str) -> Vec<u8> {
        self.digest(Purpose::Subject, &[text.as_bytes()])
    }

    /// What attempts at the password of a name that nobody has are counted by.
    pub fn guessed_name(&self, name: &str) -> Uuid {
        short(&self.digest(Purpose::GuessedName, &[name.as_bytes()]))
    }

    /// What attempts from a network at somebody's password are counted by.
    pub fn guess_source(&self, subject: Uuid, network: &str) -> Uuid {
        short(&self.digest(Purpose::GuessSource, &[subject.as_bytes(), network.as_bytes()]))
    }

    /// A page token: where to go on, bound to the filters it was made for.
    pub fn page_token(&self, filters: &[&[u8]], cursor: &[u8]) -> String {
        let mut token = cursor.to_vec();
        token.extend_from_slice(&self.page_mac(filters, cursor));
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The cursor of a page token, if it was made here and for these filters.
    pub fn page_cursor(&self, filters: &[&[u8]], token: &str) -> Option<Vec<u8>> {
        use subtle::ConstantTimeEq as _;

        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (cursor, mac) = bytes.split_last_chunk::<PAGE_MAC_BYTES>()?;
        bool::from(mac[..].ct_eq(&self.page_mac(filters, cursor)[..])).then(|| cursor.to_vec())
    }

    fn page_mac(&self, filters: &[&[u8]], cursor: &[u8]) -> Vec<u8> {
        let mut fields = filters.to_vec();
        fields.push(cursor);
        let mut mac = self.digest(Purpose::Page, &fields);
        mac.truncate(PAGE_MAC_BYTES);
        mac
    }

    fn digest(&self, purpose: Purpose, fields: &[&[u8]]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        mac.update(&[purpose as u8]);
        for field in fields {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac.finalize().into_bytes().to_vec()
    }
}

/// The first 128 bits.
fn short(digest: &[u8]) -> Uuid {
    Uuid::from_slice(&digest[..16]).unwrap_or_default()
}

/// Whether a text has the form of a page token, whosever it is; empty: the first page's.
pub fn is_page_token(text: &str) -> bool {
    let form =
        |bytes: Vec<u8>| matches!(bytes.len().checked_sub(PAGE_MAC_BYTES), Some(CURSOR_BYTES | TIMED_CURSOR_BYTES));
    text.is_empty() || URL_SAFE_NO_PAD.decode(text).is_ok_and(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_opens_only_with_its_key_and_filters() {
        let key = DigestKey::new([1; KEY_BYTES]);
        let token = key.page_token(&[b"org", b"bu"], b"cursor");
        assert_eq!(key.page_cursor(&[b"org", b"bu"], &token).as_deref(), Some(&b"cursor"[..]));
        assert_eq!(key.page_cursor(&[b"org", b"b"], &token), None, "other filter");
        assert_eq!(DigestKey::new([2; KEY_BYTES]).page_cursor(&[b"org", b"bu"], &token), None, "other key");
        assert_eq!(key.page_cursor(&[b"org", b"bu"], "not a token"), None);
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let key = DigestKey::new([1; KEY_BYTES]);
        assert_ne!(key.fingerprint("m", &[b"ab", b"c"]), key.fingerprint("m", &[b"a", b"bc"]));
    }
}
