//! How each reason comes about.

use e2e::{
    Person, World,
    people::{PASSWORD, actor},
    wire::{Answer, Call, Wire},
};
use proto::identity::v1::{AdminResetRequest, Organization, RevokeResetRequest, Role, User, UserState};
use serde_json::{Value, json};

/// An organisation with an admin for each language, and others.
pub struct Provoked<'a> {
    world: &'a World,
    wire: Wire,
    organization: Organization,
    /// Speaks Indonesian.
    sari: User,
    /// Speaks English.
    john: User,
    member: User,
    disabled: User,
    /// A reset whose link is revoked.
    ended: String,
}

const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const NEW: &str = "hujan turun di kebun 5";

impl<'a> Provoked<'a> {
    pub async fn lay(world: &'a World) -> Self {
        let organization = world.organization("kopi").await;
        let admin = |name: &str, locale: &str| Person::named(name).locale(locale).role(Role::Admin).password("");
        let sari = world.user(&organization, admin("sari", "id")).await;
        let john = world.user(&organization, admin("john", "en")).await;
        for (name, locale) in [("id", "id"), ("en", "en")] {
            let organization = world.organization(&format!("teh-{name}")).await;
            let owner = Person::named(&format!("owner.{name}")).locale(locale).role(Role::Owner).password("");
            world.user(&organization, owner).await;
        }
        let member = world.user(&organization, Person::named("budi").email("budi@kopi.example")).await;
        let disabled = world.user(&organization, Person::named("dewi").password("")).await;
        let update = proto::identity::v1::UpdateUserRequest {
            user: Some(User { state: UserState::Disabled.into(), ..disabled.clone() }),
            ..Default::default()
        };
        world.crm().directory.update_user(update).await.expect("the system of record may");
        let reset = AdminResetRequest {
            user_id: member.user_id.clone(),
            actor: actor(&sari),
            reason: "a link to revoke".to_owned(),
            ..Default::default()
        };
        let ended = world.gateway().identity.admin_reset(reset).await.expect("an admin may").into_inner().reset_id;
        let revoke = RevokeResetRequest { reset_id: ended.clone(), actor: actor(&sari), reason: String::new() };
        world.gateway().support.revoke_reset(revoke).await.expect("an admin may");
        Self { wire: world.wire().await, world, organization, sari, john, member, disabled, ended }
    }

    /// Makes a call fail for this reason, for somebody who reads this language.
    ///
    /// # Panics
    /// When nobody knows how.
    pub async fn provoke(&self, reason: &str, locale: &str) -> Answer {
        let requester = json!({"locale": locale});
        let admin = if locale == "id" { &self.sari } else { &self.john };
        let admin = json!({"userId": admin.user_id});
        let organization_id = &self.organization.organization_id;
        let member_id = &self.member.user_id;
        let token = "A".repeat(43);
        let reset = |actor: &Value, user_id: &str| json!({"userId": user_id, "actor": actor, "reason": "he asked", "requester": requester});
        let gateway = async |rpc: &str, request: Value| self.ask("gateway", rpc, request).await;
        match reason {
            "FIELD_INVALID" => gateway("RequestReset", json!({"username": "", "requester": requester})).await,
            "RESET_TOKEN_INVALID" => {
                let request = json!({"token": token, "newPassword": NEW, "requester": requester});
                gateway("CompleteReset", request).await
            }
            "PASSWORD_REJECTED" => {
                let request = json!({
                    "userId": member_id, "currentPassword": PASSWORD, "newPassword": "123456", "requester": requester,
                });
                gateway("ChangePassword", request).await
            }
            "CONFIRMATION_MISMATCH" => {
                let request = json!({
                    "token": token, "newPassword": NEW, "confirmPassword": "another", "requester": requester,
                });
                gateway("CompleteReset", request).await
            }
            "PASSWORD_MISMATCH" => {
                gateway("VerifyPassword", json!({"username": "x", "password": "y", "requester": requester})).await
            }
            "CALLER_UNKNOWN" => self.wire.call(Call::of("GetUser", json!({"username": "budi"}))).await,
            "SCOPE_MISSING" => self.ask("support", "GetUser", json!({"username": "budi"})).await,
            "ACTOR_INVALID" => gateway("AdminReset", reset(&json!({"userId": NOBODY}), member_id)).await,
            "ACTOR_NOT_ALLOWED" => gateway("AdminReset", reset(&json!({"userId": member_id}), member_id)).await,
            "USER_NOT_FOUND" => gateway("AdminReset", reset(&admin, NOBODY)).await,
            "ORGANIZATION_NOT_FOUND" => gateway("ListUsers", json!({"organizationId": NOBODY, "actor": admin})).await,
            "RESET_NOT_FOUND" => gateway("GetReset", json!({"resetId": NOBODY, "actor": admin})).await,
            "USER_DISABLED" => gateway("AdminReset", reset(&admin, &self.disabled.user_id)).await,
            "USERNAME_TAKEN" => {
                let user = json!({"organizationId": organization_id, "username": "BUDI"});
                self.ask("crm", "CreateUser", json!({"user": user, "actor": admin})).await
            }
            "SLUG_TAKEN" => {
                let organization = json!({"slug": "kopi", "displayName": "K", "linkBase": "https://kopi.example"});
                self.ask("crm", "CreateOrganization", json!({"organization": organization})).await
            }
            "LAST_OWNER" => {
                let owner = self.world.find_user(&format!("owner.{locale}")).await;
                let user = json!({"userId": owner.user_id, "state": "USER_STATE_DISABLED"});
                self.ask("support", "UpdateUser", json!({"user": user, "reason": "ticket 4711"})).await
            }
            "RESET_ENDED" => gateway("RevokeReset", json!({"resetId": self.ended, "actor": admin})).await,
            "IDEMPOTENCY_MISMATCH" => {
                let ask = async |name: &str| {
                    let request = json!({"username": name, "requester": requester, "idempotencyKey": "a-key"});
                    gateway("RequestReset", request).await
                };
                ask("budi").await;
                ask("sari").await
            }
            "DEADLINE_EXCEEDED" => self.held_up().await,
            "INTERNAL" => self.broken(locale).await,
            "METHOD_UNKNOWN" => {
                let call = Call::to("/sandi.identity.v1.IdentityService/Guess").bearer(self.world.token("gateway"));
                self.wire.call(call).await
            }
            "MESSAGE_TOO_LARGE" => {
                let request = json!({"username": "x".repeat(64 * 1024)});
                gateway("RequestReset", request).await
            }
            _ => panic!("nobody knows how to provoke {reason}"),
        }
    }

    async fn ask(&self, caller: &str, rpc: &str, request: Value) -> Answer {
        self.wire.call(Call::of(rpc, request).bearer(self.world.token(caller))).await
    }

    /// A call that waits for a table longer than its caller does.
    async fn held_up(&self) -> Answer {
        let mut holder = self.world.database().await.begin().await.expect("a transaction");
        sqlx::query("LOCK TABLE users").execute(&mut *holder).await.expect("the table is ours");
        let call =
            Call::of("GetUser", json!({"username": "budi"})).without("grpc-timeout").header("grpc-timeout", "300m");
        let answer = self.wire.call(call.bearer(self.world.token("crm"))).await;
        holder.rollback().await.expect("the table is theirs again");
        answer
    }

    /// A call that needs a table which is not there.
    async fn broken(&self, locale: &str) -> Answer {
        let database = self.world.database().await;
        let rename = async |from: &str, to: &str| {
            let statement = sqlx::AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
            sqlx::query(statement).execute(&database).await.expect("the owner may");
        };
        rename("users", "people").await;
        let request = json!({"username": "budi", "password": "x", "requester": {"locale": locale}});
        let answer = self.ask("gateway", "VerifyPassword", request).await;
        rename("people", "users").await;
        answer
    }
}
