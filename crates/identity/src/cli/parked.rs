//! `identity parked`: statuses that were put aside, and why.

use anyhow::Context as _;
use messaging::parked::Parked;
use messaging::parked::desk::{self, Command, Desk, Explained, moment, plain};
use messaging::topology::{IDENTITY_MAIL_STATUS, IDENTITY_PARKED};
use prost::Message as _;
use proto::mailer::events::v1::MailStatus;
use runtime::clock::{Clock as _, SystemClock};
use runtime::exit::Failure;
use time::OffsetDateTime;

use crate::feedback::is_understood;
use crate::serve::broker;
use crate::settings::Settings;

pub(super) async fn run(command: &Command, settings: &Settings) -> Result<String, Failure> {
    let broker = broker(settings)?;
    let desk =
        Desk { parked: IDENTITY_PARKED, work: IDENTITY_MAIL_STATUS, explain: &explained, now: SystemClock.now() };
    Ok(desk::run(command, &broker, &desk).await.context("parked messages")?)
}

fn explained(message: &Parked) -> Explained {
    let Ok(status) = MailStatus::decode(message.body.as_slice()) else {
        return Explained {
            event_id: None,
            made: None,
            reason: "body_malformed".to_owned(),
            advice: "it was not written by the mailer: find out who may publish to the broker",
            can_go_back: false,
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
        can_go_back: understood,
        facts: vec![
            ("event", plain(&status.event_id)),
            ("attempt", status.attempt.to_string()),
            ("attempted", moment(time)),
            ("outcome", plain(status.outcome().as_str_name())),
            ("relay", plain(&status.relay)),
            ("code", plain(&format!("{} {}", status.smtp_code, status.enhanced_code))),
            ("phase", plain(&status.phase)),
        ],
    }
}
