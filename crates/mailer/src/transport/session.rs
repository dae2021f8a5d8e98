//! One SMTP connection and its dialogue (RFC 5321).

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::relay::{RelayConfig, Timeouts, Tls};
use super::starttls;
use super::wire::{BANNER, Stream, View, Wire};
use super::{Expiry, Mail};
use crate::outcome::{Phase, Reply};

/// Goodbyes are short.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a mail was not taken.
#[derive(Debug)]
pub(super) struct Failure {
    pub phase: Phase,
    pub reply: Option<Reply>,
    pub cause: String,
    pub expired: bool,
}

impl Failure {
    pub(super) fn silent(phase: Phase, cause: impl Into<String>) -> Self {
        Self { phase, reply: None, cause: cause.into(), expired: false }
    }

    pub(super) fn refused(phase: Phase, reply: Reply) -> Self {
        let cause = format!("{}: {} {}", phase.name(), reply.code, reply.enhanced);
        Self { phase, reply: Some(reply), cause: cause.trim_end().to_owned(), expired: false }
    }

    pub(super) fn io(phase: Phase, error: &io::Error) -> Self {
        Self::silent(phase, format!("{}: {error}", phase.name()))
    }

    fn timed_out(phase: Phase) -> Self {
        Self::silent(phase, format!("{}: no answer in time", phase.name()))
    }

    fn expired(phase: Phase) -> Self {
        Self { expired: true, ..Self::silent(phase, "the mail's time is over") }
    }

    /// An error of lettre's, without its text: an answer repeats addresses.
    fn smtp(phase: Phase, error: &lettre::transport::smtp::Error) -> Self {
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        match error.status() {
            Some(code) => {
                let code = u16::from(code);
                Self::refused(phase, Reply { code, enhanced: enhanced(code, Some(&source)) })
            }
            None if error.is_response() => Self::silent(phase, format!("{}: the answer broke off", phase.name())),
            None => Self::silent(phase, format!("{}: {source}", phase.name())),
        }
    }

    /// Whether the connection is of no more use.
    pub(super) fn ends_connection(&self) -> bool {
        !self.expired && self.reply.as_ref().is_none_or(|reply| reply.code == 421)
    }
}

/// The enhanced code an answer begins with (RFC 2034, section 4: of the same class as the code).
pub(super) fn enhanced(code: u16, text: Option<&str>) -> String {
    let word = text.and_then(|text| text.split_whitespace().next()).unwrap_or_default();
    let parts: Vec<&str> = word.split('.').collect();
    let digits = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let sound = parts.len() == 3 && parts.iter().all(digits) && parts[0].parse() == Ok(code / 100);
    if sound { word.to_owned() } else { String::new() }
}

/// A connection that has said hello and is logged in.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    view: View,
    /// Commands may be sent ahead (RFC 2920).
    pipelining: bool,
    /// It can be told what a notification may hold (RFC 3461).
    notifies: bool,
    timeouts: Timeouts,
    /// Mails tried on it.
    pub uses: u32,
    /// When it was last used.
    pub since: Instant,
}

impl Session {
    /// Connects, encrypts, logs in.
    pub(super) async fn open(relay: &RelayConfig, deadline: Instant) -> Result<Self, Failure> {
        let tcp = connect(relay, deadline).await?;
        let command = relay.timeouts.command;
        let (stream, first) = match &relay.tls {
            Tls::None => (Stream::Plain(tcp), &b""[..]),
            Tls::Implicit(config, name) => (handshake(tcp, config, name, command, deadline).await?, &b""[..]),
            Tls::StartTls(config, name) => {
                let mut tcp = tcp;
                let hello = relay.hello.to_string();
                within(Phase::Connect, command, deadline, starttls::greet(&mut tcp, &hello)).await??;
                within(Phase::Tls, command, deadline, starttls::begin(&mut tcp)).await??;
                (handshake(tcp, config, name, command, deadline).await?, BANNER)
            }
        };
        let wire = Wire::new(stream, first).map_err(|error| Failure::io(Phase::Connect, &error))?;
        let view = wire.view();
        let hello: ClientId = relay.hello.clone();
        let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello);
        let mut connection = within(Phase::Connect, command, deadline, greeted)
            .await?
            .map_err(|error| Failure::smtp(Phase::Connect, &error))?;
        if let Some((username, password)) = &relay.login {
            let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
            let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
            within(Phase::Auth, command, deadline, login).await?.map_err(|error| Failure::smtp(Phase::Auth, &error))?;
        }
        let [pipelining, notifies] = view.offers(["PIPELINING", "DSN"]);
        let timeouts = relay.timeouts;
        Ok(Self { connection, view, pipelining, notifies, timeouts, uses: 0, since: Instant::now() })
    }

    /// Hands over one mail.
    pub(super) async fn send(&mut self, mail: &Mail) -> Result<Reply, Failure> {
        self.uses += 1;
        not_over(&mail.expiry, Phase::Mail)?;
        let parameters = self.parameters(mail)?;
        let from = MailFrom::new(Some(mail.sender.clone()), parameters);
        let to = Rcpt::new(mail.recipient.clone(), Vec::new());
        if self.pipelining {
            self.view.send_ahead(&to.to_string());
        }
        let sender = self.step(Phase::Mail, from, mail.deadline).await;
        if self.pipelining && sender.as_ref().is_err_and(|failure| !failure.ends_connection()) {
            // It was asked already: the answer has to be read before anything else.
            self.step(Phase::Rcpt, to.clone(), mail.deadline).await.ok();
        }
        sender?;
        self.step(Phase::Rcpt, to, mail.deadline).await?;
        // Right before the content: the process may have been frozen since the event was opened.
        not_over(&mail.expiry, Phase::Data)?;
        let go = self.step(Phase::Data, Data, mail.deadline).await?;
        if go.code != 354 {
            return Err(Failure::silent(Phase::Data, "data: an answer that makes no sense"));
        }
        self.content(mail).await
    }

    /// The content and the last answer. A loss before the final dot was written leaves no doubt;
    /// after it the server may have the mail.
    async fn content(&mut self, mail: &Mail) -> Result<Reply, Failure> {
        let before = self.view.written();
        let sent = within(Phase::Final, self.timeouts.last, mail.deadline, self.connection.message(&mail.bytes));
        let failure = match sent.await {
            Ok(Ok(response)) if response.code().is_positive() && code(&response) < 300 => {
                self.since = Instant::now();
                return Ok(reply(&response));
            }
            Ok(Ok(response)) => Failure::refused(Phase::Final, reply(&response)),
            Ok(Err(error)) => Failure::smtp(Phase::Final, &error),
            Err(failure) => failure,
        };
        let doubtless = self.view.written() - before < mail.bytes.len();
        let phase = if doubtless { Phase::Data } else { failure.phase };
        Err(Failure { phase, ..failure })
    }

    async fn step<C: std::fmt::Display>(
        &mut self,
        phase: Phase,
        command: C,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let answer = within(phase, self.timeouts.command, deadline, self.connection.command(command)).await?;
        answer.map(|response| reply(&response)).map_err(|error| Failure::smtp(phase, &error))
    }

    /// An address beyond ASCII needs a server that takes it (RFC 6531); our own mails are ASCII
    /// otherwise.
    fn parameters(&self, mail: &Mail) -> Result<Vec<MailParameter>, Failure> {
        let mut parameters = Vec::new();
        if self.notifies {
            // A bounce that brought the whole mail back would bring back a live link.
            parameters.push(MailParameter::Other { keyword: "RET".to_owned(), value: Some("HDRS".to_owned()) });
        }
        if !mail.needs_utf8() {
            return Ok(parameters);
        }
        let server = self.connection.server_info();
        if !server.supports_feature(Extension::SmtpUtfEight) {
            // RFC 6531, 3.5: a permanent failure, for us to state.
            let reply = Reply { code: 553, enhanced: "5.6.7".to_owned() };
            return Err(Failure::refused(Phase::Rcpt, reply));
        }
        parameters.extend([MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)]);
        Ok(parameters)
    }

    /// Makes the connection ready for another mail after one that was refused.
    pub(super) async fn reset(&mut self) -> bool {
        let reset = timeout(self.timeouts.command, self.connection.command(Rset)).await;
        self.since = Instant::now();
        matches!(reset, Ok(Ok(_)))
    }

    /// Says goodbye.
    pub(super) async fn quit(mut self) {
        let _ = timeout(GOODBYE, self.connection.quit()).await;
    }
}

async fn connect(relay: &RelayConfig, deadline: Instant) -> Result<TcpStream, Failure> {
    let tcp = TcpStream::connect((relay.host.as_str(), relay.port));
    let tcp = within(Phase::Connect, relay.timeouts.connect, deadline, tcp)
        .await?
        .map_err(|error| Failure::io(Phase::Connect, &error))?;
    tcp.set_nodelay(true).map_err(|error| Failure::io(Phase::Connect, &error))?;
    Ok(tcp)
}

async fn handshake(
    tcp: TcpStream,
    config: &Arc<rustls::ClientConfig>,
    name: &rustls::pki_types::ServerName<'static>,
    limit: Duration,
    deadline: Instant,
) -> Result<Stream, Failure> {
    let connect = TlsConnector::from(config.clone()).connect(name.clone(), tcp);
    let tls = within(Phase::Tls, limit, deadline, connect).await?.map_err(|error| Failure::io(Phase::Tls, &error))?;
    Ok(Stream::Tls(Box::new(tls)))
}

/// Waits for `limit`, and never beyond the attempt's deadline.
async fn within<T>(
    phase: Phase,
    limit: Duration,
    deadline: Instant,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    timeout_at(deadline.min(Instant::now() + limit), work).await.map_err(|_| Failure::timed_out(phase))
}

fn not_over(expiry: &Expiry, phase: Phase) -> Result<(), Failure> {
    if expiry.is_over() { Err(Failure::expired(phase)) } else { Ok(()) }
}

fn code(response: &Response) -> u16 {
    u16::from(response.code())
}

fn reply(response: &Response) -> Reply {
    let code = code(response);
    Reply { code, enhanced: enhanced(code, response.first_line()) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(550, "5.1.1 <x@y> unknown", "5.1.1")]
    #[case(250, "2.0.0 ok", "2.0.0")]
    #[case(550, "4.1.1 of another class", "")]
    #[case(550, "5.1 short", "")]
    #[case(550, "no such user", "")]
    #[case(550, "5.1.1234 x", "")]
    #[case(550, "", "")]
    fn the_enhanced_code_is_taken_and_the_text_is_not(#[case] code: u16, #[case] text: &str, #[case] found: &str) {
        assert_eq!(enhanced(code, Some(text)), found);
    }
}
