//! The proxy that stands between programs and servers.

use std::time::{Duration, Instant};

use testbed::{
    ports,
    proxy::{Mode, Proxy},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Longer than anything takes that is not held.
const BOUND: Duration = Duration::from_secs(10);
/// Long enough to see that nothing comes.
const NOTHING: Duration = Duration::from_millis(200);

/// A proxy before a server that answers each byte with the next one.
async fn proxy() -> Proxy {
    let listener = TcpListener::bind(ports::loopback(0)).await.expect("a port");
    let server = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(byte) = stream.read_u8().await {
                    stream.write_u8(byte + 1).await.expect("it is written");
                }
            });
        }
    });
    Proxy::start(server).await.expect("it starts")
}

async fn answer(stream: &mut TcpStream, byte: u8) -> Option<u8> {
    stream.write_u8(byte).await.ok()?;
    timeout(BOUND, stream.read_u8()).await.expect("in time").ok()
}

#[tokio::test]
async fn what_is_said_passes_later_or_is_kept_back_as_the_proxy_is_told() {
    let proxy = proxy().await;
    let mut stream = TcpStream::connect(proxy.address()).await.expect("it listens");
    assert_eq!(answer(&mut stream, 1).await, Some(2));

    proxy.set(Mode::Delay(Duration::from_millis(100)));
    let since = Instant::now();
    assert_eq!(answer(&mut stream, 2).await, Some(3));
    assert!(since.elapsed() >= Duration::from_millis(200), "{:?}", since.elapsed());

    for mode in [Mode::HoldReplies, Mode::Hold] {
        proxy.set(mode);
        stream.write_u8(10).await.expect("it is written");
        assert!(timeout(NOTHING, stream.read_u8()).await.is_err(), "{mode:?}");
        proxy.set(Mode::Pass);
        assert_eq!(timeout(BOUND, stream.read_u8()).await.expect("in time").expect("a byte"), 11);
    }
}

#[tokio::test]
async fn connections_are_closed_and_refused_until_they_pass_again() {
    let proxy = proxy().await;
    let mut stream = TcpStream::connect(proxy.address()).await.expect("it listens");
    assert_eq!(answer(&mut stream, 1).await, Some(2));
    proxy.set(Mode::HoldReplies);
    stream.write_u8(1).await.expect("it is written");
    assert!(timeout(NOTHING, stream.read_u8()).await.is_err());
    proxy.set(Mode::Refuse);
    let closed = timeout(BOUND, stream.read_u8()).await.expect("in time");
    assert!(closed.is_err());
    let mut refused = TcpStream::connect(proxy.address()).await.expect("it listens");
    assert_eq!(answer(&mut refused, 1).await, None);
    proxy.set(Mode::Pass);
    let mut stream = TcpStream::connect(proxy.address()).await.expect("it listens");
    assert_eq!(answer(&mut stream, 5).await, Some(6));
}
