//! A mail server with its few connections.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::extension::ClientId;
use runtime::Random;
use runtime::trace::failed;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use secrecy::SecretString;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::Mail;
use super::doubt::Doubt;
use super::gate::{Fault, Gate, Pass, State};
use super::session::{Failure, Session};
use crate::outcome::{Attempt, Bounce, Outcome, Phase, Reply, of_failure};

/// An idle connection older than this is not used again: servers close them after a minute or so.
const IDLE: Duration = Duration::from_secs(30);
/// Mails on one connection; servers have limits of their own.
const USES: u32 = 100;
/// A probe without a mail takes no longer than this.
const PROBE: Duration = Duration::from_secs(60);

/// So many dialogues in a row that broke off are no accident: the relay fails us.
const BROKEN: u32 = 5;

/// How long a relay is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Name resolution and TCP.
    pub connect: Duration,
    /// A command's answer, and a handshake.
    pub command: Duration,
    /// The answer to the final dot.
    pub last: Duration,
}

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
    /// How long it is waited for.
    pub timeouts: Timeouts,
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

/// Tells in a span what an attempt came to.
fn tell(span: &Span, attempt: &Attempt) {
    span.record("smtp.outcome", attempt.outcome.name());
    span.record("smtp.phase", attempt.phase.map(Phase::name));
    if let Some(reply) = &attempt.reply {
        span.record("smtp.response.status_code", reply.code);
        span.record("smtp.response.enhanced_status_code", reply.enhanced.as_str());
    }
    if let Some(error_type) = attempt.error_type() {
        failed(span, error_type);
    }
}

/// A relay and its connections.
pub struct Relay {
    config: RelayConfig,
    name: String,
    permits: Semaphore,
    idle: Mutex<Vec<Session>>,
    gate: Gate,
    doubt: Doubt,
    /// Dialogues that broke off since the last answer.
    broken: AtomicU32,
}

impl Relay {
    /// A relay that is not connected yet.
    pub fn new(config: RelayConfig, random: Arc<dyn Random>) -> Self {
        Self {
            name: format!("{}:{}", config.host, config.port),
            permits: Semaphore::new(config.connections),
            idle: Mutex::default(),
            gate: Gate::new(random),
            doubt: Doubt::default(),
            broken: AtomicU32::new(0),
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

    /// A connection, once there is one to spare; none when the program ends.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// What an attempt would come to now without being made, if that is known.
    pub(super) fn closed(&self) -> Option<Attempt> {
        let fault = self.gate.fault()?;
        Some(self.held(fault, Instant::now()))
    }

    /// Whether it may be tried.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// One attempt to hand over a mail, and whether it was the one that finds out if a closed relay works again.
    pub(super) async fn send(&self, mail: &Mail, permit: SemaphorePermit<'_>) -> (Attempt, bool) {
        let began = Instant::now();
        let pass = match self.gate.enter() {
            Ok(pass) => pass,
            Err(fault) => return (self.held(fault, began), false),
        };
        let probe = pass.is_probe();
        let span = self.span();
        let dialogue = async {
            let result = self.hand_over(mail).await;
            drop(permit);
            let outcome = self.judge(mail, &result).await;
            self.settle(pass, outcome, result.as_ref().err());
            self.attempt(outcome, result, began)
        };
        let attempt = dialogue.instrument(span.clone()).await;
        tell(&span, &attempt);
        (attempt, probe)
    }

    fn span(&self) -> Span {
        tracing::info_span!(
            "smtp",
            otel.name = "send mail",
            otel.kind = "client",
            network.protocol.name = "smtp",
            server.address = self.config.host,
            server.port = self.config.port,
            smtp.response.status_code = Empty,
            smtp.response.enhanced_status_code = Empty,
            smtp.phase = Empty,
            smtp.outcome = Empty,
            otel.status_code = Empty,
            error.type = Empty,
        )
    }

    /// One attempt, once there is a connection to spare.
    pub async fn try_now(&self, mail: &Mail) -> Attempt {
        match self.permit().await {
            Some(permit) => self.send(mail, permit).await.0,
            None => Attempt::without_relay(Outcome::Held, "the program ends"),
        }
    }

    /// Connects, encrypts and logs in, and says goodbye.
    ///
    /// # Errors
    /// What went wrong, without secrets.
    pub async fn greet(&self) -> Result<(), Fault> {
        let opened = Session::open(&self.config, Instant::now() + PROBE).await;
        let session = opened.map_err(|Failure { phase, cause, .. }| Fault { phase, cause })?;
        session.quit().await;
        Ok(())
    }

    /// How one speaks to it.
    pub fn manner(&self) -> &'static str {
        match (&self.config.tls, &self.config.login) {
            (Tls::None, _) => "connected, in plain text",
            (_, None) => "connected, encrypted",
            (_, Some(_)) => "connected, encrypted, logged in",
        }
    }

    /// What the dialogue's end means.
    async fn judge(&self, mail: &Mail, result: &Result<Reply, Failure>) -> Outcome {
        let failure = match result {
            Ok(_) => {
                self.doubt.is_over();
                return Outcome::Sent;
            }
            Err(failure) if failure.expired => return Outcome::Expired,
            Err(failure) => failure,
        };
        // A refused extension is about this mail, not about us.
        let extension = failure.phase == Phase::Mail && mail.needs_utf8();
        let phase = if extension { Phase::Rcpt } else { failure.phase };
        match of_failure(phase, failure.reply.as_ref()) {
            Outcome::Bounced(Bounce::Policy) if self.doubt.is_about_us(&mail.recipient).await => Outcome::Held,
            outcome => outcome,
        }
    }

    /// Tells the gate what the attempt says about the relay. What expired says nothing, and what broke
    /// off does only when it goes on.
    fn settle(&self, pass: Pass<'_>, outcome: Outcome, failure: Option<&Failure>) {
        let answered = failure.is_none_or(|failure| failure.reply.is_some());
        let expired = outcome == Outcome::Expired;
        let broken = match (answered, expired) {
            (true, _) => {
                self.broken.store(0, Ordering::Relaxed);
                false
            }
            (false, true) => false,
            (false, false) => self.broken.fetch_add(1, Ordering::Relaxed) + 1 >= BROKEN,
        };
        match failure {
            Some(Failure { phase, cause, .. }) if outcome == Outcome::Held || broken => {
                pass.fails(Fault { phase: *phase, cause: cause.clone() });
            }
            _ if answered => pass.works(),
            _ => drop(pass),
        }
    }

    fn held(&self, Fault { phase, cause }: Fault, began: Instant) -> Attempt {
        self.attempt(Outcome::Held, Err(Failure::silent(phase, cause)), began)
    }

    /// On an idle connection, or a fresh one where that turns out to be dead. Until the final dot
    /// nothing was handed over, so the mail can start again.
    async fn hand_over(&self, mail: &Mail) -> Result<Reply, Failure> {
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

    fn attempt(&self, outcome: Outcome, result: Result<Reply, Failure>, began: Instant) -> Attempt {
        let (phase, reply, cause) = match result {
            Ok(reply) => (Phase::Final, Some(reply), String::new()),
            Err(failure) => (failure.phase, failure.reply, failure.cause),
        };
        Attempt { outcome, phase: Some(phase), reply, relay: self.name.clone(), duration: began.elapsed(), cause }
    }
}
