//! An admin who means ill, who may change the addresses of lower ranks, and who tries any order of calls: nobody of his
//! own rank or above ends in his hands.

use std::collections::BTreeMap;

use e2e::{
    Person, Refusal, World,
    people::{actor, requester},
};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, prop_oneof},
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use proto::identity::v1::{
    AdminResetRequest, CreateUserRequest, Organization, RequestResetRequest, Role, UpdateUserRequest, User, UserState,
    request_reset_request::Identifier,
};

use crate::calls::{Outcome, check_reset, settled};

/// How many orders of calls are tried, and how many calls stand in one.
const ORDERS: usize = 14;
const CALLS: usize = 14;
/// The password that he sets wherever he can.
const STOLEN: &str = "perahu curian di laut gelap 9";

/// What he tries, on the user of that number.
#[derive(Clone, Copy, Debug)]
enum Try {
    /// Gives the user his own address.
    Address(usize),
    /// Gives the user another username.
    Rename(usize),
    Role(usize, Role),
    State(usize, UserState),
    /// An owner, who means well, gives the user a higher role.
    Promoted(usize, Role),
    /// Presses the button beside the user.
    AdminReset(usize),
    /// Asks for a reset by the user's name.
    Request(usize),
    /// Asks for a reset by his own address.
    RequestMine,
    /// Makes a user with his own address.
    Create(Role),
    /// Opens every link that came to his mailbox.
    Complete,
}

/// A user as the model imagines it.
#[derive(Clone, Debug)]
struct Imagined {
    user: User,
    role: Role,
    active: bool,
    /// Whether mails to the user come to him.
    his: bool,
}

/// One organisation with two of each rank, of which one is he.
struct Siege<'a> {
    world: &'a World,
    organization: Organization,
    attacker: User,
    mailbox: String,
    users: Vec<Imagined>,
    /// The users of his rank and above, as they were.
    out_of_reach: Vec<User>,
    number: usize,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let who = || 0..7usize;
    let role = || prop_oneof![Just(Role::Member), Just(Role::Admin), Just(Role::Owner)];
    let state = || prop_oneof![Just(UserState::Active), Just(UserState::Disabled)];
    let one = prop_oneof![
        4 => who().prop_map(Try::Address),
        1 => who().prop_map(Try::Rename),
        2 => (who(), role()).prop_map(|(who, role)| Try::Role(who, role)),
        1 => (who(), state()).prop_map(|(who, state)| Try::State(who, state)),
        2 => (who(), role()).prop_map(|(who, role)| Try::Promoted(who, role)),
        4 => who().prop_map(Try::AdminReset),
        2 => who().prop_map(Try::Request),
        1 => Just(Try::RequestMine),
        1 => role().prop_map(Try::Create),
        2 => Just(Try::Complete),
    ];
    vec(one, CALLS)
}

fn reason<T>(outcome: Outcome<T>) -> String {
    outcome.map_or_else(|status| Refusal::from(&status).reason, |_| "OK".to_owned())
}

impl<'a> Siege<'a> {
    async fn lay(world: &'a World, number: usize, rank: Role) -> Self {
        let organization = world.organization(&format!("toko{number}")).await;
        let mut users = Vec::new();
        for role in [Role::Member, Role::Admin, Role::Owner] {
            for twin in 1..=2 {
                let name = format!("{}{twin}.{number}", role.as_str_name().to_lowercase().replace("role_", ""));
                let person = Person::named(&name).email(&format!("{name}@toko.example")).role(role).password("");
                let user = world.user(&organization, person).await;
                users.push(Imagined { user, role, active: true, his: false });
            }
        }
        let at = users.iter().position(|it| it.role == rank).expect("one of each rank");
        let attacker = users.remove(at).user;
        let out_of_reach = users.iter().filter(|it| it.role >= rank).map(|it| it.user.clone()).collect();
        let mailbox = format!("jahat{number}@lain.example");
        Self { world, organization, attacker, mailbox, users, out_of_reach, number }
    }

    fn rank(&self) -> Role {
        self.attacker.role()
    }

    /// Tries, and compares the answer with the model's.
    async fn attempt(&mut self, attempt: Try) -> Result<(), String> {
        let number = match attempt {
            Try::Address(who) | Try::Rename(who) | Try::Role(who, _) | Try::State(who, _) => who,
            Try::AdminReset(who) | Try::Request(who) | Try::Promoted(who, _) => who,
            Try::RequestMine | Try::Create(_) | Try::Complete => 0,
        } % self.users.len();
        let target = self.users[number].clone();
        let lower = target.role < self.rank();
        let changed = |allowed: bool| if allowed { "OK" } else { "ACTOR_NOT_ALLOWED" };
        let (wants, gets) = match attempt {
            Try::Address(_) => {
                let user = User { email: self.mailbox.clone(), ..User::default() };
                self.users[number].his |= lower;
                (changed(lower), self.update(&target, user).await)
            }
            Try::Rename(_) => {
                let username = format!("{}.baru", target.user.username);
                let gets = self.update(&target, User { username: username.clone(), ..User::default() }).await;
                self.users[number].user.username = username;
                ("OK", gets)
            }
            Try::Role(_, role) => {
                let allowed = lower && role <= self.rank();
                let gets = self.update(&target, User { role: role.into(), ..User::default() }).await;
                if allowed {
                    self.users[number].role = role;
                }
                (changed(allowed), gets)
            }
            Try::State(_, state) => {
                let gets = self.update(&target, User { state: state.into(), ..User::default() }).await;
                if lower {
                    self.users[number].active = state == UserState::Active;
                }
                (changed(lower), gets)
            }
            Try::Promoted(_, role) => {
                if lower && role > target.role {
                    self.promoted(&target, role).await?;
                    self.users[number].role = role;
                }
                ("OK", "OK".to_owned())
            }
            Try::AdminReset(_) => {
                let request = AdminResetRequest {
                    user_id: target.user.user_id.clone(),
                    actor: actor(&self.attacker),
                    reason: "he asked".to_owned(),
                    ..Default::default()
                };
                let gets = reason(self.world.gateway().identity.admin_reset(request).await);
                let wants = match target.active {
                    _ if target.role > self.rank() => "ACTOR_NOT_ALLOWED",
                    true => "OK",
                    false => "USER_DISABLED",
                };
                (wants, gets)
            }
            Try::Request(_) => ("OK", self.request(Identifier::Username(target.user.username.clone())).await),
            Try::RequestMine => ("OK", self.request(Identifier::Email(self.mailbox.clone())).await),
            Try::Create(role) => (changed(role <= self.rank()), self.create(role).await),
            Try::Complete => {
                self.complete().await?;
                ("OK", "OK".to_owned())
            }
        };
        if gets == wants { Ok(()) } else { Err(format!("{attempt:?} of {target:?}: {gets}, not {wants}")) }
    }

    async fn update(&self, target: &Imagined, user: User) -> String {
        let user = User { user_id: target.user.user_id.clone(), ..user };
        let request = UpdateUserRequest { user: Some(user), actor: actor(&self.attacker), ..Default::default() };
        reason(self.world.crm().directory.update_user(request).await)
    }

    /// No link that had come to him for this user works after the promotion. (Mails that are asked for later still
    /// come to the address he set.)
    async fn promoted(&self, target: &Imagined, role: Role) -> Result<(), String> {
        settled(self.world).await;
        let owner = self.out_of_reach.iter().find(|user| user.role() == Role::Owner).expect("there are two");
        let user = User { user_id: target.user.user_id.clone(), role: role.into(), ..User::default() };
        let request = UpdateUserRequest { user: Some(user), actor: actor(owner), ..Default::default() };
        self.world.crm().directory.update_user(request).await.map_err(|status| format!("the owner: {status:?}"))?;
        for token in self.world.sink().mails_to(&self.mailbox).iter().flat_map(|mail| mail.tokens()) {
            let Ok(link) = check_reset(self.world, &token).await else { continue };
            if link.into_inner().username == target.user.username {
                return Err(format!("a link of before the promotion to {role:?} opens {target:?}"));
            }
        }
        Ok(())
    }

    async fn request(&self, identifier: Identifier) -> String {
        let request = RequestResetRequest {
            identifier: Some(identifier),
            requester: requester("203.0.113.66", "id"),
            ..Default::default()
        };
        reason(self.world.gateway().identity.request_reset(request).await)
    }

    async fn create(&mut self, role: Role) -> String {
        let user = User {
            organization_id: self.organization.organization_id.clone(),
            username: format!("boneka{}.{}", self.users.len(), self.number),
            email: self.mailbox.clone(),
            role: role.into(),
            ..User::default()
        };
        let request = CreateUserRequest { user: Some(user), actor: actor(&self.attacker), ..Default::default() };
        let outcome = self.world.crm().directory.create_user(request).await;
        if let Ok(response) = &outcome {
            let user = response.get_ref().user.clone().expect("it is answered");
            self.users.push(Imagined { user, role, active: true, his: true });
        }
        reason(outcome)
    }

    /// Opens whatever has come to him, and sees whose it was.
    async fn complete(&self) -> Result<(), String> {
        settled(self.world).await;
        for token in self.world.sink().mails_to(&self.mailbox).iter().flat_map(|mail| mail.tokens()) {
            let Ok(response) = self.world.complete_reset(&token, STOLEN).await else { continue };
            let user_id = response.into_inner().user_id;
            let whose = self.users.iter().find(|it| it.user.user_id == user_id);
            if !whose.is_some_and(|it| it.his) {
                return Err(format!("he has taken over {whose:?}"));
            }
        }
        Ok(())
    }

    /// Nobody out of his reach has changed in what counts.
    async fn examine(&self) -> Result<(), String> {
        self.complete().await?;
        let names: BTreeMap<_, _> = self.users.iter().map(|it| (&it.user.user_id, &it.user.username)).collect();
        for before in self.out_of_reach.iter().chain([&self.attacker]) {
            let name = names.get(&before.user_id).map_or(&before.username, |name| *name);
            let after = self.world.find_user(name).await;
            let counts =
                |user: &User| (user.email.clone(), user.role, user.state, user.credential_version, user.has_password);
            if counts(before) != counts(&after) {
                return Err(format!("{before:?} has become {after:?}"));
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn an_admin_takes_over_nobody_of_his_rank_or_above_by_any_order_of_calls() {
    let world = World::build().wide_limits().start().await;
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    for number in 0..ORDERS {
        let tries = tries().new_tree(&mut runner).expect("it can be generated").current();
        let rank = if number % 3 == 2 { Role::Owner } else { Role::Admin };
        let mut siege = Siege::lay(&world, number, rank).await;
        for attempt in &tries {
            let outcome = siege.attempt(*attempt).await;
            outcome.unwrap_or_else(|problem| panic!("by {rank:?}, {tries:?}: {problem}"));
        }
        siege.examine().await.unwrap_or_else(|problem| panic!("by {rank:?}, {tries:?}: {problem}"));
    }
}
