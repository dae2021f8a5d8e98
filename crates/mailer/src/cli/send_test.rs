//! `mailer send-test`: a made-up mail goes the way that the real ones go.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use messaging::Keys;
use prost_types::Timestamp;
use runtime::{Clock, Failure, Random, SystemClock, SystemRandom, uuid_v7};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::Told;
use crate::outcome::{Attempt, Outcome, Phase};
use crate::render::{self, Letterhead, RenderError, Rendered};
use crate::report::timestamp;
use crate::sample::{Kind, Locale, NOW, Sample, sample};
use crate::settings::{Checked, Settings};
use crate::transport::{Expiry, Mail, Relay, SmtpTransport, Tls};
use crate::verp::envelope_sender;

/// No longer than a real attempt.
const LIMIT: Duration = Duration::from_secs(7 * 60);

/// Which mail, and to whom.
#[derive(Args)]
pub(super) struct SendTest {
    /// Who gets it.
    address: String,
    /// The kind of mail.
    #[arg(long, value_enum, default_value = "reset")]
    kind: Kind,
    /// Its language.
    #[arg(long, value_enum, default_value = "id")]
    locale: Locale,
}

impl SendTest {
    /// A reset in Indonesian.
    pub(super) fn to(address: &str) -> Self {
        Self { address: address.to_owned(), kind: Kind::Reset, locale: Locale::Id }
    }
}

/// Says how far each relay came with it, and whether one took it.
pub(super) async fn run(command: &SendTest, settings: &Settings) -> Result<Told, Failure> {
    let mut checked = settings.check()?;
    let relays = std::mem::take(&mut checked.relays);
    let encrypted = relays.iter().map(|relay| !matches!(relay.tls, Tls::None)).collect();
    let logs_in = relays.iter().map(|relay| relay.login.is_some()).collect();
    let transport = SmtpTransport::new(relays, checked.domain_limit, Arc::new(SystemRandom));
    let steps = Steps { encrypted, logs_in };
    send(command, &checked, &transport, &steps).await
}

/// Which phases a dialogue with each relay has.
struct Steps {
    encrypted: Vec<bool>,
    logs_in: Vec<bool>,
}

impl Steps {
    fn of(&self, index: usize) -> impl Iterator<Item = Phase> + '_ {
        use Phase::{Auth, Connect, Data, Final, Mail, Rcpt, Tls};
        [Connect, Tls, Auth, Mail, Rcpt, Data, Final].into_iter().filter(move |phase| match phase {
            Tls => self.encrypted[index],
            Auth => self.logs_in[index],
            _ => true,
        })
    }
}

async fn send(
    command: &SendTest,
    checked: &Checked,
    transport: &SmtpTransport,
    steps: &Steps,
) -> Result<Told, Failure> {
    let mail = mail(command, &checked.keys.current(), &checked.letterhead).context("the mail cannot be made")?;
    let mut told = format!("{:?} to {} from {}\n", command.kind, mail.recipient, mail.sender);
    let mut last = None;
    for (index, relay) in transport.relays().iter().enumerate() {
        let attempt = relay.try_now(&mail).await;
        tell(&mut told, relay, &attempt, steps.of(index));
        let goes_on = attempt.passes_on();
        last = Some(attempt);
        if !goes_on {
            break;
        }
    }
    transport.close().await;
    let sent = last.is_some_and(|attempt| attempt.outcome == Outcome::Sent);
    Ok((told, if sent { Ok(()) } else { Err(Failure::Failed(anyhow!("the mail was not sent"))) }))
}

/// A line for each phase, up to where it came.
fn tell(text: &mut String, relay: &Relay, attempt: &Attempt, phases: impl Iterator<Item = Phase>) {
    let _ = writeln!(text, "{} ({} ms)", relay.name(), attempt.duration.as_millis());
    for phase in phases.take_while(|phase| Some(*phase) <= attempt.phase) {
        let said = match &attempt.reply {
            _ if Some(phase) < attempt.phase => "ok".to_owned(),
            Some(reply) => format!("{} {}", reply.code, reply.enhanced),
            None => attempt.cause.clone(),
        };
        let _ = writeln!(text, "  {:<8} {}", phase.name(), said.trim_end());
    }
    let _ = writeln!(text, "  {}", attempt.outcome.name());
}

fn mail(command: &SendTest, keys: &Keys, head: &Letterhead) -> Result<Mail, RenderError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let now = clock.now();
    let event_id = uuid_v7(&*clock, &SystemRandom as &dyn Random);
    let Rendered { recipient, bytes } = match sample(command.kind, command.locale) {
        Sample::Reset(mut mail) => {
            mail.recipient.clone_from(&command.address);
            mail.request_time = moved(mail.request_time.take(), now);
            mail.links.iter_mut().for_each(|link| link.expire_time = moved(link.expire_time.take(), now));
            own_answers(&mut mail.brand);
            render::reset(&mail, event_id, now, now, head)?
        }
        Sample::Notice(mut mail) => {
            mail.recipient.clone_from(&command.address);
            mail.change_time = Some(timestamp(now));
            own_answers(&mut mail.brand);
            render::notice(&mail, event_id, now, head)?
        }
    };
    let sender = envelope_sender(&head.bounce_address, event_id, keys).ok_or(RenderError::SenderMalformed)?;
    let expiry = Expiry { at: now + LIMIT, clock };
    Ok(Mail { sender, recipient, bytes, expiry, deadline: Instant::now() + LIMIT })
}

/// The samples are of another day.
fn moved(time: Option<Timestamp>, now: OffsetDateTime) -> Option<Timestamp> {
    render::time_of(time.as_ref()).map(|time| timestamp(time + (now - NOW)))
}

/// Answers go where the settings say, not to the samples' people.
fn own_answers(brand: &mut Option<proto::identity::events::v1::Brand>) {
    if let Some(brand) = brand {
        brand.reply_to.clear();
    }
}
