//! Hands mails to mail servers over SMTP.
//!
//! [`wire`] is the socket, [`mend`] what makes its answers readable, [`session`] one connection's dialogue, [`relay`] a server with its few
//! connections, [`gate`] whether that server may be tried now, [`doubt`] whose fault its refusals are,
//! [`domains`] how many mails may be under way to one recipient domain.

use std::future::Future;
use std::sync::Arc;

use futures::future::select_all;
use lettre::Address;
use runtime::{Clock, Random};
use time::OffsetDateTime;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

mod domains;
mod doubt;
pub mod gate;
mod mend;
pub mod relay;
mod session;
mod starttls;
mod wire;

use self::domains::Domains;
pub use self::relay::{Relay, RelayConfig, Timeouts, Tls, tls_config};
use crate::outcome::{Attempt, Outcome, Phase};

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

/// SMTP to one or more relays, in order of preference: the first that works and has a connection to
/// spare; another one when it fails us.
pub struct SmtpTransport {
    relays: Vec<Arc<Relay>>,
    domains: Domains,
}

impl SmtpTransport {
    /// A transport that has not connected yet. `domain_limit`: mails to one recipient domain at once.
    pub fn new(relays: Vec<RelayConfig>, domain_limit: usize, random: Arc<dyn Random>) -> Self {
        let relays = relays.into_iter().map(|config| Arc::new(Relay::new(config, random.clone()))).collect();
        Self { relays, domains: Domains::new(domain_limit) }
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
}

impl MailTransport for SmtpTransport {
    async fn send(&self, mail: &Mail) -> Attempt {
        let Some(_place) = self.domains.enter(mail.recipient.domain(), mail.deadline).await else {
            let cause = "the recipient's domain is slow, and has its share of connections";
            return Attempt::without_relay(Outcome::Deferred, cause);
        };
        let mut left: Vec<&Relay> = self.relays.iter().map(Arc::as_ref).collect();
        let mut last = None;
        let mut refused = None;
        loop {
            left.retain(|relay| {
                relay.closed().is_none_or(|attempt| {
                    last.get_or_insert(attempt);
                    false
                })
            });
            let Some((index, permit)) = spare(&left, mail.deadline).await else { break };
            let (attempt, probe) = left.remove(index).send(mail, permit).await;
            if !attempt.passes_on() {
                return attempt;
            }
            if probe && attempt.phase >= Some(Phase::Rcpt) {
                refused = Some(attempt.clone());
            }
            // A relay that said "later" works: the mail is not held for the others.
            last = last.filter(|last: &Attempt| last.outcome == Outcome::Deferred).or(Some(attempt));
        }
        // The relay refused this mail when it was to show that mails are taken again. It may be this recipient
        // alone, so that another mail is the next to show it: this one gives up its place.
        if let Some(attempt) = refused {
            return Attempt { outcome: Outcome::Deferred, ..attempt };
        }
        last.unwrap_or_else(|| Attempt::without_relay(Outcome::Deferred, "every connection is busy"))
    }

    async fn ready(&self) {
        if self.relays.is_empty() {
            return std::future::pending().await;
        }
        select_all(self.relays.iter().map(|relay| Box::pin(relay.gate().ready()))).await;
    }
}

/// A free connection of the first relay that has one, or of whichever has one first. None when there
/// is no relay, or at the deadline.
async fn spare<'a>(relays: &[&'a Relay], deadline: Instant) -> Option<(usize, SemaphorePermit<'a>)> {
    if relays.is_empty() {
        return None;
    }
    // The first one that is ready wins, in the order of preference.
    let waiting = select_all(relays.iter().map(|relay| Box::pin(relay.permit())));
    let (permit, index, _) = timeout_at(deadline, waiting).await.ok()?;
    Some((index, permit?))
}
