//! The certificates of the public port.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::settings::TlsSettings;

/// The only protocol spoken (RFC 7301, RFC 9113).
const HTTP_2: &[u8] = b"h2";

/// Reads the certificates, and sees that they are some. None when none are set.
///
/// TLS 1.2 and 1.3 with forward secrecy and authenticated encryption: rustls has nothing else.
///
/// # Errors
/// Names the setting whose file cannot be read, or the section whose files do not fit together.
pub fn acceptor(settings: &TlsSettings) -> anyhow::Result<Option<TlsAcceptor>> {
    let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else { return Ok(None) };
    let chain = certificates("certificate", certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read("key", key)?)
        .with_context(|| format!("grpc.tls.key: {} holds no private key", key.display()))?;
    let builder = match &settings.client_ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("client_ca", file)? {
                roots.add(certificate).with_context(|| format!("grpc.tls.client_ca: {}", file.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().context("grpc.tls.client_ca")?;
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
    };
    let mut config =
        builder.with_single_cert(chain, key).context("grpc.tls: these are not certificates and their key")?;
    config.alpn_protocols.push(HTTP_2.into());
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn read(name: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("grpc.tls.{name}: {} cannot be read", path.display()))
}

fn certificates(name: &str, path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(name, path)?).collect();
    let found = found.with_context(|| format!("grpc.tls.{name}: {}", path.display()))?;
    anyhow::ensure!(!found.is_empty(), "grpc.tls.{name}: {} holds no certificate", path.display());
    Ok(found)
}
