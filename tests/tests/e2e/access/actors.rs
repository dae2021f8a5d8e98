//! An admin is there because a signed token says so; what the admin may do says the database.

use std::{fs, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use e2e::{Person, World, refused, resets::BOUND};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proto::identity::v1::{
    Actor, AdminResetRequest, AdminResetResponse, Organization, Role, UpdateUserRequest, User, actor::Kind,
};
use serde_json::{Value, json};
use testbed::sandi::actors::{AUDIENCE, ISSUER, JWKS_FILE, KEY_FILE, jwk, new_key};
use time::OffsetDateTime;
use tonic::Code;

use crate::calls::{Outcome, bytes, resets_of_user};

/// A caller whose own word about people is not believed.
const PORTAL: (&str, &[&str]) = ("portal", &["password.admin", "directory.read"]);

struct Scene {
    world: World,
    kopi: Organization,
    admin: User,
    member: User,
}

impl Scene {
    async fn set() -> Self {
        let world = World::build().mailers(0).wide_limits().caller(PORTAL.0, PORTAL.1).start().await;
        let kopi = world.organization("kopi").await;
        let admin = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
        let member = world.user(&kopi, Person::named("budi").email("budi@kopi.example").password("")).await;
        Self { world, kopi, admin, member }
    }

    /// Presses the button beside the member, with this token.
    async fn press(&self, token: &str) -> Outcome<AdminResetResponse> {
        self.press_once(token, "").await
    }

    async fn press_once(&self, token: &str, idempotency_key: &str) -> Outcome<AdminResetResponse> {
        let request = AdminResetRequest {
            user_id: self.member.user_id.clone(),
            actor: Some(Actor { kind: Some(Kind::Token(token.to_owned())) }),
            reason: "asked for at the counter".to_owned(),
            idempotency_key: idempotency_key.to_owned(),
            ..Default::default()
        };
        self.world.client(PORTAL.0, 0).identity.admin_reset(request).await
    }

    /// Signs claims with the gateway's key.
    fn sign(&self, header: &Header, claims: &Value) -> String {
        let pem = fs::read(self.world.path(KEY_FILE)).expect("the gateway's key");
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_pem(&pem).expect("a key")).expect("it signs")
    }

    fn header(&self) -> Header {
        let pem = fs::read(self.world.path(KEY_FILE)).expect("the gateway's key");
        Header { kid: jwk(&pem).expect("its public half").common.key_id, ..Header::new(Algorithm::EdDSA) }
    }

    fn claims(&self) -> Value {
        let now = now();
        json!({"iss": ISSUER, "aud": AUDIENCE, "sub": self.admin.user_id, "iat": now, "exp": now + 60})
    }

    async fn update(&self, user: User) {
        let request = UpdateUserRequest { user: Some(user), ..Default::default() };
        self.world.crm().directory.update_user(request).await.expect("the system of record may");
    }
}

fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "tokens are judged by the machine's clock")]
    OffsetDateTime::now_utc().unix_timestamp()
}

#[tokio::test]
async fn a_signed_token_takes_the_place_of_the_callers_word() {
    let scene = Scene::set().await;
    let by_word = AdminResetRequest {
        user_id: scene.member.user_id.clone(),
        actor: e2e::people::actor(&scene.admin),
        reason: "asked for at the counter".to_owned(),
        ..Default::default()
    };
    let refusal = refused(scene.world.client(PORTAL.0, 0).identity.admin_reset(by_word).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::PermissionDenied, "SCOPE_MISSING"), "its word alone");

    // A token is a new one at each try; the act is the same.
    let first = scene.press_once(&scene.world.actor_token(&scene.admin.user_id), "kunci").await.expect("an admin may");
    let mut claims = scene.claims();
    claims["jti"] = json!("another");
    let again = scene.press_once(&scene.sign(&scene.header(), &claims), "kunci").await.expect("the stored success");
    assert_eq!(first.into_inner(), again.into_inner());
    assert_eq!(resets_of_user(&scene.world, &scene.member).await[0].requested_by, scene.admin.user_id);
}

#[tokio::test]
async fn a_token_gives_no_right_that_the_database_does_not() {
    let scene = Scene::set().await;
    let elsewhere = scene.world.organization("teh").await;
    let stranger = scene.world.user(&elsewhere, Person::named("tono").role(Role::Owner).password("")).await;
    let press = async |user: &User| match scene.press(&scene.world.actor_token(&user.user_id)).await {
        Ok(_) => "OK".to_owned(),
        Err(status) => e2e::Refusal::from(&status).reason,
    };
    assert_eq!(press(&scene.admin).await, "OK");
    assert_eq!(press(&scene.member).await, "ACTOR_NOT_ALLOWED", "a member, also over himself");
    assert_eq!(press(&stranger).await, "USER_NOT_FOUND", "an owner of another organisation");
    // The token in hand loses its worth with the right.
    let id = || User { user_id: scene.admin.user_id.clone(), ..User::default() };
    scene.update(User { role: Role::Member.into(), ..id() }).await;
    assert_eq!(press(&scene.admin).await, "ACTOR_NOT_ALLOWED");
    scene.update(User { role: Role::Admin.into(), ..id() }).await;
    assert_eq!(press(&scene.admin).await, "OK");
    super::suspend(&scene.world, &scene.kopi, true).await;
    assert_eq!(press(&scene.admin).await, "ACTOR_INVALID");
}

#[tokio::test]
async fn forged_tokens_are_all_refused_alike_and_do_nothing() {
    let scene = Scene::set().await;
    let good = scene.sign(&scene.header(), &scene.claims());
    let with = |name: &str, value: Value| {
        let mut claims = scene.claims();
        claims[name] = value;
        scene.sign(&scene.header(), &claims)
    };
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let unsigned = |header: Value| format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(header.to_string()));
    let public = fs::read(scene.world.path(JWKS_FILE)).expect("the public key");
    let shared = |secret: &[u8]| {
        let header = Header { kid: scene.header().kid, ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &scene.claims(), &EncodingKey::from_secret(secret)).expect("it signs")
    };
    let other = new_key().expect("a key");
    let other = jsonwebtoken::encode(
        &scene.header(),
        &scene.claims(),
        &EncodingKey::from_ed_pem(other.as_bytes()).expect("a key"),
    );
    let mut other_claims = scene.claims();
    other_claims["exp"] = json!(now() + 30);
    let forged = [
        ("alg none", unsigned(json!({"alg": "none", "typ": "JWT"}))),
        ("alg none with a signature", format!("{}{signature}", unsigned(json!({"alg": "none"})))),
        ("HS256 with the public key", shared(&public)),
        ("HS256 with nothing", shared(b"")),
        ("no signature", format!("{header}.{payload}.")),
        ("another key", other.expect("it signs")),
        ("another payload", format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(other_claims.to_string()))),
        ("expired", with("exp", json!(now() - 1))),
        ("not yet", with("nbf", json!(now() + 600))),
        ("from the future", with("iat", json!(now() + 600))),
        ("for a week", with("exp", json!(now() + 7 * 24 * 3600))),
        ("for somebody else", with("aud", json!("sandi-mailer"))),
        ("of somebody else", with("iss", json!("sandi"))),
        ("of nobody", with("sub", json!(null))),
        ("of a name", with("sub", json!("siti"))),
        ("of a type of its own", scene.sign(&Header { typ: Some("at+jwt".into()), ..scene.header() }, &scene.claims())),
        ("of an unknown key", scene.sign(&Header { kid: Some("kopi".into()), ..scene.header() }, &scene.claims())),
        ("no token", "kopi".to_owned()),
    ];
    let before = scene.world.row_counts().await;
    let mut answers = Vec::new();
    for (what, token) in &forged {
        let outcome = scene.press(token).await;
        let status = outcome.as_ref().err().unwrap_or_else(|| panic!("{what}: it is believed"));
        let refusal = e2e::Refusal::from(status);
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::Unauthenticated, "ACTOR_INVALID"), "{what}");
        answers.push(bytes(outcome));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "no answer tells what was wrong");
    let audit = |rows: Vec<(String, i64)>| -> (i64, Vec<(String, i64)>) {
        let (audit, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(name, _)| name.starts_with("audit_events"));
        (audit.iter().map(|(_, count)| count).sum(), rest)
    };
    let ((kept, rows), (kept_now, rows_now)) = (audit(before), audit(scene.world.row_counts().await));
    assert_eq!(rows, rows_now, "nothing was done");
    assert_eq!(kept_now - kept, forged.len() as i64, "and each try is in the audit");
    scene.press(&good).await.expect("the real one is good");
}

#[tokio::test]
async fn the_issuers_keys_are_replaced_without_a_restart() {
    let scene = Scene::set().await;
    let old = scene.world.actor_token(&scene.admin.user_id);
    let pem = new_key().expect("a key");
    let new = jwk(pem.as_bytes()).expect("its public half");
    let header = Header { kid: new.common.key_id.clone(), ..Header::new(Algorithm::EdDSA) };
    let key = EncodingKey::from_ed_pem(pem.as_bytes()).expect("a key");
    let token = jsonwebtoken::encode(&header, &scene.claims(), &key).expect("it signs");
    let file = scene.world.path(JWKS_FILE);
    let mut set: Value = serde_json::from_slice(&fs::read(&file).expect("the keys")).expect("JSON");
    let only_old = set.clone();
    set["keys"].as_array_mut().expect("a list").push(serde_json::to_value(&new).expect("JSON"));

    assert_eq!(refused(scene.press(&token).await).reason, "ACTOR_INVALID");
    fs::write(&file, set.to_string()).expect("it can be written");
    until(&scene, &token, true).await;
    scene.press(&old).await.expect("both are good now");
    // A file that is broken half way leaves the last keys in force.
    fs::write(&file, &set.to_string()[..40]).expect("it can be written");
    let broken = async || scene.world.log(e2e::world::Program::Identity, 0).contains("the last one stays");
    let end = tokio::time::Instant::now() + BOUND;
    while !broken().await {
        assert!(tokio::time::Instant::now() < end, "nothing is said of the broken file");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    scene.press(&token).await.expect("still good");
    fs::write(&file, only_old.to_string()).expect("it can be written");
    until(&scene, &token, false).await;
    scene.press(&old).await.expect("the one that stayed");
}

/// Waits until a token is believed, or no more.
async fn until(scene: &Scene, token: &str, believed: bool) {
    let end = tokio::time::Instant::now() + BOUND;
    while scene.press(token).await.is_ok() != believed {
        assert!(tokio::time::Instant::now() < end, "believed: {}", !believed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
