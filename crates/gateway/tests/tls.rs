//! The port for people behind a certificate of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::get;
use gateway::server::{Bounds, Edge, Proxies, edge, serve};
use gateway::settings::Settings;
use runtime::Reloaded;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

const BOUND: Duration = Duration::from_secs(20);

fn bounds() -> Bounds {
    let time = Duration::from_secs(5);
    Bounds { connections: 8, connections_per_address: 8, per_second: 100, burst: 100, header: time, body: time }
}

/// Serves one page, and gives its address and the certificate to trust.
async fn start(stop: CancellationToken) -> (SocketAddr, rustls::RootCertStore) {
    runtime::install_crypto();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![own.cert.der().clone()], key).unwrap());
    let tls = Reloaded::load("tls", Vec::new(), move || Ok(TlsAcceptor::from(Arc::clone(&config)))).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();

    let refuse = Box::new(|_: &http::request::Parts, status: http::StatusCode| status.into_response());
    let edge_state = Edge::new(Proxies::default(), bounds(), "/static/".to_owned(), refuse);
    let router = Router::new().route("/", get(|| async { "hello" })).layer(from_fn_with_state(edge_state, edge));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Some(Arc::new(tls)), router, bounds(), Proxies::default(), stop));
    (address, roots)
}

#[tokio::test]
async fn a_browser_that_speaks_tls_is_told_to_go_on_so() {
    let stop = CancellationToken::new();
    let (address, roots) = start(stop.clone()).await;
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The other end may close without TLS's own farewell.
    let _ = tokio::time::timeout(BOUND, stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    stop.cancel();
}

#[tokio::test]
async fn plain_text_gets_no_page_at_the_tls_port() {
    let stop = CancellationToken::new();
    let (address, _) = start(stop.clone()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(BOUND, stream.read_to_end(&mut answer)).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"), "no page");
    stop.cancel();
}

/// Writes a new certificate and its key, and gives the certificate.
fn write_pair(settings: &Settings) -> CertificateDer<'static> {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // First the key: in between the two do not fit together, and the last pair stays.
    fs::write(settings.tls.key.as_ref().unwrap(), own.signing_key.serialize_pem()).unwrap();
    fs::write(settings.tls.certificate.as_ref().unwrap(), own.cert.pem()).unwrap();
    own.cert.der().clone()
}

/// Whether a new connection is shown this certificate.
async fn is_shown(address: SocketAddr, certificate: &CertificateDer<'static>) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.is_ok()
}

#[tokio::test]
async fn a_certificate_is_replaced_while_the_port_is_open() {
    runtime::install_crypto();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let mut settings = Settings { public_url: "https://localhost".into(), ..Settings::default() };
    settings.tls.certificate = Some(file("tls.crt"));
    settings.tls.key = Some(file("tls.key"));
    settings.identity.url = "https://localhost:1".into();
    settings.identity.token_file = file("token");
    settings.cookie.key_file = file("cookie-key");
    fs::write(file("token"), "token").unwrap();
    fs::write(file("cookie-key"), format!("{}A==", "B".repeat(85))).unwrap();
    let first = write_pair(&settings);
    let tls = settings.check().unwrap_or_else(|failure| panic!("{failure}")).tls.unwrap();

    let stop = CancellationToken::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Arc::clone(&tls).watch(stop.clone()));
    tokio::spawn(serve(listener, Some(tls), Router::new(), bounds(), Proxies::default(), stop.clone()));
    assert!(is_shown(address, &first).await);
    let second = write_pair(&settings);
    let replaced = async {
        while !is_shown(address, &second).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(BOUND, replaced).await.expect("it is read again");
    assert!(!is_shown(address, &first).await, "the old one is shown to nobody");
    stop.cancel();
}
