//! Who may not: admins of other organisations, for whom nobody is there, and people of too low a rank.

use e2e::{Person, people::actor, refused};
use proto::identity::v1::{
    CreateUserRequest, DeliveryState, GetResetRequest, LinkState, ListResetsRequest, RevokeResetRequest, Role,
    UpdateUserRequest, User, UserState, get_reset_request::Key,
};

use super::admin::Town;
use crate::calls::{admin_reset, admin_reset_request, bytes, reset_by_id, set_state, update};

const ABSENT: &str = "0191a6c0-0000-7000-8000-000000000000";

#[tokio::test]
async fn an_admin_of_another_organisation_finds_nothing() {
    let town = Town::build().await;
    let world = &town.world;
    let sent = admin_reset(world.gateway(), &town.siti, &town.budi).await.unwrap().into_inner();
    let request_id = world.request_reset("budi").await;
    world.reset_in(&request_id, DeliveryState::Sent).await;
    let theirs = reset_by_id(world, &sent.reset_id).await;
    let before = (world.find_user("budi").await, theirs.link_state());
    let tono = &town.tono;

    let listed = town.page(tono, &town.teh.organization_id, "", 0, "").await.unwrap().into_inner();
    assert_eq!(listed.users.iter().map(|user| &*user.username).collect::<Vec<_>>(), ["tono"]);
    let of_organization =
        |id: &str| ListResetsRequest { organization_id: id.to_owned(), actor: actor(tono), ..Default::default() };
    let own = world.gateway().support.list_resets(of_organization(&town.teh.organization_id)).await;
    assert_eq!(own.unwrap().into_inner().resets, []);

    // Each as the foreign one, and as one that is not there at all: the same answer.
    let of_user = |id: &str| {
        let user_id = id.to_owned();
        ListResetsRequest { user_id, ..of_organization(&town.teh.organization_id) }
    };
    let of_reset = |key| GetResetRequest { key: Some(key), actor: actor(tono) };
    let user = |id: &str| User { user_id: id.to_owned(), ..User::default() };
    let (foreign, absent) = (&town.budi.user_id, ABSENT);
    let mut pairs = Vec::new();
    let mut add =
        |what: &'static str, reason: &'static str, foreign, absent| pairs.push((what, reason, foreign, absent));
    add(
        "AdminReset",
        "USER_NOT_FOUND",
        bytes(admin_reset(world.gateway(), tono, &user(foreign)).await),
        bytes(admin_reset(world.gateway(), tono, &user(absent)).await),
    );
    add(
        "ListUsers",
        "ORGANIZATION_NOT_FOUND",
        bytes(town.page(tono, &town.kopi.organization_id, "", 0, "").await),
        bytes(town.page(tono, absent, "", 0, "").await),
    );
    add(
        "ListResets of an organisation",
        "ORGANIZATION_NOT_FOUND",
        bytes(world.gateway().support.list_resets(of_organization(&town.kopi.organization_id)).await),
        bytes(world.gateway().support.list_resets(of_organization(absent)).await),
    );
    add(
        "ListResets of a user",
        "USER_NOT_FOUND",
        bytes(world.gateway().support.list_resets(of_user(foreign)).await),
        bytes(world.gateway().support.list_resets(of_user(absent)).await),
    );
    for (what, foreign, absent) in [
        ("GetReset", Key::ResetId(sent.reset_id.clone()), Key::ResetId(absent.to_owned())),
        ("GetReset of a request", Key::RequestId(request_id.clone()), Key::RequestId(absent.to_owned())),
        ("GetReset by code", Key::SupportCode(theirs.support_code.clone()), Key::SupportCode("00000-00000".to_owned())),
    ] {
        add(
            what,
            "RESET_NOT_FOUND",
            bytes(world.gateway().support.get_reset(of_reset(foreign)).await),
            bytes(world.gateway().support.get_reset(of_reset(absent)).await),
        );
    }
    let revoke = |id: &str| RevokeResetRequest { reset_id: id.to_owned(), actor: actor(tono), reason: String::new() };
    add(
        "RevokeReset",
        "RESET_NOT_FOUND",
        bytes(world.gateway().support.revoke_reset(revoke(&sent.reset_id)).await),
        bytes(world.gateway().support.revoke_reset(revoke(absent)).await),
    );
    let rename = |id: &str| UpdateUserRequest {
        user: Some(User { display_name: "Orang Lain".to_owned(), ..user(id) }),
        actor: actor(tono),
        ..Default::default()
    };
    add(
        "UpdateUser",
        "USER_NOT_FOUND",
        bytes(world.crm().directory.update_user(rename(foreign)).await),
        bytes(world.crm().directory.update_user(rename(absent)).await),
    );
    let create = |organization: &str| CreateUserRequest {
        user: Some(User {
            organization_id: organization.to_owned(),
            username: "penyusup".to_owned(),
            ..User::default()
        }),
        actor: actor(tono),
        ..Default::default()
    };
    add(
        "CreateUser",
        "ORGANIZATION_NOT_FOUND",
        bytes(world.crm().directory.create_user(create(&town.kopi.organization_id)).await),
        bytes(world.crm().directory.create_user(create(absent)).await),
    );
    for (what, reason, foreign, absent) in pairs {
        assert_eq!(foreign, absent, "{what}");
        assert_eq!(foreign.0, tonic::Code::NotFound, "{what}");
        assert!(foreign.2.windows(reason.len()).any(|window| window == reason.as_bytes()), "{what}: {foreign:?}");
    }

    let after = (world.find_user("budi").await, reset_by_id(world, &sent.reset_id).await.link_state());
    assert_eq!(after, before, "nothing has changed");
}

#[tokio::test]
async fn only_an_active_admin_of_sufficient_rank_may_act() {
    let town = Town::build().await;
    let world = &town.world;
    let owner = Person::named("wati").email("wati@kopi.example").role(Role::Owner);
    let owner = world.user(&town.kopi, owner).await;
    let retired = world.user(&town.kopi, Person::named("rudi").role(Role::Admin)).await;
    set_state(world.crm(), &retired, UserState::Disabled).await.expect("it is disabled");
    let absent = User { user_id: ABSENT.to_owned(), ..User::default() };
    let (siti, budi) = (&town.siti, &town.budi);
    let sent = admin_reset(world.gateway(), siti, budi).await.expect("an admin may").into_inner();

    for (who, person, reason) in [
        ("a member", budi, "ACTOR_NOT_ALLOWED"),
        ("a disabled admin", &retired, "ACTOR_INVALID"),
        ("nobody", &absent, "ACTOR_INVALID"),
    ] {
        let get = GetResetRequest { key: Some(Key::ResetId(sent.reset_id.clone())), actor: actor(person) };
        let organization_id = town.kopi.organization_id.clone();
        let list = ListResetsRequest { organization_id, actor: actor(person), ..Default::default() };
        let revoke =
            RevokeResetRequest { reset_id: sent.reset_id.clone(), actor: actor(person), reason: String::new() };
        let create = CreateUserRequest {
            user: Some(User {
                organization_id: town.kopi.organization_id.clone(),
                username: "baru".to_owned(),
                ..User::default()
            }),
            actor: actor(person),
            ..Default::default()
        };
        let refusals = [
            refused(admin_reset(world.gateway(), person, siti).await),
            refused(admin_reset(world.gateway(), person, budi).await),
            refused(town.page(person, &town.kopi.organization_id, "", 0, "").await),
            refused(world.gateway().support.get_reset(get).await),
            refused(world.gateway().support.list_resets(list).await),
            refused(world.gateway().support.revoke_reset(revoke).await),
            refused(world.crm().directory.create_user(create).await),
        ];
        assert_eq!(refusals.map(|refusal| refusal.reason), [reason; 7], "{who}");
    }
    let nobody = refused(admin_reset(world.gateway(), &User::default(), budi).await);
    assert_eq!((nobody.reason.as_str(), nobody.fields()), ("FIELD_INVALID", vec!["actor.user_id"]));
    let mut without = admin_reset_request(siti, budi);
    without.actor = None;
    let without = refused(world.gateway().identity.admin_reset(without).await);
    assert_eq!((without.reason.as_str(), without.fields()), ("FIELD_INVALID", vec!["actor"]));

    // Rank: at least that of whom it is done to.
    assert_eq!(refused(admin_reset(world.gateway(), siti, &owner).await).reason, "ACTOR_NOT_ALLOWED");
    admin_reset(world.gateway(), siti, siti).await.expect("one's own rank is enough");
    admin_reset(world.gateway(), &owner, siti).await.expect("an owner may");
    let disabled = refused(admin_reset(world.gateway(), siti, &retired).await);
    assert_eq!(disabled.reason, "USER_DISABLED");

    // A right is read when it is used.
    let demoted = User { role: Role::Member.into(), ..siti.clone() };
    update(world.crm(), demoted, &["role"]).await.expect("the system of record may");
    assert_eq!(refused(admin_reset(world.gateway(), siti, budi).await).reason, "ACTOR_NOT_ALLOWED");
    assert_eq!(reset_by_id(world, &sent.reset_id).await.link_state(), LinkState::Live, "nobody has revoked it");
}
