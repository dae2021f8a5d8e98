//! Tokens that somebody made up, or made of what the database holds.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use e2e::{Person, Refusal, World, client::Client, people::PASSWORD};
use futures::future::join_all;
use proto::identity::v1::{CheckResetRequest, CompleteResetRequest, CompleteResetResponse};
use tonic::Code;

use super::NEW;
use crate::calls::{Outcome, bytes, check_reset};

/// How many calls a caller may make in a second.
const RATE: usize = 5;
const GUESSES: usize = 100;

async fn check(mut client: Client, token: String) -> Result<(), Refusal> {
    let outcome = client.identity.check_reset(CheckResetRequest { token }).await;
    outcome.map(drop).map_err(|status| Refusal::from(&status))
}

async fn complete(mut client: Client, token: &str) -> Outcome<CompleteResetResponse> {
    let request = CompleteResetRequest { token: token.to_owned(), new_password: NEW.to_owned(), ..Default::default() };
    client.identity.complete_reset(request).await
}

/// A token of the right form that nobody was sent.
fn made_up(number: usize) -> String {
    format!("{number:0>42}A")
}

/// A guess, by one way or the other.
async fn guess(client: Client, number: usize) -> Refusal {
    let refused = if number.is_multiple_of(2) {
        check(client, made_up(number)).await
    } else {
        complete(client, &made_up(number)).await.map(drop).map_err(|status| Refusal::from(&status))
    };
    refused.expect_err("nobody has such a token")
}

#[tokio::test]
async fn tokens_are_guessed_no_faster_than_a_caller_may_call_and_links_stay_good() {
    let limit = format!("identity.limits.caller_per_second={RATE}");
    let world = World::build().caller("portal", &["password.reset"]).set(limit).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;

    let begin = Instant::now();
    let guesses = join_all((0..GUESSES).map(|number| guess(world.gateway(), number))).await;
    let heard = guesses.iter().filter(|refusal| refusal.reason == "RESET_TOKEN_INVALID").count();
    let most = RATE + (begin.elapsed().as_secs_f64() * RATE as f64).ceil() as usize;
    assert!(heard <= most, "{heard} guesses were heard, at most {most} in {:?}", begin.elapsed());
    let limited: Vec<&Refusal> = guesses.iter().filter(|refusal| refusal.reason == "RATE_LIMITED").collect();
    assert_eq!(heard + limited.len(), GUESSES, "{guesses:?}");
    assert!(limited.iter().all(|it| it.code == Code::ResourceExhausted && it.retry_after.is_some()), "{limited:?}");

    check(world.client("portal", 0), token.clone()).await.expect("another caller does not notice");
    tokio::time::sleep(Duration::from_secs(1)).await;
    check(world.gateway(), token.clone()).await.expect("the wait is over");
    complete(world.gateway(), &token).await.expect("nobody has spent it");
}

#[tokio::test]
async fn what_the_database_holds_of_a_token_is_no_token() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;
    let digest: Vec<u8> = sqlx::query_scalar("SELECT token_digest FROM resets WHERE token_digest IS NOT NULL")
        .fetch_one(&world.database().await)
        .await
        .expect("there is one link");

    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let checked = bytes(check_reset(&world, &made_up(0)).await);
    let completed = bytes(complete(world.gateway(), &made_up(0)).await);
    assert!(!checked.2.is_empty() && !completed.2.is_empty());
    let copies = [
        BASE64_URL_SAFE_NO_PAD.encode(&digest),
        BASE64_STANDARD.encode(&digest),
        hex.to_uppercase(),
        format!("\\x{hex}"),
        hex,
    ];
    for copy in copies {
        assert_eq!(bytes(check_reset(&world, &copy).await), checked, "CheckReset");
        assert_eq!(bytes(complete(world.gateway(), &copy).await), completed, "CompleteReset");
    }
    world.log_in("budi", PASSWORD).await.expect("the password is as before");
    complete(world.gateway(), &token).await.expect("the link is as good as new");
}
