//! What ends one day: certificates, and keys that ought to be replaced. As metrics, so that somebody is told in time.
//!
//! The files are read when the metrics are: they show what the next start would use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use opentelemetry::{KeyValue, global};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;
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

/// Shows the age of the newest key of each role, which `newest` finds.
pub fn observe_keys(newest: impl Fn() -> BTreeMap<&'static str, OffsetDateTime> + Send + Sync + 'static) {
    global::meter("sandi")
        .i64_observable_gauge("sandi.key.created.timestamp")
        .with_unit("s")
        .with_description("When the newest key of a role was made, in Unix time, as its file says.")
        .with_callback(move |observer| {
            for (role, made) in newest() {
                observer.observe(made.unix_timestamp(), &[KeyValue::new("role", role)]);
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

#[cfg(test)]
mod tests {
    use std::fs;

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
}
