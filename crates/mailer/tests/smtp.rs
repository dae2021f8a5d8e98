//! The dialogue with a mail server, and what becomes of it.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lettre::transport::smtp::extension::ClientId;
use mailer::outcome::{Attempt, Bounce, Outcome, Phase};
use mailer::transport::gate::State;
use mailer::transport::{Expiry, Mail, MailTransport, RelayConfig, SmtpTransport, Timeouts, Tls, tls_config};
use runtime::{FixedClock, SystemRandom};
use rustls::pki_types::ServerName;
use secrecy::SecretString;
use support::{Encryption, HANG_UP, SILENCE, Sink};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

fn mail() -> Mail {
    mail_to("budi@kopi.example", Duration::from_secs(60))
}

fn mail_to(recipient: &str, limit: Duration) -> Mail {
    let at = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(60);
    Mail {
        sender: "bounces+1@mail.kopi.example".parse().unwrap(),
        recipient: recipient.parse().unwrap(),
        bytes: Zeroizing::new(b"Subject: x\r\n\r\n.dot\r\nkata\r\n".to_vec()),
        expiry: Expiry { at, clock: Arc::new(FixedClock::new(OffsetDateTime::UNIX_EPOCH)) },
        deadline: tokio::time::Instant::now() + limit,
    }
}

fn relay(sink: &Sink, encryption: Encryption) -> RelayConfig {
    let tls = |ca| {
        let config = Arc::new(tls_config(Some(ca)).unwrap());
        (config, ServerName::try_from("localhost").unwrap())
    };
    let (config, name) = tls(sink.ca_file.as_path());
    RelayConfig {
        host: "127.0.0.1".to_owned(),
        port: sink.port,
        tls: match encryption {
            Encryption::None => Tls::None,
            Encryption::StartTls => Tls::StartTls(config, name),
            Encryption::Implicit => Tls::Implicit(config, name),
        },
        login: None,
        connections: 2,
        hello: ClientId::Domain("mailer.example".to_owned()),
        timeouts: Timeouts {
            connect: Duration::from_secs(10),
            command: Duration::from_secs(30),
            last: Duration::from_secs(60),
        },
    }
}

fn transport(relays: Vec<RelayConfig>) -> SmtpTransport {
    SmtpTransport::new(relays, 100, Arc::new(SystemRandom))
}

async fn plain() -> (Sink, SmtpTransport) {
    let sink = Sink::start(Encryption::None).await;
    let transport = transport(vec![relay(&sink, Encryption::None)]);
    (sink, transport)
}

fn seen(attempt: &Attempt) -> (Outcome, Option<Phase>, u16, &str) {
    let (code, enhanced) = attempt.reply.as_ref().map_or((0, ""), |reply| (reply.code, reply.enhanced.as_str()));
    (attempt.outcome, attempt.phase, code, enhanced)
}

#[tokio::test]
async fn a_mail_is_handed_over_byte_for_byte_on_one_connection_after_another() {
    let (sink, transport) = plain().await;
    for _ in 0..5 {
        let attempt = transport.send(&mail()).await;
        assert_eq!(seen(&attempt), (Outcome::Sent, Some(Phase::Final), 250, "2.0.0"));
        assert_eq!(attempt.relay, format!("127.0.0.1:{}", sink.port));
    }
    assert_eq!(sink.with(|state| state.connections), 1, "the connection is used again");
    let (commands, mails) = sink.with(|state| (state.commands.clone(), state.mails.clone()));
    assert_eq!(
        commands[..4],
        ["EHLO mailer.example", "MAIL FROM:<bounces+1@mail.kopi.example>", "RCPT TO:<budi@kopi.example>", "DATA"]
    );
    assert!(mails[0].starts_with("Subject: x\r\n\r\n..dot\r\nkata\r\n"), "{}", mails[0]);
}

#[tokio::test]
async fn mails_go_out_at_thousands_a_second_on_one_connection() {
    let (_sink, transport) = plain().await;
    transport.send(&mail()).await;
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(transport.send(&mail()).await.outcome, Outcome::Sent);
    }
    // With Nagle's algorithm each takes 44 ms.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn refusals_have_the_phase_the_code_and_the_enhanced_code() {
    let (sink, transport) = plain().await;
    for (command, answer, outcome, phase, enhanced) in [
        ("RCPT", "550 5.1.1 <budi@kopi.example> unknown", Outcome::Bounced(Bounce::Address), Phase::Rcpt, "5.1.1"),
        ("RCPT", "450-4.2.0 come\r\n450 4.2.0 later", Outcome::Deferred, Phase::Rcpt, "4.2.0"),
        ("RCPT", "452 4.2.2 full", Outcome::Deferred, Phase::Rcpt, "4.2.2"),
        ("MAIL", "451 no", Outcome::Deferred, Phase::Mail, ""),
        ("DATA", "554 5.7.1 no", Outcome::Bounced(Bounce::Policy), Phase::Data, "5.7.1"),
        (".", "554 5.7.1 spam", Outcome::Bounced(Bounce::Policy), Phase::Final, "5.7.1"),
        (".", "421 4.3.2 shutting down", Outcome::Deferred, Phase::Final, "4.3.2"),
        ("banner", "421 4.7.0 too many", Outcome::Deferred, Phase::Connect, "4.7.0"),
    ] {
        transport.close().await;
        sink.answers(command, answer);
        let attempt = transport.send(&mail()).await;
        let code = answer[..3].parse().unwrap();
        assert_eq!(seen(&attempt), (outcome, Some(phase), code, enhanced), "{answer}");
        assert!(!attempt.cause.contains("budi"), "{}", attempt.cause);
        sink.answers_as_usual();
        assert_eq!(transport.send(&mail()).await.outcome, Outcome::Sent, "after {answer}");
    }
}

#[tokio::test]
async fn a_refused_mail_does_not_cost_the_connection() {
    let (sink, transport) = plain().await;
    transport.send(&mail()).await;
    sink.answers("RCPT", "550 5.1.1 unknown");
    transport.send(&mail()).await;
    sink.answers_as_usual();
    assert_eq!(transport.send(&mail()).await.outcome, Outcome::Sent);
    assert_eq!(sink.with(|state| state.connections), 1);
    assert_eq!(sink.heard("RSET"), 1);
}

#[tokio::test]
async fn a_dead_connection_is_replaced_without_failing_the_mail() {
    let (sink, transport) = plain().await;
    sink.with(|state| state.mails_per_connection = Some(1));
    for _ in 0..4 {
        assert_eq!(transport.send(&mail()).await.outcome, Outcome::Sent);
    }
    assert_eq!(sink.with(|state| state.connections), 4);
    assert_eq!(sink.mails(), 4);
}

#[tokio::test]
async fn a_server_that_hangs_up_before_the_content_defers_and_after_it_leaves_doubt() {
    let (sink, transport) = plain().await;
    for (command, outcome, phase) in [
        ("MAIL", Outcome::Deferred, Phase::Mail),
        ("RCPT", Outcome::Deferred, Phase::Rcpt),
        ("DATA", Outcome::Deferred, Phase::Data),
        (".", Outcome::Unknown, Phase::Final),
    ] {
        sink.answers(command, HANG_UP);
        let attempt = transport.send(&mail()).await;
        assert_eq!(seen(&attempt), (outcome, Some(phase), 0, ""), "{command}");
        sink.answers_as_usual();
    }
    assert_eq!(sink.mails(), 1, "after the final dot it is not tried again by itself");
}

#[tokio::test]
async fn silence_is_bounded_by_the_attempts_deadline() {
    let (sink, transport) = plain().await;
    for (command, outcome) in [("RCPT", Outcome::Deferred), (".", Outcome::Unknown), ("banner", Outcome::Held)] {
        transport.close().await;
        sink.answers(command, SILENCE);
        let mail = mail_to("budi@kopi.example", Duration::from_millis(200));
        let began = Instant::now();
        assert_eq!(transport.send(&mail).await.outcome, outcome, "{command}");
        assert!(began.elapsed() < Duration::from_secs(2));
        sink.answers_as_usual();
    }
}

#[tokio::test]
async fn bare_codes_and_other_letters_are_understood() {
    let (sink, transport) = plain().await;
    let bare = "250-2.0.0 one\r\n250";
    let answers = [("banner", "220"), ("EHLO", "250"), ("MAIL", bare), ("RCPT", "250"), (".", "250")];
    for (command, answer) in answers {
        sink.answers(command, answer);
    }
    assert_eq!(seen(&transport.send(&mail()).await), (Outcome::Sent, Some(Phase::Final), 250, ""));
    sink.answers(".", "250 2.0.0 gr\u{fc}\u{df}e \u{4fe1}");
    assert_eq!(seen(&transport.send(&mail()).await), (Outcome::Sent, Some(Phase::Final), 250, "2.0.0"));
    sink.answers(".", &format!("250 {}", "x".repeat(60_000)));
    assert_eq!(transport.send(&mail()).await.outcome, Outcome::Sent);
    sink.answers("RCPT", "571 5.7.1 no");
    let policy = Outcome::Bounced(Bounce::Policy);
    assert_eq!(seen(&transport.send(&mail()).await), (policy, Some(Phase::Rcpt), 501, "5.7.1"));
    sink.answers("RCPT", "550");
    assert_eq!(seen(&transport.send(&mail()).await), (Outcome::Bounced(Bounce::Other), Some(Phase::Rcpt), 550, ""));
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let (sink, transport) = plain().await;
    sink.answers("RCPT", &format!("250 {}", "x".repeat(200_000)));
    let attempt = transport.send(&mail()).await;
    assert_eq!((attempt.outcome, attempt.phase), (Outcome::Deferred, Some(Phase::Rcpt)));
}

#[tokio::test]
async fn a_mail_whose_time_is_over_is_not_handed_over() {
    let (sink, transport) = plain().await;
    let clock = Arc::new(FixedClock::new(OffsetDateTime::UNIX_EPOCH));
    let mut mail = mail();
    mail.expiry.clock = clock.clone();
    clock.advance(Duration::from_secs(60));
    assert_eq!(transport.send(&mail).await.outcome, Outcome::Expired);
    assert_eq!(sink.mails() + sink.heard("DATA"), 0);
}

#[tokio::test]
async fn starttls_and_implicit_tls_carry_a_login_and_a_mail() {
    for encryption in [Encryption::StartTls, Encryption::Implicit] {
        let sink = Sink::start(encryption).await;
        let login = Some(("mailer".to_owned(), SecretString::from("rahasia")));
        let transport = transport(vec![RelayConfig { login, ..relay(&sink, encryption) }]);
        let attempt = transport.send(&mail()).await;
        assert_eq!(attempt.outcome, Outcome::Sent, "{attempt:?}");
        let auth = sink.with(|state| state.commands.iter().find(|line| line.starts_with("AUTH")).cloned());
        // base64 of NUL mailer NUL rahasia
        assert_eq!(auth.as_deref(), Some("AUTH PLAIN AG1haWxlcgByYWhhc2lh"));
    }
}

#[tokio::test]
async fn without_the_tls_that_is_asked_for_nothing_is_said() {
    // A server without STARTTLS, a certificate of nobody we know, one of another name, and one that is over.
    let bare = Sink::start(Encryption::None).await;
    let stranger = Sink::start(Encryption::StartTls).await;
    let mut unknown = relay(&stranger, Encryption::StartTls);
    unknown.tls = relay(&bare, Encryption::StartTls).tls;
    let mut misnamed = relay(&stranger, Encryption::StartTls);
    let config = Arc::new(tls_config(Some(&stranger.ca_file)).unwrap());
    misnamed.tls = Tls::StartTls(config, ServerName::try_from("relay.example").unwrap());

    let old = Sink::with_an_old_certificate(Encryption::StartTls).await;
    let over = relay(&old, Encryption::StartTls);

    for config in [relay(&bare, Encryption::StartTls), unknown, misnamed, over] {
        let login = Some(("mailer".to_owned(), SecretString::from("rahasia")));
        let transport = transport(vec![RelayConfig { login, ..config }]);
        let attempt = transport.send(&mail()).await;
        assert_eq!((attempt.outcome, attempt.phase), (Outcome::Held, Some(Phase::Tls)));
        assert!(!attempt.cause.is_empty());
    }
    for sink in [bare, stranger, old] {
        assert_eq!(sink.heard("AUTH") + sink.heard("MAIL") + sink.heard("DATA"), 0);
    }
}

#[tokio::test]
async fn a_refused_login_or_greeting_or_sender_holds() {
    let sink = Sink::start(Encryption::Implicit).await;
    for (command, answer, phase) in [
        ("AUTH", "535 5.7.8 no", Phase::Auth),
        ("AUTH", "454 4.7.0 later", Phase::Auth),
        ("banner", "554 5.3.2 no", Phase::Connect),
        ("EHLO", "550 5.7.1 no", Phase::Connect),
        ("MAIL", "550 5.7.1 not from you", Phase::Mail),
        ("RCPT", "530 5.7.0 log in first", Phase::Rcpt),
    ] {
        let login = Some(("mailer".to_owned(), SecretString::from("rahasia")));
        let relay = RelayConfig { login, ..relay(&sink, Encryption::Implicit) };
        let transport = transport(vec![relay]);
        sink.answers(command, answer);
        let attempt = transport.send(&mail()).await;
        assert_eq!((attempt.outcome, attempt.phase), (Outcome::Held, Some(phase)), "{answer}");
        sink.answers_as_usual();
        // The next one does not even try, until it is time.
        let heard = sink.heard("");
        assert_eq!(transport.send(&mail()).await.outcome, Outcome::Held);
        assert_eq!(sink.heard(""), heard);
        transport.ready().await;
        assert_eq!(transport.send(&mail()).await.outcome, Outcome::Sent);
    }
}

#[tokio::test]
async fn when_one_relay_fails_us_another_one_takes_the_mail() {
    let sink = Sink::start(Encryption::None).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let good = relay(&sink, Encryption::None);
    let transport = transport(vec![RelayConfig { port: closed, ..good.clone() }, good]);
    for _ in 0..6 {
        assert_eq!(transport.send(&mail()).await.outcome, Outcome::Sent);
    }
    assert_eq!(sink.mails(), 6);
}

#[tokio::test]
async fn a_relay_that_comes_back_is_noticed_without_a_mail() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut config = relay(&Sink::start(Encryption::None).await, Encryption::None);
    config.port = address.port();
    let transport = transport(vec![config]);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    transport.watch(&tasks, &stop);
    let mut state = transport.relays()[0].gate().subscribe();
    let open = State::Open;
    state.wait_for(|state| matches!(state, State::Closed { .. })).await.unwrap();

    let sink = Sink::on(TcpListener::bind(address).await.unwrap(), Encryption::None);
    let back = tokio::time::timeout(Duration::from_secs(20), state.wait_for(|s| *s == open));
    back.await.unwrap().unwrap();
    assert_eq!(sink.heard("MAIL"), 0);
    assert_eq!(transport.send(&mail()).await.outcome, Outcome::Sent);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_takes_it() {
    let (sink, transport) = plain().await;
    let mail = mail_to("büdi@kopi.example", Duration::from_secs(60));
    let attempt = transport.send(&mail).await;
    assert_eq!(seen(&attempt), (Outcome::Bounced(Bounce::Address), Some(Phase::Rcpt), 553, "5.6.7"));
    assert_eq!(sink.heard("MAIL"), 0);

    transport.close().await;
    sink.answers("EHLO", "250-sink\r\n250-SMTPUTF8\r\n250 8BITMIME");
    assert_eq!(transport.send(&mail).await.outcome, Outcome::Sent);
    assert_eq!(sink.heard("MAIL FROM:<bounces+1@mail.kopi.example> SMTPUTF8 BODY=8BITMIME"), 1);
    assert_eq!(sink.heard("RCPT TO:<büdi@kopi.example>"), 1);
}

#[tokio::test]
async fn no_more_connections_are_opened_than_allowed() {
    let (sink, transport) = plain().await;
    let mails: Vec<Mail> = (0..20).map(|_| mail()).collect();
    let attempts = futures::future::join_all(mails.iter().map(|mail| transport.send(mail))).await;
    assert!(attempts.iter().all(|attempt| attempt.outcome == Outcome::Sent));
    assert!(sink.with(|state| state.connections) <= 2);
}

#[tokio::test]
async fn a_relay_whose_connections_hang_does_not_keep_mails_from_another_one() {
    let (hanging, good) = (Sink::start(Encryption::None).await, Sink::start(Encryption::None).await);
    hanging.answers("RCPT", SILENCE);
    let transport = transport(vec![relay(&hanging, Encryption::None), relay(&good, Encryption::None)]);
    let mails: Vec<Mail> = (0..4).map(|_| mail_to("budi@kopi.example", Duration::from_secs(2))).collect();
    let first = futures::future::join_all(mails.iter().map(|mail| transport.send(mail)));
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..4 {
            let began = Instant::now();
            assert_eq!(transport.send(&mail()).await.outcome, Outcome::Sent);
            assert!(began.elapsed() < Duration::from_secs(1));
        }
    };
    tokio::join!(first, later);
}

#[tokio::test]
async fn a_refused_recipient_does_not_keep_the_place_of_the_one_that_finds_out() {
    let (sink, transport) = plain().await;
    sink.answers("RCPT", "554 5.7.1 not from you");
    let mails: Vec<Mail> =
        (0..3).map(|n| mail_to(&format!("orang{n}@kopi.example"), Duration::from_secs(60))).collect();
    let attempts = futures::future::join_all(mails.iter().map(|mail| transport.send(mail))).await;
    assert!(attempts.iter().all(|attempt| attempt.outcome == Outcome::Held), "{attempts:?}");
    transport.ready().await;
    let attempt = transport.send(&mails[0]).await;
    assert_eq!(seen(&attempt), (Outcome::Deferred, Some(Phase::Rcpt), 554, "5.7.1"));
    assert_eq!(transport.send(&mails[1]).await.outcome, Outcome::Held, "it is too early for the next one");
    sink.answers_as_usual();
    transport.ready().await;
    assert_eq!(transport.send(&mail()).await.outcome, Outcome::Sent);
}
