//! `mailer doctor`: looks at everything the mailer needs, and says what to do. Sends no mail unless asked.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use messaging::keys::newest;
use messaging::parked::desk::moment;
use messaging::parked::peek;
use messaging::topology::{MAILER_PARKED, MAILER_REQUESTS, Side, ensure, ready_messages};
use messaging::{Broker, BrokerError};
use runtime::{Clock, Failure, SystemClock, SystemRandom};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Told;
use super::parked::unopened;
use super::send_test::{self, SendTest};
use crate::outcome::Phase;
use crate::settings::{Checked, Settings};
use crate::transport::SmtpTransport;
use crate::transport::gate::Fault;

/// Parked messages that are looked at.
const PARKED: usize = 1_000;
/// How long a name may take to be found.
const LOOK_UP: Duration = Duration::from_secs(5);

/// What else to try.
#[derive(Args)]
pub(super) struct Doctor {
    /// Also send a made-up mail to this address.
    #[arg(long, value_name = "ADDRESS")]
    send_test: Option<String>,
}

/// What was found, line by line.
#[derive(Default)]
struct Findings {
    text: String,
    bad: usize,
}

impl Findings {
    fn good(&mut self, what: &str, found: &str) {
        let _ = writeln!(self.text, "ok    {what}: {found}");
    }

    /// Nothing that keeps the mailer from working, as far as can be seen from here.
    fn note(&mut self, what: &str, found: &str) {
        let _ = writeln!(self.text, "note  {what}: {found}");
    }

    fn bad(&mut self, what: &str, found: &str, advice: &str) {
        self.bad += 1;
        let _ = writeln!(self.text, "BAD   {what}: {found}\n      {advice}");
    }
}

pub(super) async fn run(command: &Doctor, settings: &Settings) -> Result<Told, Failure> {
    let checked = settings.check()?;
    let mut findings = Findings::default();
    findings.good("settings", "right");
    // Reading them tries each one.
    findings.good("keys", &checked.keys.current().told());
    clock(&mut findings, &settings.keys.directory);
    broker(&mut findings, &checked.broker).await;
    parked(&mut findings, &checked).await;
    names(&mut findings, &checked).await;
    relays(&mut findings, checked).await;
    if let Some(address) = &command.send_test {
        test_mail(&mut findings, address, settings).await;
    }
    let Findings { text, bad } = findings;
    let end = if bad == 0 { Ok(()) } else { Err(Failure::Failed(anyhow!("{bad} to be mended"))) };
    Ok((text, end))
}

/// A clock that runs behind the newest key is wrong; how far it is from others' clocks cannot be seen here, but by whoever
/// reads it.
fn clock(findings: &mut Findings, keys: &Path) {
    let now = SystemClock.now();
    let told = moment(Some(now));
    if newest(keys).into_values().any(|made| made > now) {
        findings.bad("clock", &told, "it is behind the newest key in keys.directory: set it, by NTP");
    } else {
        findings.note("clock", &format!("{told}; compare it with a right one, which nothing here can"));
    }
}

async fn broker(findings: &mut Findings, broker: &Broker) {
    let found = async {
        let waiting = ready_messages(broker, MAILER_REQUESTS).await?;
        ensure(broker, Side::Mailer).await?;
        Ok::<_, BrokerError>(waiting)
    };
    match found.await {
        Ok(count) => findings.good("broker", &format!("reached; {count} messages wait in {MAILER_REQUESTS}")),
        Err(error) => findings.bad("broker", &error.reason(), broker_advice(&error)),
    }
}

/// What was put aside tells whether the other side seals to our keys: it does not say so by itself.
async fn parked(findings: &mut Findings, checked: &Checked) {
    match peek(&checked.broker, MAILER_PARKED, PARKED, |_| ()).await {
        Ok(messages) if messages.is_empty() => findings.good("parked", "nothing"),
        Ok(messages) => {
            let unopened = unopened(&checked.keys.current(), &messages);
            for (reason, (count, advice)) in &unopened {
                findings.bad("parked", &format!("{count} messages: {reason}"), advice);
            }
            let other = messages.len() - unopened.values().map(|(count, _)| count).sum::<usize>();
            if other > 0 {
                findings.note("parked", &format!("{other} messages that open: see `mailer parked list`"));
            }
        }
        Err(error) => findings.note("parked", &format!("cannot be looked at: {}", error.reason())),
    }
}

fn broker_advice(error: &BrokerError) -> &'static str {
    match error {
        BrokerError::Absent(_) => "start both programs once, or have the topology applied: they declare it",
        BrokerError::Conflict(_) => "messages stay with their senders meanwhile, and nothing is lost",
        BrokerError::Connect(_) | BrokerError::TimedOut(_) => {
            "is the host right, the port open, the login known, the virtual host there? See amqp.url_file"
        }
        _ => "look at the user's rights: rabbitmqctl list_permissions",
    }
}

/// Other servers look these up; from here they may be invisible.
async fn names(findings: &mut Findings, checked: &Checked) {
    let head = &checked.letterhead;
    let hello = checked.relays.first().map(|relay| relay.hello.to_string()).unwrap_or_default();
    for (what, name) in [("name in EHLO", hello.as_str()), ("domain of mail.from", head.from.domain())] {
        let found = timeout(LOOK_UP, lookup_host((name, 0)));
        match found.await.map(|found| found.map(|mut found| found.next())) {
            Ok(Ok(Some(_))) => findings.good(what, name),
            _ => findings.note(what, &format!("{name} has no address that can be found from here")),
        }
    }
    let (from, bounces) = (head.from.domain(), head.bounce_address.domain());
    if from != bounces && !from.ends_with(&format!(".{bounces}")) && !bounces.ends_with(&format!(".{from}")) {
        findings.note("mail.bounce_address", &format!("{bounces} is not of {from}: SPF is not aligned (DMARC)"));
    }
}

async fn relays(findings: &mut Findings, checked: Checked) {
    let transport = SmtpTransport::new(checked.relays, checked.domain_limit, Arc::new(SystemRandom));
    for relay in transport.relays() {
        let what = format!("relay {}", relay.name());
        match relay.greet().await {
            Ok(()) => findings.good(&what, relay.manner()),
            Err(Fault { phase, cause }) => findings.bad(&what, &cause, relay_advice(phase)),
        }
    }
}

fn relay_advice(phase: Phase) -> &'static str {
    match phase {
        Phase::Connect => "is the host right, the port open, and are we allowed to send there?",
        Phase::Tls => {
            "the server must offer TLS as set in tls, with a certificate for host of an authority that is trusted (ca_file)"
        }
        Phase::Auth => "username and password_file must be those of the server",
        _ => "ask whoever runs the server",
    }
}

async fn test_mail(findings: &mut Findings, address: &str, settings: &Settings) {
    match send_test::run(&SendTest::to(address), settings).await {
        Ok((told, Ok(()))) => findings.good("test mail", &told.trim_end().replace('\n', "\n      ")),
        Ok((told, Err(_))) => {
            let told = told.trim_end().replace('\n', "\n      ");
            findings.bad("test mail", &told, "the last line says what came of it, the one before how far it came");
        }
        Err(error) => findings.bad("test mail", &error.to_string(), "is it an address?"),
    }
}
