//! Actor tokens: what somebody who may call could send, with and without the issuer's key.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::grpc::actors::Actors;
use identity::settings::ActorsSettings;
use runtime::clock::FixedClock;
use serde_json::Value;
use time::OffsetDateTime;

/// The time of the check, seconds.
const NOW: f64 = 1_800_000_000.0;
const LIFE: Duration = Duration::from_secs(600);
/// The key pair printed in RFC 8037, appendix A.
const SECRET: &str = "nWGxne_9WmC6hEr0kuwsERJxWl7MmkZcDusAxyuf2A4";
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPjHURo";

struct Issuer {
    key: Ed25519KeyPair,
    actors: Actors,
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let set = serde_json::json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": PUBLIC}]});
    std::fs::write(file.path(), set.to_string()).expect("it is written");
    let settings = ActorsSettings {
        issuer: "gateway".into(),
        audience: "sandi".into(),
        algorithms: vec!["EdDSA".into()],
        jwks_file: Some(file.path().into()),
        max_life: LIFE,
    };
    let now = OffsetDateTime::from_unix_timestamp(NOW as i64).expect("a time");
    let seed = URL_SAFE_NO_PAD.decode(SECRET).expect("base64url");
    Issuer {
        key: Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key"),
        actors: Actors::load(&settings, Arc::new(FixedClock::new(now))).expect("keys"),
    }
});

/// Nothing is believed that the issuer has not signed; and what it has signed, only for us, in time and of its kind.
/// The bytes are a token; and a header and claims, apart by a line's end, that the issuer signs.
pub fn actors(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert!(ISSUER.actors.verify(&text).is_err(), "believed without a signature");
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"EdDSA","kid":"one"}"#, &text));
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(ISSUER.key.sign(signed.as_bytes()));
    let Ok(user) = ISSUER.actors.verify(&format!("{signed}.{signature}")) else { return };
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("what is believed is JSON");
    let (header, claims) = (read(header), read(claims));
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(claims["iss"], "gateway");
    assert!(claims["aud"] == "sandi" || claims["aud"].as_array().is_some_and(|all| all.contains(&"sandi".into())));
    assert_eq!(claims["sub"].as_str().and_then(|it| it.parse().ok()), Some(user));
    let time = |name: &str| claims[name].as_f64().expect("a time");
    assert!(time("exp") > NOW && time("iat") <= NOW + 5.0 && time("exp") - time("iat") <= LIFE.as_secs_f64());
    // Signed by a key pair that is not the issuer's, the same is nothing.
    let stranger = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key").sign(signed.as_bytes());
    assert!(ISSUER.actors.verify(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(stranger))).is_err());
}
