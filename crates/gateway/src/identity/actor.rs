//! On whose behalf a call is made: a short-lived signed token, or our word alone.

use std::sync::Arc;

use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proto::identity::v1::Actor;
use proto::identity::v1::actor::Kind;
use runtime::{Clock, Reloaded};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

/// How long a token lives: as long as a call with its retries may take, and not a minute.
const LIFE_SECONDS: i64 = 30;

/// Signs for whom we call: JWT (RFC 7519) by Ed25519 (RFC 8037).
pub struct Signer {
    key: EncodingKey,
    header: Header,
    issuer: String,
    audience: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
}

impl Signer {
    /// From a private key (PKCS#8 PEM). The key's id in the tokens is its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// When it is no Ed25519 key.
    pub fn new(pem: &SecretString, issuer: String, audience: String) -> Result<Self, String> {
        let refuse = |_| "not an Ed25519 private key in PKCS#8 PEM".to_owned();
        let key = EncodingKey::from_ed_pem(pem.expose_secret().as_bytes()).map_err(refuse)?;
        let public = Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(refuse)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(public.thumbprint(ThumbprintHash::SHA256).map_err(refuse)?);
        Ok(Self { key, header, issuer, audience })
    }

    fn sign(&self, user_id: &str, now: i64) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = Claims { iss: &self.issuer, aud: &self.audience, sub: user_id, iat: now, exp: now + LIFE_SECONDS };
        jsonwebtoken::encode(&self.header, &claims, &self.key)
    }
}

/// Makes the `actor` of requests.
pub(super) struct Actors {
    signer: Option<Arc<Reloaded<Signer>>>,
    clock: Arc<dyn Clock>,
}

impl Actors {
    pub fn new(signer: Option<Arc<Reloaded<Signer>>>, clock: Arc<dyn Clock>) -> Self {
        Self { signer, clock }
    }

    /// The user who is logged in, and nobody else. None when the key cannot sign: then the call is refused as one
    /// without an actor.
    pub fn of(&self, user_id: &str) -> Option<Actor> {
        let kind = match &self.signer {
            None => Kind::UserId(user_id.to_owned()),
            Some(signer) => {
                let signed = signer.current().sign(user_id, self.clock.now().unix_timestamp());
                Kind::Token(signed.inspect_err(|error| tracing::error!(%error, "cannot sign for an actor")).ok()?)
            }
        };
        Some(Actor { kind: Some(kind) })
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};
    use runtime::FixedClock;
    use time::macros::datetime;

    use super::*;

    /// The key of RFC 8037, appendix A.1, whose thumbprint is in A.3.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn actors() -> (Actors, time::OffsetDateTime) {
        runtime::install_crypto();
        let now = datetime!(2026-11-27 08:00 UTC);
        let read = || Signer::new(&PEM.into(), "gateway".into(), "identity".into()).map_err(anyhow::Error::msg);
        let signer = Reloaded::load("actors.key_file", Vec::new(), read).unwrap();
        (Actors::new(Some(Arc::new(signer)), Arc::new(FixedClock::new(now))), now)
    }

    #[test]
    fn a_token_says_who_and_until_when_and_names_its_key() {
        let (actors, now) = actors();
        let Some(Kind::Token(token)) = actors.of("0193").unwrap().kind else { panic!("no token") };

        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.kid.as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["identity"]);
        validation.set_issuer(&["gateway"]);
        validation.validate_exp = false;
        let key = DecodingKey::from_ed_components(PUBLIC).unwrap();
        let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], "0193");
        assert_eq!(claims["iat"], now.unix_timestamp());
        assert!(claims["exp"].as_i64().unwrap() - now.unix_timestamp() <= 60);
    }

    #[test]
    fn without_a_key_it_is_our_word() {
        let actors = Actors::new(None, Arc::new(FixedClock::new(datetime!(2026-11-27 08:00 UTC))));
        assert_eq!(actors.of("0193").unwrap().kind, Some(Kind::UserId("0193".into())));
    }

    #[test]
    fn another_kind_of_key_is_refused() {
        let rsa = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(Signer::new(&rsa.into(), String::new(), String::new()).is_err());
    }
}
