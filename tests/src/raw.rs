//! HTTP/2 made of bytes (RFC 9113): what a client library would never send.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream, tcp::OwnedReadHalf},
    time::{Instant, timeout_at},
};

use crate::World;

/// What a client says first (3.4), with empty settings.
pub const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// Kinds of frames (6).
#[expect(missing_docs, reason = "the standard's own names")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
    /// One that no standard knows.
    pub const UNKNOWN: u8 = 0x42;
}

/// Flag of DATA and HEADERS.
pub const END_STREAM: u8 = 1;
/// Flag of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 4;

/// How a connection ended.
#[derive(Debug)]
pub struct End {
    /// The error code of the last GOAWAY.
    pub goaway: Option<u32>,
    /// Kinds of all frames that came, by number.
    pub frames: Vec<u8>,
    /// How long it took from the look on.
    pub took: Duration,
}

impl World {
    /// A TCP connection to the first identity process, from one of the loopback's addresses.
    ///
    /// # Errors
    /// When it is refused, or no descriptor is left.
    pub async fn tcp(&self, from: IpAddr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        let stream = socket.connect(self.sandi.plan().identities[0].grpc).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// A frame.
///
/// # Panics
/// When the payload is longer than a frame can say.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("frames are small").to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// Header fields without compression: each a literal without indexing (RFC 7541, 6.2.2).
///
/// # Panics
/// When a name or value is longer than 126 bytes.
pub fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text"));
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The fields of a gRPC request to that path.
pub fn request(path: &str) -> Vec<u8> {
    let method = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "sandi")];
    fields(&[&method[..], &[("content-type", "application/grpc"), ("te", "trailers")]].concat())
}

/// Waits until the server has hung up.
///
/// # Errors
/// With the kinds of the frames that came, when it has not within `bound`.
pub async fn until_closed(stream: impl Into<Reading>, bound: Duration) -> Result<End, Vec<u8>> {
    let Reading(mut stream) = stream.into();
    let begin = Instant::now();
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match timeout_at(begin + bound, stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(count)) => bytes.extend(&chunk[..count]),
            Err(_) => return Err(read_frames(&bytes).0),
        }
    }
    let (frames, goaway) = read_frames(&bytes);
    Ok(End { goaway, frames, took: begin.elapsed() })
}

/// The side of a connection that the server writes.
pub struct Reading(OwnedReadHalf);

impl From<OwnedReadHalf> for Reading {
    fn from(half: OwnedReadHalf) -> Self {
        Self(half)
    }
}

impl From<TcpStream> for Reading {
    fn from(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        // Dropped, it would say goodbye.
        write.forget();
        Self(read)
    }
}

fn read_frames(mut bytes: &[u8]) -> (Vec<u8>, Option<u32>) {
    let (mut kinds, mut goaway) = (Vec::new(), None);
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        kinds.push(head[3]);
        if head[3] == kind::GOAWAY {
            goaway = payload.get(4..8).map(|code| u32::from_be_bytes(code.try_into().expect("four bytes")));
        }
        bytes = rest;
    }
    (kinds, goaway)
}

/// Writes as long as the server takes it, at most `bound`.
pub async fn pour(stream: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8], bound: Duration) {
    // An error says that the server has hung up, which the reader sees too.
    let _ = tokio::time::timeout(bound, stream.write_all(bytes)).await;
}
