//! The pages know of nobody: for those who exist and those who do not, the same call is made and the same is shown.

use std::collections::BTreeMap;

use e2e::{
    Person, World,
    web::{Answer, Visitor},
    world::Program,
};
use proto::identity::v1::{UpdateUserRequest, User, UserState};

/// A page without what is drawn anew each time, and without the name that was typed.
fn plain(answer: &Answer, typed: &str) -> (u16, Vec<(String, String)>, String) {
    let mut body = answer.body.clone();
    for name in ["csrf", "act"] {
        while let Some(start) = body.find(&format!("name=\"{name}\" value=\"")) {
            let end = start + body[start..].find('>').expect("a tag ends");
            body.replace_range(start..end, "*");
        }
    }
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "set-cookie"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()))
        .collect();
    headers.sort();
    (answer.status, headers, body.replace(typed, "NAME"))
}

/// How often each call was made, by its name.
fn calls(world: &World) -> BTreeMap<String, u64> {
    let metrics = world.admin(Program::Identity, 0, "/metrics").body;
    let counts = metrics.lines().filter(|line| line.starts_with("rpc_server_call_duration_seconds_count"));
    let mut calls = BTreeMap::new();
    for line in counts {
        let method = line.split("rpc_method=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a method");
        let count: u64 = line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a count");
        *calls.entry(method.to_owned()).or_default() += count;
    }
    calls
}

/// Sends a form of a page with a name in it, and gives all that the browser comes to see.
fn all_pages(visitor: &mut Visitor, path: &str, form: &str, field: &str, name: &str) -> Vec<Answer> {
    let page = visitor.get(path);
    let answer = visitor.submit(&page, form, &[(field, name), ("password", "not the password")]);
    let mut pages = vec![page, answer];
    if !pages[1].location().is_empty() {
        let next = pages[1].location().to_owned();
        pages.push(visitor.get(&next));
    }
    pages
}

#[tokio::test]
async fn a_known_name_and_an_unknown_one_see_the_same_pages_after_the_same_calls() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi-santoso").email("budi@kopi.example")).await;
    world.user(&kopi, Person::named("tanpa-alamat")).await;
    let gone = world.user(&kopi, Person::named("dimatikan-su").email("mati@kopi.example")).await;
    let user = User { user_id: gone.user_id, state: UserState::Disabled.into(), ..Default::default() };
    let disable = UpdateUserRequest { user: Some(user), ..Default::default() };
    world.crm().directory.update_user(disable).await.expect("disabled");

    // Of one length, because the log-in shows again what was typed.
    let names = ["budi-santoso", "tanpa-alamat", "dimatikan-su", "tidak-adanya"];
    let addresses = ["budi@kopi.example", "mati@kopi.example", "tidak@ada.example"];
    for (path, form, field, names) in [
        ("/forgot", "forgot-form", "username", &names[..]),
        ("/forgot-username", "forgot-username-form", "email", &addresses[..]),
        ("/login", "login-form", "username", &names[..]),
    ] {
        let mut seen = Vec::new();
        for name in names {
            let before = calls(&world);
            let pages = all_pages(&mut world.visitor("id"), path, form, field, name);
            let mut made = calls(&world);
            made.retain(|method, count| {
                *count -= before.get(method).copied().unwrap_or_default();
                *count > 0
            });
            seen.push((pages.iter().map(|page| plain(page, name)).collect::<Vec<_>>(), made));
        }
        assert_eq!(seen[0].1.values().sum::<u64>(), 1, "one call: {:?}", seen[0].1);
        for (other, name) in seen.iter().zip(names) {
            assert_eq!(other, &seen[0], "{path}: {name} differs from {}", names[0]);
        }
    }
}
