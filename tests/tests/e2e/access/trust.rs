//! What is believed of whom: a person's browser, a person's address.

use e2e::{Person, World, people::PASSWORD, wire::Call};
use prost::Message;
use proto::identity::v1::{
    CreateUserResponse, GetUserResponse, ListUsersResponse, Role, UpdateUserResponse, User, VerifyPasswordResponse,
};
use serde_json::json;
use sqlx::Row;

#[tokio::test]
async fn a_whole_address_is_told_to_the_system_of_record_alone() {
    let world = super::build().start().await;
    let kopi = world.organization("kopi").await;
    let owner = world.user(&kopi, Person::named("sari").role(Role::Owner).password("")).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    assert_eq!(budi.email, "budi@kopi.example", "CreateUser tells the system of record");
    let wire = world.wire().await;
    let actor = json!({"userId": owner.user_id});
    let login = json!({"username": "budi", "password": PASSWORD});
    let list = json!({"organizationId": kopi.organization_id, "query": "budi", "actor": actor});
    let create = |name: &str| {
        let user = json!({
            "organizationId": kopi.organization_id, "username": name, "email": "budi@kopi.example",
        });
        json!({"user": user, "actor": actor})
    };
    let update = json!({"user": {"userId": budi.user_id, "state": "USER_STATE_ACTIVE"}, "actor": actor});
    let supports = json!({"user": {"userId": budi.user_id, "state": "USER_STATE_ACTIVE"}, "reason": "ticket 4711"});
    let without_actor = json!({"organizationId": kopi.organization_id, "query": "budi"});
    type Read = fn(&[u8]) -> Option<User>;
    let got: Read = |body| GetUserResponse::decode(body).unwrap().user;
    let made: Read = |body| CreateUserResponse::decode(body).unwrap().user;
    let changed: Read = |body| UpdateUserResponse::decode(body).unwrap().user;
    let listed: Read = |body| ListUsersResponse::decode(body).unwrap().users.into_iter().next();
    let verified: Read = |body| VerifyPasswordResponse::decode(body).unwrap().user;
    for (caller, rpc, request, read, whole) in [
        ("crm", "GetUser", json!({"userId": budi.user_id}), got, true),
        ("gateway", "GetUser", json!({"userId": budi.user_id}), got, false),
        ("only-directory.read", "GetUser", json!({"username": "budi"}), got, false),
        ("crm", "ListUsers", list.clone(), listed, true),
        ("gateway", "ListUsers", list, listed, false),
        ("support", "ListUsers", without_actor, listed, false),
        ("crm", "VerifyPassword", login.clone(), verified, true),
        ("gateway", "VerifyPassword", login, verified, false),
        ("crm", "CreateUser", create("dewi"), made, true),
        ("asserting-directory.admin", "CreateUser", create("putu"), made, false),
        ("crm", "UpdateUser", update.clone(), changed, true),
        ("asserting-directory.admin", "UpdateUser", update, changed, false),
        ("support", "UpdateUser", supports, changed, false),
    ] {
        let answer = wire.call(Call::of(rpc, request).bearer(world.token(caller))).await;
        let user = read(answer.message()).expect("a user");
        assert_eq!(user.email, if whole { "budi@kopi.example" } else { "" }, "{rpc} by {caller}");
        assert_eq!(user.address.expect("it is always told").masked, "b***@kopi.example", "{rpc} by {caller}");
        let told = String::from_utf8_lossy(answer.message()).contains("budi@kopi.example");
        assert_eq!(told, whole, "{rpc} by {caller}");
    }
}

#[tokio::test]
async fn a_browser_is_believed_of_those_who_may_forward_one() {
    let world = World::build()
        .mailers(0)
        .caller("plain", &["password.reset", "password.verify", "password.change"])
        .set("identity.limits.address_per_minute=3")
        .start()
        .await;
    let wire = world.wire().await;
    let ask = async |caller: &str, requester: serde_json::Value| {
        let request = json!({"username": "budi", "requester": requester});
        wire.call(Call::of("RequestReset", request).bearer(world.token(caller))).await.refusal()
    };
    // What is ignored may hold anything.
    for requester in [
        json!({"ip": "no address", "locale": "de", "userAgent": "\u{0}"}),
        json!({"userAgent": "x".repeat(5000)}),
        json!({"ip": "203.0.113.7", "locale": "en", "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}),
    ] {
        assert_eq!(ask("plain", requester).await.code, tonic::Code::Ok);
    }
    let database = world.database().await;
    let rows = sqlx::query("SELECT locale, device, ip_prefix FROM reset_requests").fetch_all(&database).await.unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!(row.get::<Option<String>, _>("locale"), None);
        assert_eq!(row.get::<String, _>("device"), "");
        assert_eq!(row.get::<Option<String>, _>("ip_prefix"), None);
    }
    // Neither its limits nor its language.
    for _ in 0..10 {
        assert_eq!(ask("plain", json!({"ip": "203.0.113.7"})).await.code, tonic::Code::Ok);
    }
    let request = json!({"username": "budi", "password": "x", "requester": {"locale": "en"}});
    let refused = async |caller: &str| {
        wire.call(Call::of("VerifyPassword", request.clone()).bearer(world.token(caller))).await.refusal()
    };
    assert_eq!(refused("plain").await.localized.unwrap().0, "id");
    assert_eq!(refused("gateway").await.localized.unwrap().0, "en");
    // Of the gateway all of it is believed.
    for _ in 0..3 {
        assert_eq!(ask("gateway", json!({"ip": "203.0.113.7"})).await.code, tonic::Code::Ok);
    }
    assert_eq!(ask("gateway", json!({"ip": "203.0.113.7"})).await.reason, "RATE_LIMITED");
    assert_eq!(ask("plain", json!({"ip": "203.0.113.7"})).await.code, tonic::Code::Ok);
}

#[tokio::test]
async fn headers_of_the_browser_count_for_nothing() {
    let world = World::build().mailers(0).set("identity.limits.address_per_minute=2").start().await;
    let wire = world.wire().await;
    for index in 0..10 {
        let call = Call::of("RequestReset", json!({"username": "budi"}))
            .bearer(world.token("gateway"))
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-real-ip", "203.0.113.7")
            .header("forwarded", "for=203.0.113.7;host=evil.example;proto=http")
            .header("x-forwarded-host", "evil.example")
            .header("accept-language", "en")
            .header("x-actor", "admin")
            .header("x-organization-id", "01890a5d-ac96-774b-bcce-b302099a8057");
        assert_eq!(wire.call(call).await.refusal().code, tonic::Code::Ok, "call {index}");
    }
    let call = Call::of("VerifyPassword", json!({"username": "budi", "password": "x"}));
    let call = call.bearer(world.token("gateway")).header("accept-language", "en");
    assert_eq!(wire.call(call).await.refusal().localized.unwrap().0, "id");
}
