//! Secrets that stand in files, so that they are in no setting, environment or command line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Serializer;

use crate::config::ConfigError;

/// A secret file larger than this is a mistake.
const LIMIT_BYTES: u64 = 64 * 1024;

/// Reads a secret from a file, without one line end at its end.
///
/// # Errors
/// When the file cannot be read, is empty, not UTF-8, or larger than 64 KiB. The error names the
/// file and never shows its content.
pub fn read_secret(path: &Path) -> Result<SecretString, ConfigError> {
    let refuse = |reason: String| ConfigError::secret_file(path, reason);
    let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    let mut text = Zeroizing::new(String::new());
    file.take(LIMIT_BYTES + 1).read_to_string(&mut text).map_err(|error| refuse(error.to_string()))?;
    if text.len() as u64 > LIMIT_BYTES {
        return Err(refuse("larger than 64 KiB".into()));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(refuse("it is empty".into()));
    }
    Ok(SecretString::from(line))
}

/// The URL of a server, from exactly one of `<setting>_file` and `<setting>`.
///
/// # Errors
/// When none or both are set, or the file cannot be read; names the setting.
pub fn url_from(
    file: Option<&Path>,
    inline: Option<&SecretString>,
    setting: &str,
) -> Result<SecretString, ConfigError> {
    match (file, inline) {
        (Some(path), None) => read_secret(path).map_err(|error| error.of_setting(&format!("{setting}_file"))),
        (None, Some(url)) if url.expose_secret().is_empty() => Err(ConfigError::invalid(setting, "it is empty")),
        (None, Some(url)) => Ok(url.clone()),
        (None, None) => Err(ConfigError::invalid(
            format!("{setting}_file"),
            format!("not set; set it to the path of a file, or set {setting}"),
        )),
        (Some(_), Some(_)) => {
            Err(ConfigError::invalid(setting, format!("set together with {setting}_file; keep one of them")))
        }
    }
}

/// Writes that there is a secret, and not which: for settings that are shown.
///
/// # Errors
/// The serializer's.
pub fn masked<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_some("(masked)"),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, content).unwrap();
        (directory, path)
    }

    #[test]
    fn one_line_end_is_taken_off_and_no_more() {
        for (content, secret) in [
            (&b"amqp://u:p@h"[..], "amqp://u:p@h"),
            (b"x\n", "x"),
            (b"x\r\n", "x"),
            (b"x\n\n", "x\n"),
            (b" x \n", " x "),
        ] {
            let (_directory, path) = file(content);
            assert_eq!(read_secret(&path).unwrap().expose_secret(), secret);
        }
    }

    #[test]
    fn an_empty_missing_or_binary_file_is_refused_by_its_name() {
        for content in [&b""[..], b"\n", b"hush\xff"] {
            let (_directory, path) = file(content);
            let error = read_secret(&path).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
        let error = read_secret(Path::new("/nowhere/secret")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/secret"));
    }

    #[test]
    fn a_url_comes_from_exactly_one_place() {
        let (_directory, path) = file(b"postgres://file\n");
        let inline = SecretString::from("postgres://inline");
        let from = |file, inline| url_from(file, inline, "database.url");

        assert_eq!(from(Some(&*path), None).unwrap().expose_secret(), "postgres://file");
        assert_eq!(from(None, Some(&inline)).unwrap().expose_secret(), "postgres://inline");
        let both = from(Some(&*path), Some(&inline)).unwrap_err().to_string();
        assert!(both.starts_with("database.url:"), "{both}");
        assert!(!both.contains("inline"), "{both}");
        let none = from(None, None).unwrap_err().to_string();
        assert!(none.starts_with("database.url_file: not set"), "{none}");
        let gone = from(Some(Path::new("/nowhere")), None).unwrap_err();
        assert!(gone.to_string().starts_with("database.url_file:"), "{gone}");
    }
}
