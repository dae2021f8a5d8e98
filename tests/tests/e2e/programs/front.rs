//! TLS before a server that speaks in clear text.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::tls::Issued;

/// What a client says first.
#[derive(Clone, Copy)]
pub enum First {
    /// TLS.
    Tls,
    /// PostgreSQL's question whether there is TLS, and no word in clear after it.
    Question,
}

/// Speaks TLS on a port of its own and passes on what it hears. Gives the port.
pub async fn encrypted(to: u16, issued: &Issued, first: First) -> u16 {
    let certificate = CertificateDer::from_pem_file(&issued.certificate).expect("it is one");
    let key = PrivateKeyDer::from_pem_file(&issued.key).expect("it is one");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut accepted, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let First::Question = first {
                    let mut question = [0; 8];
                    accepted.read_exact(&mut question).await.expect("it asks");
                    assert_eq!(question, [0, 0, 0, 8, 4, 210, 22, 47], "SSLRequest");
                    accepted.write_all(b"S").await.expect("it listens");
                }
                // Whoever does not trust us hangs up here.
                let Ok(mut encrypted) = acceptor.accept(accepted).await else { return };
                let mut plain =
                    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, to))).await.expect("a server");
                let _ = copy_bidirectional(&mut encrypted, &mut plain).await;
            });
        }
    });
    port
}
