//! What stands before anything bad is sent, a good request for every call, and what must not change.

use std::collections::BTreeMap;

use e2e::{
    Person, World,
    broker::Broker,
    people::{PASSWORD, actor},
};
use proto::identity::v1::{AdminResetRequest, DeliveryState, Organization, Role, User};
use serde_json::{Value, json};
use sqlx::Row;

/// The queues of both programs.
const QUEUES: [&str; 4] = ["mailer.requests", "mailer.parked", "identity.mail-status", "identity.parked"];

/// An organisation, its people, and one reset that was mailed.
pub struct Ground {
    pub organization: Organization,
    pub owner: User,
    pub member: User,
    pub other: User,
    pub reset_id: String,
    pub support_code: String,
}

impl Ground {
    pub async fn lay(world: &World) -> Self {
        let organization = world.organization("kopi").await;
        let owner = world.user(&organization, Person::named("sari").email("sari@kopi.example").role(Role::Owner)).await;
        let member = world.user(&organization, Person::named("budi").email("budi@kopi.example")).await;
        let other = world.user(&organization, Person::named("putu").email("putu@kopi.example")).await;
        let request = AdminResetRequest {
            user_id: member.user_id.clone(),
            actor: actor(&owner),
            reason: "a link to look at".to_owned(),
            ..Default::default()
        };
        let response = world.gateway().identity.admin_reset(request).await.expect("the owner may");
        let reset = world.reset_by_id_in(&response.into_inner().reset_id, DeliveryState::Sent).await;
        Self { organization, owner, member, other, reset_id: reset.reset_id, support_code: reset.support_code }
    }

    /// A request that is right in every field, who may send it, and what it is answered with: a reason, or `OK`. None:
    /// the call is not known here.
    pub fn good(&self, rpc: &str) -> Option<Good> {
        let requester = json!({"ip": "203.0.113.7", "userAgent": "Mozilla/5.0", "locale": "en-GB"});
        let actor = json!({"userId": self.owner.user_id});
        let token = "A".repeat(43);
        let organization_id = &self.organization.organization_id;
        let member_id = &self.member.user_id;
        let brand = json!({
            "slug": "teh", "displayName": "Teh Melati", "locale": "en", "timeZone": "Asia/Makassar",
            "linkBase": "https://teh.example/account", "supportContact": "08:00-16:00", "senderName": "Teh",
            "suspended": true, "passwordPolicy": {"minLength": 12}, "replyTo": "halo@teh.example",
        });
        let person = json!({
            "username": "wayan", "displayName": "Wayan", "email": "wayan@kopi.example", "locale": "en",
            "role": "ROLE_ADMIN", "state": "USER_STATE_ACTIVE",
        });
        let (caller, request, outcome) = match rpc {
            "RequestReset" => ("gateway", json!({"username": "budi", "requester": requester}), "OK"),
            "CheckReset" => ("gateway", json!({"token": token}), "RESET_TOKEN_INVALID"),
            "CompleteReset" => {
                let request = json!({"token": token, "newPassword": "hujan turun di kebun 5", "requester": requester});
                ("gateway", request, "RESET_TOKEN_INVALID")
            }
            "ChangePassword" => {
                let request = json!({
                    "userId": self.owner.user_id, "currentPassword": PASSWORD,
                    "newPassword": "hujan turun di kebun 5", "requester": requester,
                });
                ("gateway", request, "OK")
            }
            "AdminReset" => {
                let request = json!({
                    "userId": member_id, "actor": actor, "reason": "he asked", "linkLife": "3600s",
                    "requester": requester,
                });
                ("gateway", request, "OK")
            }
            "VerifyPassword" => {
                ("gateway", json!({"username": "BUDI", "password": PASSWORD, "requester": requester}), "OK")
            }
            "CreateOrganization" => ("crm", json!({"organization": brand}), "OK"),
            "GetOrganization" => ("crm", json!({"organizationId": organization_id}), "OK"),
            "UpdateOrganization" => {
                let mut organization = brand;
                organization["organizationId"] = json!(organization_id);
                organization["slug"] = json!("kopi-baru");
                organization["suspended"] = json!(false);
                ("crm", json!({"organization": organization}), "OK")
            }
            "CreateUser" => {
                let mut user = person;
                user["organizationId"] = json!(organization_id);
                let request =
                    json!({"user": user, "password": "embun pagi di rumput 4", "sendInvitation": true, "actor": actor});
                ("crm", request, "OK")
            }
            "GetUser" => ("crm", json!({"userId": member_id}), "OK"),
            "ListUsers" => {
                let request = json!({"organizationId": organization_id, "pageSize": 10, "query": "bu", "actor": actor});
                ("gateway", request, "OK")
            }
            "UpdateUser" => {
                let mut user = person;
                user["userId"] = json!(self.other.user_id);
                user["username"] = json!("putu.baru");
                ("crm", json!({"user": user, "actor": actor, "reason": "he moved"}), "OK")
            }
            "GetReset" => ("gateway", json!({"resetId": self.reset_id, "actor": actor}), "OK"),
            "ListResets" => {
                ("gateway", json!({"organizationId": organization_id, "pageSize": 10, "actor": actor}), "OK")
            }
            "RevokeReset" => {
                ("gateway", json!({"resetId": self.reset_id, "actor": actor, "reason": "not asked for"}), "OK")
            }
            "ExplainReset" => {
                let request = json!({"supportCode": self.support_code, "locale": "en", "reason": "ticket 4711"});
                ("support", request, "OK")
            }
            "ListAuditEvents" => {
                let request = json!({
                    "organizationId": organization_id, "userId": member_id, "action": "AdminReset",
                    "fromTime": "2026-01-01T00:00:00Z", "toTime": "2126-01-01T00:00:00Z", "pageSize": 10,
                });
                ("support", request, "OK")
            }
            _ => return None,
        };
        Some(Good { caller, request, outcome })
    }
}

/// A good request.
pub struct Good {
    pub caller: &'static str,
    pub request: Value,
    pub outcome: &'static str,
}

/// All that is kept anywhere: every row of every table with the transaction that wrote it, every queue, every mailbox.
#[derive(PartialEq, Debug)]
pub struct Snapshot {
    /// By table: how many rows, and a digest of them.
    tables: BTreeMap<String, (i64, String)>,
    queues: BTreeMap<&'static str, u32>,
    mails: usize,
}

impl Snapshot {
    pub async fn take(world: &World, broker: &Broker) -> Self {
        // One query over all tables: xpath reads what query_to_xml made of each.
        let rows = sqlx::query(
            "SELECT name, (xpath('/row/n/text()', row))[1]::text::bigint AS count,
                    coalesce((xpath('/row/d/text()', row))[1]::text, '') AS digest
             FROM (SELECT relname::text AS name,
                          query_to_xml(format('SELECT count(*) AS n,
                              md5(string_agg(t.xmin::text || t::text, E''\\n'' ORDER BY t::text)) AS d
                              FROM %s t', oid::regclass), false, true, '') AS row
                   FROM pg_class
                   WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace) AS tables",
        )
        .fetch_all(&world.database().await)
        .await
        .expect("the tables are read");
        let tables = rows.iter().map(|row| (row.get("name"), (row.get("count"), row.get("digest")))).collect();
        let mut queues = BTreeMap::new();
        for queue in QUEUES {
            queues.insert(queue, broker.ready(queue).await);
        }
        Self { tables, queues, mails: world.sink().mails().len() }
    }

    /// What is not as it was.
    pub fn changes(&self, before: &Self) -> Vec<String> {
        let tables = self.tables.iter().filter(|(name, now)| before.tables.get(*name) != Some(now));
        let mut changes: Vec<_> =
            tables.map(|(name, now)| format!("{name}: {:?} before, {now:?} now", before.tables.get(name))).collect();
        if (&self.queues, self.mails) != (&before.queues, before.mails) {
            changes.push(format!("{:?} {} before, {:?} {} now", before.queues, before.mails, self.queues, self.mails));
        }
        changes
    }
}
