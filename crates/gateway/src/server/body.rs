//! Bodies: read whole, before anything else is done, within bounds of size and time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

/// Forms are smaller.
const LIMIT_BYTES: usize = 16 * 1024;
/// So much more is read and thrown away, so that the answer reaches whoever sends without listening.
const PATIENCE_BYTES: usize = 4 * 1024 * 1024;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Larger than 16 KiB.
    TooLarge,
    /// Slower than it may be.
    TooSlow,
    /// The other end is gone.
    Broken,
}

/// Reads a body.
pub(super) async fn read(body: Body, time: Duration) -> Result<Bytes, Unread> {
    timeout(time, collect(body)).await.unwrap_or(Err(Unread::TooSlow))
}

async fn collect(mut body: Body) -> Result<Bytes, Unread> {
    let (mut kept, mut seen) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        seen += data.len();
        if seen > LIMIT_BYTES + PATIENCE_BYTES {
            break;
        }
        if seen <= LIMIT_BYTES {
            kept.extend_from_slice(&data);
        }
    }
    if seen > LIMIT_BYTES { Err(Unread::TooLarge) } else { Ok(kept.freeze()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_form_is_read_and_more_is_refused() {
        let read = |size: usize| read(Body::from(vec![b'x'; size]), Duration::from_secs(5));
        assert_eq!(read(LIMIT_BYTES).await.unwrap().len(), LIMIT_BYTES);
        assert_eq!(read(LIMIT_BYTES + 1).await, Err(Unread::TooLarge));
        assert_eq!(read(8 * 1024 * 1024).await, Err(Unread::TooLarge));
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let silent = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(silent, Duration::from_millis(10)).await, Err(Unread::TooSlow));
    }
}
