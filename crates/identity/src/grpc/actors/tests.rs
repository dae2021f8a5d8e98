use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{EncodingKey, Header, encode};
use runtime::clock::FixedClock;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;

const NOW: i64 = 1_800_000_000;
const USER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

struct Signer {
    key: EncodingKey,
    jwk: Jwk,
    header: Header,
}

impl Signer {
    fn new(key: EncodingKey, algorithm: Algorithm, id: Option<&str>) -> Self {
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).expect("its public half");
        jwk.common.key_id = id.map(Into::into);
        let header = Header { kid: id.map(Into::into), ..Header::new(algorithm) };
        Self { key, jwk, header }
    }

    fn ed25519(id: Option<&str>) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).expect("a key");
        Self::new(EncodingKey::from_ed_der(key.as_ref()), Algorithm::EdDSA, id)
    }

    fn rsa(size: rsa::KeySize, id: Option<&str>) -> Self {
        let key = rsa::KeyPair::generate(size).expect("a key").as_der().expect("its form");
        let body = STANDARD.encode(key.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        Self::new(EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a key"), Algorithm::RS256, id)
    }

    fn sign(&self, claims: &Value) -> String {
        encode(&self.header, claims, &self.key).expect("it signs")
    }
}

fn keys(signers: &[&Signer], algorithms: &[Algorithm]) -> anyhow::Result<Keys> {
    let set = JwkSet { keys: signers.iter().map(|signer| signer.jwk.clone()).collect() };
    Keys::parse(&serde_json::to_string(&set)?, algorithms)
}

fn actors(signers: &[&Signer], algorithms: &[Algorithm]) -> Actors {
    let keys = keys(signers, algorithms).expect("keys");
    let keys = std::sync::Mutex::new(Some(keys));
    let read = move || keys.lock().expect("one reader").take().ok_or_else(|| anyhow::anyhow!("read once"));
    let now = OffsetDateTime::from_unix_timestamp(NOW).expect("a time");
    Actors(Some(Issuer {
        name: "gateway".into(),
        audience: "sandi".into(),
        max_life: Duration::from_secs(600),
        keys: Arc::new(Reloaded::load("keys", Vec::new(), read).expect("keys")),
        clock: Arc::new(FixedClock::new(now)),
    }))
}

fn claims() -> Value {
    json!({"iss": "gateway", "aud": "sandi", "sub": USER, "iat": NOW, "exp": NOW + 60})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

#[test]
fn a_token_of_the_issuer_names_the_user() {
    let (ed, rsa) = (Signer::ed25519(Some("a")), Signer::rsa(rsa::KeySize::Rsa2048, Some("b")));
    let actors = actors(&[&ed, &rsa], &[Algorithm::EdDSA, Algorithm::RS256]);
    let user: Uuid = USER.parse().expect("a UUID");
    for signer in [&ed, &rsa] {
        for claims in [
            claims(),
            with("aud", json!(["other", "sandi"])),
            with("nbf", json!(NOW + 5)),
            with("iat", json!(NOW + 5)),
            with("iat", json!(NOW - 540)),
            with("exp", json!(NOW as f64 + 0.5)),
            with("role", json!("owner")),
        ] {
            assert_eq!(actors.verify(&signer.sign(&claims)), Ok(user), "{claims}");
        }
    }
}

#[test]
fn claims_that_are_not_as_agreed_are_refused() {
    let signer = Signer::ed25519(Some("a"));
    let actors = actors(&[&signer], &[Algorithm::EdDSA]);
    for (claims, why) in [
        (with("iss", json!("other")), "another issuer"),
        (with("iss", json!(["gateway", "other"])), "malformed claims"),
        (with("aud", json!("other")), "another audience"),
        (with("aud", json!([])), "another audience"),
        (with("sub", json!("budi")), "malformed claims"),
        (with("sub", json!(null)), "malformed claims"),
        (with("exp", json!(NOW)), "expired"),
        (with("exp", json!(NOW - 1)), "expired"),
        (with("exp", json!("never")), "malformed claims"),
        (with("exp", json!(NOW + 601)), "lives too long"),
        (with("exp", json!(1e300)), "malformed claims"),
        (with("iat", json!(NOW + 6)), "not valid yet"),
        (with("nbf", json!(NOW + 6)), "not valid yet"),
        (with("nbf", json!("now")), "malformed claims"),
        (without("iss"), "malformed claims"),
        (without("aud"), "malformed claims"),
        (without("sub"), "malformed claims"),
        (without("iat"), "malformed claims"),
        (without("exp"), "malformed claims"),
    ] {
        assert_eq!(actors.verify(&signer.sign(&claims)), Err(why), "{claims}");
    }
}

#[test]
fn a_header_chooses_neither_algorithm_nor_key() {
    let signer = Signer::ed25519(Some("a"));
    let actors = actors(&[&signer], &[Algorithm::EdDSA]);
    let good = signer.sign(&claims());
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let payload = message.split_once('.').expect("two parts").1;
    let forged = |header: Value| format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header.to_string()));
    for header in [
        json!({"alg": "none", "typ": "JWT", "kid": "a"}),
        json!({"alg": "RS256", "kid": "a"}),
        json!({"alg": "HS256", "kid": "a"}),
        json!({"alg": "EdDSA", "kid": "b"}),
        json!({"alg": "EdDSA", "kid": "a", "typ": "at+jwt"}),
        json!({"alg": "EdDSA", "kid": "a", "crit": ["exp"]}),
        json!({"alg": "EdDSA", "kid": "a", "x": 1}),
        json!({"kid": "a"}),
    ] {
        assert!(actors.verify(&forged(header.clone())).is_err(), "{header}");
    }
    // The public key as a shared secret.
    let public = serde_json::to_vec(&signer.jwk).expect("JSON");
    let header = Header { kid: Some("a".into()), ..Header::new(Algorithm::HS256) };
    let confused = encode(&header, &claims(), &EncodingKey::from_secret(&public)).expect("it signs");
    assert_eq!(actors.verify(&confused), Err("another algorithm than the key's"));
    // A key that the token brings along.
    let mut stranger = Signer::ed25519(Some("a"));
    stranger.header.jwk = Some(stranger.jwk.clone());
    assert_eq!(actors.verify(&stranger.sign(&claims())), Err("wrong signature"));
    for text in ["", ".", "..", "a.b.c", &good[1..], &format!("{good}."), message] {
        assert!(actors.verify(text).is_err(), "{text}");
    }
    assert!(Actors(None).verify(&good).is_err(), "without an issuer nobody is believed");
}

#[test]
fn the_key_is_found_by_its_id_or_is_the_only_one() {
    let nameless = Signer::ed25519(None);
    let only = actors(&[&nameless], &[Algorithm::EdDSA]);
    assert!(only.verify(&nameless.sign(&claims())).is_ok());
    let (a, mut b) = (Signer::ed25519(Some("a")), Signer::ed25519(Some("b")));
    let two = actors(&[&a, &b], &[Algorithm::EdDSA]);
    assert!(two.verify(&b.sign(&claims())).is_ok());
    b.header.kid = None;
    assert_eq!(two.verify(&b.sign(&claims())), Err("no such key"));
    b.header.kid = Some("a".into());
    assert_eq!(two.verify(&b.sign(&claims())), Err("wrong signature"));
}

#[test]
fn a_file_of_keys_that_cannot_be_meant_is_refused() {
    let all = [Algorithm::EdDSA, Algorithm::RS256];
    let (ed, twin) = (Signer::ed25519(Some("a")), Signer::ed25519(Some("a")));
    let says = |text: &str| format!("{:#}", Keys::parse(text, &all).err().expect("refused"));
    assert!(says("{").contains("JSON"));
    assert!(says("{}").contains("keys"));
    assert!(says("{\"keys\": []}").contains("no key"));
    let shared = json!({"keys": [{"kty": "oct", "k": "AAAA"}]}).to_string();
    assert!(says(&shared).contains("only public ones"), "{}", says(&shared));
    let mut private = serde_json::to_value(&ed.jwk).expect("JSON");
    private["d"] = json!("AAAA");
    assert!(says(&json!({"keys": [private]}).to_string()).contains("key 1: is a private"));
    let short = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]}).to_string();
    assert!(says(&short).contains("too short"));
    let weak = json!({"keys": [{"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([255; 128]), "e": "AQAB"}]}).to_string();
    assert!(says(&weak).contains("too short"));
    for signers in [[&ed, &twin], [&ed, &Signer::ed25519(None)]] {
        assert!(keys(&signers, &all).is_err(), "ids that do not tell them apart");
    }
    assert!(keys(&[&ed], &[Algorithm::RS256]).is_err(), "an algorithm that is not set");
    // Keys for something else are left out.
    let mut encrypts = Signer::ed25519(Some("b"));
    encrypts.jwk.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Encryption);
    let kept = keys(&[&ed, &encrypts], &all).expect("one is left");
    assert!(kept.find(Some("a")).is_some() && kept.find(Some("b")).is_none());
}

#[test]
fn the_settings_say_whose_keys_are_believed_and_for_which_algorithms() {
    let (ed, rsa) = (Signer::ed25519(Some("a")), Signer::rsa(rsa::KeySize::Rsa2048, Some("b")));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("jwks.json");
    let set = JwkSet { keys: vec![ed.jwk.clone(), rsa.jwk.clone()] };
    std::fs::write(&file, serde_json::to_string(&set).expect("JSON")).expect("written");
    let load = |algorithms: &[&str], jwks_file: Option<&std::path::Path>| {
        let settings = ActorsSettings {
            issuer: "gateway".into(),
            audience: "sandi".into(),
            algorithms: algorithms.iter().map(|name| (*name).to_owned()).collect(),
            jwks_file: jwks_file.map(Into::into),
            ..ActorsSettings::default()
        };
        let now = OffsetDateTime::from_unix_timestamp(NOW).expect("a time");
        Actors::load(&settings, Arc::new(FixedClock::new(now))).expect("it is read")
    };
    let nobody = load(&["EdDSA"], None);
    assert!(nobody.keys().is_none() && nobody.verify(&ed.sign(&claims())).is_err());
    for (algorithms, signers) in
        [(vec!["EdDSA"], vec![&ed]), (vec!["RS256"], vec![&rsa]), (vec!["EdDSA", "RS256"], vec![&ed, &rsa])]
    {
        let actors = load(&algorithms, Some(&file));
        assert!(actors.keys().is_some(), "they are watched");
        for signer in [&ed, &rsa] {
            let believed = signers.iter().any(|it| it.header.alg == signer.header.alg);
            assert_eq!(actors.verify(&signer.sign(&claims())).is_ok(), believed, "{algorithms:?}");
        }
    }
    assert_eq!(algorithm("HS256"), None);
}
