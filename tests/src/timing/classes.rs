//! The kinds of accounts and tokens that an answer must not tell apart (security.md, ENU-4).

use std::collections::BTreeMap;

use proto::identity::v1::{AdminResetRequest, Organization, Role, UpdateUserRequest, User, UserState};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::time::{Duration, sleep};

use super::Class;
use crate::{Person, World, people, wire::Call};

/// Nobody's.
const WRONG: &str = "bukan kata sandi siapa pun 5";
/// A hash that is weaker than the settings of [`settings`], as one of the years before.
const OLD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a world needs that these classes are measured in.
pub fn settings() -> crate::Builder {
    World::build()
        .set("identity.limits.caller_per_second=100000")
        .set("identity.limits.address_per_minute=100000")
        .set("identity.passwords.iterations=3")
        .set("identity.resets.self_service_life=2s")
}

/// Accounts of each kind, and calls about them.
pub struct Accounts<'w> {
    world: &'w World,
    organization: Organization,
    /// So many of each kind.
    count: usize,
}

impl<'w> Accounts<'w> {
    /// Makes them, `count` of each kind: an account that is asked for twice is not what it was.
    ///
    /// # Panics
    /// When something is refused.
    pub async fn make(world: &'w World, count: usize) -> Self {
        let organization = world.organization("kopi").await;
        let accounts = Self { world, organization, count };
        accounts.kind("ada", true, "").await;
        accounts.kind("mati", true, "state = 2").await;
        accounts.kind("kosong", true, "password_hash = NULL").await;
        accounts.kind("tanpa", false, "").await;
        accounts.kind("lama", true, &format!("password_hash = '{OLD_HASH}'")).await;
        accounts
    }

    /// One by the service, the others as copies of its row.
    async fn kind(&self, name: &str, has_address: bool, change: &str) {
        let person = Person::named(name);
        let person = if has_address { person.email(&format!("{name}@surat.example")) } else { person };
        let made = self.world.user(&self.organization, person).await;
        if change == "state = 2" {
            self.disable(made).await;
        } else if !change.is_empty() {
            self.sql(format!("UPDATE users SET {change} WHERE username = '{name}'")).await;
        }
        self.sql(format!(
            "INSERT INTO users
             SELECT (jsonb_populate_record(u, jsonb_build_object(
                        'user_id', gen_random_uuid(), 'username', u.username || n,
                        'email', CASE WHEN u.email IS NOT NULL THEN u.username || n || '@surat.example' END))).*
             FROM users u, generate_series(0, {count}) n
             WHERE u.username = '{name}'",
            count = self.count
        ))
        .await;
    }

    async fn disable(&self, user: User) {
        let user = User { state: UserState::Disabled.into(), ..user };
        let mask = prost_types::FieldMask { paths: vec!["state".to_owned()] };
        let request = UpdateUserRequest { user: Some(user), update_mask: Some(mask), ..Default::default() };
        self.world.crm().directory.update_user(request).await.expect("he is disabled");
    }

    async fn sql(&self, sql: String) {
        let database = self.world.database().await;
        sqlx::query(AssertSqlSafe(sql)).execute(&database).await.expect("the owner may");
    }

    fn call(
        &self,
        name: &'static str,
        rpc: &'static str,
        request: impl Fn(usize) -> Value + Send + Sync + 'static,
    ) -> Class {
        let token = self.world.token("gateway").to_owned();
        Class::new(name, move |number| Call::of(rpc, request(number)).bearer(&token))
    }

    /// RequestReset for the eight classes. The limited one has had its mail; the locked one too many wrong passwords.
    pub async fn request_reset(&self) -> Vec<Class> {
        let asking = |name, username: fn(usize) -> String| {
            self.call(name, "RequestReset", move |number| json!({ "username": username(number) }))
        };
        for _ in 0..12 {
            let _ = self.world.log_in("ada", WRONG).await;
        }
        self.world.request_reset("lama").await;
        vec![
            asking("existing", |number| format!("ada{number}")),
            asking("unknown user", |number| format!("nul{number}")),
            asking("unknown tenant", |number| format!("ada{number}@lain.example")),
            asking("disabled", |number| format!("mati{number}")),
            asking("locked", |_| "ada".to_owned()),
            asking("no password", |number| format!("kosong{number}")),
            asking("no address", |number| format!("tanpa{number}")),
            asking("limited", |_| "lama".to_owned()),
        ]
    }

    /// Nobody, under other names than the unknown user: no difference may be found between the two.
    pub fn nobody(&self) -> Class {
        self.call("unknown again", "RequestReset", |number| json!({ "username": format!("nil{number}") }))
    }

    /// A call about nobody, measured after one of the other classes: does their work slow the next call?
    pub async fn pairs(&self) -> Vec<Class> {
        let token = self.world.token("gateway").to_owned();
        let after = |class: Class| {
            let token = token.clone();
            let next =
                move |number| Call::of("RequestReset", json!({ "username": format!("z{number}") })).bearer(&token);
            Class { before: Some(class.call), ..Class::new(class.name, next) }
        };
        let classes = self.request_reset().await.into_iter();
        classes.filter(|it| ["existing", "unknown user", "disabled"].contains(&it.name)).map(after).collect()
    }

    /// VerifyPassword with a wrong password. Each account is tried once, so that no wait stands in the way.
    pub fn verify_password(&self) -> Vec<Class> {
        let trying = |name, username: fn(usize) -> String| {
            let request = move |number| json!({ "username": username(number), "password": WRONG });
            self.call(name, "VerifyPassword", request)
        };
        vec![
            trying("existing", |number| format!("ada{number}")),
            trying("unknown user", |number| format!("nol{number}")),
            trying("disabled", |number| format!("mati{number}")),
            trying("no password", |number| format!("kosong{number}")),
            trying("older parameters", |number| format!("lama{number}")),
        ]
    }

    /// CompleteReset with tokens that are over, each in its way, and with none of ours.
    ///
    /// # Panics
    /// When a link does not come.
    pub async fn complete_reset(&self) -> Vec<Class> {
        let tokens = self.tokens().await;
        let completing = |name: &'static str, token: String| {
            let request = move |_| json!({ "token": token, "new_password": people::PASSWORD });
            self.call(name, "CompleteReset", request)
        };
        let other = "A".repeat(42) + "E";
        let mut classes = vec![completing("no token of ours", other)];
        classes.extend(tokens.into_iter().map(|(name, token)| completing(name, token)));
        classes
    }

    async fn tokens(&self) -> BTreeMap<&'static str, String> {
        let lain = self.world.organization("lain").await;
        let admin = self.world.user(&self.organization, Person::named("admin").role(Role::Admin)).await;
        let other_admin = self.world.user(&lain, Person::named("admin2").role(Role::Admin)).await;
        let mut tokens = BTreeMap::new();
        for (name, username, organization, by) in [
            ("used", "budi", &self.organization, &admin),
            ("of another tenant, used", "sari", &lain, &other_admin),
            ("revoked", "wayan", &self.organization, &admin),
        ] {
            let address = format!("{username}@surat.example");
            let user = self.world.user(organization, Person::named(username).email(&address)).await;
            let request = AdminResetRequest {
                user_id: user.user_id.clone(),
                actor: people::actor(by),
                reason: "measured".to_owned(),
                ..AdminResetRequest::default()
            };
            self.world.crm().identity.admin_reset(request).await.expect("an admin may");
            let token = self.world.token_to(&address).await;
            if name == "revoked" {
                self.disable(user).await;
            } else {
                self.world.complete_reset(&token, people::PASSWORD).await.expect("it is live");
            }
            tokens.insert(name, token);
        }
        self.world.user(&self.organization, Person::named("telat").email("telat@surat.example")).await;
        self.world.request_reset("telat").await;
        tokens.insert("expired", self.world.token_to("telat@surat.example").await);
        // Its life, which the settings make short.
        sleep(Duration::from_secs(3)).await;
        tokens
    }
}
