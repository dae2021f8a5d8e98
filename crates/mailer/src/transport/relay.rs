//! A mail server with its few connections.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::extension::ClientId;
use runtime::Random;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::Mail;
use super::gate::{Fault, Gate, Pass, State};
use super::session::{Failure, Session};
use crate::outcome::{Attempt, Outcome, Phase, of_failure};

/// An idle connection older than this is not used again: servers close them after a minute or so.
const IDLE: Duration = Duration::from_secs(30);
/// Mails on one connection; servers have limits of their own.
const USES: u32 = 100;
/// A probe without a mail takes no longer than this.
const PROBE: Duration = Duration::from_secs(60);

/// A relay, checked.
#[derive(Clone)]
pub struct RelayConfig {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How it is encrypted.
    pub tls: Tls,
    /// Username and password; only ever with TLS.
    pub login: Option<(String, SecretString)>,
    /// Connections at once.
    pub connections: usize,
    /// What we call ourselves.
    pub hello: ClientId,
}

/// How a connection is encrypted. There is no "if possible".
#[derive(Clone)]
pub enum Tls {
    /// Not at all: development only.
    None,
    /// STARTTLS, required.
    StartTls(Arc<ClientConfig>, ServerName<'static>),
    /// From the first byte.
    Implicit(Arc<ClientConfig>, ServerName<'static>),
}

/// Trust in the public certificate authorities, or in those of a file instead.
///
/// # Errors
/// When the file cannot be read or has no certificate; one line.
pub fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let certificates = CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| error.to_string())?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
            if roots.is_empty() {
                return Err("no certificate in it".to_owned());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A relay and its connections.
pub struct Relay {
    config: RelayConfig,
    name: String,
    permits: Semaphore,
    idle: Mutex<Vec<Session>>,
    gate: Gate,
}

impl Relay {
    /// A relay that is not connected yet.
    pub fn new(config: RelayConfig, random: Arc<dyn Random>) -> Self {
        Self {
            name: format!("{}:{}", config.host, config.port),
            permits: Semaphore::new(config.connections),
            idle: Mutex::default(),
            gate: Gate::new(random),
            config,
        }
    }

    /// `host:port`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connections it may have.
    pub fn connections(&self) -> usize {
        self.config.connections
    }

    /// Connections that are not in use.
    pub fn free(&self) -> usize {
        self.permits.available_permits()
    }

    /// Whether it may be tried.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// One attempt to hand over a mail.
    pub async fn send(&self, mail: &Mail) -> Attempt {
        let began = Instant::now();
        // Before waiting for a connection: another relay may have one.
        if let Some(Fault { phase, cause }) = self.gate.fault() {
            return self.attempt(Outcome::Held, Err(Failure::silent(phase, cause)), began);
        }
        let permit = match timeout_at(mail.deadline, self.permits.acquire()).await {
            Ok(Ok(permit)) => permit,
            _ => {
                let failure = Failure::silent(Phase::Connect, "every connection is busy");
                return self.attempt(Outcome::Deferred, Err(failure), began);
            }
        };
        let pass = match self.gate.enter() {
            Ok(pass) => pass,
            Err(Fault { phase, cause }) => {
                return self.attempt(Outcome::Held, Err(Failure::silent(phase, cause)), began);
            }
        };
        let result = self.hand_over(mail).await;
        drop(permit);
        let outcome = match &result {
            Ok(_) => Outcome::Sent,
            Err(failure) if failure.expired => Outcome::Expired,
            // A refused extension is about this mail, not about us.
            Err(failure) if failure.phase == Phase::Mail && mail.needs_utf8() => {
                of_failure(Phase::Rcpt, failure.reply.as_ref())
            }
            Err(failure) => of_failure(failure.phase, failure.reply.as_ref()),
        };
        settle(pass, outcome, result.as_ref().err());
        self.attempt(outcome, result, began)
    }

    /// On an idle connection, or a fresh one where that turns out to be dead. Until the final dot
    /// nothing was handed over, so the mail can start again.
    async fn hand_over(&self, mail: &Mail) -> Result<crate::outcome::Reply, Failure> {
        loop {
            let (mut session, reused) = match self.take() {
                Some(session) => (session, true),
                None => (Session::open(&self.config, mail.deadline).await?, false),
            };
            match session.send(mail).await {
                Ok(reply) => {
                    self.keep(session);
                    return Ok(reply);
                }
                Err(failure) if failure.ends_connection() => {
                    if !reused || failure.phase == Phase::Final {
                        return Err(failure);
                    }
                }
                Err(failure) => {
                    if session.reset().await {
                        self.keep(session);
                    }
                    return Err(failure);
                }
            }
        }
    }

    /// Tries the relay without a mail, at once and while it fails, and closes old connections.
    pub(super) async fn watch(&self) {
        let mut changes = self.gate.subscribe();
        self.probe().await;
        loop {
            let by_mail = match &*changes.borrow_and_update() {
                State::Closed { fault, .. } => Some(fault.phase > Phase::Auth),
                _ => None,
            };
            match by_mail {
                // Only a mail can show that mails are taken again.
                None | Some(true) => {
                    let _ = timeout(IDLE, changes.changed()).await;
                    self.sweep();
                }
                Some(false) => {
                    self.gate.ready().await;
                    self.probe().await;
                }
            }
        }
    }

    async fn probe(&self) {
        let Ok(permit) = self.permits.acquire().await else { return };
        let Ok(pass) = self.gate.enter() else { return };
        match Session::open(&self.config, Instant::now() + PROBE).await {
            Ok(session) => {
                self.keep(session);
                pass.works();
            }
            Err(failure) => {
                pass.fails(Fault { phase: failure.phase, cause: failure.cause });
            }
        }
        drop(permit);
    }

    /// Says goodbye on the idle connections.
    pub(super) async fn close(&self) {
        let sessions = std::mem::take(&mut *self.idle());
        futures::future::join_all(sessions.into_iter().map(Session::quit)).await;
    }

    /// Closes connections that nobody has used for a while.
    fn sweep(&self) {
        let old: Vec<Session> = self.idle().extract_if(.., |session| session.since.elapsed() >= IDLE).collect();
        for session in old {
            tokio::spawn(session.quit());
        }
    }

    fn take(&self) -> Option<Session> {
        let mut idle = self.idle();
        while let Some(session) = idle.pop() {
            if session.since.elapsed() < IDLE {
                return Some(session);
            }
            tokio::spawn(session.quit());
        }
        None
    }

    fn keep(&self, session: Session) {
        if session.uses < USES {
            self.idle().push(session);
        } else {
            tokio::spawn(session.quit());
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempt(&self, outcome: Outcome, result: Result<crate::outcome::Reply, Failure>, began: Instant) -> Attempt {
        let (phase, reply, cause) = match result {
            Ok(reply) => (Phase::Final, Some(reply), String::new()),
            Err(failure) => (failure.phase, failure.reply, failure.cause),
        };
        Attempt { outcome, phase: Some(phase), reply, relay: self.name.clone(), duration: began.elapsed(), cause }
    }
}

/// Tells the gate what the attempt says about the relay. What expired or broke off says nothing.
fn settle(pass: Pass<'_>, outcome: Outcome, failure: Option<&Failure>) {
    match (outcome, failure) {
        (Outcome::Held, Some(failure)) => {
            pass.fails(Fault { phase: failure.phase, cause: failure.cause.clone() });
        }
        (_, Some(failure)) if failure.reply.is_none() => drop(pass),
        _ => pass.works(),
    }
}
