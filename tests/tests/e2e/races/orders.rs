//! Four who change one user at once: what remains is what some order of them would have left.

use e2e::{
    Person, World, full,
    people::{PASSWORD, requester},
};
use futures::future::join_all;
use proto::identity::v1::{LinkState, ResetKind, Role, User, UserState};
use tonic::Code;

use crate::calls::{BROWSER, Outcome, admin_reset, change_password, resets_of_user, set_state, settled};

fn rounds() -> usize {
    if full() { 1_000 } else { 20 }
}

const BY_LINK: &str = "awan putih di atas ladang 3";
const BY_CHANGE: &str = "perahu biru di laut tenang";

/// Who acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Complete,
    Change,
    AdminReset,
    Disable,
}

const ACTS: [Act; 4] = [Act::Complete, Act::Change, Act::AdminReset, Act::Disable];

/// The user as the checker imagines it, and as it is seen from outside.
#[derive(Clone, PartialEq, Eq, Debug)]
struct State {
    active: bool,
    password: &'static str,
    version: i64,
    /// The person's own link.
    link: LinkState,
    /// The link of the admin's, if it was made.
    second: Option<LinkState>,
}

impl State {
    /// What an act does in this state, and how it is answered: empty for OK, else the reason.
    fn apply(&mut self, act: Act) -> &'static str {
        match act {
            Act::Complete if !self.active || self.link != LinkState::Live => "RESET_TOKEN_INVALID",
            Act::Complete => {
                self.end_links();
                (self.link, self.password) = (LinkState::Completed, BY_LINK);
                self.version += 1;
                ""
            }
            Act::Change if !self.active || self.password != PASSWORD => "PASSWORD_MISMATCH",
            Act::Change => {
                self.end_links();
                self.password = BY_CHANGE;
                self.version += 1;
                ""
            }
            Act::AdminReset if !self.active => "USER_DISABLED",
            Act::AdminReset => {
                self.second = Some(LinkState::Live);
                ""
            }
            Act::Disable => {
                self.end_links();
                self.active = false;
                self.version += 1;
                ""
            }
        }
    }

    fn end_links(&mut self) {
        for link in [Some(&mut self.link), self.second.as_mut()].into_iter().flatten() {
            if *link == LinkState::Live {
                *link = LinkState::Revoked;
            }
        }
    }
}

/// Every order of the four.
fn orders() -> Vec<Vec<Act>> {
    fn extend(order: &[Act], orders: &mut Vec<Vec<Act>>) {
        let left: Vec<Act> = ACTS.into_iter().filter(|act| !order.contains(act)).collect();
        if left.is_empty() {
            orders.push(order.to_vec());
        }
        for act in left {
            extend(&[order, &[act]].concat(), orders);
        }
    }
    let mut all = Vec::new();
    extend(&[], &mut all);
    all
}

/// The reason of a refusal, empty for a success; never a fault of ours.
fn reason<T>(outcome: Outcome<T>) -> String {
    let Err(status) = outcome else { return String::new() };
    let refusal = e2e::Refusal::from(&status);
    assert_eq!(refusal.code, Code::FailedPrecondition, "{refusal:?}");
    refusal.reason
}

#[tokio::test]
async fn four_who_change_a_user_at_once_leave_what_some_order_would_have_left() {
    let world = World::build().identities(2).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    for round in 0..rounds() {
        let username = format!("kasir{round}");
        let address = format!("{username}@kopi.example");
        let user = world.user(&kopi, Person::named(&username).email(&address)).await;
        world.request_reset(&username).await;
        let token = world.token_to(&address).await;
        let before = State {
            active: true,
            password: PASSWORD,
            version: user.credential_version,
            link: LinkState::Live,
            second: None,
        };

        let outcomes = at_once(&world, round, &token, &siti, &user).await;

        let after = look(&world, &user).await;
        let explained = orders().iter().any(|order| {
            let mut state = before.clone();
            let explains = order.iter().all(|act| {
                let answer = state.apply(*act);
                outcomes.iter().any(|(other, outcome)| other == act && outcome == answer)
            });
            explains && state == after
        });
        assert!(explained, "round {round}: no order explains {outcomes:?} and {after:?}");
    }
    settled(&world).await;
}

/// All four, at two processes; who is sent off first changes from round to round.
async fn at_once(world: &World, round: usize, token: &str, siti: &User, user: &User) -> Vec<(Act, String)> {
    let calls = (0..ACTS.len()).map(|position| {
        let act = ACTS[(position + round) % ACTS.len()];
        let (gateway, crm) = (world.client("gateway", position % 2), world.client("crm", position % 2));
        async move {
            // The two that hash take some tens of milliseconds until they write; the others come in between.
            let pause = match act {
                Act::Complete | Act::Change => 0,
                Act::AdminReset => round * 7 % 60,
                Act::Disable => round * 11 % 70,
            };
            tokio::time::sleep(std::time::Duration::from_millis(pause as u64)).await;
            let reason = match act {
                Act::Complete => reason(complete(gateway, token).await),
                Act::Change => reason(change_password(gateway, user, PASSWORD, BY_CHANGE).await),
                Act::AdminReset => reason(admin_reset(gateway, siti, user).await),
                Act::Disable => reason(set_state(crm, user, UserState::Disabled).await),
            };
            (act, reason)
        }
    });
    join_all(calls).await
}

async fn complete(mut client: e2e::client::Client, token: &str) -> Outcome<proto::identity::v1::CompleteResetResponse> {
    let request = proto::identity::v1::CompleteResetRequest {
        token: token.to_owned(),
        new_password: BY_LINK.to_owned(),
        requester: requester(BROWSER, "id"),
        ..Default::default()
    };
    client.identity.complete_reset(request).await
}

/// The user as everybody can see it. To find the password, the user is enabled at the end.
async fn look(world: &World, user: &User) -> State {
    let seen = world.find_user(&user.username).await;
    let resets = resets_of_user(world, user).await;
    let link_of = |kind| resets.iter().find(|reset| reset.kind() == kind).map(|reset| reset.link_state());
    set_state(world.crm(), user, UserState::Active).await.expect("the system of record may");
    let mut good = Vec::new();
    for password in [PASSWORD, BY_LINK, BY_CHANGE] {
        if reason(world.log_in(&user.username, password).await).is_empty() {
            good.push(password);
        }
    }
    let [password] = good[..] else { panic!("{} passwords are good", good.len()) };
    State {
        active: seen.state() == UserState::Active,
        password,
        version: seen.credential_version,
        link: link_of(ResetKind::SelfService).expect("the person's own link"),
        second: link_of(ResetKind::Admin),
    }
}
