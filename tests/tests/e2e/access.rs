//! Who may do what: every call, by every kind of caller, on behalf of every kind of person.

mod actors;
mod callers;
mod ranks;
mod suspended;
mod takeover;
mod targets;
mod tenants;
mod trust;

use e2e::{
    Person, World, contract,
    people::actor,
    wire::{Call, Wire},
    world::Builder,
};
use proto::identity::v1::{
    AdminResetRequest, Organization, RevokeResetRequest, Role, UpdateOrganizationRequest, UpdateUserRequest, User,
    UserState,
};
use serde_json::{Value, json};

/// Every scope there is.
const SCOPES: [&str; 12] = [
    "password.reset",
    "password.change",
    "password.verify",
    "password.admin",
    "directory.read",
    "directory.write",
    "directory.admin",
    "support.read",
    "support.act",
    "audit.read",
    "forward-requester",
    "assert-actor",
];
/// What a world's own callers have.
const USUAL: [(&str, &[&str]); 3] = [
    (
        "gateway",
        &[
            "password.reset",
            "password.change",
            "password.verify",
            "password.admin",
            "directory.read",
            "forward-requester",
            "assert-actor",
        ],
    ),
    (
        "crm",
        &[
            "password.verify",
            "password.change",
            "password.admin",
            "directory.read",
            "directory.write",
            "directory.admin",
            "forward-requester",
            "assert-actor",
        ],
    ),
    ("support", &["support.read", "support.act", "audit.read"]),
];
/// The scopes that need an actor, each with the one that believes its caller about him.
const ASSERTING: [&[&str]; 3] =
    [&["password.admin", "assert-actor"], &["directory.read", "assert-actor"], &["directory.admin", "assert-actor"]];

/// Everybody who calls: a name, and scopes. Nobody has no name.
fn callers() -> Vec<(String, Vec<&'static str>)> {
    let mut callers: Vec<_> = USUAL.iter().map(|(name, scopes)| ((*name).to_owned(), scopes.to_vec())).collect();
    callers.push(("stranger".to_owned(), Vec::new()));
    callers.push(("nothing".to_owned(), Vec::new()));
    callers.extend(SCOPES.map(|scope| (format!("only-{scope}"), vec![scope])));
    callers.extend(ASSERTING.map(|scopes| (format!("asserting-{}", scopes[0]), scopes.to_vec())));
    callers
}

/// A world that knows them all.
fn build() -> Builder {
    let usual = |name: &str| USUAL.iter().any(|(known, _)| *known == name) || name == "stranger";
    let callers = callers().into_iter().filter(|(name, _)| !usual(name));
    callers.fold(World::build().mailers(0).wide_limits(), |world, (name, scopes)| world.caller(&name, &scopes))
}

/// On whose behalf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Behalf {
    Nobodys,
    Members,
    Admins,
    Owners,
    /// An admin's of another organisation.
    Foreigners,
    /// An admin's who was disabled.
    Disabled,
    /// An admin's whose organisation is suspended.
    Suspended,
    /// Somebody's whom nobody has heard of.
    Unknowns,
    /// Somebody's with a token that nobody has signed.
    Forgers,
}

/// How it is known on whose behalf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Proof {
    /// By the caller's word.
    Word,
    /// By a signed token.
    Token,
}

const BEHALVES: [Behalf; 9] = [
    Behalf::Nobodys,
    Behalf::Members,
    Behalf::Admins,
    Behalf::Owners,
    Behalf::Foreigners,
    Behalf::Disabled,
    Behalf::Suspended,
    Behalf::Unknowns,
    Behalf::Forgers,
];

/// A row of the table "Who may call what".
struct Row {
    /// Scope for a call on an actor's behalf.
    with: Option<&'static str>,
    /// Scopes for a call on nobody's behalf, any of them.
    without: &'static [&'static str],
    /// What an admin of another organisation is told.
    absent: &'static str,
    /// What is answered to whoever may; the requests are made so that they change nothing.
    allowed: &'static str,
}

fn row(rpc: &str) -> Option<Row> {
    let own = |without, allowed| Row { with: None, without, absent: "", allowed };
    Some(match rpc {
        "RequestReset" => own(&["password.reset"], "OK"),
        "CheckReset" | "CompleteReset" => own(&["password.reset"], "RESET_TOKEN_INVALID"),
        "ChangePassword" => own(&["password.change"], "PASSWORD_MISMATCH"),
        "VerifyPassword" => own(&["password.verify"], "PASSWORD_MISMATCH"),
        "AdminReset" => {
            Row { with: Some("password.admin"), without: &["support.act"], absent: "USER_NOT_FOUND", allowed: "OK" }
        }
        "RevokeReset" => {
            Row { with: Some("password.admin"), without: &[], absent: "RESET_NOT_FOUND", allowed: "RESET_ENDED" }
        }
        "GetReset" => {
            Row { with: Some("directory.read"), without: &["support.read"], absent: "RESET_NOT_FOUND", allowed: "OK" }
        }
        "ListResets" | "ListUsers" => Row {
            with: Some("directory.read"),
            without: &["support.read"],
            absent: "ORGANIZATION_NOT_FOUND",
            allowed: "OK",
        },
        "GetUser" | "GetOrganization" => own(&["directory.read"], "OK"),
        "CreateOrganization" => own(&["directory.write"], "SLUG_TAKEN"),
        "UpdateOrganization" => own(&["directory.write"], "OK"),
        "CreateUser" => Row {
            with: Some("directory.admin"),
            without: &["directory.write"],
            absent: "ORGANIZATION_NOT_FOUND",
            allowed: "USERNAME_TAKEN",
        },
        "UpdateUser" => Row {
            with: Some("directory.admin"),
            without: &["directory.write", "support.act"],
            absent: "USER_NOT_FOUND",
            allowed: "OK",
        },
        "ExplainReset" => own(&["support.read"], "OK"),
        "ListAuditEvents" => own(&["audit.read"], "OK"),
        _ => return None,
    })
}

/// What must be answered.
fn expected(row: &Row, caller: &str, scopes: &[&str], behalf: Behalf, proof: Proof) -> &'static str {
    let has = |scope: &str| scopes.contains(&scope);
    if caller == "stranger" {
        return "CALLER_UNKNOWN";
    }
    if behalf == Behalf::Nobodys {
        return match row.with {
            _ if row.without.iter().any(|scope| has(scope)) => row.allowed,
            Some(scope) if has(scope) => "FIELD_INVALID",
            _ => "SCOPE_MISSING",
        };
    }
    match behalf {
        _ if !row.with.is_some_and(has) => "SCOPE_MISSING",
        Behalf::Forgers => "ACTOR_INVALID",
        _ if proof == Proof::Word && !has("assert-actor") => "SCOPE_MISSING",
        Behalf::Disabled | Behalf::Suspended | Behalf::Unknowns => "ACTOR_INVALID",
        Behalf::Members => "ACTOR_NOT_ALLOWED",
        Behalf::Foreigners => row.absent,
        Behalf::Admins | Behalf::Owners | Behalf::Nobodys => row.allowed,
    }
}

/// An organisation, one of each kind of person, and a reset whose link is over.
struct Cast {
    world: World,
    wire: Wire,
    organization: Organization,
    owner: User,
    admin: User,
    member: User,
    foreigner: User,
    disabled: User,
    suspended: User,
    /// Whom the calls are about.
    target: User,
    ended: String,
}

const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

impl Cast {
    async fn assemble() -> Self {
        let world = build().start().await;
        let organization = world.organization("kopi").await;
        let elsewhere = world.organization("teh").await;
        let closed = world.organization("tutup").await;
        let person = async |organization: &Organization, name: &str, role: Role| {
            let email = format!("{name}@kopi.example");
            world.user(organization, Person::named(name).email(&email).role(role).password("")).await
        };
        let owner = person(&organization, "owner", Role::Owner).await;
        let target = person(&organization, "target", Role::Member).await;
        let reset = AdminResetRequest {
            user_id: target.user_id.clone(),
            actor: actor(&owner),
            reason: "a link to revoke".to_owned(),
            ..Default::default()
        };
        let ended = world.gateway().identity.admin_reset(reset).await.expect("an owner may").into_inner().reset_id;
        let revoke = RevokeResetRequest { reset_id: ended.clone(), actor: actor(&owner), reason: String::new() };
        world.gateway().support.revoke_reset(revoke).await.expect("an owner may");
        let disabled = person(&organization, "disabled", Role::Admin).await;
        disable(&world, &disabled).await;
        let suspended = person(&closed, "suspended", Role::Admin).await;
        suspend(&world, &closed, true).await;
        Self {
            admin: person(&organization, "admin", Role::Admin).await,
            member: person(&organization, "member", Role::Member).await,
            foreigner: person(&elsewhere, "foreigner", Role::Admin).await,
            wire: world.wire().await,
            world,
            organization,
            owner,
            disabled,
            suspended,
            target,
            ended,
        }
    }

    fn actor(&self, behalf: Behalf, proof: Proof) -> Value {
        let user_id = match behalf {
            Behalf::Nobodys => return Value::Null,
            Behalf::Forgers => return json!({"token": "eyJhbGciOiJub25lIn0.e30."}),
            Behalf::Unknowns => NOBODY,
            Behalf::Members => &self.member.user_id,
            Behalf::Admins => &self.admin.user_id,
            Behalf::Owners => &self.owner.user_id,
            Behalf::Foreigners => &self.foreigner.user_id,
            Behalf::Disabled => &self.disabled.user_id,
            Behalf::Suspended => &self.suspended.user_id,
        };
        match proof {
            Proof::Word => json!({"userId": user_id}),
            Proof::Token => json!({"token": self.world.actor_token(user_id)}),
        }
    }

    /// A request that is right in itself.
    fn request(&self, rpc: &str, behalf: Behalf, proof: Proof) -> Option<Value> {
        let token = "A".repeat(43);
        let target = &self.target.user_id;
        let organization_id = &self.organization.organization_id;
        let brand = json!({
            "organizationId": organization_id, "slug": "kopi", "displayName": self.organization.display_name,
            "linkBase": "https://kopi.example",
        });
        let mut request = match rpc {
            "RequestReset" => json!({"username": "nobody"}),
            "CheckReset" => json!({"token": token}),
            "CompleteReset" => json!({"token": token, "newPassword": "hujan turun di kebun 5"}),
            "ChangePassword" => {
                json!({"userId": target, "currentPassword": "x", "newPassword": "hujan turun di kebun 5"})
            }
            "VerifyPassword" => json!({"username": "target", "password": "x"}),
            "AdminReset" => json!({"userId": target, "reason": "he asked"}),
            "CreateOrganization" | "UpdateOrganization" => json!({"organization": brand}),
            "GetOrganization" => json!({"organizationId": organization_id}),
            "CreateUser" => json!({"user": {"organizationId": organization_id, "username": "target"}}),
            "GetUser" => json!({"userId": target}),
            "ListUsers" | "ListResets" => json!({"organizationId": organization_id}),
            "UpdateUser" => {
                json!({"user": {"userId": target, "state": "USER_STATE_ACTIVE"}, "reason": "he asked"})
            }
            "GetReset" | "RevokeReset" => json!({"resetId": self.ended}),
            "ExplainReset" => json!({"username": "target"}),
            "ListAuditEvents" => json!({}),
            _ => return None,
        };
        let actor = self.actor(behalf, proof);
        if !actor.is_null() {
            request["actor"] = actor;
        }
        Some(request)
    }

    /// The reason a call is answered with; `OK` when it succeeds.
    async fn ask(&self, caller: &str, rpc: &str, request: Value) -> String {
        let call = Call::of(rpc, request);
        let call = if caller == "stranger" { call } else { call.bearer(self.world.token(caller)) };
        let refusal = self.wire.call(call).await.refusal();
        if refusal.code == tonic::Code::Ok { "OK".to_owned() } else { refusal.reason }
    }
}

async fn disable(world: &World, user: &User) {
    let user = User { user_id: user.user_id.clone(), state: UserState::Disabled.into(), ..User::default() };
    let request = UpdateUserRequest { user: Some(user), ..Default::default() };
    world.crm().directory.update_user(request).await.expect("the system of record may");
}

async fn suspend(world: &World, organization: &Organization, suspended: bool) {
    let organization = Organization { suspended, ..organization.clone() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["suspended".to_owned()] });
    let request = UpdateOrganizationRequest { organization: Some(organization), update_mask };
    world.crm().directory.update_organization(request).await.expect("the system of record may");
}

#[tokio::test]
async fn every_call_is_open_to_those_of_the_table_and_to_nobody_else() {
    let cast = Cast::assemble().await;
    let mut complaints = Vec::new();
    let mut asked = 0;
    for rpc in contract::rpcs() {
        let name = rpc.name();
        let row = row(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        let has_actor = rpc.input().get_field_by_name("actor").is_some();
        assert_eq!(row.with.is_some(), has_actor, "{name}");
        for (caller, scopes) in callers() {
            for behalf in BEHALVES.into_iter().filter(|behalf| has_actor || *behalf == Behalf::Nobodys) {
                for proof in [Proof::Word, Proof::Token] {
                    let request = cast.request(name, behalf, proof).expect("there is a request for each call");
                    let wants = expected(&row, &caller, &scopes, behalf, proof);
                    let gets = cast.ask(&caller, name, request).await;
                    asked += 1;
                    if gets != wants {
                        complaints
                            .push(format!("{name} by {caller} on {behalf:?} behalf ({proof:?}): {gets}, not {wants}"));
                    }
                    if matches!(behalf, Behalf::Nobodys | Behalf::Forgers) {
                        break;
                    }
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{} of {asked} calls:\n{}", complaints.len(), complaints.join("\n"));
}
