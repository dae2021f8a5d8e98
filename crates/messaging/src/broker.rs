//! Connections to the broker. Every step is bounded in time, and an abandoned one leaves nothing behind.

use std::{
    fmt, fs,
    future::Future,
    net::{Shutdown, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use lapin::{
    Channel, Connection, ConnectionProperties, ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
    tcp::{AMQPUriTcpExt, AsyncTcpStream, OwnedTLSConfig},
    uri::AMQPUri,
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::time::timeout;

/// Bound of making a connection, TLS and log-in included.
const CONNECT_BOUND: Duration = Duration::from_secs(10);
/// Bound of one operation on a channel that has an answer.
const OPERATION_BOUND: Duration = Duration::from_secs(10);
/// Bound of a farewell.
const CLOSE_BOUND: Duration = Duration::from_secs(2);
/// Seconds of silence that both ends agree to take for a dead peer (noticed after at most twice that).
const HEARTBEAT: u16 = 15;
/// Bytes of the largest frame; what is larger goes in several. The client holds 64 of them for each connection, so that
/// the server's default of 128 KiB would cost 8 MiB a connection. An event is 3 KiB.
const FRAME_MAX: u32 = 16 * 1024;

/// Shortest and longest wait between two attempts to connect, before jitter, which at most doubles them.
const RETRY_WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// Why the broker could not be used.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The setting does not name a broker. The text never repeats the URL, which has a password in it.
    #[error("the AMQP URL is not usable: {0}")]
    Url(&'static str),
    /// The file of a private authority cannot be used.
    #[error("no certificates of an authority: {0}")]
    Authorities(String),
    /// No connection came about: refused, reset, TLS, log-in, vhost.
    #[error("cannot connect to the broker")]
    Connect(#[source] Fault),
    /// No answer within the bound.
    #[error("no answer from the broker within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// An exchange or a queue is not there (AMQP reply 404).
    #[error("{0} does not exist")]
    Absent(String),
    /// The broker did not confirm that it has a message.
    #[error("{0} did not take the message")]
    Lost(String),
    /// An exchange or a queue is there, and is another one than we need (AMQP reply 406).
    #[error("{0}")]
    Conflict(Box<Conflict>),
    /// The user has not the right (AMQP reply 403).
    #[error(
        "the broker's user may not use {0}; give it the rights in deploy/rabbitmq/definitions.json, or let an operator \
         run `identity topology apply` and set amqp.declare = false"
    )]
    Denied(String),
    /// The broker refused or broke off for another reason, such as a lost connection.
    #[error("the broker operation failed")]
    Operation(#[source] Fault),
}

/// What is there, and what is wanted instead.
#[derive(Debug, Error)]
#[error(
    "{kind} {name} exists with another {argument}: {found} is there, {wanted} is wanted; \
     once nobody needs what it holds, delete it (vhost {vhost}), and it is declared anew"
)]
pub struct Conflict {
    /// `queue` or `exchange`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub vhost: String,
    /// What differs.
    pub argument: String,
    /// As it is there.
    pub found: String,
    /// As we want it.
    pub wanted: String,
}

/// What the AMQP client reported.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct Fault(lapin::Error);

impl BrokerError {
    /// The whole chain in one line, for health reports and logs.
    #[must_use]
    pub fn reason(&self) -> String {
        reason(self)
    }

    /// A 404 or a 403 with a name that says more than the broker's text.
    pub(crate) fn or_absent(self, what: impl FnOnce() -> String) -> Self {
        match self {
            BrokerError::Operation(fault) => match fault.kind() {
                Some(AMQPSoftError::NOTFOUND) => BrokerError::Absent(what()),
                Some(AMQPSoftError::ACCESSREFUSED) => BrokerError::Denied(what()),
                _ => BrokerError::Operation(fault),
            },
            other => other,
        }
    }

    /// Also a 406, which says what differs.
    pub(crate) fn or_conflict(self, what: impl FnOnce() -> String) -> Self {
        match self {
            BrokerError::Operation(fault) if fault.kind() == Some(AMQPSoftError::PRECONDITIONFAILED) => {
                conflict(&fault.to_string()).unwrap_or(BrokerError::Operation(fault))
            }
            other => other.or_absent(what),
        }
    }
}

/// Reads RabbitMQ's `inequivalent arg 'x' for queue 'q' in vhost 'v': received … but current is …`.
fn conflict(text: &str) -> Option<BrokerError> {
    let (argument, rest) = text.split_once("inequivalent arg '")?.1.split_once("' for ")?;
    let (kind, rest) = rest.split_once(" '")?;
    let (name, rest) = rest.split_once("' in vhost '")?;
    let (vhost, rest) = rest.split_once("': received ")?;
    let (wanted, found) = rest.split_once(" but current is ")?;
    // `the value '20' of type 'signedint'`, `'topic'` or `none`.
    let value = |text: &str| text.split('\'').nth(1).unwrap_or("none").to_owned();
    let text = ToOwned::to_owned;
    Some(BrokerError::Conflict(Box::new(Conflict {
        kind: text(kind),
        name: text(name),
        vhost: text(vhost),
        argument: text(argument),
        found: value(found),
        wanted: value(wanted),
    })))
}

impl Fault {
    fn kind(&self) -> Option<AMQPSoftError> {
        match self.0.kind() {
            ErrorKind::ProtocolError(error) => match error.kind() {
                AMQPErrorKind::Soft(kind) => Some(kind.clone()),
                AMQPErrorKind::Hard(_) => None,
            },
            _ => None,
        }
    }
}

/// An error and its sources in one line.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}

/// Where the broker is and who we are there. Holds no connection; cheap to clone.
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Inner>,
    declares: bool,
    /// PEM.
    authorities: Option<Arc<str>>,
}

struct Inner {
    url: SecretString,
    program: String,
    host: String,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("program", &self.inner.program).finish_non_exhaustive()
    }
}

impl Broker {
    /// Takes `amqp://user:password@host:port/vhost`, or `amqps://` for TLS against the public roots (see
    /// [`Broker::trusting`]).
    /// User, password and vhost are percent-encoded. `program` (`sandi-identity`) names the
    /// connections in the broker's management page and the messages' `app_id`.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Url`] if the URL does not parse.
    pub fn new(url: SecretString, program: &str) -> Result<Self, BrokerError> {
        parse(url.expose_secret())?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let inner = Arc::new(Inner { url, program: program.to_owned(), host });
        Ok(Self { inner, declares: true, authorities: None })
    }

    /// Trusts the certificates in this file (PEM) beside the public authorities: of a private authority, say. None: the
    /// public ones only. The file is read once.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Authorities`] if it cannot be read, or holds no certificate or one that cannot sign.
    pub fn trusting(self, file: Option<&Path>) -> Result<Self, BrokerError> {
        let Some(file) = file else { return Ok(self) };
        let pem = fs::read_to_string(file).map_err(|error| BrokerError::Authorities(error.to_string()))?;
        check_authorities(&pem).map_err(BrokerError::Authorities)?;
        Ok(Self { authorities: Some(pem.into()), ..self })
    }

    /// Whether exchanges, queues and bindings are declared (the default), or only looked at because the
    /// user may not make them: then `identity topology apply` does, as an operator.
    #[must_use]
    pub fn declaring(mut self, declares: bool) -> Self {
        self.declares = declares;
        self
    }

    /// Whether the URL has no password, or the login that every RabbitMQ comes with (guest), which is also what the parser
    /// puts where one is missing: for development only.
    #[must_use]
    pub fn has_built_in_login(&self) -> bool {
        let authority = self.inner.url.expose_secret().split_once("://").map_or("", |(_, rest)| rest);
        let login = authority.split(['/', '?']).next().and_then(|authority| authority.rsplit_once('@'));
        let has_password = login.and_then(|(login, _)| login.split_once(':')).is_some_and(|(_, it)| !it.is_empty());
        parse(self.inner.url.expose_secret()).map_or(true, |uri| {
            let login = &uri.authority.userinfo;
            login.username == "guest" || !has_password
        })
    }

    /// The name given to [`Broker::new`].
    #[must_use]
    pub fn program(&self) -> &str {
        &self.inner.program
    }

    /// Opens a connection named after the program, the purpose and the host.
    pub(crate) async fn connect(&self, purpose: &str) -> Result<Link, BrokerError> {
        let mut uri = parse(self.inner.url.expose_secret())?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        uri.query.frame_max.get_or_insert(FRAME_MAX);
        let name = format!("{} {purpose} {}", self.inner.program, self.inner.host);
        // Automatic recovery stays off: what was in flight when a connection broke must be said, not hidden.
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let socket = SocketSlot::default();
        let slot = socket.clone();
        let tls = OwnedTLSConfig { cert_chain: self.authorities.as_deref().map(str::to_owned), identity: None };
        let connecting = Connection::connector(
            uri,
            lapin::runtime::default_runtime().map_err(|error| BrokerError::Connect(Fault(error)))?,
            async move |uri, runtime| {
                let stream = uri.connect_with_config_async(tls.as_ref(), &runtime);
                let stream = timeout(CONNECT_BOUND, stream).await.map_err(std::io::Error::from)??;
                let descriptor = match &stream {
                    AsyncTcpStream::Plain(plain) => Some(plain.get_ref().as_fd()),
                    AsyncTcpStream::Rustls(tls) => Some(tls.get_ref().0.get_ref().as_fd()),
                    _ => None,
                };
                slot.keep(descriptor)?;
                Ok(stream)
            },
            properties,
        );
        match timeout(CONNECT_BOUND, connecting).await {
            Ok(Ok(connection)) => Ok(Link { connection, socket, declares: self.declares }),
            Ok(Err(error)) => Err(BrokerError::Connect(Fault(error))),
            Err(_) => {
                socket.shut();
                Err(BrokerError::TimedOut(CONNECT_BOUND))
            }
        }
    }
}

/// An open connection.
pub(crate) struct Link {
    connection: Connection,
    socket: SocketSlot,
    declares: bool,
}

impl Link {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// See [`Broker::declaring`].
    pub(crate) fn declares(&self) -> bool {
        self.declares
    }

    /// Says goodbye within 2 s, then cuts the line in any case.
    pub(crate) async fn close(self) {
        if self.connection.status().connected() {
            let _ = timeout(CLOSE_BOUND, self.connection.close(200, "OK".into())).await;
        }
        self.socket.shut();
    }
}

/// A second handle on the socket. The client's thread lives as long as its socket does, also when a
/// peer accepts and then stays silent; shutting the socket is the only way to end it from outside.
#[derive(Clone, Default)]
struct SocketSlot(Arc<Mutex<Option<TcpStream>>>);

impl SocketSlot {
    fn keep(&self, socket: Option<BorrowedFd<'_>>) -> std::io::Result<()> {
        let socket = socket.map(|fd| fd.try_clone_to_owned()).transpose()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = socket.map(TcpStream::from);
        Ok(())
    }

    fn shut(&self) {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(socket) = socket {
            // Already shut is as good.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

fn check_authorities(pem: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("none in the file".to_owned()) } else { Ok(()) }
}

fn parse(url: &str) -> Result<AMQPUri, BrokerError> {
    if !(url.starts_with("amqp://") || url.starts_with("amqps://")) {
        return Err(BrokerError::Url("it must begin with amqp:// or amqps://"));
    }
    // The parser's own message repeats the URL.
    let mut uri: AMQPUri =
        url.parse().map_err(|_| BrokerError::Url("it must have the form amqp://user:password@host:port/vhost"))?;
    if let Some(host) = ipv6_host(url) {
        uri.authority.host = host.to_owned();
    }
    Ok(uri)
}

/// The host if it is an IPv6 literal in brackets, which the parser would silently replace by `localhost`.
fn ipv6_host(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    host.strip_prefix('[')?.split_once(']').map(|(host, _)| host)
}

/// Runs one client operation within its bound.
pub(crate) async fn within<T>(operation: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    match timeout(OPERATION_BOUND, operation).await {
        Ok(result) => result.map_err(|error| BrokerError::Operation(Fault(error))),
        Err(_) => Err(BrokerError::TimedOut(OPERATION_BOUND)),
    }
}

pub(crate) async fn channel(connection: &Connection) -> Result<Channel, BrokerError> {
    within(connection.create_channel()).await
}

/// Closes a channel that is no longer needed; a failure only means that it is closed already.
pub(crate) async fn close_channel(channel: &Channel) {
    let _ = within(channel.close(200, "OK".into())).await;
}

/// The waits between attempts to connect: growing, capped, jittered, without an end.
pub(crate) fn retry_waits() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(RETRY_WAITS.0)
        .with_max_delay(RETRY_WAITS.1)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_url_is_refused_without_being_shown() {
        for url in ["", "localhost", "http://user:secret@host/", "amqp://user:secret@host:port/"] {
            let refused = Broker::new(url.into(), "sandi-test").expect_err(url);
            assert!(matches!(refused, BrokerError::Url(_)), "{url}");
            assert!(!refused.to_string().contains("secret"), "{url}");
        }
    }

    #[test]
    fn a_conflict_names_what_is_there_and_what_is_wanted() {
        let texts = [
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'mailer.requests' in vhost 'sandi': \
                 received the value '20' of type 'signedint' but current is none",
                "queue mailer.requests exists with another x-delivery-limit: none is there, 20 is wanted",
            ),
            (
                "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'identity.events' in vhost 'sandi': \
                 received 'topic' but current is 'fanout'",
                "exchange identity.events exists with another type: fanout is there, topic is wanted",
            ),
        ];
        for (text, expected) in texts {
            let told = conflict(text).expect("it is one").to_string();
            assert!(told.starts_with(expected) && told.contains("(vhost sandi)"), "{told}");
        }
        assert!(conflict("PRECONDITION_FAILED - unknown delivery tag 5").is_none());
    }

    #[test]
    fn a_file_without_an_authoritys_certificate_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = || Broker::new("amqps://host/vhost".into(), "sandi-test").expect("a broker");
        for (name, text) in [("empty", ""), ("text", "not PEM\n"), ("broken", BROKEN)] {
            let file = folder.path().join(name);
            fs::write(&file, text).expect("it is written");
            assert!(matches!(broker().trusting(Some(&file)), Err(BrokerError::Authorities(_))), "{name}");
        }
        let missing = folder.path().join("missing");
        assert!(matches!(broker().trusting(Some(&missing)), Err(BrokerError::Authorities(_))));
        assert!(broker().trusting(None).is_ok());
    }

    const BROKEN: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn a_broker_does_not_show_its_url() {
        let broker = Broker::new("amqp://user:secret@host/vhost".into(), "sandi-test").expect("a broker");
        assert!(!format!("{broker:?}").contains("secret"));
    }

    #[test]
    fn url_parts_are_percent_decoded() {
        let uri = parse("amqps://us%40er:p%2Fw@broker.example:5999/a%2Fb").expect("parses");
        assert_eq!((uri.authority.userinfo.username, uri.authority.userinfo.password), ("us@er".into(), "p/w".into()));
        assert_eq!(
            (uri.authority.host.as_str(), uri.authority.port, uri.vhost.as_str()),
            ("broker.example", 5999, "a/b")
        );
    }

    #[test]
    fn an_ipv6_host_is_not_taken_for_localhost() {
        assert_eq!(parse("amqp://user:pass@[::1]:5672/sandi").expect("parses").authority.host, "::1");
        assert_eq!(parse("amqp://127.0.0.1:5672").expect("parses").authority.host, "127.0.0.1");
    }
}
