//! Every reason of the contract, once: with its code, its details, and its words in both languages.

mod edge;
mod provoke;
mod services;

use std::{collections::BTreeSet, time::Duration};

use e2e::{
    Person, Refusal, World, contract,
    people::PASSWORD,
    wire::{Answer, Call},
};
use futures::future::join_all;
use proto::identity::v1::{Organization, Role, UpdateOrganizationRequest};
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt;

use provoke::Provoked;

/// Where a reason can end up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Readers {
    /// A person, in words of the person's language.
    People,
    /// The developers of the caller.
    Callers,
}

/// The code of a reason, who reads it, and whether it says when to come back. None: not a reason of this version.
fn promised(reason: &str) -> Option<(Code, Readers, bool)> {
    use Readers::{Callers, People};
    Some(match reason {
        "FIELD_INVALID" | "PASSWORD_REJECTED" | "CONFIRMATION_MISMATCH" => (Code::InvalidArgument, People, false),
        "RESET_TOKEN_INVALID" | "PASSWORD_MISMATCH" | "USER_DISABLED" | "LAST_OWNER" | "RESET_ENDED" => {
            (Code::FailedPrecondition, People, false)
        }
        "CALLER_UNKNOWN" => (Code::Unauthenticated, Callers, false),
        "ACTOR_INVALID" => (Code::Unauthenticated, People, false),
        "SCOPE_MISSING" => (Code::PermissionDenied, Callers, false),
        "ACTOR_NOT_ALLOWED" => (Code::PermissionDenied, People, false),
        "USER_NOT_FOUND" | "ORGANIZATION_NOT_FOUND" | "RESET_NOT_FOUND" => (Code::NotFound, People, false),
        "USERNAME_TAKEN" => (Code::AlreadyExists, People, false),
        "SLUG_TAKEN" => (Code::AlreadyExists, Callers, false),
        "RATE_LIMITED" | "HASHER_BUSY" => (Code::ResourceExhausted, People, true),
        "MESSAGE_TOO_LARGE" => (Code::ResourceExhausted, Callers, false),
        "DEPENDENCY_UNAVAILABLE" => (Code::Unavailable, People, true),
        "IDEMPOTENCY_MISMATCH" => (Code::Aborted, People, false),
        "DEADLINE_EXCEEDED" => (Code::DeadlineExceeded, Callers, false),
        "INTERNAL" => (Code::Internal, People, false),
        "METHOD_UNKNOWN" => (Code::Unimplemented, Callers, false),
        _ => return None,
    })
}

/// The reasons that a test of their own provokes, because they need an installation of their own.
const ALONE: [&str; 3] = ["RATE_LIMITED", "HASHER_BUSY", "DEPENDENCY_UNAVAILABLE"];

/// Checks everything that is promised of a reason, of its answers in Indonesian and in English.
#[track_caller]
fn assert_promised(reason: &str, indonesian: &Answer, english: &Answer) {
    let (code, readers, retry) = promised(reason).unwrap_or_else(|| panic!("nothing is promised of {reason}"));
    let refusals = [indonesian, english].map(Answer::refusal);
    for refusal in &refusals {
        assert_eq!((refusal.code, refusal.reason.as_str()), (code, reason), "{refusal:?}");
        assert_eq!(refusal.domain, "sandi.identity");
        assert_eq!(refusal.retry_after.is_some(), retry, "{reason}: {refusal:?}");
        assert!(refusal.retry_after.is_none_or(|delay| !delay.is_zero()), "{reason}: {refusal:?}");
    }
    if readers == Readers::People {
        let [indonesian, english] = refusals.map(|refusal| refusal.localized.unwrap_or_default());
        assert_eq!((indonesian.0.as_str(), english.0.as_str()), ("id", "en"), "{reason}: {indonesian:?} {english:?}");
        assert!(!indonesian.1.is_empty() && !english.1.is_empty() && indonesian.1 != english.1, "{reason}");
    }
}

/// Makes all calls at the same time, 50 on a connection.
async fn at_once(world: &World, calls: &[Call]) -> Vec<Answer> {
    let connections = calls.chunks(50).map(async |calls| {
        let wire = world.wire().await;
        join_all(calls.iter().map(|call| wire.call(call.clone()))).await
    });
    join_all(connections).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn every_reason_has_its_code_its_details_and_its_words_in_both_languages() {
    let world = World::build().wide_limits().start().await;
    let ground = Provoked::lay(&world).await;
    let mut provoked: BTreeSet<String> = ALONE.map(str::to_owned).into();
    for reason in contract::names("ErrorReason", "ERROR_REASON_") {
        if !ALONE.contains(&reason.as_str()) {
            let indonesian = ground.provoke(&reason, "id").await;
            let english = ground.provoke(&reason, "en").await;
            assert_promised(&reason, &indonesian, &english);
        }
        provoked.insert(reason);
    }
    assert_eq!(provoked.len(), contract::names("ErrorReason", "ERROR_REASON_").len());
}

#[tokio::test]
async fn what_is_wrong_with_a_password_is_said_rule_by_rule_in_both_languages() {
    let world = World::build().wide_limits().start().await;
    let ground = Provoked::lay(&world).await;
    for (locale, words) in [("id", "karakter"), ("en", "characters")] {
        let answer = ground.provoke("PASSWORD_REJECTED", locale).await;
        let details = answer.status().get_error_details();
        let violations = &details.bad_request().expect("it names the field").field_violations;
        let said = violations.iter().find(|violation| violation.reason == "TOO_SHORT").expect("it is too short");
        let localized = said.localized_message.as_ref().expect("a person reads it");
        assert_eq!(localized.locale, locale);
        assert!(localized.message.contains("15") && localized.message.contains(words), "{localized:?}");
        assert!(violations.iter().all(|violation| violation.field == "new_password"));
    }
}

#[tokio::test]
async fn errors_speak_the_language_of_the_browser_then_of_the_person_then_of_the_organisation() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let wire = world.wire().await;
    let english = Organization { locale: "en".to_owned(), ..world.organization("kopi").await };
    let update = UpdateOrganizationRequest { organization: Some(english.clone()), ..Default::default() };
    world.crm().directory.update_organization(update).await.expect("the system of record may");
    let indonesian = world.organization("teh").await;
    let cases = [
        (&indonesian, "en", json!({"locale": "id-ID"}), "id"),
        (&english, "id", json!({"locale": "en-GB"}), "en"),
        (&indonesian, "en", json!({}), "en"),
        (&english, "id", json!({"ip": "203.0.113.7"}), "id"),
        (&english, "", json!({}), "en"),
        (&indonesian, "", json!(null), "id"),
    ];
    for (index, (organization, locale, requester, speaks)) in cases.into_iter().enumerate() {
        let user = world.user(organization, Person::named(&format!("user{index}")).locale(locale)).await;
        let request = json!({
            "userId": user.user_id, "currentPassword": PASSWORD, "newPassword": "123456", "requester": requester,
        });
        let refusal = wire.call(Call::of("ChangePassword", request).bearer(world.token("gateway"))).await.refusal();
        assert_eq!(refusal.reason, "PASSWORD_REJECTED");
        assert_eq!(refusal.localized.expect("a person reads it").0, speaks, "case {index}");
    }
    // Of somebody who is not there nothing is known, not even a language.
    let request = json!({"username": "user4", "password": "x"});
    let refusal = wire.call(Call::of("VerifyPassword", request).bearer(world.token("gateway"))).await.refusal();
    assert_eq!(refusal.localized.expect("a person reads it").0, "id", "it would tell that there is an account");
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    let world = World::build().mailers(0).start().await;
    let wire = world.wire().await;
    let call = Call::of("RequestReset", json!({"username": "budi"})).bearer(world.token("support"));
    let status = wire.call(call).await.status();
    let details = status.get_error_details();
    let info = details.error_info().expect("every status has one");
    assert_eq!(info.metadata.get("scope").map(String::as_str), Some("password.reset"));
}

#[tokio::test]
async fn our_own_faults_say_nothing_of_their_causes() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let ground = Provoked::lay(&world).await;
    let answer = ground.provoke("INTERNAL", "en").await;
    let everything = format!("{answer:?} {:?}", answer.status()).to_lowercase();
    for word in ["users", "select", "relation", "sql", "postgres", "42p01", "identity/src"] {
        assert!(!everything.contains(word), "{word} in {everything}");
    }
}

#[tokio::test]
async fn too_many_calls_of_a_caller_or_an_address_are_told_when_to_come_back() {
    let world = World::build()
        .mailers(0)
        .caller("flood", &["directory.read"])
        .set("identity.limits.caller_per_second=40")
        .set("identity.limits.address_per_minute=5")
        .start()
        .await;
    let wire = world.wire().await;

    // By caller, whatever it asks, and nobody else's affair.
    let flood = Call::of("GetUser", json!({})).bearer(world.token("flood"));
    let answers = at_once(&world, &vec![flood.clone(); 200]).await;
    let (limited, served): (Vec<_>, Vec<_>) =
        answers.iter().map(Answer::refusal).partition(|refusal| refusal.reason == "RATE_LIMITED");
    assert!(served.len() >= 40, "{} were served", served.len());
    assert!(!limited.is_empty() && served.iter().all(|refusal| refusal.reason == "FIELD_INVALID"));
    for refusal in &limited {
        assert_eq!((refusal.code, refusal.domain.as_str()), (Code::ResourceExhausted, "sandi.identity"));
        let delay = refusal.retry_after.expect("it says when");
        assert!(!delay.is_zero() && delay <= Duration::from_secs(1), "{delay:?}");
    }
    let calm = Call::of("GetUser", json!({"username": "nobody"})).bearer(world.token("crm"));
    assert_eq!(wire.call(calm).await.refusal().reason, "USER_NOT_FOUND");
    // Nobody else takes from its bucket now, so that what is told last is true.
    if let Some(delay) = wire.call(flood.clone()).await.refusal().retry_after {
        tokio::time::sleep(delay).await;
        assert_eq!(wire.call(flood).await.refusal().reason, "FIELD_INVALID", "after the wait");
    }

    // By the end user's address, whatever the name; IPv6 by /64.
    let ask = async |ip: &str, locale: &str| {
        let requester = json!({"ip": ip, "locale": locale});
        let request = json!({"username": "budi", "requester": requester});
        wire.call(Call::of("RequestReset", request).bearer(world.token("gateway"))).await
    };
    for ip in ["198.51.100.7", "2001:db8:1:2::7"] {
        for _ in 0..5 {
            assert_eq!(ask(ip, "id").await.refusal().code, Code::Ok, "{ip}");
        }
        let (indonesian, english) = (ask(ip, "id").await, ask(ip, "en").await);
        assert_promised("RATE_LIMITED", &indonesian, &english);
        assert!(english.refusal().retry_after.unwrap() <= Duration::from_secs(60));
    }
    assert_eq!(ask("2001:db8:1:2:ffff::1", "id").await.refusal().reason, "RATE_LIMITED", "of the same /64");
    assert_eq!(ask("::ffff:198.51.100.7", "id").await.refusal().reason, "RATE_LIMITED", "the same one");
    assert_eq!(ask("198.51.100.8", "id").await.refusal().code, Code::Ok, "a neighbour");
    assert_eq!(ask("2001:db8:1:3::7", "id").await.refusal().code, Code::Ok, "another /64");
}

#[tokio::test]
async fn a_flood_of_log_ins_is_refused_early_and_told_when_to_come_back() {
    let world = World::build()
        .mailers(0)
        .wide_limits()
        .set("identity.passwords.threads=1")
        .set("identity.passwords.max_wait=150ms")
        .start()
        .await;
    let wire = world.wire().await;
    let log_in = |locale: &str| {
        let request = json!({"username": "nobody", "password": "x", "requester": {"locale": locale}});
        Call::of("VerifyPassword", request).bearer(world.token("gateway"))
    };
    let begin = tokio::time::Instant::now();
    // Its connections to the database are made before, so that the flood meets the hasher alone.
    for answer in
        at_once(&world, &vec![Call::of("GetUser", json!({"username": "x"})).bearer(world.token("crm")); 20]).await
    {
        assert_eq!(answer.refusal().reason, "USER_NOT_FOUND");
    }
    let calls: Vec<_> = (0..40).map(|index| log_in(if index % 2 == 0 { "id" } else { "en" })).collect();
    let answers = at_once(&world, &calls).await;
    let took = begin.elapsed();
    let busy_in = |locale: &str| {
        let says = |refusal: Refusal| refusal.reason == "HASHER_BUSY" && refusal.localized.unwrap().0 == locale;
        answers.iter().find(|answer| says(answer.refusal())).expect("some are refused")
    };
    assert_promised("HASHER_BUSY", busy_in("id"), busy_in("en"));
    let reasons: BTreeSet<_> = answers.iter().map(|answer| answer.refusal().reason).collect();
    assert_eq!(reasons, ["HASHER_BUSY", "PASSWORD_MISMATCH"].map(str::to_owned).into(), "some are served");
    assert!(took < Duration::from_secs(5), "nobody waits long: {took:?}");
    // A reset does not wait behind log-ins.
    let reset = Call::of("RequestReset", json!({"username": "nobody"})).bearer(world.token("gateway"));
    assert_eq!(wire.call(reset).await.refusal().code, Code::Ok);
    let delay = busy_in("id").refusal().retry_after.unwrap();
    assert!(delay < Duration::from_secs(5), "{delay:?}");
    tokio::time::sleep(delay).await;
    assert_eq!(wire.call(log_in("id")).await.refusal().reason, "PASSWORD_MISMATCH", "after the wait");
}

#[tokio::test]
async fn without_the_database_callers_are_told_when_to_come_back() {
    let mut world = World::build().mailers(0).own_database().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("sari").role(Role::Owner).password("")).await;
    world.database_process().kill();
    let wire = world.wire().await;
    let ask = async |locale: &str| {
        let request = json!({"username": "budi", "requester": {"locale": locale}});
        wire.call(Call::of("RequestReset", request).bearer(world.token("gateway"))).await
    };
    assert_promised("DEPENDENCY_UNAVAILABLE", &ask("id").await, &ask("en").await);
    let get = Call::of("GetUser", json!({"username": "sari"})).bearer(world.token("crm"));
    assert_eq!(wire.call(get).await.refusal().reason, "DEPENDENCY_UNAVAILABLE");
}
