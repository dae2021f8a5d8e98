//! A call that is repeated with its key is done once; a failure may be tried again.

use e2e::{
    Person, World,
    people::{PASSWORD, requester},
    refused,
    wire::Call,
};
use futures::future::join_all;
use proto::identity::v1::{
    AdminResetRequest, ChangePasswordRequest, CompleteResetRequest, CreateOrganizationRequest, CreateUserRequest,
    DeliveryState, Organization, RequestResetRequest, Role, User, UserState, request_reset_request::Identifier,
};
use tonic::Code;

use crate::calls::{BROWSER, admin_reset_request, resets_of_user, set_state, settled};

const NEW: &str = "awan putih di atas ladang 3";
const OTHER: &str = "perahu biru di laut tenang";

/// What the same key says of another request.
#[track_caller]
fn is_mismatch<T>(outcome: crate::calls::Outcome<T>, what: &str) {
    let refusal = refused(outcome);
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::Aborted, "IDEMPOTENCY_MISMATCH"), "{what}");
    assert_eq!(refusal.domain, "sandi.identity");
}

fn request_reset(username: &str, key: &str) -> RequestResetRequest {
    RequestResetRequest {
        identifier: Some(Identifier::Username(username.to_owned())),
        requester: requester(BROWSER, "id"),
        idempotency_key: key.to_owned(),
    }
}

fn complete(token: &str, password: &str, key: &str) -> CompleteResetRequest {
    CompleteResetRequest {
        token: token.to_owned(),
        new_password: password.to_owned(),
        confirm_password: Some(password.to_owned()),
        requester: requester(BROWSER, "id"),
        idempotency_key: key.to_owned(),
    }
}

fn change(user: &User, current: &str, new: &str, key: &str) -> ChangePasswordRequest {
    ChangePasswordRequest {
        user_id: user.user_id.clone(),
        current_password: current.to_owned(),
        new_password: new.to_owned(),
        confirm_password: None,
        requester: requester(BROWSER, "id"),
        idempotency_key: key.to_owned(),
    }
}

#[tokio::test]
async fn sixty_four_requests_with_one_key_are_one_request() {
    let world = World::build().identities(2).wide_limits().caller("portal", &["password.reset"]).start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example").password("")).await;
    world.user(&kopi, Person::named("citra").email("citra@kopi.example").password("")).await;

    let calls = (0..64).map(|number| {
        let mut client = world.client("gateway", number % 2);
        async move { client.identity.request_reset(request_reset("budi", "kunci-1")).await }
    });
    let answers: Vec<String> = join_all(calls)
        .await
        .into_iter()
        .map(|answer| answer.expect("it is accepted").into_inner().request_id)
        .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    world.reset_in(&answers[0], DeliveryState::Sent).await;
    settled(&world).await;
    assert_eq!(resets_of_user(&world, &budi).await.len(), 1, "one request");
    assert_eq!(world.sink().mails().len(), 1, "one mail");

    let late = world.gateway().identity.request_reset(request_reset("budi", "kunci-1")).await;
    assert_eq!(late.unwrap().into_inner().request_id, answers[0], "also when it is long done");
    is_mismatch(world.gateway().identity.request_reset(request_reset("citra", "kunci-1")).await, "another name");
    let address = RequestResetRequest {
        identifier: Some(Identifier::Email("budi".to_owned())),
        ..request_reset("budi", "kunci-1")
    };
    is_mismatch(world.gateway().identity.request_reset(address).await, "an address instead of a username");

    // A key belongs to its caller and its method's request.
    let other = world.client("portal", 1).identity.request_reset(request_reset("citra", "kunci-1")).await;
    let other = other.expect("another caller's key").into_inner().request_id;
    assert_ne!(other, answers[0]);
    let token = world.token_to("budi@kopi.example").await;
    is_mismatch(world.gateway().identity.complete_reset(complete(&token, NEW, "kunci-1")).await, "another method");
    world
        .gateway()
        .identity
        .complete_reset(complete(&token, NEW, "kunci-2"))
        .await
        .expect("the link is as good as new");
    // Without a key nothing is remembered.
    assert_ne!(world.request_reset("budi").await, world.request_reset("budi").await);
}

#[tokio::test]
async fn a_password_call_that_is_repeated_gives_the_stored_success() {
    let world = World::build().identities(2).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;

    let request = complete(&token, NEW, "kunci-reset");
    let first = world.gateway().identity.complete_reset(request.clone()).await.expect("the link is good").into_inner();
    for index in [0, 1, 0] {
        // As after an answer that was lost on its way; also at another process.
        let again = world.client("gateway", index).identity.complete_reset(request.clone()).await;
        assert_eq!(again.expect("the stored success").into_inner(), first);
    }
    assert_eq!(world.find_user("budi").await.credential_version, first.credential_version, "it was set once");
    let another = complete(&"x".repeat(43), NEW, "kunci-reset");
    is_mismatch(world.gateway().identity.complete_reset(another).await, "another token");

    // The password that was current is so no more, and yet the repeated call succeeds.
    let request = change(&budi, NEW, OTHER, "kunci-ganti");
    let first = world.gateway().identity.change_password(request.clone()).await.expect("it is changed").into_inner();
    for index in [0, 1] {
        let again = world.client("gateway", index).identity.change_password(request.clone()).await;
        assert_eq!(again.expect("the stored success").into_inner(), first);
    }
    let user = world.log_in("budi", OTHER).await.expect("the new password is good").into_inner().user.unwrap();
    assert_eq!(user.credential_version, first.credential_version, "it was changed once");
    let citra = world.user(&kopi, Person::named("citra")).await;
    let another = change(&citra, PASSWORD, NEW, "kunci-ganti");
    is_mismatch(world.gateway().identity.change_password(another).await, "another user");

    settled(&world).await;
    let mails = world.sink().mails_to("budi@kopi.example");
    let subjects: Vec<String> = mails.iter().map(|mail| mail.subject()).collect();
    assert_eq!(
        subjects,
        [
            "Atur ulang kata sandi Sandi",
            "Kata sandi Sandi Anda telah diatur ulang",
            "Kata sandi Sandi Anda telah diubah"
        ],
        "one notice each"
    );
}

#[tokio::test]
async fn password_calls_with_one_key_at_once_all_succeed() {
    const ROUNDS: usize = 10;
    const AT_ONCE: usize = 8;
    let world = World::build().identities(2).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    for round in 0..ROUNDS {
        let (username, address) = (format!("kasir{round}"), format!("kasir{round}@kopi.example"));
        let user = world.user(&kopi, Person::named(&username).email(&address)).await;
        world.request_reset(&username).await;
        let token = world.token_to(&address).await;

        let calls = (0..AT_ONCE).map(|number| {
            let mut client = world.client("gateway", number % 2);
            let request = complete(&token, NEW, &format!("reset-{round}"));
            async move {
                // A client that hedges: the second call leaves while the first is under way.
                tokio::time::sleep(std::time::Duration::from_millis(12 * number as u64)).await;
                client.identity.complete_reset(request).await
            }
        });
        for outcome in join_all(calls).await {
            let answer = outcome.unwrap_or_else(|status| panic!("round {round}: {:?}", e2e::Refusal::from(&status)));
            assert_eq!(answer.into_inner().credential_version, user.credential_version + 1);
        }
        let calls = (0..AT_ONCE).map(|number| {
            let mut client = world.client("gateway", number % 2);
            let request = change(&user, NEW, OTHER, &format!("change-{round}"));
            async move {
                tokio::time::sleep(std::time::Duration::from_millis(12 * number as u64)).await;
                client.identity.change_password(request).await
            }
        });
        for outcome in join_all(calls).await {
            let answer = outcome.unwrap_or_else(|status| panic!("round {round}: {:?}", e2e::Refusal::from(&status)));
            assert_eq!(answer.into_inner().credential_version, user.credential_version + 2);
        }
    }
}

#[tokio::test]
async fn what_is_made_or_sent_with_a_key_is_made_or_sent_once() {
    let world = World::build().identities(2).wide_limits().start().await;
    let organization = Organization {
        slug: "kopi".to_owned(),
        display_name: "Toko kopi".to_owned(),
        locale: "id".to_owned(),
        time_zone: "Asia/Jakarta".to_owned(),
        link_base: "https://kopi.example".to_owned(),
        ..Organization::default()
    };
    let request = CreateOrganizationRequest {
        organization: Some(organization.clone()),
        idempotency_key: "kunci-toko".to_owned(),
    };
    let first = world.crm().directory.create_organization(request.clone()).await.unwrap().into_inner();
    let again = world.client("crm", 1).directory.create_organization(request.clone()).await;
    assert_eq!(again.expect("the stored success").into_inner(), first);
    let other = Organization { display_name: "Toko teh".to_owned(), ..organization };
    let other = CreateOrganizationRequest { organization: Some(other), ..request };
    is_mismatch(world.crm().directory.create_organization(other).await, "another organisation");
    let kopi = first.organization.unwrap();

    let user = User {
        organization_id: kopi.organization_id.clone(),
        username: "budi".to_owned(),
        email: "budi@kopi.example".to_owned(),
        ..User::default()
    };
    let request = CreateUserRequest {
        user: Some(user.clone()),
        send_invitation: true,
        idempotency_key: "kunci-budi".to_owned(),
        ..Default::default()
    };
    let calls = (0..8).map(|number| {
        let mut client = world.client("crm", number % 2);
        let request = request.clone();
        async move { client.directory.create_user(request).await }
    });
    let made: Vec<User> =
        join_all(calls).await.into_iter().map(|made| made.expect("it is made").into_inner().user.unwrap()).collect();
    assert!(made.iter().all(|it| *it == made[0]), "{made:?}");
    let other = User { username: "citra".to_owned(), ..user };
    let other = CreateUserRequest { user: Some(other), ..request };
    is_mismatch(world.crm().directory.create_user(other).await, "another user");
    let budi = &made[0];

    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    let request = AdminResetRequest { idempotency_key: "kunci-tombol".to_owned(), ..admin_reset_request(&siti, budi) };
    let calls = (0..8).map(|number| {
        let mut client = world.client("gateway", number % 2);
        let request = request.clone();
        async move { client.identity.admin_reset(request).await }
    });
    let sent: Vec<_> = join_all(calls).await.into_iter().map(|sent| sent.expect("an admin may").into_inner()).collect();
    assert!(sent.iter().all(|it| *it == sent[0]), "{sent:?}");
    let other = AdminResetRequest { reason: "for another reason".to_owned(), ..request };
    is_mismatch(world.gateway().identity.admin_reset(other).await, "another reason");

    settled(&world).await;
    let subjects: Vec<String> = world.sink().mails().iter().map(|mail| mail.subject()).collect();
    assert_eq!(subjects, ["Buat kata sandi Sandi Anda", "Atur ulang kata sandi Sandi"], "one invitation, one link");
    assert_eq!(resets_of_user(&world, budi).await.len(), 2);
}

#[tokio::test]
async fn a_failure_is_not_stored_so_its_key_may_be_used_again() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;
    let mut gateway = world.gateway();

    let weak = gateway.identity.complete_reset(complete(&token, "pendek", "a")).await;
    assert_eq!(refused(weak).reason, "PASSWORD_REJECTED");
    gateway.identity.complete_reset(complete(&token, NEW, "a")).await.expect("the same key, a good password");

    let wrong = gateway.identity.change_password(change(&budi, PASSWORD, OTHER, "b")).await;
    assert_eq!(refused(wrong).reason, "PASSWORD_MISMATCH");
    gateway.identity.change_password(change(&budi, NEW, OTHER, "b")).await.expect("the same key, the right password");

    let press = AdminResetRequest { idempotency_key: "c".to_owned(), ..admin_reset_request(&siti, &budi) };
    set_state(world.crm(), &budi, UserState::Disabled).await.expect("it is disabled");
    assert_eq!(refused(gateway.identity.admin_reset(press.clone()).await).reason, "USER_DISABLED");
    set_state(world.crm(), &budi, UserState::Active).await.expect("it is enabled");
    gateway.identity.admin_reset(press).await.expect("the same key, an active user");

    let user = User { organization_id: kopi.organization_id.clone(), username: "budi".to_owned(), ..User::default() };
    let taken = CreateUserRequest { user: Some(user), idempotency_key: "d".to_owned(), ..Default::default() };
    assert_eq!(refused(world.crm().directory.create_user(taken.clone()).await).reason, "USERNAME_TAKEN");
    let renamed = User { username: "budi.tua".to_owned(), ..budi };
    crate::calls::update(world.crm(), renamed, &["username"]).await.expect("the system of record may");
    world.crm().directory.create_user(taken).await.expect("the same key, a free name");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_to_whoever_asks_again() {
    let world = World::build().identities(2).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    // The caller goes away before the call has come, while it is hashed, and when it is long done.
    for (round, pause) in [0, 2, 10, 30, 80, 1000].into_iter().enumerate() {
        let (username, address) = (format!("kasir{round}"), format!("kasir{round}@kopi.example"));
        let user = world.user(&kopi, Person::named(&username).email(&address).password("")).await;
        world.request_reset(&username).await;
        let token = world.token_to(&address).await;
        let key = format!("kunci-{round}");
        let request = serde_json::json!({"token": token, "newPassword": NEW, "idempotencyKey": key});
        let call = Call::of("CompleteReset", request).bearer(world.token("gateway"));
        let wire = world.wire().await;
        let _lost = tokio::time::timeout(std::time::Duration::from_millis(pause), wire.call(call)).await;
        drop(wire);

        let again = CompleteResetRequest { requester: None, confirm_password: None, ..complete(&token, NEW, &key) };
        let answer = world.client("gateway", 1).identity.complete_reset(again).await;
        let answer = answer.unwrap_or_else(|status| panic!("after {pause} ms: {:?}", e2e::Refusal::from(&status)));
        assert_eq!(answer.into_inner().credential_version, user.credential_version + 1, "after {pause} ms");
        world.log_in(&username, NEW).await.expect("the password is set");
        settled(&world).await;
        assert_eq!(world.sink().mails_to(&address).len(), 2, "the link and one notice, after {pause} ms");
    }
}
