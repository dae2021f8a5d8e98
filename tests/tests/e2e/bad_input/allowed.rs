//! What looks odd and is allowed: it is taken as it is.

use e2e::{
    Person, World, contract,
    people::{PASSWORD, actor, requester},
    refused,
    wire::{Answer, Call, Wire},
};
use prost::Message;
use prost_types::{Duration, FieldMask};
use proto::identity::v1::{
    AdminResetRequest, CreateUserRequest, DeliveryState, GetUserRequest, GetUserResponse, ListUsersRequest,
    NotSentReason, Organization, PasswordPolicy, RequestResetRequest, Requester, Role, UpdateOrganizationRequest,
    UpdateUserRequest, User, get_user_request::Key, request_reset_request::Identifier,
};
use serde_json::json;

use crate::calls::settled;

/// What people type, paste and are called.
const ODD: [&str; 16] = [
    "😀",
    "👩🏽‍💻 programmer",
    "עברית",
    "\u{202b}سلام\u{202c}",
    "O'Hara \"Bob\"",
    "'; DROP TABLE users; --",
    "' OR '1'='1",
    "\\",
    "%",
    "_",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "NULL",
    "\u{feff}bom\u{200b}",
];

#[tokio::test]
async fn any_text_may_be_typed_into_the_box_and_ends_as_no_such_account() {
    let world = World::build().wide_limits().start().await;
    let (most, most_wide) = ("x".repeat(256), "é".repeat(128));
    let mut requests = Vec::new();
    for text in ODD.into_iter().chain([" ", most.as_str(), most_wide.as_str(), "langit biru di atas telaga 7"]) {
        for identifier in [Identifier::Username(text.to_owned()), Identifier::Email(text.to_owned())] {
            requests.push((text, world.request_reset_by(identifier).await));
        }
    }
    for (text, request) in requests {
        let reset = world.reset_in(&request, DeliveryState::NotSent).await;
        assert_eq!(reset.not_sent_reason(), NotSentReason::NoSuchAccount, "{text:?}");
    }
}

#[tokio::test]
async fn names_are_kept_as_they_are_written() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let longest = "👍".repeat(100);
    let names = ODD.into_iter().filter(|name| !name.contains('\u{202b}')).chain([longest.as_str(), "  Budi  "]);
    for (index, name) in names.enumerate() {
        let username = format!("user{index}");
        world.user(&kopi, Person::named(&username).display_name(name).password("")).await;
        assert_eq!(world.find_user(&username).await.display_name, name.trim(), "white space around it goes");
    }
}

#[tokio::test]
async fn the_longest_username_logs_in_and_is_mailed() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let name = "a".repeat(256);
    world.user(&kopi, Person::named(&name).email("panjang@kopi.example")).await;
    world.log_in(&name, PASSWORD).await.expect("the name is taken whole");
    refused(world.log_in(&name[1..], PASSWORD).await);
    let request = world.request_reset(&name).await;
    world.reset_in(&request, DeliveryState::Sent).await;
    assert!(world.mail_to("panjang@kopi.example").await.text().replace("\r\n", "").contains(&name[..60]));
}

#[tokio::test]
async fn the_characters_of_patterns_mean_themselves_in_a_search() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let people =
        [("a%b", ""), ("a_b", ""), ("axb", ""), ("a\\b", ""), ("z", "100% Kopi"), ("y", "100 Kopi"), ("x", "É")];
    for (username, name) in people {
        world.user(&kopi, Person::named(username).display_name(name).password("")).await;
    }
    let found = async |query: &str| {
        let request = ListUsersRequest {
            organization_id: kopi.organization_id.clone(),
            query: query.to_owned(),
            ..Default::default()
        };
        let page = world.support().directory.list_users(request).await.expect("a page").into_inner();
        page.users.into_iter().map(|user| user.username).collect::<Vec<_>>()
    };
    for (query, names) in [
        ("a", vec!["a%b", "a\\b", "a_b", "axb"]),
        ("A", vec!["a%b", "a\\b", "a_b", "axb"]),
        ("a%", vec!["a%b"]),
        ("a_", vec!["a_b"]),
        ("a\\", vec!["a\\b"]),
        ("%", vec![]),
        ("_", vec![]),
        ("\\", vec![]),
        ("100%", vec!["z"]),
        ("100", vec!["y", "z"]),
        ("é", vec!["x"]),
        ("É", vec!["x"]),
        ("E\u{301}", vec!["x"]),
        ("Kopi", vec![]),
        ("' OR '1'='1", vec![]),
    ] {
        assert_eq!(found(query).await, names, "{query:?}");
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_of_a_field_sent_twice_the_last_wins() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").password("")).await;
    world.user(&kopi, Person::named("sari").password("")).await;
    let wire = world.wire().await;
    let by_name = |name: &str| contract::encoded(&contract::rpc("GetUser"), json!({"username": name}));
    let by_id = contract::encoded(&contract::rpc("GetUser"), json!({"userId": budi.user_id}));
    // A number, eight bytes, text, a group and four bytes, in fields that no version has.
    let unknown = [
        &[0xc0, 0xbb, 0x78, 0x2a][..],
        &[0xc9, 0xbb, 0x78, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xd2, 0xbb, 0x78, 2, b'h', b'i'],
        &[0xdb, 0xbb, 0x78, 0x08, 0x01, 0xdc, 0xbb, 0x78],
        &[0xe5, 0xbb, 0x78, 1, 2, 3, 4],
    ]
    .concat();
    let got = async |message: Vec<u8>| found(&get_user(&world, &wire, &message).await);
    assert_eq!(got([&unknown[..], &by_name("budi"), &unknown].concat()).await, "budi");
    assert_eq!(got([by_name("budi"), by_name("sari")].concat()).await, "sari");
    assert_eq!(got([by_id.clone(), by_name("sari")].concat()).await, "sari", "the last of a choice");
    assert_eq!(got([by_name("sari"), by_id].concat()).await, "budi", "the last of a choice");
    // An admin's wishes that the contract does not know change nothing.
    let reset = contract::rpc("AdminReset");
    let message = contract::encoded(&reset, json!({"userId": budi.user_id, "reason": "he asked"}));
    let call = Call::to(&contract::path(&reset)).bearer(world.token("support")).message(&[message, unknown].concat());
    assert_eq!(wire.call(call).await.refusal().code, tonic::Code::Ok);
}

#[tokio::test]
async fn of_two_names_in_one_request_the_last_is_mailed_and_the_last_is_made() {
    let world = World::build().start().await;
    let kopi = world.organization("kopi").await;
    for name in ["budi", "sari"] {
        world.user(&kopi, Person::named(name).email(&format!("{name}@kopi.example")).password("")).await;
    }
    let wire = world.wire().await;
    let send = async |rpc: &str, caller: &str, requests: [serde_json::Value; 2]| {
        let rpc = contract::rpc(rpc);
        let message = requests.map(|request| contract::encoded(&rpc, request)).concat();
        let call = Call::to(&contract::path(&rpc)).bearer(world.token(caller)).message(&message);
        let answer = wire.call(call).await;
        assert_eq!(answer.refusal().code, tonic::Code::Ok, "{answer:?}");
        answer
    };
    let user = |name: &str| json!({"user": {"organizationId": kopi.organization_id, "username": name}});
    let made = send("CreateUser", "crm", [user("wayan"), user("citra")]).await;
    assert_eq!(found(&made), "citra", "the answer of GetUser and of CreateUser is a user");
    assert_eq!(world.find_user("citra").await.username, "citra");
    let request = GetUserRequest { key: Some(Key::Username("wayan".to_owned())) };
    assert_eq!(refused(world.crm().directory.get_user(request).await).reason, "USER_NOT_FOUND");

    let budi = || json!({"username": "budi"});
    send("RequestReset", "gateway", [budi(), json!({"username": "sari"})]).await;
    send("RequestReset", "gateway", [json!({"username": "sari"}), json!({"username": "nobody"})]).await;
    send("RequestReset", "gateway", [json!({"username": "sari"}), json!({"email": "nobody@kopi.example"})]).await;
    world.token_to("sari@kopi.example").await;
    settled(&world).await;
    assert_eq!(world.sink().mails().len(), 1, "nobody else was mailed");
    // Nor did the other name count: its first mail is not held back.
    send("RequestReset", "gateway", [json!({"username": "nobody"}), budi()]).await;
    world.token_to("budi@kopi.example").await;
}

#[tokio::test]
async fn a_request_may_be_64_kib_large() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").password("")).await;
    let wire = world.wire().await;
    let message = contract::encoded(&contract::rpc("GetUser"), json!({"username": "budi"}));
    let largest = super::padded(&message, super::LARGEST);
    assert_eq!(found(&get_user(&world, &wire, &largest).await), "budi");
    let larger = super::padded(&message, super::LARGEST + 1);
    assert_eq!(get_user(&world, &wire, &larger).await.refusal().reason, "MESSAGE_TOO_LARGE");
}

async fn get_user(world: &World, wire: &Wire, message: &[u8]) -> Answer {
    let call = Call::to(&contract::path(&contract::rpc("GetUser"))).bearer(world.token("crm")).message(message);
    wire.call(call).await
}

fn found(answer: &Answer) -> String {
    let response = GetUserResponse::decode(answer.message()).expect("an answer of the contract");
    response.user.expect("a user").username
}

#[tokio::test]
async fn what_may_be_left_out_may_be_empty() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let gateway = world.gateway();
    for (ip, user_agent, locale) in [
        ("", String::new(), ""),
        ("2001:db8::7", "x".repeat(512), "en-GB"),
        ("::ffff:203.0.113.7", "curl/8".to_owned(), "ID"),
        ("203.0.113.7", "\u{1f600}".to_owned(), "en_US"),
        ("::1", "'\"<>".to_owned(), "id-Latn-ID"),
    ] {
        let request = RequestResetRequest {
            identifier: Some(Identifier::Username("budi".to_owned())),
            requester: Some(Requester { ip: ip.to_owned(), user_agent, locale: locale.to_owned() }),
            ..Default::default()
        };
        gateway.identity.clone().request_reset(request).await.unwrap_or_else(|status| panic!("{ip}: {status:?}"));
    }
    for key in [String::new(), " ".to_owned(), "~".repeat(128), "a'b\"c\\d%e".to_owned()] {
        let request = RequestResetRequest {
            identifier: Some(Identifier::Username("budi".to_owned())),
            requester: requester("203.0.113.7", "id"),
            idempotency_key: key.clone(),
        };
        gateway.identity.clone().request_reset(request).await.unwrap_or_else(|status| panic!("{key}: {status:?}"));
    }
}

#[tokio::test]
async fn a_link_lives_as_long_as_was_asked_for_within_its_bounds() {
    let world = World::build().mailers(0).start().await;
    let kopi = world.organization("kopi").await;
    let owner = world.user(&kopi, Person::named("sari").role(Role::Owner).password("")).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example").password("")).await;
    let day = 24 * 60 * 60;
    for (asked, lives) in [(None, day), (Some((7200, 0)), 7200), (Some((day * 30, 5)), day), (Some((0, 1)), 1)] {
        let request = AdminResetRequest {
            user_id: budi.user_id.clone(),
            actor: actor(&owner),
            reason: "he asked".to_owned(),
            link_life: asked.map(|(seconds, nanos)| Duration { seconds, nanos }),
            ..Default::default()
        };
        let response = world.gateway().identity.admin_reset(request).await.expect("the owner may").into_inner();
        let reset = world.reset_by_id_in(&response.reset_id, DeliveryState::Pending).await;
        let seconds = response.expire_time.unwrap().seconds - reset.request_time.unwrap().seconds;
        assert!((lives..=lives + 1).contains(&seconds), "{asked:?}: {seconds} s");
    }
}

#[tokio::test]
async fn a_mask_changes_what_it_names_and_an_empty_one_what_is_set() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let budi =
        world.user(&kopi, Person::named("budi").email("budi@kopi.example").display_name("Budi").password("")).await;
    let user = |display_name: &str, locale: &str| User {
        user_id: budi.user_id.clone(),
        display_name: display_name.to_owned(),
        locale: locale.to_owned(),
        ..User::default()
    };
    let update = async |user: User, paths: &[&str]| {
        let update_mask = Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() });
        let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
        let user = world.crm().directory.update_user(request).await.expect("it is right").into_inner().user.unwrap();
        (user.display_name, user.locale, user.email)
    };
    let email = || "budi@kopi.example".to_owned();
    let text = str::to_owned;
    assert_eq!(update(user("Budi S", "en"), &["locale"]).await, (text("Budi"), text("en"), email()));
    assert_eq!(update(user("Budi S", ""), &[]).await, (text("Budi S"), text("en"), email()), "what is not set stays");
    assert_eq!(update(user("", "id"), &["display_name", "locale"]).await, (text(""), text("id"), email()));
    assert_eq!(update(user("", ""), &[]).await, (text(""), text("id"), email()), "nothing is set");
    // `*` empties what is not set.
    let whole = User { username: text("budi"), role: budi.role, state: budi.state, ..user("B", "") };
    assert_eq!(update(whole, &["*"]).await, (text("B"), text(""), text("")));
}

#[tokio::test]
async fn an_organisation_that_is_emptied_gets_the_defaults_back() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let full = Organization {
        locale: "en".to_owned(),
        time_zone: "Asia/Makassar".to_owned(),
        sender_name: "Kopi".to_owned(),
        reply_to: "halo@kopi.example".to_owned(),
        suspended: true,
        password_policy: Some(PasswordPolicy { min_length: 12, max_bytes: 7 }),
        ..world.organization("kopi").await
    };
    let update = async |organization: Organization, paths: &[&str]| {
        let update_mask = Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() });
        let request = UpdateOrganizationRequest { organization: Some(organization), update_mask };
        world
            .crm()
            .directory
            .update_organization(request)
            .await
            .expect("it is right")
            .into_inner()
            .organization
            .unwrap()
    };
    let policy = |min_length| Some(PasswordPolicy { min_length, max_bytes: 1024 });
    let filled = update(full.clone(), &[]).await;
    assert_eq!(filled, Organization { password_policy: policy(12), ..full.clone() });
    let other = Organization { password_policy: policy(20), slug: "other".to_owned(), ..full.clone() };
    let longer = update(other, &["password_policy.min_length"]).await;
    assert_eq!(longer, Organization { password_policy: policy(20), ..full.clone() });
    let bare = Organization {
        organization_id: full.organization_id.clone(),
        slug: full.slug.clone(),
        display_name: full.display_name.clone(),
        link_base: full.link_base.clone(),
        ..Organization::default()
    };
    let emptied = update(bare.clone(), &["*"]).await;
    let defaults = Organization {
        locale: "id".to_owned(),
        time_zone: "Asia/Jakarta".to_owned(),
        password_policy: policy(15),
        ..bare
    };
    assert_eq!(emptied, defaults);
}

#[tokio::test]
async fn what_was_read_can_be_written_back() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let budi = world.find_user("budi").await;
    let request = UpdateUserRequest { user: Some(budi.clone()), ..Default::default() };
    let same = world.crm().directory.update_user(request).await.expect("it is right").into_inner().user.unwrap();
    assert_eq!(same, User { update_time: same.update_time, ..budi });
    let request = UpdateOrganizationRequest { organization: Some(kopi.clone()), ..Default::default() };
    let response = world.crm().directory.update_organization(request).await.expect("it is right").into_inner();
    assert_eq!(response.organization, Some(kopi));
}

#[tokio::test]
async fn a_username_with_an_at_sign_is_the_own_address_in_any_spelling() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let make = async |username: &str, email: &str| {
        let user = User {
            organization_id: kopi.organization_id.clone(),
            username: username.to_owned(),
            email: email.to_owned(),
            ..User::default()
        };
        let request = CreateUserRequest { user: Some(user), ..Default::default() };
        world.crm().directory.create_user(request).await
    };
    let made = make("Budi@KOPI.example", "BUDI@kopi.example").await.expect("it is the own one").into_inner();
    assert_eq!(made.user.unwrap().username, "budi@kopi.example");
    for (username, email) in [("sari@kopi.example", ""), ("sari@kopi.example", "budi@kopi.example")] {
        let refusal = refused(make(username, email).await);
        assert_eq!(refusal.violations, [("user.username".to_owned(), "NOT_THE_OWN_ADDRESS".to_owned())]);
    }
}
