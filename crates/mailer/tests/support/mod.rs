//! An SMTP server that says what it is told to, and writes down what it hears.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Instead of an answer: hang up, or say nothing more.
pub const HANG_UP: &str = "hang up";
pub const SILENCE: &str = "silence";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    None,
    StartTls,
    Implicit,
}

#[derive(Default)]
pub struct State {
    /// Answers by command ("banner", "EHLO", "MAIL", ".", …), instead of the usual ones.
    pub answers: HashMap<&'static str, String>,
    /// Hang up on the connection after this many mails.
    pub mails_per_connection: Option<usize>,
    pub commands: Vec<String>,
    pub mails: Vec<String>,
    pub connections: usize,
}

#[derive(Clone)]
pub struct Sink {
    pub port: u16,
    pub ca_file: PathBuf,
    state: Arc<Mutex<State>>,
    _directory: Arc<tempfile::TempDir>,
}

fn certificate() -> CertificateParams {
    CertificateParams::new(vec!["localhost".to_owned()]).unwrap()
}

impl Sink {
    pub async fn start(encryption: Encryption) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, encryption)
    }

    /// One whose certificate is over.
    pub async fn with_an_old_certificate(encryption: Encryption) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut params = certificate();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        Self::showing(listener, encryption, &params)
    }

    pub fn on(listener: TcpListener, encryption: Encryption) -> Self {
        Self::showing(listener, encryption, &certificate())
    }

    fn showing(listener: TcpListener, encryption: Encryption, params: &CertificateParams) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let signing_key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&signing_key).unwrap();
        let ca_file = directory.path().join("ca.pem");
        std::fs::write(&ca_file, certificate.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let sink = Self {
            port: listener.local_addr().unwrap().port(),
            ca_file,
            state: Arc::default(),
            _directory: Arc::new(directory),
        };
        tokio::spawn(sink.clone().serve(listener, encryption, TlsAcceptor::from(Arc::new(config))));
        sink
    }

    async fn serve(self, listener: TcpListener, encryption: Encryption, tls: TlsAcceptor) {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let (sink, tls) = (self.clone(), tls.clone());
            sink.with(|state| state.connections += 1);
            tokio::spawn(async move {
                if encryption == Encryption::Implicit {
                    if let Ok(stream) = tls.accept(tcp).await {
                        sink.talk(stream, false, true).await;
                    }
                } else if let Some(tcp) = sink.talk(tcp, encryption == Encryption::StartTls, true).await
                    && let Ok(stream) = tls.accept(tcp).await
                {
                    sink.talk(stream, false, false).await;
                }
            });
        }
    }

    /// Gives the stream back when STARTTLS was asked for and granted.
    async fn talk<S>(&self, stream: S, starttls: bool, greet: bool) -> Option<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut stream = BufReader::new(stream);
        if greet && !self.answer(&mut stream, "banner", "220 sink ready").await {
            return None;
        }
        let mut mails = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let verb = line.split([' ', '\r']).next().unwrap().to_uppercase();
            self.with(|state| state.commands.push(line.trim_end().to_owned()));
            let usual = match verb.as_str() {
                "EHLO" if starttls => "250-sink\r\n250-STARTTLS\r\n250 8BITMIME",
                "EHLO" => "250-sink\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
                "AUTH" => "235 2.7.0 welcome",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                "STARTTLS" => "220 go ahead",
                _ => "250 2.0.0 ok",
            };
            let known = ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT", "STARTTLS"]
                .into_iter()
                .find(|known| *known == verb)
                .unwrap_or("other");
            if !self.answer(&mut stream, known, usual).await || known == "QUIT" {
                return None;
            }
            if known == "STARTTLS" {
                return Some(stream.into_inner());
            }
            if known == "DATA" && !self.with(|state| state.answers.contains_key("DATA")) {
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut mail).await.ok()? == 0 {
                        return None;
                    }
                }
                self.with(|state| state.mails.push(mail));
                if !self.answer(&mut stream, ".", "250 2.0.0 queued").await {
                    return None;
                }
                mails += 1;
                if self.with(|state| state.mails_per_connection) == Some(mails) {
                    return None;
                }
            }
        }
    }

    /// False when the connection is over.
    async fn answer<S>(&self, stream: &mut S, to: &'static str, usual: &str) -> bool
    where
        S: AsyncWrite + Unpin,
    {
        let answer = self.with(|state| state.answers.get(to).cloned());
        match answer.as_deref().unwrap_or(usual) {
            HANG_UP => false,
            SILENCE => {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                false
            }
            answer => {
                let line = format!("{answer}\r\n");
                stream.write_all(line.as_bytes()).await.is_ok()
                    && stream.flush().await.is_ok()
                    && !answer.starts_with("421")
            }
        }
    }

    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    pub fn answers(&self, to: &'static str, answer: &str) {
        self.with(|state| state.answers.insert(to, answer.to_owned()));
    }

    pub fn answers_as_usual(&self) {
        self.with(|state| state.answers.clear());
    }

    pub fn mails(&self) -> usize {
        self.with(|state| state.mails.len())
    }

    pub fn heard(&self, command: &str) -> usize {
        self.with(|state| state.commands.iter().filter(|line| line.starts_with(command)).count())
    }
}
