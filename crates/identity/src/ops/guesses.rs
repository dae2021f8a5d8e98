//! Wrong passwords: VerifyPassword and ChangePassword pass here before anything is hashed.
//!
//! Attempts are counted by whose password it would be and by the network they come from, a name that nobody has like
//! any other. From the fifth wrong one in a row each next one waits twice as long. 100 in a row from networks that the
//! person has not logged in from (NIST SP 800-63B-4, 3.2.2) close the account to such networks, until a reset or until
//! an admin or support sets the user ACTIVE again. While an attempt waits nothing is hashed, also not the right one.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use runtime::network::network;
use uuid::Uuid;

use super::call::Call;
use super::error::{Error, Result};
use crate::gates::Place;
use crate::hasher::{HasherError, Seat};
use crate::service::Service;
use crate::store::Session;
use crate::store::audit::AuditEvent;
use crate::store::guesses::{self, Begun, Bounds, Origin, WAIT_MAX};
use crate::store::users::Person;

/// When to come back while the end of others is waited for.
const UNDER_WAY_RETRY: Duration = Duration::from_secs(1);
/// Between two looks at attempts that are under way elsewhere.
const LOOK: Duration = Duration::from_millis(20);

/// An attempt that was let through; one of the three endings must be told.
pub struct Attempt {
    origin: Origin,
    strange: bool,
    /// Whether the network is known, and so may be remembered.
    known: bool,
    _place: Place,
}

/// Whose password it would be.
pub fn subject(service: &Service, person: Option<&Person>, typed: &str) -> Uuid {
    person.map_or_else(|| service.digests.guessed_name(typed), |person| person.user_id)
}

/// Lets an attempt through, with its place in the hasher's queue, or refuses it before anything is hashed. The place was
/// asked for before the database had any work with the call, so that a refusal is cheap when there are many. `session` is
/// one of the guesses' share, in which the caller has looked the account up: to give it back and take another would cost
/// a round trip more.
///
/// # Errors
/// `RATE_LIMITED` with the time to wait, `HASHER_BUSY` if too many attempts at this password are under way, or the
/// database's.
pub async fn begin(
    service: &Service,
    call: &Call,
    subject: Uuid,
    seat: Seat,
    session: Session,
) -> Result<(Attempt, Seat)> {
    let ip = call.requester.ip;
    // Of a caller that tells no addresses all people come from one place.
    let from = ip.map_or_else(|| call.caller.name.to_string(), |ip: IpAddr| network(ip).to_string());
    let origin = Origin { subject, source: service.digests.guess_source(subject, &from) };
    let end = Instant::now() + service.settings.passwords.max_wait;
    let end = end.min(call.patience.deadline);
    let busy = || Error::HasherBusy { retry_after: UNDER_WAY_RETRY };
    let (mut seat, mut session) = (Some(seat), Some(session));
    let place = match service.gates.try_enter(origin) {
        Some(place) => place,
        None => {
            // Whoever waits for the end of others keeps no place from anybody.
            (seat, session) = (None, None);
            service.gates.enter(origin, left(end)).await.ok_or_else(busy)?
        }
    };
    let limited = |cause, retry_after| {
        call.note(|facts| facts.cause = cause);
        Err(Error::RateLimited { retry_after })
    };
    loop {
        let held = match seat.take() {
            Some(seat) => seat,
            None => service.hasher.seat(&call.patience)?,
        };
        let mut counted = match session.take() {
            Some(session) => session,
            None => service.guesses.connection().await?,
        };
        let begun = guesses::begin(&mut counted, origin, bounds(service)).await?;
        drop(counted);
        match begun {
            Begun::LetThrough { strange } => {
                return Ok((Attempt { origin, strange, known: ip.is_some(), _place: place }, held));
            }
            Begun::Waits(wait) => return limited("waits", wait),
            Begun::Locked => return limited("locked to strangers", WAIT_MAX),
            Begun::UnderWay if left(end).is_zero() => return Err(busy()),
            Begun::UnderWay => {
                drop(held);
                let [jitter] = service.random_bytes();
                tokio::time::sleep(LOOK + Duration::from_millis(u64::from(jitter) / 8)).await;
            }
        }
    }
}

fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

/// The settings' bounds.
pub fn bounds(service: &Service) -> Bounds {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let limits = &service.settings.limits;
    Bounds { free: number(limits.wrong_passwords), strangers: number(limits.wrong_passwords_of_strangers) }
}

impl Attempt {
    /// The password was wrong.
    ///
    /// # Errors
    /// The database's.
    pub async fn failed(self, service: &Service) -> Result<()> {
        let mut connection = service.guesses.connection().await?;
        Ok(guesses::fail(&mut connection, self.origin, self.strange, bounds(service)).await?)
    }

    /// The password was right. `event` goes into the audit with it.
    ///
    /// # Errors
    /// The database's.
    pub async fn succeeded(self, service: &Service, event: Option<&AuditEvent>) -> Result<()> {
        let mut connection = service.guesses.connection().await?;
        Ok(guesses::succeed(&mut connection, self.origin, self.strange, self.known, event).await?)
    }

    /// Nothing was hashed.
    pub async fn withdrawn(self, service: &Service, error: HasherError) -> Error {
        let withdrawn = async {
            let mut connection = service.guesses.connection().await?;
            guesses::withdraw(&mut connection, self.origin, self.strange).await
        };
        if let Err(error) = withdrawn.await {
            // It counts as a wrong one after a while.
            tracing::info!(error = &error as &dyn std::error::Error, "an attempt that was not made stays counted");
        }
        error.into()
    }
}
