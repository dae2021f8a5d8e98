//! The socket under an SMTP connection: TCP with TCP_NODELAY, then TLS where it is asked for.
//!
//! lettre's own connect leaves Nagle's algorithm on, which costs 44 ms a mail, and upgrades to TLS
//! with bytes read before it still in its buffer. So the socket is ours: it counts what was
//! written, bounds what an answer may be, and is encrypted before lettre sees it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// An answer longer than this is no answer (Postfix's limit is about the same).
const ANSWER_LIMIT: usize = 64 * 1024;

/// What lettre reads as a banner after STARTTLS, where the server does not send one again.
pub(super) const BANNER: &[u8] = b"220 encrypted\r\n";

/// A stream for lettre.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    peer: SocketAddr,
    /// To be read before anything of the stream.
    first: &'static [u8],
    /// Since the last write.
    answered: usize,
    written: Written,
}

#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Bytes written in all, readable while lettre owns the wire.
#[derive(Debug, Clone, Default)]
pub(super) struct Written(Arc<AtomicUsize>);

impl Written {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wire {
    pub(super) fn new(stream: Stream, first: &'static [u8]) -> io::Result<Self> {
        let peer = match &stream {
            Stream::Plain(tcp) => tcp.peer_addr(),
            Stream::Tls(tls) => tls.get_ref().0.peer_addr(),
        }?;
        Ok(Self { stream, peer, first, answered: 0, written: Written::default() })
    }

    pub(super) fn written(&self) -> Written {
        self.written.clone()
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            let length = this.first.len().min(buffer.remaining());
            let (now, later) = this.first.split_at(length);
            buffer.put_slice(now);
            this.first = later;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        })?;
        this.answered += buffer.filled().len() - before;
        if this.answered > ANSWER_LIMIT {
            return Poll::Ready(Err(io::Error::other("the answer is too long")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.answered = 0;
        let length = ready!(match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        })?;
        this.written.0.fetch_add(length, Ordering::Relaxed);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
