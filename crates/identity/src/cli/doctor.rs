//! `identity doctor`: tries everything the service stands on, and says what to do about what fails.

use std::time::{Duration, Instant};

use messaging::broker::Broker;
use messaging::queues::{self, Watch};
use runtime::exit::Failure;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::say;
use crate::domain::password::Password;
use crate::hasher::Patience;
use crate::serve::Parts;
use crate::service::Service;
use crate::settings::Settings;

/// How long each try may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A clock that differs from the database's by more is told of.
const SKEW: Duration = Duration::from_secs(5);

type Found = Result<String, String>;

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
        Err(text) => {
            failed += 1;
            say(&format!("FAILED   {what}: {text}"));
        }
    };
    tell("database", within(database(&parts.service)).await);
    tell("clock", within(clock(&parts.service)).await);
    tell("hashing", within(hashing(&parts.service)).await);
    tell("broker", within(queues(parts.broker)).await);
    match within(audit(&parts.service)).await {
        Ok(text) => say(&format!("ok       audit: {text}")),
        // It works, and may be meant so.
        Err(text) => say(&format!("warning  audit: {text}")),
    }
    match failed {
        0 => Ok(()),
        count => Err(Failure::Failed(anyhow::anyhow!("{count} of the checks failed"))),
    }
}

async fn within(check: impl Future<Output = Found>) -> Found {
    let late = || Err(format!("no answer within {} s", PATIENCE.as_secs()));
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
    let kept = service.store.audit_keeping().await.map_err(|error| error.to_string())?;
    if kept.is_ours_to_change {
        return Err("the service works as the owner of its tables, so nothing protects the audit from it; give it \
                    a role of its own, and `identity migrate` the owner's (database.migrate_url)"
            .to_owned());
    }
    if kept.retention != Some(service.settings.retention.audit) {
        return Err("is not kept for as long as retention.audit says; run `identity migrate`".to_owned());
    }
    Ok("the service can only read it and add to it".to_owned())
}

async fn clock(service: &Service) -> Found {
    let theirs: OffsetDateTime = service.store.time().await.map_err(|error| error.to_string())?;
    let skew = (service.clock.now() - theirs).unsigned_abs();
    if skew > SKEW {
        return Err(format!("differs from the database's by {} s; set both by NTP", skew.as_secs()));
    }
    Ok(format!("within {} ms of the database's", skew.as_millis()))
}

async fn hashing(service: &Service) -> Found {
    let begun = Instant::now();
    let patience = Patience { deadline: begun + PATIENCE, gone: CancellationToken::new() };
    let password = Password::parse("a password for measuring only").map_err(|_| "not a password".to_owned())?;
    service.hasher.hash(password, service.random_bytes(), &patience).await.map_err(|error| error.to_string())?;
    Ok(format!("a hash takes {} ms of a core", begun.elapsed().as_millis()))
}

async fn queues(broker: Broker) -> Found {
    let mut watch = Watch::new(broker);
    let found = watch.look().await.map_err(|error| error.reason())?;
    watch.close().await;
    let missing: Vec<&str> =
        queues::ALL.into_iter().filter(|name| !found.iter().any(|queue| queue.name == *name)).collect();
    if !missing.is_empty() {
        return Err(format!(
            "the queues {} are missing; start identity and mailer, or apply the topology",
            missing.join(", ")
        ));
    }
    let unread = found.iter().find(|queue| queue.consumers == 0 && queue.name == messaging::topology::MAILER_REQUESTS);
    match unread {
        Some(_) => Err("no mailer reads mailer.requests; start one".to_owned()),
        None => {
            Ok(found.iter().map(|queue| format!("{} {}", queue.name, queue.messages)).collect::<Vec<_>>().join(", "))
        }
    }
}
