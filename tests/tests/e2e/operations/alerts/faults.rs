//! Each fault: how it is brought about, which alerts it must raise, and which may come with it or after it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use e2e::{Mode, Phase, Rule, World, client::Client, people::requester, world::Program};
use lapin::BasicProperties;
use messaging::topology::{IDENTITY_EVENTS, MAILER_PARKED, MAILER_REQUESTS, RESET_REQUESTED};
use proto::identity::v1::VerifyPasswordRequest;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{task::AbortHandle, time::sleep};

use super::{Stage, line};
use crate::{metrics, waiting::until};

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    KeyIsOld,
    DatabaseIsAway,
    MailsAreRefused,
    MessageIsPoison,
    MailerLacksAKey,
    BindingIsGone,
    MailServerRefusesUs,
    MailServerIsSlow,
    MailerIsGone,
    IdentityIsGone,
    GatewayIsGone,
    BrokerIsAway,
    TableIsLocked,
    OneCannotBeIssued,
    EverybodyLogsIn,
    DatabaseIsFar,
    CertificateEnds,
    ClockIsWrong,
    CollectorIsAway,
    CanaryIsPutOff,
}

/// A fault and its alerts.
pub struct Fault {
    pub cause: Cause,
    /// Those that must fire.
    pub fires: &'static [&'static str],
    /// Those that may fire with it, if it lasts long enough.
    pub may: &'static [&'static str],
    /// Those that its end may bring: what has waited is late.
    pub after: &'static [&'static str],
    /// Whether it is tried in usual runs too.
    pub quick: bool,
}

/// What waited while something was away comes late, and is counted in what waits until the next look.
const LATE: &[&str] = &["SandiMailsAreSlow", "SandiRequestsWait", "SandiOutboxGrows", "SandiQueueWithoutConsumer"];

const fn fault(cause: Cause, fires: &'static [&'static str]) -> Fault {
    Fault { cause, fires, may: &[], after: &[], quick: false }
}

/// In an order in which the slowest to clear come first.
pub static FAULTS: [Fault; 20] = [
    Fault {
        may: &["SandiPagesAreSlow"],
        after: LATE,
        quick: true,
        ..fault(Cause::DatabaseIsAway, &["SandiDatabaseAway", "SandiCallsFail", "SandiPagesFail"])
    },
    fault(Cause::KeyIsOld, &["SandiKeyIsOld"]),
    fault(Cause::MailsAreRefused, &["SandiManyBounces"]),
    Fault { quick: true, ..fault(Cause::MessageIsPoison, &["SandiMessagesParked"]) },
    Fault { after: LATE, quick: true, ..fault(Cause::BindingIsGone, &["SandiMessagesUnroutable", "SandiOutboxGrows"]) },
    Fault { after: LATE, quick: true, ..fault(Cause::MailServerRefusesUs, &["SandiMailServerFails"]) },
    Fault {
        after: LATE,
        quick: true,
        ..fault(Cause::MailerIsGone, &["SandiNoMailer", "SandiProcessDown", "SandiQueueWithoutConsumer"])
    },
    Fault { quick: true, ..fault(Cause::CertificateEnds, &["SandiCertificateEnds"]) },
    // The canary is parked with the others.
    Fault {
        may: &["SandiCanaryLost"],
        ..fault(Cause::MailerLacksAKey, &["SandiMailerKeyUnknown", "SandiMessagesParked"])
    },
    fault(Cause::MailServerIsSlow, &["SandiMailsAreSlow"]),
    Fault {
        may: &["SandiPagesAreSlow"],
        after: LATE,
        ..fault(Cause::IdentityIsGone, &["SandiNoIdentity", "SandiProcessDown", "SandiPagesFail"])
    },
    fault(Cause::GatewayIsGone, &["SandiNoGateway", "SandiProcessDown"]),
    Fault { after: LATE, ..fault(Cause::BrokerIsAway, &["SandiBrokerAway", "SandiOutboxGrows"]) },
    Fault {
        // Statuses wait for the lock too, each with a connection.
        may: &["SandiDatabaseAway", "SandiDatabasePoolEmpty", "SandiCallsFail", "SandiPagesFail", "SandiPagesAreSlow"],
        after: LATE,
        ..fault(Cause::TableIsLocked, &["SandiRequestsWait"])
    },
    Fault { after: LATE, ..fault(Cause::OneCannotBeIssued, &["SandiRequestsGivenUp", "SandiRequestsWait"]) },
    fault(Cause::EverybodyLogsIn, &["SandiHasherBusy"]),
    Fault {
        // Some calls take longer than they may.
        may: &[
            "SandiMailsAreSlow",
            "SandiRequestsWait",
            "SandiOutboxGrows",
            "SandiQueueWithoutConsumer",
            "SandiCallsFail",
            "SandiPagesFail",
        ],
        ..fault(Cause::DatabaseIsFar, &["SandiDatabasePoolEmpty", "SandiPagesAreSlow"])
    },
    fault(Cause::ClockIsWrong, &["SandiClockIsWrong"]),
    fault(Cause::CollectorIsAway, &["SandiTelemetryLost"]),
    Fault { after: LATE, ..fault(Cause::CanaryIsPutOff, &["SandiCanaryLost"]) },
];

/// What keeps a fault going, and ends with it.
pub enum Undo {
    Nothing,
    Lock(#[expect(dead_code, reason = "the lock ends with its connection")] Box<PgConnection>),
    Crowd(Vec<AbortHandle>),
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Self::Crowd(crowd) = self {
            crowd.iter().for_each(AbortHandle::abort);
        }
    }
}

impl Stage {
    /// Brings a fault about.
    pub async fn bring_about(&mut self, cause: Cause) -> Undo {
        match cause {
            Cause::MailsAreRefused => {
                let refusal = Rule::reply(Phase::Recipient, 552, "5.2.2 mailbox full");
                self.world.script(refusal.to("budi@kopi.example"));
            }
            Cause::MessageIsPoison => {
                let broker = self.world.broker().await;
                broker.publish(IDENTITY_EVENTS, RESET_REQUESTED, b"\xff\xff\xff", BasicProperties::default()).await;
            }
            Cause::MailServerRefusesUs => self.world.script(Rule::reply(Phase::Mail, 550, "5.7.1 sender refused")),
            Cause::MailServerIsSlow => {
                self.world.script(Rule::at(Phase::Final, e2e::Act::Delay(Duration::from_secs(4))));
            }
            Cause::CanaryIsPutOff => {
                let refusal = Rule::reply(Phase::Recipient, 451, "4.7.1 come again");
                self.world.script(refusal.to("canary@kopi.example"));
            }
            Cause::MailerLacksAKey => self.add_a_stray_key(),
            Cause::MailerIsGone => self.world.kill(Program::Mailer, 0),
            Cause::IdentityIsGone => self.world.kill(Program::Identity, 0),
            Cause::GatewayIsGone => self.world.kill(Program::Gateway, 0),
            Cause::TableIsLocked => {
                let mut owner = self.owner().await;
                owner.execute("BEGIN; LOCK TABLE users IN EXCLUSIVE MODE").await.expect("the owner may");
                return Undo::Lock(Box::new(owner));
            }
            Cause::OneCannotBeIssued => {
                self.trap().await;
                self.world.request_reset("wati").await;
            }
            Cause::EverybodyLogsIn => return Undo::Crowd((0..16).map(|_| log_in(self.world.gateway())).collect()),
            _ => self.switch(cause, true).await,
        }
        Undo::Nothing
    }

    /// Ends it.
    pub async fn end(&mut self, cause: Cause, undo: Undo) {
        drop(undo);
        match cause {
            Cause::MailsAreRefused | Cause::MailServerRefusesUs | Cause::MailServerIsSlow | Cause::CanaryIsPutOff => {
                self.world.sink().behave();
            }
            Cause::MessageIsPoison => self.world.broker().await.purge(MAILER_PARKED).await,
            Cause::MailerLacksAKey => {
                fs::remove_file(self.stray_key().expect("it was put there")).expect("it is ours");
                let row = || metrics::sum(&self.world, Program::Mailer, "sandi_mailer_key_unknown", "");
                until("the mailer opens mails again", async || (row() == 0.0).then_some(())).await;
                self.world.broker().await.purge(MAILER_PARKED).await;
            }
            Cause::MailerIsGone => self.world.start_again(Program::Mailer, 0),
            Cause::IdentityIsGone => self.world.start_again(Program::Identity, 0),
            Cause::GatewayIsGone => self.world.start_again(Program::Gateway, 0),
            Cause::OneCannotBeIssued => {
                let sql = "DROP TRIGGER refuse_wati ON resets; DROP FUNCTION refuse_wati";
                self.owner().await.execute(sql).await.expect("the owner may");
            }
            Cause::TableIsLocked | Cause::EverybodyLogsIn => {}
            _ => self.switch(cause, false).await,
        }
    }

    /// What is on or off.
    async fn switch(&self, cause: Cause, on: bool) {
        match cause {
            Cause::KeyIsOld => age_keys(&self.world, if on { 500 } else { 0 }),
            Cause::DatabaseIsAway => self.world.database_line(line(on, Mode::Refuse)),
            Cause::DatabaseIsFar => self.world.database_line(line(on, Mode::Delay(Duration::from_millis(350)))),
            Cause::BrokerIsAway => self.world.broker_line(line(on, Mode::Refuse)),
            Cause::CollectorIsAway => self.collector.set(line(on, Mode::Refuse)),
            Cause::CertificateEnds => write_certificate(&self.certificate, if on { 2 } else { 365 }),
            Cause::ClockIsWrong => fs::write(&self.clock, if on { "+10" } else { "+0" }).expect("it is ours"),
            Cause::BindingIsGone => bind(&self.world, !on),
            _ => unreachable!("{cause:?} is more than a switch"),
        }
    }

    /// Gives identity a key to seal with that no mailer can open: the oldest one seals.
    fn add_a_stray_key(&self) {
        let scratch = tempfile::tempdir().expect("a folder can be made");
        let folder = scratch.path().display().to_string();
        let generate = ["keys", "generate", "--role", "mailer", "--directory", &folder];
        self.world.command(Program::Identity, &generate).expect("it is made");
        let made = public_keys(scratch.path()).pop().expect("there is one");
        let place = self.world.path("keys/identity").join(made.file_name().expect("it has a name"));
        fs::copy(made, &place).expect("it can be copied");
        age_key(&place, 1);
    }

    /// The public key that identity has and the mailer has not.
    fn stray_key(&self) -> Option<PathBuf> {
        let known = self.world.path("keys/mailer");
        let keys = public_keys(&self.world.path("keys/identity"));
        keys.into_iter().find(|key| key.file_name().is_some_and(|name| !known.join(name).exists()))
    }

    async fn owner(&self) -> PgConnection {
        PgConnection::connect(&self.world.sandi().plan().servers.database_owner).await.expect("it answers")
    }

    /// From now on the database will not take what would be mailed to Wati: a fault of ours, and hers alone.
    async fn trap(&self) {
        self.owner()
            .await
            .execute(
                "CREATE FUNCTION refuse_wati() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN
                     IF NEW.user_id = (SELECT user_id FROM users WHERE username = 'wati') THEN
                         RAISE EXCEPTION 'not her';
                     END IF;
                     RETURN NEW;
                 END $$;
                 CREATE TRIGGER refuse_wati BEFORE INSERT ON resets FOR EACH ROW EXECUTE FUNCTION refuse_wati()",
            )
            .await
            .expect("the trap is laid");
    }
}

/// Somebody who tries passwords with hardly a pause.
fn log_in(client: Client) -> AbortHandle {
    let attempts = async move {
        loop {
            let request = VerifyPasswordRequest {
                username: "budi".to_owned(),
                password: "not the one that it is".to_owned(),
                requester: requester("203.0.113.9", "id"),
            };
            let _ = client.identity.clone().verify_password(request).await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::spawn(attempts).abort_handle()
}

#[expect(clippy::disallowed_methods, reason = "the programs read the same clock")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The mailer's public keys in a folder.
fn public_keys(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("there are keys").map(|entry| entry.expect("a file").path());
    let is_one = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "pub")
            && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("mailer-"))
    };
    entries.filter(is_one).collect()
}

/// Makes the mailer's keys look so many days old, on both sides.
fn age_keys(world: &World, days: i64) {
    for folder in ["keys/identity", "keys/mailer"] {
        for entry in fs::read_dir(world.path(folder)).expect("there are keys") {
            let path = entry.expect("a file").path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("mailer-")) {
                age_key(&path, days);
            }
        }
    }
}

/// Has a file of a key say that it was made so many days ago.
fn age_key(path: &Path, days: i64) {
    let then = (now() - time::Duration::days(days)).format(&Rfc3339).expect("it can be written");
    let text = fs::read_to_string(path).expect("it is ours");
    let key = text.lines().last().expect("it has a line");
    fs::write(path, format!("# made {then}\n{key}\n")).expect("it is ours");
}

/// A certificate that ends after so many days.
pub fn write_certificate(path: &Path, days: i64) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.not_after = now() + time::Duration::days(days);
    let key = KeyPair::generate().expect("a key can be made");
    fs::write(path, params.self_signed(&key).expect("it signs itself").pem()).expect("it can be written");
}

/// Makes or removes the binding that takes resets to the mailer.
fn bind(world: &World, bound: bool) {
    let path = format!("bindings/{}/e/{IDENTITY_EVENTS}/q/{MAILER_REQUESTS}", world.vhost());
    let answer = if bound {
        world.rabbitmq().api("POST", &path, Some(&json!({ "routing_key": RESET_REQUESTED })))
    } else {
        world.rabbitmq().api("DELETE", &format!("{path}/{RESET_REQUESTED}"), None)
    };
    let answer = answer.expect("the broker answers");
    assert!(answer.is_ok(), "{} {}", answer.status, answer.body);
}
