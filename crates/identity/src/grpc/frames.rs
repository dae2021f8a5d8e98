//! Watches the frames that a peer sends (RFC 9113, 4.1), and hangs up on one that sends far more frames without a
//! purpose than calls need: SETTINGS, PING, WINDOW_UPDATE, RST_STREAM, PRIORITY, unknown and empty ones cost us an
//! answer or a look each, and nothing else bounds them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longer than any peer needs: `PRI * HTTP/2.0…` (RFC 9113, 3.4).
const PREFACE: usize = 24;
const HEADER: usize = 9;
/// So many may come at once.
const MOST: u64 = 2000;
/// So many more each second.
const PER_SECOND: u64 = 50;
/// So many more for each call.
const PER_CALL: u64 = 8;
/// One more for so many bytes that we sent: window updates answer them.
const BYTES_EACH: u64 = 1024;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// A connection whose incoming frames are counted.
pub struct Frames<T> {
    inner: T,
    reader: Reader,
    budget: Budget,
}

impl<T> Frames<T> {
    /// Watches it from its first byte.
    pub fn new(inner: T) -> Self {
        Self { inner, reader: Reader::default(), budget: Budget::new(Instant::now()) }
    }
}

/// Where in the stream of frames the next byte stands.
struct Reader {
    /// To be skipped: the preface, or what a frame carries.
    skip: usize,
    header: [u8; HEADER],
    filled: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self { skip: PREFACE, header: [0; HEADER], filled: 0 }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Frame {
    Call,
    Content,
    Idle,
}

impl Reader {
    /// Reads on, and calls `seen` for each frame that begins.
    fn read(&mut self, mut bytes: &[u8], mut seen: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER - self.filled).min(bytes.len());
            self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEADER {
                seen(self.begin());
            }
        }
    }

    fn begin(&mut self) -> Frame {
        let [a, b, c, kind, flags, ..] = self.header;
        (self.skip, self.filled) = (u32::from_be_bytes([0, a, b, c]) as usize, 0);
        match kind {
            HEADERS => Frame::Call,
            DATA if self.skip > 0 || flags & END_STREAM != 0 => Frame::Content,
            _ => Frame::Idle,
        }
    }
}

/// How many frames without a purpose may still come.
struct Budget {
    left: u64,
    sent: u64,
    since: Instant,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self { left: MOST, sent: 0, since: now }
    }

    /// False when it is used up.
    fn spend(&mut self, frame: Frame, now: Instant) -> bool {
        match frame {
            Frame::Call => self.add(PER_CALL),
            Frame::Content => {}
            Frame::Idle => {
                let seconds = now.saturating_duration_since(self.since).as_secs();
                if seconds > 0 {
                    self.since = now;
                    self.add(seconds.saturating_mul(PER_SECOND));
                }
                let Some(left) = self.left.checked_sub(1) else { return false };
                self.left = left;
            }
        }
        true
    }

    fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        self.add(self.sent / BYTES_EACH);
        self.sent %= BYTES_EACH;
    }

    fn add(&mut self, more: u64) {
        self.left = self.left.saturating_add(more).min(MOST);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Frames<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
        let (now, mut calm) = (Instant::now(), true);
        this.reader.read(&buffer.filled()[before..], |frame| calm &= this.budget.spend(frame, now));
        if calm {
            return Poll::Ready(Ok(()));
        }
        // With an error nothing counts as read.
        buffer.set_filled(before);
        Poll::Ready(Err(io::Error::other("a flood of frames")))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Frames<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        self.budget.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(context, slices))?;
        self.budget.sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, duplex};

    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        [vec![0, 0, length, kind, flags, 0, 0, 0, 1], vec![0xff; usize::from(length)]].concat()
    }

    #[test]
    fn frames_are_told_apart_however_the_bytes_come() {
        let frames = [
            frame(4, 0, 6),
            frame(HEADERS, 4, 40),
            frame(DATA, 0, 9),
            frame(DATA, 0, 0),
            // Padded, and nothing in it.
            frame(DATA, 8, 0),
            frame(DATA, 1, 0),
        ];
        let bytes = [vec![b'P'; PREFACE], frames.concat()].concat();
        for size in [1, 7, 9, bytes.len()] {
            let (mut reader, mut seen) = (Reader::default(), Vec::new());
            bytes.chunks(size).for_each(|chunk| reader.read(chunk, |frame| seen.push(frame)));
            let expected = [Frame::Idle, Frame::Call, Frame::Content, Frame::Idle, Frame::Idle, Frame::Content];
            assert_eq!(seen, expected, "{size}");
        }
    }

    #[test]
    fn a_flood_ends_and_calls_time_and_answers_earn_more() {
        let begin = Instant::now();
        let mut budget = Budget::new(begin);
        assert!((0..MOST).all(|_| budget.spend(Frame::Idle, begin)));
        assert!(!budget.spend(Frame::Idle, begin));
        budget.spend(Frame::Call, begin);
        assert!((0..PER_CALL).all(|_| budget.spend(Frame::Idle, begin)));
        assert!(!budget.spend(Frame::Idle, begin));
        budget.sent(1000);
        assert!(!budget.spend(Frame::Idle, begin));
        budget.sent(24);
        assert!(budget.spend(Frame::Idle, begin));
        let later = begin + Duration::from_secs(2);
        assert!((0..2 * PER_SECOND).all(|_| budget.spend(Frame::Idle, later)));
        assert!(!budget.spend(Frame::Idle, later));
    }

    #[test]
    fn parts_of_a_second_and_of_an_answer_add_up_and_count_once() {
        let begin = Instant::now();
        let mut budget = Budget { left: 0, ..Budget::new(begin) };
        assert!(!budget.spend(Frame::Idle, begin + Duration::from_millis(600)));
        let later = begin + Duration::from_millis(1200);
        assert!((0..PER_SECOND).all(|_| budget.spend(Frame::Idle, later)));
        assert!(!budget.spend(Frame::Idle, later));
        budget.sent(1024);
        assert!(budget.spend(Frame::Idle, later) && !budget.spend(Frame::Idle, later));
        budget.sent(1023);
        assert!(!budget.spend(Frame::Idle, later));
        budget.sent(1);
        assert!(budget.spend(Frame::Idle, later) && !budget.spend(Frame::Idle, later));
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_until_a_flood() {
        let (mut peer, ours) = duplex(1 << 20);
        let mut frames = Frames::new(BufWriter::new(ours));
        frames.write_all(b"an answer").await.expect("there is room");
        assert_eq!(frames.write_vectored(&[IoSlice::new(b" in "), IoSlice::new(b"parts")]).await.expect("room"), 9);
        assert_eq!(frames.inner.buffer(), b"an answer in parts");
        frames.flush().await.expect("it is flushed");
        assert!(frames.inner.buffer().is_empty());
        let mut answer = [0; 18];
        peer.read_exact(&mut answer).await.expect("it came");
        assert_eq!(&answer, b"an answer in parts");

        let call = [vec![b'P'; PREFACE], frame(HEADERS, 5, 20)].concat();
        peer.write_all(&call).await.expect("there is room");
        let mut read = vec![0; call.len()];
        frames.read_exact(&mut read).await.expect("a call is no flood");
        assert_eq!(read, call);
        peer.write_all(&frame(6, 0, 8).repeat(MOST as usize + 100)).await.expect("there is room");
        let flood = frames.read_to_end(&mut read).await.expect_err("a flood");
        assert_eq!(flood.to_string(), "a flood of frames");

        frames.write_all(b"farewell").await.expect("there is room");
        frames.shutdown().await.expect("it is shut down");
        drop(frames);
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).await.expect("it ends");
        assert_eq!(rest, b"farewell");
    }

    #[test]
    fn slices_are_written_together_where_the_connection_can() {
        let (can, _peer) = duplex(1);
        assert!(can.is_write_vectored() && Frames::new(can).is_write_vectored());
    }
}
