//! For an admin, whoever is elsewhere is nowhere.

use e2e::{
    Person, World,
    people::actor,
    wire::{Answer, Call, Wire},
};
use proto::identity::v1::{AdminResetRequest, AdminResetResponse, ListUsersRequest, Organization, Role, User};
use serde_json::{Value, json};

const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// An organisation with its people.
struct Side {
    organization: Organization,
    owner: User,
    member: User,
    reset: AdminResetResponse,
    support_code: String,
    request_id: String,
}

impl Side {
    async fn lay(world: &World, slug: &str) -> Self {
        let organization = world.organization(slug).await;
        let person = async |name: String, role: Role| {
            let email = format!("{name}@{slug}.example");
            world.user(&organization, Person::named(&name).email(&email).role(role).password("")).await
        };
        let owner = person(format!("owner.{slug}"), Role::Owner).await;
        let member = person(format!("member.{slug}"), Role::Member).await;
        let reset = AdminResetRequest {
            user_id: member.user_id.clone(),
            actor: actor(&owner),
            reason: "he asked".to_owned(),
            ..Default::default()
        };
        let reset = world.gateway().identity.admin_reset(reset).await.expect("an owner may").into_inner();
        let state = proto::identity::v1::DeliveryState::Pending;
        let support_code = world.reset_by_id_in(&reset.reset_id, state).await.support_code;
        let request_id = world.request_reset(&owner.username).await;
        let issued = async || world.resets_of(&request_id).await.iter().any(|reset| !reset.reset_id.is_empty());
        for _ in 0..400 {
            if issued().await {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        assert!(issued().await, "the request is issued");
        Self { organization, owner, member, reset, support_code, request_id }
    }
}

/// Everything of an answer but its date.
fn bytes(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let all = answer.headers.iter().chain(&answer.trailers);
    let mut all: Vec<_> = all
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .chain([("body".to_owned(), answer.body.clone())])
        .collect();
    all.sort();
    all
}

async fn ask(world: &World, wire: &Wire, caller: &str, rpc: &str, request: Value) -> Answer {
    wire.call(Call::of(rpc, request).bearer(world.token(caller))).await
}

#[tokio::test]
async fn what_is_elsewhere_answers_byte_for_byte_as_what_is_not() {
    let world = super::build().start().await;
    let wire = world.wire().await;
    let (here, there) = (Side::lay(&world, "kopi").await, Side::lay(&world, "teh").await);
    let actor = json!({"userId": here.owner.user_id});
    let own = &here.organization.organization_id;
    // A call with an id, the reason, and the ids of things elsewhere.
    type Make<'a> = Box<dyn Fn(&str) -> Value + 'a>;
    let people = [there.member.user_id.as_str(), there.owner.user_id.as_str()];
    let organizations = [there.organization.organization_id.as_str()];
    let with = |mut request: Value| {
        request["actor"] = actor.clone();
        request
    };
    let reset = |id: &str| with(json!({"userId": id, "reason": "he asked", "linkLife": "600s"}));
    let promote = |id: &str| with(json!({"user": {"userId": id, "role": "ROLE_OWNER"}}));
    let disable = |id: &str| with(json!({"user": {"userId": id, "state": "USER_STATE_DISABLED"}}));
    let rename = |id: &str| with(json!({"user": {"userId": id, "username": "owner.kopi"}}));
    let taken = |id: &str| with(json!({"user": {"organizationId": id, "username": "owner.kopi"}}));
    let create = |id: &str| with(json!({"user": {"organizationId": id, "username": "new", "role": "ROLE_OWNER"}}));
    let weak = |id: &str| with(json!({"user": {"organizationId": id, "username": "new"}, "password": "x"}));
    let calls: Vec<(&str, &str, &str, Make<'_>, Vec<&str>)> = vec![
        ("gateway", "AdminReset", "USER_NOT_FOUND", Box::new(reset), people.to_vec()),
        ("crm", "UpdateUser", "USER_NOT_FOUND", Box::new(promote), people.to_vec()),
        ("crm", "UpdateUser", "USER_NOT_FOUND", Box::new(disable), people.to_vec()),
        ("crm", "UpdateUser", "USER_NOT_FOUND", Box::new(rename), people.to_vec()),
        ("crm", "CreateUser", "ORGANIZATION_NOT_FOUND", Box::new(taken), organizations.to_vec()),
        ("crm", "CreateUser", "ORGANIZATION_NOT_FOUND", Box::new(create), organizations.to_vec()),
        ("crm", "CreateUser", "ORGANIZATION_NOT_FOUND", Box::new(weak), organizations.to_vec()),
        (
            "gateway",
            "ListUsers",
            "ORGANIZATION_NOT_FOUND",
            Box::new(|id| with(json!({"organizationId": id}))),
            organizations.to_vec(),
        ),
        (
            "gateway",
            "ListResets",
            "ORGANIZATION_NOT_FOUND",
            Box::new(|id| with(json!({"organizationId": id}))),
            organizations.to_vec(),
        ),
        (
            "gateway",
            "ListResets",
            "USER_NOT_FOUND",
            Box::new(|id| with(json!({"organizationId": own, "userId": id}))),
            people.to_vec(),
        ),
        (
            "gateway",
            "GetReset",
            "RESET_NOT_FOUND",
            Box::new(|id| with(json!({"resetId": id}))),
            vec![there.reset.reset_id.as_str()],
        ),
        (
            "gateway",
            "GetReset",
            "RESET_NOT_FOUND",
            Box::new(|id| with(json!({"requestId": id}))),
            vec![there.request_id.as_str()],
        ),
        (
            "gateway",
            "RevokeReset",
            "RESET_NOT_FOUND",
            Box::new(|id| with(json!({"resetId": id, "reason": "x"}))),
            vec![there.reset.reset_id.as_str()],
        ),
    ];
    for (caller, rpc, reason, make, elsewhere) in calls {
        let absent = ask(&world, &wire, caller, rpc, make(NOBODY)).await;
        assert_eq!(absent.refusal().reason, reason, "{rpc}");
        for id in elsewhere {
            let foreign = ask(&world, &wire, caller, rpc, make(id)).await;
            assert_eq!(bytes(&foreign), bytes(&absent), "{rpc} of {id}");
        }
    }
    let code = |code: &str| with(json!({"supportCode": code}));
    let absent = ask(&world, &wire, "gateway", "GetReset", code("00000-00000")).await;
    let foreign = ask(&world, &wire, "gateway", "GetReset", code(&there.support_code)).await;
    assert_eq!(bytes(&foreign), bytes(&absent));
    // The other way round all of it is there.
    for (rpc, request) in [
        ("GetReset", json!({"resetId": here.reset.reset_id})),
        ("GetReset", json!({"requestId": here.request_id})),
        ("GetReset", json!({"supportCode": here.support_code})),
        ("ListResets", json!({"organizationId": own, "userId": here.member.user_id})),
        ("RevokeReset", json!({"resetId": here.reset.reset_id})),
    ] {
        let answer = ask(&world, &wire, "gateway", rpc, with(request)).await;
        assert_eq!(answer.refusal().code, tonic::Code::Ok, "{rpc}: {:?}", answer.refusal());
    }
}

#[tokio::test]
async fn nothing_elsewhere_was_touched_or_shown() {
    let world = super::build().start().await;
    let (here, there) = (Side::lay(&world, "kopi").await, Side::lay(&world, "teh").await);
    let wire = world.wire().await;
    let before = [world.find_user("owner.teh").await, world.find_user("member.teh").await];
    let actor_here = json!({"userId": here.owner.user_id});
    for user in [&there.member, &there.owner] {
        for change in [
            json!({"state": "USER_STATE_DISABLED"}),
            json!({"email": "evil@kopi.example"}),
            json!({"role": "ROLE_MEMBER"}),
            json!({"displayName": "x"}),
        ] {
            let mut changed = change;
            changed["userId"] = json!(user.user_id);
            let request = json!({"user": changed, "actor": actor_here});
            assert_eq!(ask(&world, &wire, "crm", "UpdateUser", request).await.refusal().reason, "USER_NOT_FOUND");
        }
    }
    assert_eq!(before, [world.find_user("owner.teh").await, world.find_user("member.teh").await]);
    // Whatever is searched for, only the own people are found.
    for query in ["", "o", "owner", "owner.teh", "member.teh", "%", "_", "Orang"] {
        let request = ListUsersRequest {
            organization_id: here.organization.organization_id.clone(),
            query: query.to_owned(),
            actor: actor(&here.owner),
            ..Default::default()
        };
        let page = world.gateway().directory.list_users(request).await.expect("an owner may").into_inner();
        let own = |user: &User| user.organization_id == here.organization.organization_id;
        assert!(page.users.iter().all(own), "{query}: {:?}", page.users);
    }
    // A request for somebody elsewhere shows only what is here.
    let resets = world.resets_of(&there.request_id).await;
    assert!(resets.iter().all(|reset| reset.organization_id == there.organization.organization_id));
}
