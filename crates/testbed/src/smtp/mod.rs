//! An SMTP server (RFC 5321) that keeps every mail it accepts, and misbehaves on request.
//!
//! It writes down all that happens in a journal, so that a test can say what a mailer did, not only what arrived.

mod script;
mod session;
mod store;
mod tls;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{net::TcpListener, sync::Notify};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use script::{Act, Phase, Rule};
pub use store::{Mail, read as read_mail};

/// What the sink saw and did, in order.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Counts the connections from 1.
    pub connection: u64,
    /// The step of the conversation.
    pub phase: Phase,
    /// The recipient, once it is known.
    pub recipient: Option<String>,
    /// The reply's code; none where the sink hung up or kept silent.
    pub code: Option<u16>,
    /// When, on this machine's clock.
    pub time: time::OffsetDateTime,
}

/// A running sink. Dropping it closes the port and all connections.
pub struct Sink {
    shared: Arc<Shared>,
    address: SocketAddr,
    _stop: DropGuard,
}

/// What the sessions share.
struct Shared {
    state: Mutex<State>,
    changed: Notify,
    folder: Option<PathBuf>,
}

#[derive(Default)]
struct State {
    mails: Vec<Arc<Mail>>,
    rules: Vec<Rule>,
    journal: Vec<Entry>,
    connections: u64,
    tls: Option<TlsAcceptor>,
}

impl Sink {
    /// Listens on `address`; each mail is also written to `folder`, if one is given, as an `.eml` file.
    ///
    /// # Errors
    /// When the address is taken, or the folder cannot be made.
    pub async fn start(address: SocketAddr, folder: Option<PathBuf>) -> Result<Self> {
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)?;
        }
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Notify::new(), folder });
        let stop = CancellationToken::new();
        tokio::spawn(session::accept(listener, Arc::clone(&shared), stop.clone()));
        Ok(Self { shared, address, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, follow this rule; the latest fitting rule wins.
    pub fn script(&self, rule: Rule) {
        self.shared.state().rules.push(rule);
    }

    /// From now on offers STARTTLS, and AUTH behind it, with a fresh certificate for this name or address. Gives the
    /// certificate (PEM), which is its own authority.
    ///
    /// # Errors
    /// When the name is none.
    pub fn encrypt(&self, name: &str) -> Result<String> {
        let (acceptor, certificate) = tls::acceptor(name)?;
        self.shared.state().tls = Some(acceptor);
        Ok(certificate)
    }

    /// Forgets all rules: every mail is accepted again.
    pub fn behave(&self) {
        self.shared.state().rules.clear();
    }

    /// All mails so far, oldest first.
    pub fn mails(&self) -> Vec<Arc<Mail>> {
        self.shared.state().mails.clone()
    }

    /// The mails so far to one address.
    pub fn mails_to(&self, address: &str) -> Vec<Arc<Mail>> {
        let mut mails = self.mails();
        mails.retain(|mail| mail.to.iter().any(|to| to == address));
        mails
    }

    /// Forgets the mails and the journal so far.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        state.mails.clear();
        state.journal.clear();
    }

    /// All that happened so far.
    pub fn journal(&self) -> Vec<Entry> {
        self.shared.state().journal.clone()
    }

    /// Waits until `found` answers `Some` about the mails so far; it is asked again after each new mail.
    ///
    /// # Errors
    /// When `bound` passes; with how many mails there are.
    pub async fn wait_for<T>(&self, bound: Duration, mut found: impl FnMut(&[Arc<Mail>]) -> Option<T>) -> Result<T> {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(value) = found(&self.mails()) {
                    return value;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(bound, waiting).await {
            Ok(value) => Ok(value),
            Err(_) => bail!("not within {} s; mails so far: {}", bound.as_secs(), self.mails().len()),
        }
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn tls(&self) -> Option<TlsAcceptor> {
        self.state().tls.clone()
    }

    fn keep(&self, mail: Mail) -> Result<()> {
        let mut state = self.state();
        if let Some(folder) = &self.folder {
            store::write(folder, state.mails.len() + 1, &mail)?;
        }
        state.mails.push(Arc::new(mail));
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }
}
