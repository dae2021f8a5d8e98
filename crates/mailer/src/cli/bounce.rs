//! `mailer bounce`: a delivery status notification, from a file or a pipe, becomes a status.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use lettre::Address;
use messaging::{Keys, Publisher};
use proto::mailer::events::v1::MailStatus;
use proto::mailer::events::v1::mail_status::Outcome;
use runtime::{Clock, Failure, SystemClock, SystemRandom};
use uuid::Uuid;

use crate::notification::Notification;
use crate::report;
use crate::settings::Settings;
use crate::verp::{self, Verp};

/// Postfix cuts what it returns at 50 kB; others return the whole mail.
const LIMIT: u64 = 4 * 1024 * 1024;

/// Where the notification is.
#[derive(Args)]
pub(super) struct Bounce {
    /// The mail, with its header; unset or `-`: standard input.
    file: Option<PathBuf>,
    /// The address that it came to, where the mail server passes it on (Postfix: ${original_recipient}).
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
}

/// A mail server tries again what is temporary and nothing else, and what is amiss here will be mended.
pub(super) fn passing(failure: Failure) -> Failure {
    match failure {
        Failure::Config(text) => Failure::Temporary(anyhow!(text)),
        Failure::Failed(error) => Failure::Temporary(error),
        as_it_is => as_it_is,
    }
}

/// Says what it did. A mail that is no notification of ours is a fault of the input, which a mail server
/// does not try again; what is missing on our side is, after a while.
pub(super) async fn run(bounce: &Bounce, settings: &Settings) -> Result<String, Failure> {
    let (broker, keys, letterhead) = settings.check_bounce().map_err(passing)?;
    let mail = bounce.read().map_err(passing)?;
    let data = |text: &str| Failure::Data(text.to_owned());
    let mut found =
        Notification::read(&mail).ok_or_else(|| data("the mail is no delivery status notification (RFC 3464)"))?;
    found.addresses.splice(0..0, bounce.recipient.clone());
    let event_id =
        event(&found, &letterhead.bounce_address, &letterhead.message_id_domain, &keys.current()).map_err(data)?;
    let action = found.report.action.clone();
    if !found.report.is_failure() {
        return Ok(format!("{event_id}: {action}, which is no bounce: nothing to do\n"));
    }
    let code = found.report.reply.enhanced.clone();
    let publisher = Publisher::new(broker);
    let publish = report::reporter(publisher, Arc::new(SystemClock), Arc::new(SystemRandom));
    let told = publish(status(event_id, found)).await.context("the status cannot be published");
    told.map_err(Failure::Temporary)?;
    Ok(format!("{event_id}: bounced {code}\n"))
}

impl Bounce {
    fn read(&self) -> Result<Vec<u8>, Failure> {
        let mut mail = Vec::new();
        let read = match self.file.as_deref().filter(|file| file.as_os_str() != "-") {
            Some(file) => std::fs::File::open(file)
                .and_then(|mut it| (&mut it).take(LIMIT).read_to_end(&mut mail))
                .with_context(|| format!("cannot read {}", file.display())),
            None => std::io::stdin().lock().take(LIMIT).read_to_end(&mut mail).context("cannot read standard input"),
        };
        read?;
        Ok(mail)
    }
}

/// The event that a notification speaks of: by the address that it came to, which carries proof that we
/// wrote under it; else by the Message-ID, which only those know who had the mail in their hands.
fn event(found: &Notification, mailbox: &Address, domain: &str, keys: &Keys) -> Result<Uuid, &'static str> {
    let verps: Vec<Verp> = found.addresses.iter().filter_map(|address| verp::read(mailbox, address, keys)).collect();
    for verp in &verps {
        if let Verp::Genuine(event_id) = verp {
            return Ok(*event_id);
        }
    }
    if !verps.is_empty() {
        return Err("the address that it came to is not one that we wrote under");
    }
    let by_message_id = found.message_id.as_deref().and_then(|id| id.rsplit_once('@'));
    by_message_id
        .filter(|(_, of)| of.eq_ignore_ascii_case(domain))
        .and_then(|(id, _)| Uuid::try_parse(id).ok())
        .ok_or("it speaks of no mail of ours: neither its address nor the Message-ID is known")
}

fn status(event_id: Uuid, found: Notification) -> MailStatus {
    MailStatus {
        event_id: event_id.to_string(),
        // Which attempt it was is not told: the last one.
        attempt: 0,
        attempt_time: Some(report::timestamp(SystemClock.now())),
        outcome: Outcome::Bounced.into(),
        relay: found.report.server,
        smtp_code: found.report.reply.code.into(),
        enhanced_code: found.report.reply.enhanced,
        phase: "bounce".to_owned(),
        duration: None,
    }
}
