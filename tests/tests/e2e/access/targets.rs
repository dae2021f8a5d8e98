//! Whom and what a call is about: here, elsewhere, nowhere, disabled, or in an organisation that is suspended.

use e2e::{
    Person, World, contract,
    wire::{Call, Wire},
};
use proto::identity::v1::{AdminResetRequest, Organization, Role, User};
use serde_json::{Value, json};

use super::{NOBODY, disable, suspend};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Own,
    Foreign,
    Absent,
    /// Here, but disabled.
    Disabled,
    /// Elsewhere, and its organisation is suspended.
    Suspended,
}

const PLACES: [Place; 5] = [Place::Own, Place::Foreign, Place::Absent, Place::Disabled, Place::Suspended];

/// What a call is about.
struct Target {
    organization: String,
    user: String,
    username: String,
    reset: String,
}

/// On whose authority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    /// An admin's, by a signed token.
    Admin,
    /// The caller's own: support's, or the system of record's.
    Caller,
}

/// The caller and the request; none where the call is about nobody, or has no such authority.
fn call(rpc: &str, by: By, target: &Target) -> Option<(&'static str, Value)> {
    let Target { organization, user, username, reset } = target;
    let (admins, callers) = match rpc {
        "RequestReset" | "CheckReset" | "CompleteReset" | "CreateOrganization" => return None,
        "ChangePassword" => {
            let request = json!({"userId": user, "currentPassword": "x", "newPassword": "hujan turun di kebun 5"});
            (None, Some(("gateway", request)))
        }
        "VerifyPassword" => (None, Some(("gateway", json!({"username": username, "password": "x"})))),
        "AdminReset" => {
            let request = json!({"userId": user, "reason": "he asked"});
            (Some(("gateway", request.clone())), Some(("support", request)))
        }
        "GetOrganization" => (None, Some(("crm", json!({"organizationId": organization})))),
        "UpdateOrganization" => {
            let same = json!({"organizationId": organization, "locale": "id"});
            (None, Some(("crm", json!({"organization": same}))))
        }
        "CreateUser" => {
            let request = json!({"user": {"organizationId": organization, "username": "target.own"}});
            (Some(("crm", request.clone())), Some(("crm", request)))
        }
        "GetUser" => (None, Some(("crm", json!({"userId": user})))),
        "ListUsers" => {
            let request = json!({"organizationId": organization});
            (Some(("gateway", request.clone())), Some(("support", request)))
        }
        "UpdateUser" => {
            let request = json!({"user": {"userId": user, "displayName": "Somebody"}});
            (Some(("crm", request.clone())), Some(("crm", request)))
        }
        "GetReset" => {
            let request = json!({"resetId": reset});
            (Some(("gateway", request.clone())), Some(("support", request)))
        }
        "ListResets" => {
            let request = json!({"userId": user});
            (Some(("gateway", request.clone())), Some(("support", request)))
        }
        "RevokeReset" => (Some(("gateway", json!({"resetId": reset}))), None),
        "ExplainReset" => (None, Some(("support", json!({"resetId": reset})))),
        "ListAuditEvents" => (None, Some(("support", json!({"userId": user})))),
        _ => panic!("{rpc} is not in the table"),
    };
    match by {
        By::Admin => admins,
        By::Caller => callers,
    }
}

/// What must be answered.
fn expected(rpc: &str, by: By, place: Place) -> &'static str {
    use Place::{Absent, Disabled, Foreign, Own, Suspended};

    let nowhere = match (by, place) {
        (_, Absent) | (By::Admin, Foreign | Suspended) => true,
        (_, Own | Disabled) | (By::Caller, Foreign | Suspended) => false,
    };
    match rpc {
        // Who knows no password learns nothing of the user.
        "ChangePassword" | "VerifyPassword" => "PASSWORD_MISMATCH",
        "ListAuditEvents" => "OK",
        "GetOrganization" | "UpdateOrganization" | "CreateUser" | "ListUsers" if nowhere => "ORGANIZATION_NOT_FOUND",
        "GetReset" | "RevokeReset" | "ExplainReset" if nowhere => "RESET_NOT_FOUND",
        _ if nowhere => "USER_NOT_FOUND",
        "AdminReset" if matches!(place, Disabled | Suspended) => "USER_DISABLED",
        "CreateUser" => "USERNAME_TAKEN",
        "RevokeReset" if place == Disabled => "RESET_ENDED",
        _ => "OK",
    }
}

/// An organisation with a user of that name and a reset for him.
async fn target(world: &World, organization: &Organization, name: &str) -> Target {
    let username = format!("target.{name}");
    let person = Person::named(&username).email(&format!("{username}@kopi.example")).password("");
    let user = world.user(organization, person).await;
    let request =
        AdminResetRequest { user_id: user.user_id.clone(), reason: "ticket 4711".to_owned(), ..Default::default() };
    let sent = world.support().identity.admin_reset(request).await.expect("support may").into_inner();
    Target { organization: organization.organization_id.clone(), user: user.user_id, username, reset: sent.reset_id }
}

async fn ask(world: &World, wire: &Wire, caller: &str, rpc: &str, request: Value) -> String {
    let refusal = wire.call(Call::of(rpc, request).bearer(world.token(caller))).await.refusal();
    if refusal.code == tonic::Code::Ok { "OK".to_owned() } else { refusal.reason }
}

#[tokio::test]
async fn every_call_sees_what_its_authority_reaches_and_nothing_else() {
    let world = super::build().start().await;
    let (kopi, teh, tutup) =
        (world.organization("kopi").await, world.organization("teh").await, world.organization("tutup").await);
    let admin = world.user(&kopi, Person::named("admin").role(Role::Admin).password("")).await;
    let disabled = target(&world, &kopi, "disabled").await;
    disable(&world, &User { user_id: disabled.user.clone(), ..User::default() }).await;
    let suspended = target(&world, &tutup, "suspended").await;
    suspend(&world, &tutup, true).await;
    let nobody = || NOBODY.to_owned();
    let absent = Target { organization: nobody(), user: nobody(), username: nobody(), reset: nobody() };
    let targets =
        [target(&world, &kopi, "own").await, target(&world, &teh, "foreign").await, absent, disabled, suspended];
    let wire = world.wire().await;
    let mut complaints = Vec::new();
    for rpc in contract::rpcs() {
        for by in [By::Admin, By::Caller] {
            for (place, target) in PLACES.into_iter().zip(&targets) {
                let Some((caller, mut request)) = call(rpc.name(), by, target) else { continue };
                if by == By::Admin {
                    request["actor"] = json!({"token": world.actor_token(&admin.user_id)});
                }
                let (wants, gets) =
                    (expected(rpc.name(), by, place), ask(&world, &wire, caller, rpc.name(), request).await);
                if gets != wants {
                    complaints.push(format!("{} by {by:?}, {place:?}: {gets}, not {wants}", rpc.name()));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
