//! The public port.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use proto::identity::v1::directory_service_server::DirectoryServiceServer;
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use proto::identity::v1::support_service_server::SupportServiceServer;
use runtime::admin::Checks;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use super::callers::Callers;
use super::edge::EdgeLayer;
use super::health;
use super::limits::Limits;
use super::run::Runner;
use crate::service::Service;
use crate::settings::TlsSettings;

/// Largest request.
const RECEIVE_MAX: usize = 64 * 1024;
/// Largest response.
const SEND_MAX: usize = 1024 * 1024;
/// Largest headers.
const HEADERS_MAX: u32 = 16 * 1024;
/// Most calls at one time on one connection.
const STREAMS_MAX: u32 = 100;
/// Connections are ended after this, so that load spreads and certificates change.
const CONNECTION_AGE: Duration = Duration::from_secs(30 * 60);
const CONNECTION_GRACE: Duration = Duration::from_secs(30);
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(10);
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long calls under way may take after the stop.
const DRAIN: Duration = Duration::from_secs(8);
/// How often full rate buckets are forgotten.
const FORGET: Duration = Duration::from_secs(60);

/// Reads the certificates, and sees that they are some.
///
/// # Errors
/// Names the setting whose file cannot be read, or the section whose files do not fit together.
pub fn tls(settings: &TlsSettings) -> anyhow::Result<Option<ServerTlsConfig>> {
    let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else { return Ok(None) };
    let read = |name: &str, path: &std::path::Path| {
        std::fs::read(path).with_context(|| format!("grpc.tls.{name}: {} cannot be read", path.display()))
    };
    let identity = Identity::from_pem(read("certificate", certificate)?, read("key", key)?);
    let mut config = ServerTlsConfig::new().identity(identity).timeout(HANDSHAKE);
    if let Some(client_ca) = &settings.client_ca {
        config = config.client_ca_root(Certificate::from_pem(read("client_ca", client_ca)?));
    }
    Server::builder().tls_config(config.clone()).context("grpc.tls: these are not certificates and their key")?;
    Ok(Some(config))
}

/// Serves until stopped; then calls under way may end, within bounds.
///
/// # Errors
/// The certificates do not fit, or the listener fails.
pub async fn serve(
    service: Arc<Service>,
    callers: Callers,
    listener: TcpListener,
    checks: Checks,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let limits = Arc::new(Limits::new(&service.settings.limits));
    let runner = Runner { service: Arc::clone(&service), limits: Arc::clone(&limits) };
    let (reporter, health_server) = tonic_health::server::health_reporter();
    let mut server = Server::builder();
    if let Some(tls) = tls(&service.settings.grpc.tls)? {
        server = server.tls_config(tls).context("grpc.tls")?;
    }
    let reflection = service.settings.grpc.reflection;
    let router = server
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADERS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .max_connection_age(CONNECTION_AGE)
        .max_connection_age_grace(CONNECTION_GRACE)
        .layer(EdgeLayer::new(callers, Arc::clone(&limits)))
        .add_service(health_server)
        .add_optional_service(reflection.then(|| reflection_builder().build_v1()).transpose()?)
        // Older clients ask for the version before.
        .add_optional_service(reflection.then(|| reflection_builder().build_v1alpha()).transpose()?)
        .add_service(
            IdentityServiceServer::new(runner.clone())
                .max_decoding_message_size(RECEIVE_MAX)
                .max_encoding_message_size(SEND_MAX),
        )
        .add_service(
            DirectoryServiceServer::new(runner.clone())
                .max_decoding_message_size(RECEIVE_MAX)
                .max_encoding_message_size(SEND_MAX),
        )
        .add_service(
            SupportServiceServer::new(runner)
                .max_decoding_message_size(RECEIVE_MAX)
                .max_encoding_message_size(SEND_MAX),
        );

    let watch = health::run(&service, reporter, checks, stop.clone());
    let forget = async {
        loop {
            tokio::time::sleep(FORGET).await;
            limits.forget();
        }
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE));
    let serving = router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
    let late = async {
        stop.cancelled().await;
        // Tonic waits for its connections without a limit.
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = async { tokio::join!(serving, watch).0 } => served.context("the gRPC port"),
        () = forget => Ok(()),
        () = late => {
            tracing::warn!("connections were closed that did not end in time");
            Ok(())
        }
    }
}

fn reflection_builder<'b>() -> tonic_reflection::server::Builder<'b> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
