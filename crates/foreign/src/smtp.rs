//! Mail servers: whatever one answers, the attempt ends, and says so without the server's words.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use lettre::transport::smtp::extension::ClientId;
use mailer::outcome::Attempt;
use mailer::transport::{Expiry, Mail, MailTransport, RelayConfig, SmtpTransport, Timeouts, Tls};
use runtime::{FixedClock, SystemRandom};
use time::OffsetDateTime;
use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

/// Nothing is waited for: the server has said all and hung up.
const BOUND: Duration = Duration::from_secs(20);

const SOON: Duration = Duration::from_secs(5);

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

/// All that a server says on one connection, which it then ends.
pub fn replies(data: &[u8]) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let said = data.to_vec();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it connects");
        // The other side may have heard enough.
        let _ = stream.write_all(&said);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let attempt = RUNTIME
        .block_on(async { tokio::time::timeout(BOUND, transport(port).send(&mail())).await.expect("an attempt ends") });
    server.join().expect("the server ends");
    check(&attempt);
}

fn check(attempt: &Attempt) {
    if let Some(reply) = &attempt.reply {
        assert!((100..1000).contains(&reply.code), "{}", reply.code);
        assert!(reply.enhanced.chars().all(|it| it.is_ascii_digit() || it == '.'), "{}", reply.enhanced);
    }
    assert!(!attempt.cause.contains(char::is_control), "{:?}", attempt.cause);
    assert!(!attempt.cause.contains("budi@"), "{:?}", attempt.cause);
}

fn transport(port: u16) -> SmtpTransport {
    let relay = RelayConfig {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Tls::None,
        login: None,
        connections: 1,
        hello: ClientId::Domain("mailer.example".to_owned()),
        timeouts: Timeouts { connect: SOON, command: SOON, last: SOON },
    };
    SmtpTransport::new(vec![relay], 1, Arc::new(SystemRandom))
}

fn mail() -> Mail {
    let begin = OffsetDateTime::UNIX_EPOCH;
    Mail {
        sender: "bounces+1@mail.kopi.example".parse().expect("an address"),
        recipient: "budi@kopi.example".parse().expect("an address"),
        bytes: Zeroizing::new(b"Subject: x\r\n\r\nkata\r\n".to_vec()),
        expiry: Expiry { at: begin + Duration::from_secs(60), clock: Arc::new(FixedClock::new(begin)) },
        deadline: tokio::time::Instant::now() + Duration::from_secs(5),
    }
}
