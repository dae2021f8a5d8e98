//! One connection's conversation.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::{Act, Entry, Mail, Phase, Shared, script::next_act};

/// A mail larger than this is refused, and announced so (RFC 1870).
const MAX_SIZE: usize = 10 * 1024 * 1024;
/// A line longer than this ends the connection; RFC 5321 allows 512 bytes for a command and 1,000 for content.
const MAX_LINE: u64 = 64 * 1024;
/// How long a silent client is kept.
const IDLE: Duration = Duration::from_secs(300);

pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = stream else {
            // Out of descriptors, most likely; others may end meanwhile.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        tokio::spawn(async move {
            // A client that breaks off is no fault of ours.
            tokio::select! {
                () = stop.cancelled() => {}
                _ = Session::new(stream, shared).run() => {}
            }
        });
    }
}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Session {
    stream: BufReader<Box<dyn Stream>>,
    encrypted: bool,
    /// Before each byte of the next reply.
    pace: Option<Duration>,
    shared: Arc<Shared>,
    connection: u64,
    from: Option<String>,
    to: Vec<String>,
}

/// The code that was replied; none when the conversation is over.
type Replied = Option<u16>;

impl Session {
    fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        // Without it the last small write of a reply waits for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let connection = {
            let mut state = shared.state();
            state.connections += 1;
            state.connections
        };
        let stream: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(stream));
        Self { stream, encrypted: false, pace: None, shared, connection, from: None, to: Vec::new() }
    }

    async fn run(mut self) -> Result<()> {
        let mut replied = self.answer(Phase::Banner, 220, "sink ready").await?;
        while replied.is_some() {
            let Some(line) = self.line().await? else {
                break;
            };
            replied = self.command(&line).await?;
        }
        Ok(())
    }

    async fn command(&mut self, line: &[u8]) -> Result<Replied> {
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                self.reset();
                let mut extensions =
                    format!("sink\nPIPELINING\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES\nSIZE {MAX_SIZE}");
                match (self.encrypted, self.shared.tls().is_some()) {
                    (true, _) => extensions.push_str("\nAUTH PLAIN LOGIN"),
                    (false, true) => extensions.push_str("\nSTARTTLS"),
                    (false, false) => {}
                }
                self.answer(Phase::Hello, 250, &extensions).await
            }
            "STARTTLS" if !self.encrypted && self.shared.tls().is_some() => {
                let replied = self.answer(Phase::StartTls, 220, "2.0.0 go ahead").await?;
                if replied == Some(220) {
                    self.encrypt().await?;
                }
                Ok(replied)
            }
            "AUTH" if self.encrypted => self.answer(Phase::Auth, 235, "2.7.0 welcome").await,
            "HELO" => {
                self.reset();
                self.answer(Phase::Hello, 250, "sink").await
            }
            "MAIL" => match path(rest, "FROM:") {
                Some(from) if self.from.is_none() => {
                    self.from = Some(from);
                    self.answer(Phase::Mail, 250, "2.1.0 sender ok").await
                }
                Some(_) => self.answer(Phase::Mail, 503, "5.5.1 one sender is enough").await,
                None => self.answer(Phase::Mail, 501, "5.5.4 MAIL FROM:<address>").await,
            },
            "RCPT" => match path(rest, "TO:") {
                Some(to) if self.from.is_some() && !to.is_empty() => {
                    self.to.push(to);
                    self.answer(Phase::Recipient, 250, "2.1.5 recipient ok").await
                }
                Some(_) => self.answer(Phase::Recipient, 503, "5.5.1 MAIL first").await,
                None => self.answer(Phase::Recipient, 501, "5.5.4 RCPT TO:<address>").await,
            },
            "DATA" if self.to.is_empty() => self.answer(Phase::Data, 503, "5.5.1 RCPT first").await,
            "DATA" => self.content().await,
            "RSET" => {
                self.reset();
                self.answer(Phase::Other, 250, "2.0.0 ok").await
            }
            "NOOP" => self.answer(Phase::Other, 250, "2.0.0 ok").await,
            "QUIT" => {
                self.answer(Phase::Quit, 221, "2.0.0 bye").await?;
                Ok(None)
            }
            _ => self.answer(Phase::Other, 502, "5.5.1 command not known").await,
        }
    }

    /// Goes on in TLS.
    async fn encrypt(&mut self) -> Result<()> {
        let acceptor = self.shared.tls().context("there is no certificate")?;
        let plain = std::mem::replace(&mut self.stream, BufReader::new(Box::new(tokio::io::empty())));
        let encrypted = acceptor.accept(plain.into_inner()).await?;
        self.stream = BufReader::new(Box::new(encrypted));
        self.encrypted = true;
        self.reset();
        Ok(())
    }

    async fn content(&mut self) -> Result<Replied> {
        let replied = self.answer(Phase::Data, 354, "go on, end with a dot").await?;
        if replied != Some(354) {
            return Ok(replied);
        }
        let Some(data) = self.data().await? else {
            return Ok(None);
        };
        if data.len() > MAX_SIZE {
            self.reset();
            return self.answer(Phase::Final, 552, "5.3.4 too large").await;
        }
        let mail = Mail { from: self.from.take().unwrap_or_default(), to: self.to.clone(), data, time: now() };
        let replied = self.finish(mail).await;
        self.reset();
        replied
    }

    /// Answers the final dot. A kept mail is kept before its reply, as a real server does.
    async fn finish(&mut self, mail: Mail) -> Result<Replied> {
        match self.act(Phase::Final) {
            None => {}
            Some(Act::Delay(pause)) => tokio::time::sleep(pause).await,
            Some(Act::Trickle(pause)) => self.pace = Some(pause),
            Some(Act::Reply(code, text)) => {
                if (200..300).contains(&code) {
                    self.shared.keep(mail)?;
                }
                return self.reply(Phase::Final, code, &text).await;
            }
            Some(Act::KeepAndDrop) => {
                self.shared.keep(mail)?;
                self.note(Phase::Final, None);
                return Ok(None);
            }
            Some(Act::Drop) => {
                self.note(Phase::Final, None);
                return Ok(None);
            }
            Some(Act::Silence) => return self.silence(Phase::Final).await,
        }
        self.shared.keep(mail)?;
        self.reply(Phase::Final, 250, "2.0.0 kept").await
    }

    /// The content up to the lonely dot, with dots unstuffed (RFC 5321 section 4.5.2); none when the client left.
    async fn data(&mut self) -> Result<Option<Vec<u8>>> {
        let mut data = Vec::new();
        while let Some(line) = self.line().await? {
            if line == b".\r\n" {
                return Ok(Some(data));
            }
            let line = line.strip_prefix(b".").unwrap_or(&line);
            if data.len() <= MAX_SIZE {
                data.extend_from_slice(line);
            }
        }
        Ok(None)
    }

    async fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(MAX_LINE);
        let read = tokio::time::timeout(IDLE, bounded.read_until(b'\n', &mut line)).await??;
        let whole = read > 0 && line.ends_with(b"\n");
        Ok(whole.then_some(line))
    }

    /// Answers as the script says, or as given.
    async fn answer(&mut self, phase: Phase, code: u16, text: &str) -> Result<Replied> {
        match self.act(phase) {
            None => self.reply(phase, code, text).await,
            Some(Act::Reply(code, text)) => {
                let replied = self.reply(phase, code, &text).await;
                match phase {
                    Phase::Mail if code >= 400 => self.from = None,
                    Phase::Recipient if code >= 400 => drop(self.to.pop()),
                    _ => {}
                }
                replied
            }
            Some(Act::Delay(pause)) => {
                tokio::time::sleep(pause).await;
                self.reply(phase, code, text).await
            }
            Some(Act::Trickle(pause)) => {
                self.pace = Some(pause);
                self.reply(phase, code, text).await
            }
            Some(Act::Drop | Act::KeepAndDrop) => {
                self.note(phase, None);
                Ok(None)
            }
            Some(Act::Silence) => self.silence(phase).await,
        }
    }

    /// Reads on without ever replying, until the client gives up.
    async fn silence(&mut self, phase: Phase) -> Result<Replied> {
        self.note(phase, None);
        while self.line().await?.is_some() {}
        Ok(None)
    }

    /// Writes a reply; each line of `text` becomes one of a reply of several lines.
    async fn reply(&mut self, phase: Phase, code: u16, text: &str) -> Result<Replied> {
        self.note(phase, Some(code));
        let lines: Vec<&str> = text.lines().collect();
        let (last, others) = lines.split_last().unwrap_or((&"", &[]));
        let mut reply: String = others.iter().map(|line| format!("{code}-{line}\r\n")).collect();
        reply += &format!("{code} {last}\r\n");
        match self.pace.take() {
            None => self.stream.write_all(reply.as_bytes()).await?,
            Some(pause) => {
                for byte in reply.as_bytes() {
                    tokio::time::sleep(pause).await;
                    self.stream.write_all(&[*byte]).await?;
                    self.stream.flush().await?;
                }
            }
        }
        self.stream.flush().await?;
        // A server that says 421 closes the connection (RFC 5321 section 3.8).
        Ok((code != 421).then_some(code))
    }

    fn act(&self, phase: Phase) -> Option<Act> {
        let recipient = self.to.last().map(String::as_str);
        next_act(&mut self.shared.state().rules, phase, recipient)
    }

    fn note(&self, phase: Phase, code: Option<u16>) {
        let entry = Entry { connection: self.connection, phase, recipient: self.to.last().cloned(), code, time: now() };
        self.shared.state().journal.push(entry);
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }
}

/// The address of `FROM:<address> PARAMETERS`.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let head = rest.get(..keyword.len())?;
    let tail = rest[keyword.len()..].trim_start();
    let (address, _) = tail.strip_prefix('<')?.split_once('>')?;
    head.eq_ignore_ascii_case(keyword).then(|| address.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "what stands around the programs has no clock to inject")]
fn now() -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc()
}
