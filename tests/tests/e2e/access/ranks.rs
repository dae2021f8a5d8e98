//! What an admin's rank allows, and what no rank does.

use e2e::{
    Person, World,
    wire::{Call, Wire},
};
use proto::identity::v1::{Organization, Role, User, UserState};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};

use crate::calls::admin_reset;

/// Two of each rank.
struct Ranks {
    world: World,
    wire: Wire,
    organization: Organization,
    members: [User; 2],
    admins: [User; 2],
    owners: [User; 2],
}

const NOT_ALLOWED: &str = "ACTOR_NOT_ALLOWED";

impl Ranks {
    async fn assemble() -> Self {
        let world = super::build().start().await;
        let organization = world.organization("kopi").await;
        let two = async |name: &str, role: Role| {
            let one = async |number: u8| {
                let name = format!("{name}{number}");
                let email = format!("{name}@kopi.example");
                world.user(&organization, Person::named(&name).email(&email).role(role).password("")).await
            };
            [one(1).await, one(2).await]
        };
        Self {
            members: two("member", Role::Member).await,
            admins: two("admin", Role::Admin).await,
            owners: two("owner", Role::Owner).await,
            wire: world.wire().await,
            world,
            organization,
        }
    }

    async fn ask(&self, caller: &str, rpc: &str, request: Value) -> String {
        let answer = self.wire.call(Call::of(rpc, request).bearer(self.world.token(caller))).await;
        let refusal = answer.refusal();
        if refusal.code == tonic::Code::Ok { "OK".to_owned() } else { refusal.reason }
    }

    /// Actor, target, and whether the target is of a lower rank.
    fn pairs(&self) -> Vec<(&User, &User, bool)> {
        let [admin, other_admin] = &self.admins;
        let [owner, other_owner] = &self.owners;
        vec![
            (admin, &self.members[0], true),
            (owner, &self.members[0], true),
            (owner, admin, true),
            (admin, other_admin, false),
            (admin, owner, false),
            (owner, other_owner, false),
            (admin, admin, false),
            (owner, owner, false),
        ]
    }
}

/// A change of one field, with what it is set to where it is not to change.
fn same(user: &User, field: &str) -> Value {
    let value = match field {
        "role" => json!(user.role().as_str_name()),
        "state" => json!(user.state().as_str_name()),
        "email" => json!(user.email),
        "username" => json!(user.username),
        "displayName" => json!("Somebody"),
        "locale" => json!("en"),
        _ => panic!("{field}?"),
    };
    let mut json = json!({"userId": user.user_id});
    json[field] = value;
    json
}

#[tokio::test]
async fn links_are_sent_and_revoked_up_to_the_own_rank() {
    let ranks = Ranks::assemble().await;
    for (actor, target, lower) in ranks.pairs() {
        let wants = if lower || actor.role == target.role { "OK" } else { NOT_ALLOWED };
        let request = json!({
            "userId": target.user_id, "actor": {"userId": actor.user_id}, "reason": "he asked",
        });
        let what = format!("{} resets {}", actor.username, target.username);
        assert_eq!(ranks.ask("gateway", "AdminReset", request).await, wants, "{what}");
        // Support's link, which has no rank in it.
        let request = json!({"userId": target.user_id, "reason": "ticket 4711"});
        let answer = ranks.wire.call(Call::of("AdminReset", request).bearer(ranks.world.token("support"))).await;
        let reset: proto::identity::v1::AdminResetResponse =
            prost::Message::decode(answer.message()).expect("an answer of the contract");
        let request = json!({"resetId": reset.reset_id, "actor": {"userId": actor.user_id}});
        assert_eq!(ranks.ask("gateway", "RevokeReset", request).await, wants, "{what}, the other way");
    }
}

#[tokio::test]
async fn role_address_and_state_are_changed_of_lower_ranks_only() {
    let ranks = Ranks::assemble().await;
    for (actor, target, lower) in ranks.pairs() {
        for (field, free) in [
            ("role", false),
            ("email", false),
            ("state", false),
            ("username", true),
            ("displayName", true),
            ("locale", true),
        ] {
            let wants = if free || lower { "OK" } else { NOT_ALLOWED };
            let request = json!({"user": same(target, field), "actor": {"userId": actor.user_id}});
            let what = format!("{} changes {field} of {}", actor.username, target.username);
            assert_eq!(ranks.ask("crm", "UpdateUser", request).await, wants, "{what}");
            // Together with what is free it is refused whole.
            let mut user = same(target, field);
            user["displayName"] = json!("Somebody Else");
            let request = json!({"user": user, "actor": {"userId": actor.user_id}});
            assert_eq!(ranks.ask("crm", "UpdateUser", request).await, wants, "{what} and the name");
            let named = ranks.world.find_user(&target.username).await.display_name == "Somebody Else";
            assert_eq!(named, wants == "OK", "{what} and the name");
            let back = json!({"user": same(target, "displayName")});
            assert_eq!(ranks.ask("crm", "UpdateUser", back).await, "OK");
        }
    }
}

#[tokio::test]
async fn nobody_gives_a_role_above_the_own_one() {
    let ranks = Ranks::assemble().await;
    let [admin, owner] = [&ranks.admins[0], &ranks.owners[0]];
    for (actor, role, wants) in [
        (admin, "ROLE_MEMBER", "OK"),
        (admin, "ROLE_ADMIN", "OK"),
        (admin, "ROLE_OWNER", NOT_ALLOWED),
        (owner, "ROLE_OWNER", "OK"),
    ] {
        let username = format!("new.{}.{}", actor.username, role.to_lowercase());
        let user = json!({
            "organizationId": ranks.organization.organization_id, "username": username, "role": role,
        });
        let request = json!({"user": user, "actor": {"userId": actor.user_id}});
        assert_eq!(ranks.ask("crm", "CreateUser", request).await, wants, "{} makes {role}", actor.username);
        let user = json!({"userId": ranks.members[1].user_id, "role": role});
        let request = json!({"user": user, "actor": {"userId": actor.user_id}});
        assert_eq!(ranks.ask("crm", "UpdateUser", request).await, wants, "{} makes somebody {role}", actor.username);
        let member = json!({"user": {"userId": ranks.members[1].user_id, "role": "ROLE_MEMBER"}});
        assert_eq!(ranks.ask("crm", "UpdateUser", member).await, "OK", "the system of record may");
    }
}

#[tokio::test]
async fn an_organisation_keeps_its_last_active_owner() {
    let ranks = Ranks::assemble().await;
    let [first, second] = &ranks.owners;
    let demote = |user: &User| json!({"user": {"userId": user.user_id, "role": "ROLE_ADMIN"}});
    let disable =
        |user: &User| json!({"user": {"userId": user.user_id, "state": "USER_STATE_DISABLED"}, "reason": "x"});
    assert_eq!(ranks.ask("support", "UpdateUser", disable(second)).await, "OK");
    assert_eq!(ranks.ask("crm", "UpdateUser", demote(first)).await, "LAST_OWNER", "the other one is disabled");
    assert_eq!(ranks.ask("crm", "UpdateUser", disable(first)).await, "LAST_OWNER");
    assert_eq!(ranks.ask("support", "UpdateUser", disable(first)).await, "LAST_OWNER");
    let still = ranks.world.find_user("owner1").await;
    assert_eq!((still.role(), still.state()), (Role::Owner, UserState::Active));
    assert_eq!(still.credential_version, first.credential_version, "nothing happened");
    assert_eq!(ranks.ask("crm", "UpdateUser", demote(second)).await, "OK", "who is disabled may be demoted");
    let promote = json!({"user": {"userId": ranks.admins[0].user_id, "role": "ROLE_OWNER"}});
    assert_eq!(ranks.ask("crm", "UpdateUser", promote).await, "OK");
    assert_eq!(ranks.ask("crm", "UpdateUser", demote(first)).await, "OK", "there is another one now");
}

#[tokio::test]
async fn two_owners_who_leave_at_once_leave_one() {
    let ranks = Ranks::assemble().await;
    for _ in 0..10 {
        let leave = async |user: &User| {
            let request = json!({"user": {"userId": user.user_id, "role": "ROLE_MEMBER"}});
            ranks.ask("crm", "UpdateUser", request).await
        };
        let mut outcomes = futures::future::join_all(ranks.owners.iter().map(leave)).await;
        outcomes.sort();
        assert_eq!(outcomes, ["LAST_OWNER", "OK"]);
        for owner in &ranks.owners {
            let back = json!({"user": {"userId": owner.user_id, "role": "ROLE_OWNER"}});
            assert_eq!(ranks.ask("crm", "UpdateUser", back).await, "OK");
        }
    }
}

#[tokio::test]
async fn support_changes_addresses_and_states_and_says_why() {
    let ranks = Ranks::assemble().await;
    let [owner, member] = [&ranks.owners[0], &ranks.members[0]];
    for target in [owner, member] {
        for (field, wants) in [
            ("email", "OK"),
            ("state", "OK"),
            ("role", "SCOPE_MISSING"),
            ("username", "SCOPE_MISSING"),
            ("displayName", "SCOPE_MISSING"),
            ("locale", "SCOPE_MISSING"),
        ] {
            let request = json!({"user": same(target, field), "reason": "ticket 4711"});
            let what = format!("{field} of {}", target.username);
            assert_eq!(ranks.ask("support", "UpdateUser", request).await, wants, "{what}");
            // Nothing goes with it.
            let mut user = same(target, "email");
            user[field] = same(target, field)[field].clone();
            let request = json!({"user": user, "reason": "ticket 4711"});
            assert_eq!(ranks.ask("support", "UpdateUser", request).await, wants, "{what} with the address");
        }
        for reason in [json!(null), json!(""), json!("  ")] {
            let request = json!({"user": same(target, "email"), "reason": reason});
            assert_eq!(ranks.ask("support", "UpdateUser", request).await, "FIELD_INVALID", "{reason}");
            let request = json!({"userId": target.user_id, "reason": reason});
            assert_eq!(ranks.ask("support", "AdminReset", request).await, "FIELD_INVALID", "{reason}");
        }
    }
}

#[tokio::test]
async fn rights_that_are_taken_end_at_once() {
    let ranks = Ranks::assemble().await;
    let [admin, member] = [&ranks.admins[0], &ranks.members[0]];
    let list = || json!({"organizationId": ranks.organization.organization_id, "actor": {"userId": admin.user_id}});
    let become_one = async |role: &str| {
        let request = json!({"user": {"userId": admin.user_id, "role": role}});
        assert_eq!(ranks.ask("crm", "UpdateUser", request).await, "OK");
    };
    assert_eq!(ranks.ask("gateway", "ListUsers", list()).await, "OK");
    become_one("ROLE_MEMBER").await;
    assert_eq!(ranks.ask("gateway", "ListUsers", list()).await, NOT_ALLOWED);
    become_one("ROLE_ADMIN").await;
    assert_eq!(ranks.ask("gateway", "ListUsers", list()).await, "OK");
    super::disable(&ranks.world, admin).await;
    assert_eq!(ranks.ask("gateway", "ListUsers", list()).await, "ACTOR_INVALID");
    let reset = json!({"userId": member.user_id, "actor": {"userId": admin.user_id}, "reason": "he asked"});
    assert_eq!(ranks.ask("gateway", "AdminReset", reset).await, "ACTOR_INVALID");
}

#[tokio::test]
async fn rights_that_are_taken_while_an_act_waits_for_its_user_are_gone() {
    let ranks = Ranks::assemble().await;
    let [admin, member] = [&ranks.admins[0], &ranks.members[0]];
    let reset = admin_reset(ranks.world.crm(), &ranks.owners[0], member).await.expect("an owner may").into_inner();
    let acts = [
        ("UpdateUser", json!({"user": same(member, "email"), "actor": {"userId": admin.user_id}})),
        ("RevokeReset", json!({"resetId": reset.reset_id, "actor": {"userId": admin.user_id}, "reason": "he asked"})),
        ("AdminReset", json!({"userId": member.user_id, "actor": {"userId": admin.user_id}, "reason": "he asked"})),
    ];
    for (rpc, request) in acts {
        let become_one = |role: &str| json!({"user": {"userId": admin.user_id, "role": role}});
        assert_eq!(ranks.ask("crm", "UpdateUser", become_one("ROLE_ADMIN")).await, "OK");
        let mut lock = sqlx::PgConnection::connect(&ranks.world.sandi().plan().servers.database_owner).await.unwrap();
        let hold = format!("BEGIN; SELECT 1 FROM users WHERE user_id = '{}' FOR UPDATE", member.user_id);
        lock.execute(sqlx::AssertSqlSafe(hold)).await.expect("nobody holds it");
        let demoted = async {
            let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'
                           AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
            let mut looks = 0;
            while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut lock).await.expect("it can be asked") == 0 {
                looks += 1;
                assert!(looks < 300, "{rpc} waits for nobody");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            assert_eq!(ranks.ask("crm", "UpdateUser", become_one("ROLE_MEMBER")).await, "OK");
            lock.execute("COMMIT").await.expect("it is let go");
        };
        let (outcome, ()) = tokio::join!(ranks.ask("crm", rpc, request), demoted);
        assert_eq!(outcome, NOT_ALLOWED, "{rpc}");
    }
}
