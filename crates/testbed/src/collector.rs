//! An OTLP collector that keeps what it gets, byte for byte.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};

/// What one export carried.
#[derive(Clone, Debug)]
pub struct Export {
    /// The gRPC method, which tells traces from metrics.
    pub path: String,
    /// The protobuf message.
    pub body: Vec<u8>,
}

/// A collector on a port of its own, as long as the runtime lives that it was started in.
pub struct Collector {
    address: SocketAddr,
    exports: Exports,
}

type Exports = Arc<Mutex<Vec<Export>>>;

impl Collector {
    /// Starts one.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for a collector")?;
        let address = listener.local_addr()?;
        let exports = Exports::default();
        let all = Arc::clone(&exports);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&all)));
            }
        });
        Ok(Self { address, exports })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that came so far.
    pub fn exports(&self) -> Vec<Export> {
        self.exports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(stream: TcpStream, exports: Exports) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        tokio::spawn(take(request, respond, Arc::clone(&exports)));
    }
    Ok(())
}

async fn take(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    exports: Exports,
) -> Result<(), h2::Error> {
    let path = request.uri().path().to_owned();
    let mut stream = request.into_body();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        body.extend(chunk);
    }
    // Without the frame's flag and length.
    let body = body.get(5..).unwrap_or_default().to_vec();
    exports.lock().unwrap_or_else(PoisonError::into_inner).push(Export { path, body });
    let head = Response::builder().header("content-type", "application/grpc").body(()).expect("a header");
    let mut stream = respond.send_response(head, false)?;
    // An empty message, and success.
    stream.send_data(Bytes::from_static(&[0; 5]), false)?;
    stream.send_trailers(HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]))
}
