//! The issuer's public keys: a JWK Set (RFC 7517).

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, ensure};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde_json::Value;

/// Fewest bits of an RSA key (NIST SP 800-57).
const RSA_BITS_MIN: usize = 2048;
/// Bytes of an Ed25519 key (RFC 8032).
const ED25519_BYTES: usize = 32;

/// The keys that tokens may be signed with.
pub struct Keys(Vec<Key>);

/// One key, good for one algorithm.
pub struct Key {
    pub algorithm: Algorithm,
    pub key: DecodingKey,
    id: Option<String>,
}

impl Keys {
    /// Reads the keys of these algorithms.
    ///
    /// # Errors
    /// Says what is wrong with which key; no key is shown.
    pub fn load(file: &Path, algorithms: &[Algorithm]) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("actors.jwks_file: {} cannot be read", file.display()))?;
        Self::parse(&text, algorithms).with_context(|| format!("actors.jwks_file: {}", file.display()))
    }

    pub(super) fn parse(text: &str, algorithms: &[Algorithm]) -> anyhow::Result<Self> {
        // The parser's own words would show the line.
        let set: Value = serde_json::from_str(text).ok().context("is not JSON")?;
        let entries = set.get("keys").and_then(Value::as_array).context("has no list \"keys\"")?;
        let mut keys = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            keys.extend(key(entry, algorithms).with_context(|| format!("key {}", index + 1))?);
        }
        ensure!(!keys.is_empty(), "holds no key of the algorithms set");
        let ids: BTreeSet<_> = keys.iter().map(|key| &key.id).collect();
        if keys.len() > 1 {
            ensure!(!ids.contains(&None) && ids.len() == keys.len(), "several keys need a \"kid\" each, of their own");
        }
        Ok(Self(keys))
    }

    /// The key of that id; without an id, the one key there is.
    pub fn find(&self, id: Option<&str>) -> Option<&Key> {
        match (id, self.0.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

/// The key of an entry; none when it is for something else.
fn key(entry: &Value, algorithms: &[Algorithm]) -> anyhow::Result<Option<Key>> {
    // Whoever can read this file must not be able to sign.
    ensure!(
        entry.get("d").is_none() && entry.get("k").is_none(),
        "is a private or shared key; only public ones belong here"
    );
    let jwk: Jwk = serde_json::from_value(entry.clone()).ok().context("is not a JWK (RFC 7517)")?;
    if matches!(jwk.common.public_key_use, Some(ref used) if *used != PublicKeyUse::Signature) {
        return Ok(None);
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return Ok(None),
    };
    let named = jwk.common.key_algorithm.map(Algorithm::try_from);
    if !algorithms.contains(&algorithm) || named.is_some_and(|named| named.ok() != Some(algorithm)) {
        return Ok(None);
    }
    let key = DecodingKey::from_jwk(&jwk).ok().context("is not base64url")?;
    let good = match key.kind() {
        DecodingKeyKind::SecretOrDer(point) => point.len() == ED25519_BYTES,
        DecodingKeyKind::RsaModulusExponent { n, .. } => {
            n.iter().skip_while(|byte| **byte == 0).count() * 8 >= RSA_BITS_MIN
        }
    };
    ensure!(good, "is too short");
    Ok(Some(Key { algorithm, key, id: jwk.common.key_id }))
}
