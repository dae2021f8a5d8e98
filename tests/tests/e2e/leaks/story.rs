//! What people do, right and wrong, and every secret that they meet on the way.

use std::time::Duration;

use e2e::{
    Act, Person, Phase, Rule, World,
    leaks::{Kind, Secret},
    people::{PASSWORD, actor},
    web::Visitor,
};
use prost::Message;
use proto::identity::v1::{
    Actor, AdminResetRequest, ChangePasswordRequest, CheckResetRequest, CompleteResetRequest, CreateUserRequest,
    DeliveryState, ExplainResetRequest, GetResetRequest, ListResetsRequest, ListUsersRequest, Organization,
    RequestResetRequest, Requester, RevokeResetRequest, Role, UpdateUserRequest, User, VerifyPasswordRequest,
    actor as actor_of, explain_reset_request, get_reset_request, request_reset_request::Identifier,
};
use tonic::Response;

use crate::waiting::until;

/// The network address that people come from.
const IP: &str = "203.0.113.177";
/// What is wrong with a password besides its being a secret.
const WEAK: &str = "semprul-lemah7";

/// The story so far.
pub(super) struct Story<'w> {
    world: &'w World,
    kopi: Organization,
    admin: User,
    /// All that must stay secret.
    pub secrets: Vec<Secret>,
    /// Answers that an admin or support gets.
    pub answers: Vec<u8>,
    passwords: u32,
    completions: u32,
}

impl<'w> Story<'w> {
    pub(super) async fn begin(world: &'w World) -> Self {
        let kopi = world.organization("kopi").await;
        let admin = world.user(&kopi, person("pengurus").role(Role::Admin)).await;
        let mut story =
            Self { world, kopi, admin, secrets: Vec::new(), answers: Vec::new(), passwords: 0, completions: 0 };
        story.learn(Kind::Password, PASSWORD);
        story.learn(Kind::Password, WEAK);
        story.learn(Kind::Person, IP);
        story.knows("pengurus");
        story
    }

    fn learn(&mut self, kind: Kind, secret: impl Into<Vec<u8>>) {
        self.secrets.push(Secret::new(kind, secret));
    }

    fn knows(&mut self, name: &str) {
        self.learn(Kind::Address, address(name));
        self.learn(Kind::Person, username(name));
        self.learn(Kind::Person, display_name(name));
    }

    async fn somebody(&mut self, name: &str) -> User {
        self.knows(name);
        self.world.user(&self.kopi, person(name)).await
    }

    fn new_password(&mut self) -> String {
        self.passwords += 1;
        let password = format!("jembatan ungu ke {} pulau \"jauh\" & sepi", self.passwords * 7919);
        self.learn(Kind::Password, password.as_str());
        password
    }

    fn answered<T: Message>(&mut self, response: Response<T>) -> T {
        let answer = response.into_inner();
        self.answers.extend(answer.encode_to_vec());
        answer
    }

    /// The tokens of all mails to somebody, once there are so many mails.
    async fn tokens(&mut self, name: &str, mails: usize) -> Vec<String> {
        let mails = self.world.mails_to(&address(name), mails).await;
        let tokens: Vec<String> = mails.iter().flat_map(|mail| mail.tokens()).collect();
        for token in &tokens {
            self.learn(Kind::Token, token.as_str());
        }
        tokens
    }

    async fn request(&mut self, identifier: Identifier) -> String {
        let request =
            RequestResetRequest { identifier: Some(identifier), requester: requester(), ..Default::default() };
        let answer = self.world.gateway().identity.request_reset(request).await.expect("it is accepted");
        self.answered(answer).request_id
    }

    async fn request_for(&mut self, name: &str) -> String {
        self.request(Identifier::Username(username(name))).await
    }

    async fn complete(&mut self, token: &str, password: &str) -> bool {
        self.completions += 1;
        let request = CompleteResetRequest {
            token: token.to_owned(),
            new_password: password.to_owned(),
            confirm_password: Some(password.to_owned()),
            requester: requester(),
            idempotency_key: format!("selesai-{}", self.completions),
        };
        self.world.gateway().identity.complete_reset(request).await.is_ok()
    }

    async fn log_in(&self, username: &str, password: &str) -> bool {
        let request = VerifyPasswordRequest {
            username: username.to_owned(),
            password: password.to_owned(),
            requester: requester(),
        };
        self.world.gateway().identity.verify_password(request).await.is_ok()
    }

    /// A password is forgotten, a weak one refused, a good one set, the old one tried.
    pub(super) async fn forgotten(&mut self) {
        self.somebody("pelupa").await;
        self.request_for("pelupa").await;
        let token = self.tokens("pelupa", 1).await.remove(0);
        let check = CheckResetRequest { token: token.clone() };
        self.world.gateway().identity.check_reset(check).await.expect("the link is good");
        assert!(!self.complete(&token, WEAK).await);
        assert!(!self.complete(&format!("{token}x"), PASSWORD).await);
        let password = self.new_password();
        assert!(self.complete(&token, &password).await);
        assert!(!self.complete(&token, &password).await);
        assert!(!self.log_in(&username("pelupa"), PASSWORD).await);
        assert!(self.log_in(&username("pelupa"), &password).await);
        // The notice comes beside the link.
        self.tokens("pelupa", 2).await;
    }

    /// What people type that is no username: another address, their password, nothing good at all.
    pub(super) async fn mistyped(&mut self) {
        self.somebody("pengetik").await;
        self.request(Identifier::Email(address("pengetik"))).await;
        self.tokens("pengetik", 1).await;
        for (typed, identifier) in [
            ("kata-sandi-saya-8842", Identifier::Username as fn(String) -> Identifier),
            ("orang.asing.5521@tempat-lain.example", Identifier::Email),
            ("bukan alamat sama sekali 9", Identifier::Email),
        ] {
            self.learn(Kind::Typed, typed);
            let request = self.request(identifier(typed.to_owned())).await;
            self.world.reset_in(&request, DeliveryState::NotSent).await;
        }
        for bad in ["buruk\u{7}sekali-3327", &"panjang-sekali-6618".repeat(20)] {
            self.learn(Kind::Typed, &bad.as_bytes()[6..]);
            let request = RequestResetRequest {
                identifier: Some(Identifier::Username(bad.to_owned())),
                requester: requester(),
                ..Default::default()
            };
            assert!(self.world.gateway().identity.request_reset(request).await.is_err());
        }
        self.learn(Kind::Typed, "siapa.ini.7713");
        assert!(!self.log_in("siapa.ini.7713", PASSWORD).await);
    }

    /// A password is changed, after a wrong try.
    pub(super) async fn changed(&mut self) {
        let user = self.somebody("pengganti").await;
        let password = self.new_password();
        let wrong = self.new_password();
        for (current, good) in [(wrong.as_str(), false), (PASSWORD, true)] {
            let request = ChangePasswordRequest {
                user_id: user.user_id.clone(),
                current_password: current.to_owned(),
                new_password: password.clone(),
                confirm_password: Some(password.clone()),
                requester: requester(),
                idempotency_key: format!("ganti-{good}"),
            };
            assert_eq!(self.world.gateway().identity.change_password(request).await.is_ok(), good);
        }
        self.tokens("pengganti", 1).await;
    }

    /// An admin resets somebody, revokes another link, and looks at what became of both; support looks too.
    pub(super) async fn by_an_admin(&mut self) {
        let user = self.somebody("bawahan").await;
        let mut resets = Vec::new();
        for _ in 0..2 {
            let request = AdminResetRequest {
                user_id: user.user_id.clone(),
                actor: actor(&self.admin),
                reason: "tidak bisa masuk".to_owned(),
                requester: requester(),
                ..Default::default()
            };
            let answer = self.world.crm().identity.admin_reset(request).await.expect("it is allowed");
            resets.push(self.answered(answer).reset_id);
        }
        let tokens = self.tokens("bawahan", 2).await;
        for reset in &resets {
            self.world.reset_by_id_in(reset, DeliveryState::Sent).await;
        }
        let revoke = RevokeResetRequest {
            reset_id: resets.remove(0),
            actor: actor(&self.admin),
            reason: "salah orang".to_owned(),
        };
        let answer = self.world.crm().support.revoke_reset(revoke).await.expect("it is revoked");
        self.answered(answer);
        let password = self.new_password();
        let mut completed = 0;
        for token in &tokens {
            completed += u32::from(self.complete(token, &password).await);
        }
        assert_eq!(completed, 1);
        self.look("bawahan", &resets[0]).await;
    }

    /// The admin by a token. Those that the gateway signs have the same header.
    fn signed_admin(&mut self) -> Option<Actor> {
        let token = self.world.actor_token(&self.admin.user_id);
        for part in token.split('.') {
            self.learn(Kind::Credential, part);
        }
        Some(Actor { kind: Some(actor_of::Kind::Token(token)) })
    }

    async fn look(&mut self, name: &str, reset_id: &str) {
        let (crm, gateway, support) = (self.world.crm(), self.world.gateway(), self.world.support());
        let (organization_id, admin) = (self.kopi.organization_id.clone(), actor(&self.admin));
        let signed = self.signed_admin();
        let list = ListUsersRequest { organization_id: organization_id.clone(), actor: signed, ..Default::default() };
        // The CRM itself sees whole addresses; it keeps them.
        let answer = gateway.clone().directory.list_users(list).await.expect("it is allowed");
        self.answered(answer);
        let list = ListResetsRequest { organization_id, actor: admin.clone(), ..Default::default() };
        let answer = crm.clone().support.list_resets(list).await.expect("it is allowed");
        self.answered(answer);
        let key = get_reset_request::Key::ResetId(reset_id.to_owned());
        let answer =
            crm.clone().support.get_reset(GetResetRequest { key: Some(key), actor: admin }).await.expect("it is there");
        self.answered(answer);
        let explain = ExplainResetRequest {
            key: Some(explain_reset_request::Key::Username(username(name))),
            locale: "en".to_owned(),
            reason: "ticket 4711".to_owned(),
        };
        let answer = support.clone().support.explain_reset(explain).await.expect("it is answered");
        self.answered(answer);
    }

    /// The same in a browser: log-ins, a change, a link, and an admin.
    pub(super) async fn in_a_browser(&mut self) {
        let user = self.somebody("peramban").await;
        let (name, typed) = (username("peramban"), "kata-sandi-di-kotak-nama-2291");
        let (wrong, changed, last) = (self.new_password(), self.new_password(), self.new_password());
        self.learn(Kind::Typed, typed);

        let mut visitor = self.world.visitor("id");
        for name in [typed, &name] {
            let page = visitor.get("/login");
            let refused = visitor.submit(&page, "login-form", &[("username", name), ("password", &wrong)]);
            assert_eq!(refused.status, 422, "{}", refused.body);
        }
        visitor.log_in(&name, PASSWORD);
        self.carries(&visitor);
        for (current, status) in [(wrong.as_str(), 422), (PASSWORD, 200)] {
            let page = visitor.get("/account");
            let fields = [("current_password", current), ("new_password", &changed), ("confirm_password", &changed)];
            assert_eq!(visitor.submit(&page, "change-form", &fields).status, status);
        }

        let mut forgetful = self.world.visitor("en");
        for name in [typed, &name] {
            let page = forgetful.get("/forgot");
            assert_eq!(forgetful.submit(&page, "forgot-form", &[("username", name)]).status, 303);
        }
        // A notice came before.
        let token = self.tokens("peramban", 2).await.remove(0);
        let page = forgetful.get("/reset");
        let mut page = forgetful.submit(&page, "open-form", &[("token", &token)]);
        for (password, status) in [(WEAK, 422), (&last, 200)] {
            let fields = [("new_password", password), ("confirm_password", password)];
            page = forgetful.submit(&page, "password-form", &fields);
            assert_eq!(page.status, status, "{}", page.body);
        }
        let page = forgetful.get("/reset");
        assert_eq!(forgetful.submit(&page, "open-form", &[("token", &token)]).status, 410);
        self.carries(&forgetful);
        self.tokens("peramban", 3).await;

        let mut admin = self.world.visitor("id");
        admin.log_in(&username("pengurus"), PASSWORD);
        self.carries(&admin);
        let page = admin.get(&format!("/users/{}/reset", user.user_id));
        let sent = admin.submit(&page, "reset-form", &[("reason", "lupa, kata dia di telepon")]);
        assert_eq!(sent.status, 303, "{}", sent.body);
        self.tokens("peramban", 4).await;
        for path in ["/users", sent.location()] {
            let page = admin.get(path);
            assert!(page.status == 200 && page.body.contains(&name), "{}", page.body);
            self.answers.extend(page.body.into_bytes());
        }
    }

    /// What is in a browser's cookies is a credential.
    fn carries(&mut self, visitor: &Visitor) {
        for cookie in visitor.cookies.values().filter(|value| value.len() >= 32) {
            self.learn(Kind::Credential, cookie.as_str());
        }
    }

    /// Somebody is invited, and sets a first password; a second one of that name is refused.
    pub(super) async fn invited(&mut self) {
        self.knows("undangan");
        let user = User {
            organization_id: self.kopi.organization_id.clone(),
            username: username("undangan"),
            email: address("undangan"),
            display_name: display_name("undangan"),
            role: Role::Member.into(),
            ..Default::default()
        };
        let request = CreateUserRequest { user: Some(user), send_invitation: true, ..Default::default() };
        self.world.crm().directory.create_user(request.clone()).await.expect("the user is made");
        let token = self.tokens("undangan", 1).await.remove(0);
        let password = self.new_password();
        assert!(self.complete(&token, &password).await);
        let taken = CreateUserRequest { password, send_invitation: false, ..request };
        assert!(self.world.crm().directory.create_user(taken).await.is_err());
    }

    /// Another address and another name.
    pub(super) async fn moved(&mut self) {
        let user = self.somebody("pindahan").await;
        self.knows("penghuni");
        for (path, user) in [
            ("email", User { email: address("penghuni"), user_id: user.user_id.clone(), ..Default::default() }),
            ("username", User { username: username("penghuni"), user_id: user.user_id.clone(), ..Default::default() }),
        ] {
            let update = UpdateUserRequest {
                user: Some(user),
                update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
                ..Default::default()
            };
            self.world.crm().directory.update_user(update).await.expect("it is changed");
        }
        self.tokens("pindahan", 1).await;
    }

    /// A mail server that says the address in each of its refusals, and one that says nothing.
    pub(super) async fn refused(&mut self) {
        for (name, rule, state) in [
            ("penolak", Rule::reply(Phase::Recipient, 550, refusal("5.1.1", "penolak")), DeliveryState::Bounced),
            ("penyaring", Rule::reply(Phase::Final, 554, refusal("5.7.1", "penyaring")), DeliveryState::Bounced),
            ("penunda", Rule::reply(Phase::Recipient, 451, refusal("4.7.1", "penunda")), DeliveryState::Deferred),
            ("pendiam", Rule::at(Phase::Final, Act::KeepAndDrop), DeliveryState::Unknown),
        ] {
            self.somebody(name).await;
            self.world.script(rule.to(address(name)));
            let request = self.request_for(name).await;
            let reset = self.world.reset_in(&request, state).await;
            self.look(name, &reset.reset_id).await;
        }
        self.tokens("pendiam", 1).await;
        self.world.sink().behave();
    }

    /// Calls that are broken off, and a database that ends its sessions.
    pub(super) async fn broken_off(&mut self) {
        self.somebody("terburu").await;
        for milliseconds in [0, 1, 2, 5] {
            let mut request = tonic::Request::new(VerifyPasswordRequest {
                username: username("terburu"),
                password: PASSWORD.to_owned(),
                requester: requester(),
            });
            request.set_timeout(Duration::from_millis(milliseconds));
            let _ = self.world.gateway().identity.verify_password(request).await;
        }
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = '{}' AND application_name = 'sandi-identity'",
            self.world.database_name()
        );
        self.world.postgres().query("postgres", &sql).expect("the superuser may");
        let password = self.new_password();
        // These fail for want of the database, which is logged, until the last dead session is found out.
        self.log_in(&username("terburu"), &password).await;
        until("the database is there again", async || self.log_in(&username("terburu"), PASSWORD).await.then_some(()))
            .await;
        let request = self.request_for("terburu").await;
        self.world.reset_in(&request, DeliveryState::Sent).await;
        self.tokens("terburu", 1).await;
    }
}

fn requester() -> Option<Requester> {
    e2e::people::requester(IP, "id")
}

fn person(name: &str) -> Person {
    Person::named(&username(name)).email(&address(name)).display_name(&display_name(name))
}

/// Distinct from everything else that is written anywhere.
fn username(name: &str) -> String {
    format!("{name}.kenanga.4417")
}

fn address(name: &str) -> String {
    format!("{name}_kotak-4417@surat-rahasia.example")
}

fn display_name(name: &str) -> String {
    format!("{name} Wijayakusuma Kenanga")
}

fn refusal(code: &str, name: &str) -> String {
    format!("{code} <{}>: not for {}", address(name), username(name))
}
