//! Who signs actor tokens in the demo and in tests: the web gateway, with a key of its own.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use aws_lc_rs::{rand::SystemRandom, signature::Ed25519KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use serde::Serialize;
use time::OffsetDateTime;

use crate::private::write_private;

/// The issuer's name.
pub const ISSUER: &str = "sandi-gateway";
/// Whom the tokens are for.
pub const AUDIENCE: &str = "sandi-identity";
/// The issuer's private key, for the gateway: Ed25519, PKCS#8, PEM.
pub const KEY_FILE: &str = "keys/actors/gateway.pem";
/// The issuer's public key, for the identity service.
pub const JWKS_FILE: &str = "keys/actors/jwks.json";

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
}

/// Makes the key and its public half, unless they are there.
pub(super) fn lay_out(directory: &Path) -> Result<()> {
    let key = directory.join(KEY_FILE);
    fs::create_dir_all(key.parent().unwrap_or(directory))?;
    if !key.exists() {
        write_private(&key, &new_key()?)?;
    }
    let jwk = jwk(&fs::read(&key)?)?;
    fs::write(directory.join(JWKS_FILE), serde_json::to_string_pretty(&JwkSet { keys: vec![jwk] })?)?;
    Ok(())
}

/// A new Ed25519 key, as `openssl genpkey -algorithm ed25519` makes one.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_key() -> Result<String> {
    let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).context("a key cannot be made")?;
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(document)))
}

/// The public half of an Ed25519 key, named by its thumbprint (RFC 7638).
///
/// # Errors
/// When it is no such key.
pub fn jwk(pem: &[u8]) -> Result<Jwk> {
    let mut jwk = Jwk::from_encoding_key(&EncodingKey::from_ed_pem(pem)?, Algorithm::EdDSA)?;
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(jwk)
}

/// A token of the issuer for a user, good from now on for `life`.
pub(super) fn token(directory: &Path, user_id: &str, life: Duration) -> Result<String> {
    let pem = fs::read(directory.join(KEY_FILE))?;
    let header = Header { kid: jwk(&pem)?.common.key_id, ..Header::new(Algorithm::EdDSA) };
    #[expect(clippy::disallowed_methods, reason = "what stands around the programs has no clock to inject")]
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let exp = now + i64::try_from(life.as_secs())?;
    let claims = Claims { iss: ISSUER, aud: AUDIENCE, sub: user_id, iat: now, exp };
    Ok(jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_pem(&pem)?)?)
}
