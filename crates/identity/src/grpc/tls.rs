//! The certificates of the public port.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use runtime::reload::Reloaded;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::settings::{ClientCertificates, TlsSettings};

/// The only protocol spoken (RFC 7301, RFC 9113).
const HTTP_2: &[u8] = b"h2";

/// The certificates, read again when their files change: for new connections, those that are open keep theirs. None
/// when none are set.
///
/// # Errors
/// Names the setting whose file cannot be read, or the section whose files do not fit together.
pub fn load(settings: &TlsSettings) -> anyhow::Result<Option<Arc<Reloaded<TlsAcceptor>>>> {
    let (Some(certificate), Some(key)) = (settings.certificate.clone(), settings.key.clone()) else { return Ok(None) };
    let others = [&settings.client_ca, &settings.client_crl].into_iter().flatten().cloned();
    let files = [certificate.clone(), key.clone()].into_iter().chain(others).collect();
    let settings = settings.clone();
    let read = move || acceptor(&settings, &certificate, &key);
    Ok(Some(Arc::new(Reloaded::load("grpc.tls", files, read)?)))
}

/// TLS 1.2 and 1.3 with forward secrecy and authenticated encryption: rustls has nothing else.
fn acceptor(settings: &TlsSettings, certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = certificates("certificate", certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read("key", key)?)
        .with_context(|| format!("grpc.tls.key: {} holds no private key", key.display()))?;
    let builder = match &settings.client_ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(file) => ServerConfig::builder().with_client_cert_verifier(client_verifier(settings, file)?),
    };
    let mut config =
        builder.with_single_cert(chain, key).context("grpc.tls: these are not certificates and their key")?;
    config.alpn_protocols.push(HTTP_2.into());
    if settings.client_ca.is_some() {
        // A session that is taken up again would not have the client's certificate looked at, whose time may be over.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Chain, time, usage and revocation of a client's certificate are checked in the handshake.
fn client_verifier(settings: &TlsSettings, authorities: &Path) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_ca", authorities)? {
        roots.add(certificate).with_context(|| format!("grpc.tls.client_ca: {}", authorities.display()))?;
    }
    let mut builder = WebPkiClientVerifier::builder(Arc::new(roots));
    if let Some(file) = &settings.client_crl {
        let lists: Result<Vec<_>, _> =
            CertificateRevocationListDer::pem_slice_iter(&read("client_crl", file)?).collect();
        let lists = lists.with_context(|| format!("grpc.tls.client_crl: {}", file.display()))?;
        anyhow::ensure!(!lists.is_empty(), "grpc.tls.client_crl: {} holds no list", file.display());
        // Also lists whose time has passed count; a certificate that stands on none is good.
        builder = builder.with_crls(lists).only_check_end_entity_revocation().allow_unknown_revocation_status();
    }
    if settings.client_certificates == ClientCertificates::Optional {
        builder = builder.allow_unauthenticated();
    }
    builder.build().context("grpc.tls.client_ca")
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
