//! Hands mails to mail servers over SMTP.
//!
//! [`wire`] is the socket, [`session`] one connection's dialogue, [`relay`] a server with its few
//! connections, [`gate`] whether that server may be tried now.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::select_all;
use lettre::Address;
use runtime::{Clock, Random};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

pub mod gate;
pub mod relay;
mod session;
mod starttls;
mod wire;

pub use self::relay::{Relay, RelayConfig, Tls, tls_config};
use crate::outcome::{Attempt, Outcome};

/// A mail on its way.
pub struct Mail {
    /// Envelope sender.
    pub sender: Address,
    /// The one recipient.
    pub recipient: Address,
    /// Headers and body, CRLF line ends.
    pub bytes: Zeroizing<Vec<u8>>,
    /// After this it must not be handed over.
    pub expiry: Expiry,
    /// When this attempt must be over.
    pub deadline: Instant,
}

impl Mail {
    /// Whether the address cannot be written in ASCII (RFC 6531).
    pub fn needs_utf8(&self) -> bool {
        !AsRef::<str>::as_ref(&self.recipient).is_ascii()
    }
}

/// When a mail is over, by the clock on the wall.
#[derive(Clone)]
pub struct Expiry {
    /// The moment.
    pub at: OffsetDateTime,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Expiry {
    /// Whether it is too late.
    pub fn is_over(&self) -> bool {
        self.clock.now() >= self.at
    }
}

/// A way to hand over mails.
pub trait MailTransport: Send + Sync + 'static {
    /// One attempt. It looks at the mail's expiry again right before the content goes out.
    fn send(&self, mail: &Mail) -> impl Future<Output = Attempt> + Send;

    /// Returns when another attempt may do better than the last one that was held.
    fn ready(&self) -> impl Future<Output = ()> + Send;
}

/// SMTP to one or more relays: whichever has a connection to spare, another one when it fails us.
pub struct SmtpTransport {
    relays: Vec<Arc<Relay>>,
    turn: AtomicUsize,
}

impl SmtpTransport {
    /// A transport that has not connected yet.
    pub fn new(relays: Vec<RelayConfig>, random: Arc<dyn Random>) -> Self {
        let relays = relays.into_iter().map(|config| Arc::new(Relay::new(config, random.clone()))).collect();
        Self { relays, turn: AtomicUsize::new(0) }
    }

    /// The relays, for health.
    pub fn relays(&self) -> &[Arc<Relay>] {
        &self.relays
    }

    /// Mails that can be under way at once.
    pub fn connections(&self) -> usize {
        self.relays.iter().map(|relay| relay.connections()).sum()
    }

    /// Tries every relay at once, and again while it fails, until `stop`. So health knows of a
    /// wrong password before the first mail does, and of a repair without one.
    pub fn watch(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        for relay in &self.relays {
            let (relay, stop) = (relay.clone(), stop.clone());
            tasks.spawn(async move { stop.run_until_cancelled(relay.watch()).await });
        }
    }

    /// Says goodbye on every idle connection.
    pub async fn close(&self) {
        futures::future::join_all(self.relays.iter().map(|relay| relay.close())).await;
    }

    /// The relays in the order to try them: most free connections first, taking turns.
    fn by_room(&self) -> Vec<&Arc<Relay>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut relays: Vec<_> = self.relays.iter().collect();
        relays.rotate_left(turn % self.relays.len().max(1));
        relays.sort_by_key(|relay| std::cmp::Reverse(relay.free()));
        relays
    }
}

impl MailTransport for SmtpTransport {
    async fn send(&self, mail: &Mail) -> Attempt {
        let mut held = None;
        for relay in self.by_room() {
            let attempt = relay.send(mail).await;
            if attempt.outcome != Outcome::Held {
                return attempt;
            }
            held = Some(attempt);
        }
        held.unwrap_or_else(|| Attempt::without_relay(Outcome::Held, "no relay is configured"))
    }

    async fn ready(&self) {
        if self.relays.is_empty() {
            return std::future::pending().await;
        }
        select_all(self.relays.iter().map(|relay| Box::pin(relay.gate().ready()))).await;
    }
}
