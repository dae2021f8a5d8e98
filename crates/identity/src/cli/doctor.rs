//! `identity doctor`: tries everything the service stands on, and says what to do about what fails.

use std::time::{Duration, Instant};

use messaging::broker::Broker;
use messaging::queues::{self, Watch};
use messaging::topology::{self, Side};
use runtime::exit::Failure;
use tokio_util::sync::CancellationToken;

use super::say;
use crate::domain::password::Password;
use crate::hasher::Patience;
use crate::serve::Parts;
use crate::service::Service;
use crate::settings::Settings;
use crate::store::canary;
use crate::watch;

/// How long each try may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a canary may be under way.
const UNDER_WAY: Duration = Duration::from_secs(7);

type Found = Result<String, Ill>;

/// What is not as it should be.
enum Ill {
    /// Something does not work.
    Wrong(String),
    /// It works, and may be meant so.
    OfNote(String),
}

/// Something that does not work, whoever says it.
impl<T: ToString> From<T> for Ill {
    fn from(text: T) -> Self {
        Self::Wrong(text.to_string())
    }
}

/// Tries everything, one line each; fails when one of them failed.
pub(super) async fn run(settings: Settings) -> Result<(), Failure> {
    let parts = match Parts::assemble(settings) {
        Ok(parts) => parts,
        Err(error) => return Err(Failure::Config(format!("{error:#}"))),
    };
    say("ok       settings, keys, callers and certificates can be read");
    let mut failed = 0;
    let mut tell = |what: &str, found: Found| match found {
        Ok(text) => say(&format!("ok       {what}: {text}")),
        Err(Ill::OfNote(text)) => say(&format!("warning  {what}: {text}")),
        Err(Ill::Wrong(text)) => {
            failed += 1;
            say(&format!("FAILED   {what}: {text}"));
        }
    };
    tell("database", within(database(&parts.service)).await);
    tell("clock", within(clock(&parts.service)).await);
    tell("hashing", within(hashing(&parts.service)).await);
    tell("broker", within(queues(&parts.broker)).await);
    if !parts.service.settings.canary.username.is_empty() {
        tell("canary", within(canary(&parts.service)).await);
    }
    tell("audit", within(audit(&parts.service)).await);
    match failed {
        0 => Ok(()),
        count => Err(Failure::Failed(anyhow::anyhow!("{count} of the checks failed"))),
    }
}

async fn within(check: impl Future<Output = Found>) -> Found {
    let late = || Err(format!("no answer within {} s", PATIENCE.as_secs()).into());
    tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| late())
}

async fn database(service: &Service) -> Found {
    let begun = Instant::now();
    service.store.check().await?;
    let answered = begun.elapsed().as_millis();
    service.store.check_room().await?;
    Ok(format!("answers in {answered} ms, is at this version, takes writes and has room"))
}

async fn audit(service: &Service) -> Found {
    let kept = service.store.audit_keeping().await?;
    if kept.is_ours_to_change {
        let why = "the service works as the owner of its tables, so nothing protects the audit from it; give it \
                   a role of its own, and `identity migrate` the owner's (database.migrate_url)";
        return Err(Ill::OfNote(why.to_owned()));
    }
    if kept.retention != Some(service.settings.retention.audit) {
        let why = "is not kept for as long as retention.audit says; run `identity migrate`";
        return Err(Ill::OfNote(why.to_owned()));
    }
    Ok("the service can only read it and add to it".to_owned())
}

async fn clock(service: &Service) -> Found {
    let skew = watch::skew(service).await?;
    watch::judge(skew)?;
    Ok(format!("within {} ms of the database's", skew.unsigned_abs().as_millis()))
}

async fn hashing(service: &Service) -> Found {
    let begun = Instant::now();
    let patience = Patience { deadline: begun + PATIENCE, gone: CancellationToken::new() };
    let password = Password::parse("a password for measuring only").map_err(|_| "not a password")?;
    service.hasher.hash(password, service.random_bytes(), &patience).await?;
    Ok(format!("a hash takes {} ms of a core", begun.elapsed().as_millis()))
}

/// Whether mails come through: the canary goes the whole way, as people's do. One that is under way has some seconds.
async fn canary(service: &Service) -> Found {
    let settings = &service.settings.canary;
    let round = settings.every.as_secs_f64();
    let minutes = |seconds: f64| format!("{:.1} min ago", seconds / 60.0);
    let begun = Instant::now();
    loop {
        let mut connection = service.store.connection().await?;
        let flight = canary::flight(&mut connection, &settings.username).await?;
        drop(connection);
        let arrived = flight.arrived_ago.map_or("none ever".to_owned(), |ago| format!("the last one {}", minutes(ago)));
        match (flight.asked_ago, flight.arrived_ago) {
            (_, Some(ago)) if ago <= 3.0 * round => return Ok(format!("asked for {} and accepted", minutes(ago))),
            (Some(asked), _) if asked > 2.0 * round => {
                return Err(Ill::OfNote(format!("nobody asks for it: does identity run? Accepted: {arrived}")));
            }
            (None, _) => return Err(Ill::OfNote("nobody has asked for it yet: does identity run?".to_owned())),
            (Some(asked), _) if begun.elapsed() > UNDER_WAY => {
                return Err(format!("asked for {}; accepted: {arrived}", minutes(asked)).into());
            }
            _ => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

async fn queues(broker: &Broker) -> Found {
    let mut watch = Watch::new(broker.clone());
    let found = watch.look().await.map_err(|error| error.reason())?;
    watch.close().await;
    let missing: Vec<&str> =
        queues::ALL.into_iter().filter(|name| !found.iter().any(|queue| queue.name == *name)).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(
            format!("the queues {missing} are missing; start identity and mailer, or apply the topology").into()
        );
    }
    let unread = found.iter().find(|queue| queue.consumers == 0 && queue.name == messaging::topology::MAILER_REQUESTS);
    if unread.is_some() {
        return Err("no mailer reads mailer.requests; start one".into());
    }
    topology::ensure(broker, Side::Identity).await.map_err(|error| error.reason())?;
    Ok(found.iter().map(|queue| format!("{} {}", queue.name, queue.messages)).collect::<Vec<_>>().join(", "))
}
