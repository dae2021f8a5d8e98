//! The socket under an SMTP connection: TCP with TCP_NODELAY, then TLS where it is asked for.
//!
//! lettre's own connect leaves Nagle's algorithm on, which costs 44 ms a mail, and upgrades to TLS
//! with bytes read before it still in its buffer. So the socket is ours: it counts what was
//! written, bounds what an answer may be, makes it readable, is encrypted before lettre sees it, hears which extensions
//! the server offers, and can send a command ahead (RFC 2920), which lettre cannot.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::mend::Mend;

/// An answer longer than this is no answer (Postfix's limit is about the same).
const ANSWER_LIMIT: usize = 64 * 1024;

/// Bytes that are read of an answer at one time.
const HEARD_AT_ONCE: usize = 1024;

/// What lettre reads as a banner after STARTTLS, where the server does not send one again.
pub(super) const BANNER: &[u8] = b"220 encrypted\r\n";

/// A stream for lettre.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    peer: SocketAddr,
    mend: Mend,
    /// Mended, to be read before anything more of the stream.
    unread: VecDeque<u8>,
    /// Since the last write.
    answered: usize,
    /// Bytes of the next commands that were sent ahead.
    sent_ahead: usize,
    view: View,
}

#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What we see and do of the wire while lettre owns it.
#[derive(Debug, Clone, Default)]
pub(super) struct View(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    written: AtomicUsize,
    /// Kept until somebody asks.
    hello: Mutex<Option<Vec<u8>>>,
    /// To be sent with the next write.
    ahead: Mutex<Vec<u8>>,
}

impl View {
    /// Bytes written in all.
    pub(super) fn written(&self) -> usize {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Whether the server offers an extension without parameters; of all that was heard until now.
    pub(super) fn offers<const N: usize>(&self, keywords: [&str; N]) -> [bool; N] {
        let heard = lock(&self.0.hello).take().unwrap_or_default();
        let heard = String::from_utf8_lossy(&heard).to_uppercase();
        keywords.map(|keyword| heard.lines().any(|line| line.get(4..).is_some_and(|it| it.trim() == keyword)))
    }

    /// Sends a command right behind the next one. It must then be given to lettre as the one after that,
    /// which waits for its answer only.
    pub(super) fn send_ahead(&self, command: &str) {
        *lock(&self.0.ahead) = command.as_bytes().to_vec();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wire {
    /// `first` is read before anything of the stream.
    pub(super) fn new(stream: Stream, first: &[u8]) -> io::Result<Self> {
        let peer = match &stream {
            Stream::Plain(tcp) => tcp.peer_addr(),
            Stream::Tls(tls) => tls.get_ref().0.peer_addr(),
        }?;
        let view = View::default();
        *lock(&view.0.hello) = Some(Vec::new());
        let unread = first.iter().copied().collect();
        Ok(Self { stream, peer, mend: Mend::default(), unread, answered: 0, sent_ahead: 0, view })
    }

    pub(super) fn view(&self) -> View {
        self.view.clone()
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
        // Of what comes nothing may be left, and to read nothing means the end.
        while this.unread.is_empty() && ready!(this.poll_hear(cx))? {}
        let length = this.unread.len().min(buffer.remaining());
        let (front, back) = this.unread.as_slices();
        let of_front = length.min(front.len());
        buffer.put_slice(&front[..of_front]);
        buffer.put_slice(&back[..length - of_front]);
        this.unread.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl Wire {
    /// Reads of the stream what is there; false at its end.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut heard = [0; HEARD_AT_ONCE];
        let mut heard = ReadBuf::new(&mut heard);
        ready!(match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, &mut heard),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, &mut heard),
        })?;
        self.answered += heard.filled().len();
        if self.answered > ANSWER_LIMIT {
            return Poll::Ready(Err(io::Error::other("the answer is too long")));
        }
        let mut mended = Vec::with_capacity(heard.filled().len() + 2);
        self.mend.mend(heard.filled(), &mut mended);
        if let Some(hello) = &mut *lock(&self.view.0.hello) {
            hello.extend_from_slice(&mended);
        }
        self.unread.extend(mended);
        Poll::Ready(Ok(!heard.filled().is_empty()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.sent_ahead > 0 {
            let length = this.sent_ahead.min(bytes.len());
            this.sent_ahead -= length;
            return Poll::Ready(Ok(length));
        }
        this.answered = 0;
        let mut ahead = lock(&this.view.0.ahead);
        let both = if ahead.is_empty() { Cow::Borrowed(bytes) } else { Cow::Owned([bytes, &ahead].concat()) };
        let length = ready!(match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, &both),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, &both),
        })?;
        this.view.0.written.fetch_add(length, Ordering::Relaxed);
        if length >= bytes.len() {
            // What did not fit goes out in its own turn.
            this.sent_ahead = length - bytes.len();
            ahead.clear();
        }
        Poll::Ready(Ok(length.min(bytes.len())))
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
