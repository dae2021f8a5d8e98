//! What did not come from a page of ours is refused, and nothing changes.

use e2e::{Person, World, people::PASSWORD, web::Visitor};
use proto::identity::v1::{Role, User};

use super::NEW;

/// An admin and a member, both logged in.
async fn two(world: &World) -> (User, Visitor, User, Visitor) {
    let kopi = world.organization("kopi").await;
    let sari = world.user(&kopi, Person::named("sari").email("sari@kopi.example").role(Role::Admin)).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let (mut as_sari, mut as_budi) = (world.visitor("en"), world.visitor("en"));
    as_sari.log_in("sari", PASSWORD);
    as_budi.log_in("budi", PASSWORD);
    (sari, as_sari, budi, as_budi)
}

fn csrf(visitor: &mut Visitor) -> String {
    let fields = visitor.get("/account").form("change-form").fields;
    fields.into_iter().find(|(name, _)| name == "csrf").expect("a form has a token").1
}

#[tokio::test]
async fn a_form_without_its_own_token_is_refused_and_changes_nothing() {
    let world = World::build().gateway().start().await;
    let (_, mut sari, budi, mut budi_browser) = two(&world).await;
    let (of_sari, of_budi) = (csrf(&mut sari), csrf(&mut budi_browser));
    let mut stranger = world.visitor("en");
    stranger.get("/forgot");
    let before = world.row_counts().await;

    let change =
        |token| [("csrf", token), ("current_password", PASSWORD), ("new_password", NEW), ("confirm_password", NEW)];
    let reset = format!("/users/{}/reset", budi.user_id);
    for (mut who, path, fields) in [
        (stranger.clone(), "/forgot", vec![("username", "budi")]),
        (world.visitor("en"), "/forgot", vec![("username", "budi"), ("csrf", "")]),
        (stranger.clone(), "/forgot", vec![("username", "budi"), ("csrf", &of_sari)]),
        (stranger.clone(), "/login", vec![("username", "budi"), ("password", PASSWORD), ("csrf", &of_budi)]),
        (budi_browser.clone(), "/account", change(&of_sari).to_vec()),
        (sari.clone(), "/account", change(&of_budi).to_vec()),
        (sari.clone(), "/account", change("").to_vec()),
        (sari.clone(), &reset, vec![("reason", "x")]),
        (sari.clone(), &reset, vec![("reason", "x"), ("csrf", &of_budi)]),
        (budi_browser.clone(), "/logout", vec![]),
    ] {
        let answer = who.post(path, &fields);
        assert_eq!(answer.status, 403, "{path} {fields:?}: {}", answer.body);
        assert!(answer.has("problem") && answer.text("support-code").len() == 32, "{}", answer.body);
    }
    for site in ["cross-site", "same-site"] {
        let mut elsewhere = budi_browser.clone().header("sec-fetch-site", site);
        assert_eq!(elsewhere.post("/account", &change(&of_budi)).status, 403, "{site}");
    }
    assert_eq!(world.row_counts().await, before, "nothing was written");
    assert_eq!(budi_browser.get("/").status, 200, "still logged in");
}

#[tokio::test]
async fn a_forged_cookie_is_nobody() {
    let world = World::build().gateway().start().await;
    let (sari, as_sari, budi, as_budi) = two(&world).await;
    let session = |visitor: &Visitor| visitor.cookies["sandi_session"].clone();
    let (mine, hers) = (session(&as_budi), session(&as_sari));
    assert!(mine.contains(&budi.user_id), "{mine}");
    let mut visit = world.visitor("en");
    visit.get("/login");
    let swapped = |cookie: &str, value: &str| format!("{}{value}", &cookie[..44]);
    let before = world.row_counts().await;

    for forged in [
        mine.replace(&budi.user_id, &sari.user_id),
        mine.replace(".1.", ".2."),
        swapped(&mine, &hers[44..]),
        hers[44..].to_owned(),
        format!("{}{}", "A".repeat(43) + "=", &hers[44..]),
        visit.cookies["sandi_visit"].clone(),
        String::new(),
        "x".repeat(4000),
    ] {
        let mut forger = world.visitor("en");
        forger.cookies.insert("sandi_session".to_owned(), forged.clone());
        for path in ["/", "/account", "/users"] {
            let answer = forger.get(path);
            assert_eq!((answer.status, answer.location()), (303, "/login"), "{path} with {forged}");
        }
        let change = [("current_password", PASSWORD), ("new_password", NEW), ("confirm_password", NEW)];
        assert_eq!(forger.post("/account", &change).status, 303, "{forged}");
    }
    assert_eq!(world.row_counts().await, before, "nothing was written");
}
