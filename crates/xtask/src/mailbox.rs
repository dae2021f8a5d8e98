//! The mail catcher of the demo, in a process of its own.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use testbed::smtp::Sink;
use tokio::net::TcpListener;

/// Where it listens and keeps mails.
#[derive(clap::Args)]
pub struct Options {
    #[arg(long)]
    smtp: SocketAddr,
    #[arg(long)]
    page: SocketAddr,
    #[arg(long)]
    folder: PathBuf,
}

/// Serves until it is ended.
#[tokio::main(flavor = "current_thread")]
pub async fn serve(options: Options) -> Result<ExitCode> {
    let _sink = Sink::start(options.smtp, Some(options.folder.clone())).await?;
    let listener =
        TcpListener::bind(options.page).await.with_context(|| format!("cannot listen on {}", options.page))?;
    testbed::mailbox::serve(listener, options.folder).await?;
    Ok(ExitCode::SUCCESS)
}
