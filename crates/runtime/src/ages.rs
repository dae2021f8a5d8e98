//! What ends one day: certificates, and keys that ought to be replaced. As metrics, so that somebody is told in time.
//!
//! The files are read when the metrics are: they show what the next start would use.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use opentelemetry::{KeyValue, global};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::parse_x509_certificate;

/// Shows when the certificates in these PEM files end. `files`: what each is called, and where it is.
pub fn observe_certificates(files: Vec<(&'static str, PathBuf)>) {
    global::meter("sandi")
        .i64_observable_gauge("sandi.certificate.expiry.timestamp")
        .with_unit("s")
        .with_description("When a certificate ends, in Unix time; of several in a file the first to end.")
        .with_callback(move |observer| {
            for (name, path) in &files {
                if let Some(end) = first_end(path) {
                    observer.observe(end, &[KeyValue::new("certificate", *name)]);
                }
            }
        })
        .build();
}

/// Shows the age of the newest key of each role in `directory`: files `<role>-<key id>.key` and `.pub`.
pub fn observe_keys(directory: PathBuf, roles: &'static [&'static str]) {
    global::meter("sandi")
        .i64_observable_gauge("sandi.key.created.timestamp")
        .with_unit("s")
        .with_description("When the newest key of a role was made, in Unix time, by its file.")
        .with_callback(move |observer| {
            for role in roles {
                if let Some(made) = newest(&directory, role) {
                    observer.observe(made, &[KeyValue::new("role", *role)]);
                }
            }
        })
        .build();
}

fn first_end(path: &Path) -> Option<i64> {
    let certificates = CertificateDer::pem_file_iter(path).ok()?;
    let ends = certificates.filter_map(|certificate| {
        let certificate = certificate.ok()?;
        let (_, parsed) = parse_x509_certificate(&certificate).ok()?;
        Some(parsed.validity().not_after.timestamp())
    });
    ends.min()
}

fn newest(directory: &Path, role: &str) -> Option<i64> {
    let files = fs::read_dir(directory).ok()?.flatten().filter(|entry| is_key_of(&entry.path(), role));
    let times =
        files.filter_map(|entry| fs::metadata(entry.path()).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok());
    times.max().and_then(|time| i64::try_from(time.as_secs()).ok())
}

fn is_key_of(path: &Path, role: &str) -> bool {
    let name = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.split_once('-'));
    let kind = path.extension().and_then(|extension| extension.to_str());
    name.is_some_and(|(prefix, _)| prefix == role) && matches!(kind, Some("key" | "pub"))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(end: i32) -> String {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(end, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn of_a_chain_the_first_end_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chain.crt");
        fs::write(&file, certificate(2040) + &certificate(2031) + &certificate(2050)).unwrap();
        assert_eq!(first_end(&file), Some(date_time_ymd(2031, 1, 1).unix_timestamp()));
        fs::write(&file, "no certificate").unwrap();
        assert_eq!(first_end(&file), None);
        assert_eq!(first_end(&folder.path().join("missing")), None);
    }

    #[test]
    fn of_a_roles_keys_the_newest_counts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest(folder.path(), "mailer"), None);
        for (name, seconds) in
            [("mailer-1.pub", 5000), ("mailer-2.pub", 7000), ("identity-3.key", 9000), ("digest.key", 1)]
        {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
        }
        assert_eq!(newest(folder.path(), "mailer"), Some(7000));
        assert_eq!(newest(folder.path(), "identity"), Some(9000));
    }
}
