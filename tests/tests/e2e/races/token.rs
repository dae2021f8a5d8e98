//! One token and sixteen callers.

use e2e::{Person, World, refused};
use futures::{StreamExt, future::join_all, stream};
use proto::identity::v1::{CompleteResetRequest, LinkState, Role, VerifyPasswordRequest};
use tonic::Code;

use crate::calls::{admin_reset, resets_of_user, settled};

const ROUNDS: usize = 50;
const CALLERS: usize = 16;
/// Rounds in which every loser's password is tried, and not only one's: a hash is a hash.
const THOROUGH: usize = 5;

fn password(round: usize, caller: usize) -> String {
    format!("perahu {round} milik nelayan {caller} berlayar")
}

#[tokio::test]
async fn sixteen_callers_race_one_link_over_two_processes_and_one_wins() {
    let world = World::build().identities(2).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    let mut users = Vec::new();
    for round in 0..ROUNDS {
        let (username, address) = (format!("nelayan{round}"), format!("nelayan{round}@kopi.example"));
        let user = world.user(&kopi, Person::named(&username).email(&address).password("")).await;
        admin_reset(world.gateway(), &siti, &user).await.expect("an admin may");
        users.push((user, address));
    }

    for (round, (user, address)) in users.iter().enumerate() {
        let token = world.token_to(address).await;
        let winner = race(&world, round, &token).await;
        log_ins(&world, round, &user.username, winner).await;
        let resets = resets_of_user(&world, user).await;
        assert_eq!(resets.iter().map(|it| it.link_state()).collect::<Vec<_>>(), [LinkState::Completed]);
        let version = world.find_user(&user.username).await.credential_version;
        assert_eq!(version, user.credential_version + 1, "the password was set once");
    }

    settled(&world).await;
    for (_, address) in &users {
        let subjects: Vec<String> = world.sink().mails_to(address).iter().map(|mail| mail.subject()).collect();
        assert_eq!(subjects, ["Atur ulang kata sandi Sandi", "Kata sandi Sandi Anda telah diatur ulang"], "one notice");
    }
}

/// All callers at once, half of them at each process; gives the winner.
async fn race(world: &World, round: usize, token: &str) -> usize {
    let calls = (0..CALLERS).map(|caller| {
        let mut client = world.client("gateway", caller % 2);
        let request = CompleteResetRequest {
            token: token.to_owned(),
            new_password: password(round, caller),
            ..Default::default()
        };
        async move { client.identity.complete_reset(request).await }
    });
    let mut winners = Vec::new();
    for (caller, outcome) in join_all(calls).await.into_iter().enumerate() {
        match outcome {
            Ok(_) => winners.push(caller),
            Err(status) => {
                let refusal = e2e::Refusal::from(&status);
                let expected = matches!(
                    (refusal.code, refusal.reason.as_str()),
                    (Code::FailedPrecondition, "RESET_TOKEN_INVALID") | (Code::ResourceExhausted, "HASHER_BUSY")
                );
                assert!(expected, "round {round}, caller {caller}: {refusal:?}");
            }
        }
    }
    let [winner] = winners[..] else { panic!("round {round}: {winners:?} have won") };
    winner
}

/// The winner's password is good, and the others' are not.
async fn log_ins(world: &World, round: usize, username: &str, winner: usize) {
    world.log_in(username, &password(round, winner)).await.expect("the winner's password is good");
    let losers = (0..CALLERS).filter(|caller| *caller != winner);
    let tried = if round < THOROUGH { CALLERS } else { 1 };
    let log_ins = losers.take(tried).map(|loser| {
        let mut client = world.client("gateway", loser % 2);
        let request =
            VerifyPasswordRequest { username: username.to_owned(), password: password(round, loser), requester: None };
        async move { client.identity.verify_password(request).await }
    });
    let mut outcomes = stream::iter(log_ins).buffer_unordered(4);
    while let Some(outcome) = outcomes.next().await {
        assert_eq!(refused(outcome).reason, "PASSWORD_MISMATCH", "a loser's password in round {round}");
    }
}
