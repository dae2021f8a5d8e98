//! `identity parked`: statuses that were put aside, and why. A status only informs, so that it can go back into its queue
//! however old it is.

use anyhow::Context as _;
use messaging::parked::Parked;
use messaging::parked::desk::{self, Command, Desk, Explained, WayBack, moment, plain};
use messaging::topology::{IDENTITY_MAIL_STATUS, IDENTITY_PARKED};
use prost::Message as _;
use proto::mailer::events::v1::MailStatus;
use runtime::clock::{Clock as _, SystemClock};
use runtime::exit::Failure;
use time::OffsetDateTime;

use crate::feedback::is_understood;
use crate::serve::broker;
use crate::settings::Settings;

pub(super) async fn run(command: &Command, settings: &Settings) -> Result<(String, Result<(), Failure>), Failure> {
    let broker = broker(settings)?;
    let desk =
        Desk { parked: IDENTITY_PARKED, work: IDENTITY_MAIL_STATUS, explain: &explained, now: SystemClock.now() };
    let (text, end) = desk::run(command, &broker, &desk).await.context("parked messages")?;
    Ok((text, end.context("parked messages").map_err(Failure::from)))
}

fn explained(message: &Parked) -> Explained {
    let Ok(status) = MailStatus::decode(message.body.as_slice()) else {
        return Explained {
            event_id: None,
            made: None,
            reason: "body_malformed".to_owned(),
            advice: "it was not written by the mailer: find out who may publish to the broker",
            way_back: None,
            facts: Vec::new(),
        };
    };
    let understood = is_understood(&message.body);
    let (reason, advice) = if understood {
        ("it can be understood now", "the cause is gone, a version or the database perhaps: replay it")
    } else {
        ("not_understood", "compare the versions of the mailer and the identity service; then who else may publish")
    };
    let time = status.attempt_time.and_then(|time| OffsetDateTime::from_unix_timestamp(time.seconds).ok());
    Explained {
        event_id: Some(plain(&status.event_id)).filter(|id| !id.is_empty()),
        made: time,
        reason: reason.to_owned(),
        advice,
        way_back: understood.then_some(WayBack::Queue),
        facts: vec![
            ("event", plain(&status.event_id)),
            ("attempt", status.attempt.to_string()),
            ("attempted", moment(time)),
            ("outcome", plain(status.outcome().as_str_name())),
            ("relay", plain(&status.relay)),
            ("code", code(&status)),
            ("phase", plain(&status.phase)),
        ],
    }
}

/// What the mail server answered; empty: nothing.
fn code(status: &MailStatus) -> String {
    match status.smtp_code {
        0 => plain(&status.enhanced_code),
        code => plain(format!("{code} {}", status.enhanced_code).trim_end()),
    }
}
