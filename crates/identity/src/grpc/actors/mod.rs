//! Actor tokens: a signed word of an issuer that a person is there (JWT, RFC 7519, read as RFC 8725 advises).
//!
//! Everything that a token could choose is fixed by the settings: issuer, audience, algorithms, and how long one may
//! live. The key is found among the issuer's, never in the token.

mod jwks;

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use runtime::clock::Clock;
use runtime::reload::Reloaded;
use serde::Deserialize;
use uuid::Uuid;

use crate::settings::ActorsSettings;
use jwks::{Key, Keys};

/// How far the issuer's clock may be ahead of ours. A token's end is not stretched.
const AHEAD: Duration = Duration::from_secs(5);

/// Who may sign, and what; nobody, if nothing is set.
pub struct Actors(Option<Issuer>);

struct Issuer {
    name: String,
    audience: String,
    max_life: Duration,
    keys: Arc<Reloaded<Keys>>,
    clock: Arc<dyn Clock>,
}

/// What a token says.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: Uuid,
    iat: f64,
    exp: f64,
    nbf: Option<f64>,
}

impl Actors {
    /// Reads the issuer's keys.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn load(settings: &ActorsSettings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let Some(file) = settings.jwks_file.clone() else { return Ok(Self(None)) };
        let algorithms: Vec<Algorithm> = settings.algorithms.iter().filter_map(|name| algorithm(name)).collect();
        let read = {
            let file = file.clone();
            move || Keys::load(&file, &algorithms)
        };
        Ok(Self(Some(Issuer {
            name: settings.issuer.clone(),
            audience: settings.audience.clone(),
            max_life: settings.max_life,
            keys: Arc::new(Reloaded::load("actors.jwks_file", vec![file], read)?),
            clock,
        })))
    }

    /// The keys, to be watched.
    pub fn keys(&self) -> Option<Arc<Reloaded<Keys>>> {
        self.0.as_ref().map(|issuer| Arc::clone(&issuer.keys))
    }

    /// The user whose token it is.
    ///
    /// # Errors
    /// Why it is not believed, for the audit; the caller is not told.
    pub fn verify(&self, token: &str) -> Result<Uuid, &'static str> {
        let Some(issuer) = &self.0 else { return Err("no issuer of actor tokens is set") };
        let header = decode_header(token).map_err(|_| "not a token")?;
        if !header.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT")) {
            return Err("another type of token");
        }
        // What must be understood and is not must be refused (RFC 7515 section 4.1.11).
        if header.crit.is_some() {
            return Err("critical headers");
        }
        let keys = issuer.keys.current();
        let key = keys.find(header.kid.as_deref()).ok_or("no such key")?;
        if header.alg != key.algorithm {
            return Err("another algorithm than the key's");
        }
        let claims = issuer.claims(token, key)?;
        issuer.check_times(&claims)?;
        Ok(claims.sub)
    }
}

impl Issuer {
    fn claims(&self, token: &str, key: &Key) -> Result<Claims, &'static str> {
        use jsonwebtoken::errors::ErrorKind;

        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.name]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // By our own clock, below.
        validation.validate_exp = false;
        let claims: Claims = decode(token, &key.key, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => "wrong signature",
                ErrorKind::InvalidIssuer => "another issuer",
                ErrorKind::InvalidAudience => "another audience",
                _ => "malformed claims",
            })?
            .claims;
        // The library is content with one issuer among several.
        if claims.iss == self.name { Ok(claims) } else { Err("another issuer") }
    }

    fn check_times(&self, claims: &Claims) -> Result<(), &'static str> {
        let now = self.clock.now().unix_timestamp_nanos() as f64 / 1e9;
        let latest = now + AHEAD.as_secs_f64();
        if claims.exp <= now {
            return Err("expired");
        }
        if claims.iat > latest || claims.nbf.is_some_and(|nbf| nbf > latest) {
            return Err("not valid yet");
        }
        if claims.exp - claims.iat > self.max_life.as_secs_f64() {
            return Err("lives too long");
        }
        Ok(())
    }
}

/// The algorithms that can be set. All sign with a private key: whoever can check a token cannot make one.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "EdDSA" => Some(Algorithm::EdDSA),
        "RS256" => Some(Algorithm::RS256),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
