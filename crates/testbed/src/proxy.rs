//! A TCP proxy that stands between a program and its server, and misbehaves on request.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Pieces under way in one direction of one connection.
const PIECES: usize = 256;
/// The largest piece.
const PIECE: usize = 16 * 1024;

/// What the proxy does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Everything arrives so much later, in both directions; as much is under way as the ends like.
    Delay(Duration),
    /// What the server says is kept back; what it is told arrives.
    HoldReplies,
    /// Nothing arrives, and nobody is told.
    Hold,
    /// Connections are closed at once, old and new ones.
    Refuse,
}

/// A running proxy. Dropping it closes the port and all connections.
pub struct Proxy {
    address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    _stop: DropGuard,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Towards {
    Server,
    Client,
}

impl Proxy {
    /// Listens on a free port of loopback for connections to `server`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(crate::ports::loopback(0)).await.context("no port for a proxy")?;
        let address = listener.local_addr()?;
        let (mode, stop) = (Arc::new(watch::Sender::new(Mode::Pass)), CancellationToken::new());
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, server, mode.clone(), stop.clone())));
        Ok(Self { address, mode, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it does this, also with what is under way.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, mode: Arc<watch::Sender<Mode>>, stop: CancellationToken) {
    while let Ok((client, _)) = listener.accept().await {
        let mut modes = mode.subscribe();
        if *modes.borrow() == Mode::Refuse {
            continue;
        }
        let relay = relay(client, server, mode.subscribe());
        let refused = async move {
            // Ends when the proxy does, too.
            let _ = modes.wait_for(|mode| *mode == Mode::Refuse).await;
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            tokio::select! {
                _ = relay => {}
                () = refused => {}
            }
        }));
    }
}

/// Until one end closes.
async fn relay(client: TcpStream, server: SocketAddr, mode: watch::Receiver<Mode>) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        ended = carry(from_client, to_server, Towards::Server, mode.clone()) => ended,
        ended = carry(from_server, to_client, Towards::Client, mode) => ended,
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    towards: Towards,
    mut mode: watch::Receiver<Mode>,
) -> Result<()> {
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let read = async move {
        loop {
            let mut piece = vec![0; PIECE];
            let length = from.read(&mut piece).await?;
            if length == 0 {
                return anyhow::Ok(());
            }
            piece.truncate(length);
            if sender.send((Instant::now(), piece)).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async {
        while let Some((since, piece)) = pieces.recv().await {
            let passes = |mode: &Mode| match mode {
                Mode::Pass | Mode::Delay(_) => true,
                Mode::HoldReplies => towards == Towards::Server,
                // What is under way when connections are closed is lost with them.
                Mode::Hold | Mode::Refuse => false,
            };
            let mode = *mode.wait_for(passes).await?;
            if let Mode::Delay(delay) = mode {
                sleep_until(since + delay).await;
            }
            to.write_all(&piece).await?;
        }
        anyhow::Ok(())
    };
    // What was read is still delivered after the end of it.
    tokio::try_join!(read, write).map(drop)
}
