//! What was done, by whom, to whom, and how it ended.

use e2e::{
    Person, Refusal, World,
    client::Client,
    people::{self, PASSWORD},
    refused,
};
use futures::{StreamExt, stream};
use proto::identity::v1::{
    AuditEvent, CheckResetRequest, DeliveryState, GetUserRequest, ListAuditEventsRequest, ListAuditEventsResponse,
    ListUsersRequest, NotSentReason, RevokeResetRequest, Role, UpdateUserRequest, User, UserState,
    VerifyPasswordRequest, get_user_request::Key,
};
use tonic::{Code, Response, Status};

use crate::{
    calls::{admin_reset, change_password, set_state, settled},
    waiting::{BOUND, until_within},
};

async fn list(client: Client, request: ListAuditEventsRequest) -> Result<Response<ListAuditEventsResponse>, Status> {
    client.support.clone().list_audit_events(request).await
}

/// All events that a filter leaves, newest first, by pages of so many.
async fn all(world: &World, filter: ListAuditEventsRequest, page_size: i32) -> Vec<AuditEvent> {
    let mut events = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAuditEventsRequest { page_size, page_token, ..filter.clone() };
        let page = list(world.support(), request).await.expect("a page").into_inner();
        assert!(page.events.len() <= usize::try_from(page_size).unwrap());
        events.extend(page.events);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return events;
        }
    }
}

fn outcomes(events: &[AuditEvent]) -> Vec<(&str, &str, &str)> {
    events.iter().map(|event| (event.action.as_str(), event.outcome.as_str(), event.cause.as_str())).collect()
}

#[tokio::test]
async fn what_happened_to_a_user_is_told_from_the_request_to_the_new_password() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let teh = world.organization("teh").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.user(&teh, Person::named("tono").role(Role::Admin).password("")).await;

    world.log_in("budi", "wrong").await.expect_err("it is wrong");
    admin_reset(world.gateway(), &siti, &budi).await.expect("an admin may");
    let token = world.token_to("budi@kopi.example").await;
    world.complete_reset(&token, "awan putih di atas ladang 3").await.expect("the link is good");
    let disable = UpdateUserRequest {
        user: Some(User { user_id: budi.user_id.clone(), email: "baru@kopi.example".to_owned(), ..User::default() }),
        reason: "ticket 4711".to_owned(),
        ..Default::default()
    };
    world.support().directory.update_user(disable).await.expect("support may");
    settled(&world).await;

    let of_budi = || ListAuditEventsRequest { user_id: budi.user_id.clone(), ..Default::default() };
    let events = all(&world, of_budi(), 500).await;
    let called: Vec<_> =
        outcomes(&events).into_iter().filter(|(action, ..)| !action.starts_with(char::is_lowercase)).collect();
    assert_eq!(
        called,
        [
            ("UpdateUser", "ok", "email"),
            ("CompleteReset", "ok", ""),
            ("AdminReset", "ok", ""),
            ("VerifyPassword", "PASSWORD_MISMATCH", "wrong password"),
            ("CreateUser", "ok", ""),
        ],
        "newest first"
    );
    let found = |action: &str| events.iter().find(|event| event.action == action).unwrap();
    let reset = found("AdminReset");
    assert_eq!((reset.caller.as_str(), reset.actor_user_id.as_str()), ("gateway", siti.user_id.as_str()));
    assert_eq!(reset.organization_id, kopi.organization_id);
    assert_eq!(reset.reason, "asked for at the counter");
    assert_eq!(reset.trace_id.len(), 32, "{}", reset.trace_id);
    assert_eq!(reset.ip_prefix, "203.0.113.0/24");
    assert_eq!((found("UpdateUser").caller.as_str(), found("UpdateUser").reason.as_str()), ("support", "ticket 4711"));

    // Every filter, and all of them in pages of every size.
    let told = outcomes(&events);
    for size in 1..4 {
        assert_eq!(outcomes(&all(&world, of_budi(), size).await), told, "in pages of {size}");
    }
    let resets = ListAuditEventsRequest { action: "AdminReset".to_owned(), ..Default::default() };
    assert_eq!(all(&world, resets, 10).await.first(), Some(reset));
    let elsewhere = ListAuditEventsRequest { organization_id: teh.organization_id.clone(), ..of_budi() };
    assert_eq!(all(&world, elsewhere, 10).await, []);
    let here = ListAuditEventsRequest { organization_id: teh.organization_id, ..Default::default() };
    assert_eq!(outcomes(&all(&world, here, 10).await), [("CreateUser", "ok", ""), ("CreateOrganization", "ok", "")]);
    let before = ListAuditEventsRequest { to_time: reset.event_time, ..of_budi() };
    let after = ListAuditEventsRequest { from_time: reset.event_time, ..of_budi() };
    let (before, after) = (all(&world, before, 10).await, all(&world, after, 10).await);
    assert_eq!([after.clone(), before.clone()].concat(), events);
    assert_eq!(after.last(), Some(reset), "from_time is included, to_time is not");
}

#[tokio::test]
async fn what_somebody_tried_who_may_not_is_told_of_the_person_it_was_about() {
    let world = World::build().wide_limits().caller("portal", &["directory.read"]).start().await;
    let (kopi, teh) = (world.organization("kopi").await, world.organization("teh").await);
    let owner = world.user(&kopi, Person::named("sari").role(Role::Owner).email("sari@kopi.example")).await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    let dian = world.user(&kopi, Person::named("dian").role(Role::Admin).password("")).await;
    set_state(world.crm(), &dian, UserState::Disabled).await.expect("the system of record may");
    let budi = world.user(&kopi, Person::named("budi")).await;
    let tono = world.user(&teh, Person::named("tono").role(Role::Admin).password("")).await;
    let nobody = User { user_id: uuid::Uuid::from_u128(7).to_string(), ..User::default() };
    let reset_id = admin_reset(world.gateway(), &owner, &owner).await.expect("an owner may").into_inner().reset_id;
    settled(&world).await;
    let of_owner = || ListAuditEventsRequest { user_id: owner.user_id.clone(), ..Default::default() };
    let before = all(&world, of_owner(), 500).await.len();

    for actor in [&siti, &tono, &budi, &dian, &nobody] {
        refused(admin_reset(world.gateway(), actor, &owner).await);
        let request =
            RevokeResetRequest { reset_id: reset_id.clone(), actor: people::actor(actor), ..Default::default() };
        refused(world.gateway().support.revoke_reset(request).await);
    }
    let renamed = User { user_id: owner.user_id.clone(), email: "siti@kopi.example".to_owned(), ..User::default() };
    for actor in [&siti, &tono] {
        let request =
            UpdateUserRequest { user: Some(renamed.clone()), actor: people::actor(actor), ..Default::default() };
        refused(world.crm().directory.update_user(request).await);
    }
    let mut events = all(&world, of_owner(), 500).await;
    events.truncate(events.len() - before);
    events.reverse();
    let [higher, elsewhere, member, disabled, unknown] = [
        ("ACTOR_NOT_ALLOWED", "user of a higher rank"),
        ("USER_NOT_FOUND", "another organisation"),
        ("ACTOR_NOT_ALLOWED", "actor is a member"),
        ("ACTOR_INVALID", "actor disabled"),
        ("ACTOR_INVALID", "unknown actor"),
    ];
    let mut expected = Vec::new();
    for (outcome, cause) in [higher, elsewhere, member, disabled, unknown] {
        expected.push(("AdminReset", outcome, cause));
        let outcome = if outcome == "USER_NOT_FOUND" { "RESET_NOT_FOUND" } else { outcome };
        expected.push(("RevokeReset", outcome, cause));
    }
    expected.push(("UpdateUser", "ACTOR_NOT_ALLOWED", "user of no lower rank"));
    expected.push(("UpdateUser", elsewhere.0, elsewhere.1));
    assert_eq!(outcomes(&events), expected);
    assert_eq!(events[0].actor_user_id, siti.user_id);
    for event in events.iter().filter(|event| event.action == "RevokeReset" || event.cause == elsewhere.1) {
        assert_eq!(event.organization_id, kopi.organization_id, "{event:?}");
    }

    // Also of looks.
    let before = all(&world, ListAuditEventsRequest::default(), 500).await.len();
    let look = |actor| ListUsersRequest {
        organization_id: kopi.organization_id.clone(),
        actor: people::actor(actor),
        ..Default::default()
    };
    refused(world.gateway().directory.list_users(look(&budi)).await);
    refused(world.client("portal", 0).directory.list_users(look(&siti)).await);
    refused(world.gateway().directory.list_users(look(&tono)).await);
    let mut looked = all(&world, ListAuditEventsRequest::default(), 500).await;
    looked.truncate(looked.len() - before);
    let told =
        [("ListUsers", "SCOPE_MISSING", "assert-actor"), ("ListUsers", "ACTOR_NOT_ALLOWED", "actor is a member")];
    assert_eq!(outcomes(&looked), told, "and not that there is nothing for an admin of elsewhere");
    assert!(looked.iter().all(|event| event.organization_id == kopi.organization_id), "{looked:?}");
}

#[tokio::test]
async fn a_right_current_password_is_told_of_also_when_the_new_one_is_rejected() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi")).await;
    for (current, new, reason) in [
        (PASSWORD, "pendek", "PASSWORD_REJECTED"),
        ("wrong", "pendek", "PASSWORD_MISMATCH"),
        // Refused before anything is looked at.
        (PASSWORD, "", "PASSWORD_REJECTED"),
    ] {
        assert_eq!(refused(change_password(world.gateway(), &budi, current, new).await).reason, reason);
    }
    let events = all(&world, ListAuditEventsRequest { user_id: budi.user_id, ..Default::default() }, 10).await;
    assert_eq!(
        outcomes(&events),
        [
            ("ChangePassword", "PASSWORD_MISMATCH", "wrong password"),
            ("ChangePassword", "PASSWORD_REJECTED", "right current password"),
            ("CreateUser", "ok", ""),
        ]
    );
}

#[tokio::test]
async fn a_request_that_ends_by_our_own_fault_is_told_of() {
    const FAULT: &str = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
                         CREATE TRIGGER fail BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION fail()";
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    sqlx::raw_sql(FAULT).execute(&world.database().await).await.expect("the owner may");
    let request = world.request_reset("budi").await;
    // Five tries, up to four seconds apart.
    let reset = until_within(BOUND * 3, "the request ends", async || {
        let resets = world.resets_of(&request).await;
        resets.into_iter().next().filter(|reset| reset.delivery_state() == DeliveryState::NotSent)
    });
    assert_eq!(reset.await.not_sent_reason(), NotSentReason::Internal);
    let asked = ListAuditEventsRequest { action: "RequestReset".to_owned(), ..Default::default() };
    assert_eq!(outcomes(&all(&world, asked, 10).await), [("RequestReset", "ok", "INTERNAL")]);
}

#[tokio::test]
async fn a_page_token_is_good_for_its_own_filter_and_caller_only() {
    let world = World::build().mailers(0).wide_limits().caller("auditor", &["audit.read"]).start().await;
    world.organization("kopi").await;
    world.organization("teh").await;
    let first = ListAuditEventsRequest { page_size: 1, ..Default::default() };
    let token = list(world.support(), first.clone()).await.expect("a page").into_inner().next_page_token;
    assert!(!token.is_empty());
    let next = ListAuditEventsRequest { page_token: token.clone(), ..first };
    list(world.support(), next.clone()).await.expect("its own");
    let filtered = ListAuditEventsRequest { action: "CreateOrganization".to_owned(), ..next.clone() };
    let (other, forged) = (token[..token.len() - 1].to_owned() + "!", ["B", &token[1..]].concat());
    for (client, request) in [
        (world.client("auditor", 0), next.clone()),
        (world.support(), filtered),
        (world.support(), ListAuditEventsRequest { page_token: other, ..next.clone() }),
        (world.support(), ListAuditEventsRequest { page_token: forged, ..next.clone() }),
    ] {
        let refusal = refused(list(client, request).await);
        assert_eq!((refusal.reason.as_str(), refusal.fields()), ("FIELD_INVALID", vec!["page_token"]));
    }
    let refusal = refused(list(world.gateway(), next).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
}

#[tokio::test]
async fn a_mixed_load_leaves_as_many_events_as_calls() {
    const EACH: usize = 12;
    /// No more than the database has connections for.
    const AT_ONCE: usize = 12;
    let world =
        World::build().identities(2).mailers(0).wide_limits().caller("portal", &["password.reset"]).start().await;
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    let mut users = Vec::new();
    for number in 0..EACH {
        let email = format!("kasir{number}@kopi.example");
        users.push(world.user(&kopi, Person::named(&format!("kasir{number}")).email(&email)).await);
    }
    let owner = world.user(&kopi, Person::named("owner").role(Role::Owner).password("")).await;
    let before = all(&world, ListAuditEventsRequest::default(), 500).await.len();

    let calls = (0..EACH * 7).map(|number| {
        let (user, world, siti, owner) = (&users[number % EACH], &world, &siti, &owner);
        let index = number % 2;
        let password = if number / EACH == 0 { PASSWORD } else { "wrong" };
        let log_in =
            VerifyPasswordRequest { username: user.username.clone(), password: password.to_owned(), requester: None };
        async move {
            let reason = match number / EACH {
                0 | 1 => reason(world.client("gateway", index).identity.verify_password(log_in).await),
                2 => reason(admin_reset(world.client("gateway", index), siti, user).await),
                3 => reason(admin_reset(world.client("gateway", index), siti, owner).await),
                4 => {
                    let request = CheckResetRequest { token: format!("{number:0>42}A") };
                    reason(world.client("gateway", index).identity.check_reset(request).await)
                }
                5 => {
                    // What a caller may not is kept too; what it may look at is not.
                    let request = GetUserRequest { key: Some(Key::UserId(user.user_id.clone())) };
                    reason(world.client("portal", index).directory.get_user(request).await)
                }
                _ => reason(crate::calls::set_state(world.client("crm", index), user, user.state()).await),
            };
            let action =
                ["VerifyPassword", "VerifyPassword", "AdminReset", "AdminReset", "CheckReset", "GetUser", "UpdateUser"];
            (action[number / EACH].to_owned(), reason)
        }
    });
    let mut answered: Vec<_> = stream::iter(calls).buffer_unordered(AT_ONCE).collect().await;
    // Nothing was done, and nothing is kept, of what a slow machine had no time for.
    answered.retain(|(_, reason)| !matches!(reason.as_str(), "HASHER_BUSY" | "DEPENDENCY_UNAVAILABLE"));
    answered.sort();
    let events = all(&world, ListAuditEventsRequest::default(), 500).await;
    let mut kept: Vec<_> = events[..events.len() - before]
        .iter()
        .filter(|event| event.action.starts_with(char::is_uppercase))
        .map(|event| (event.action.clone(), event.outcome.clone()))
        .collect();
    kept.sort();
    assert_eq!(kept, answered);
}

fn reason<T>(outcome: Result<Response<T>, Status>) -> String {
    outcome.map_or_else(|status| Refusal::from(&status).reason, |_| "ok".to_owned())
}
