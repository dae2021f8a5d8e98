//! User Settings: who sees whom.

use e2e::{Person, World, people::PASSWORD};
use proto::identity::v1::{Role, UpdateUserRequest, User, UserState};
use uuid::Uuid;

fn person(username: &str) -> Person {
    Person::named(username).email(&format!("{username}@kopi.example"))
}

#[tokio::test]
async fn the_list_comes_in_pages_is_searched_and_ends_at_the_organisation() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, person("sari").role(Role::Admin)).await;
    for number in 0..24 {
        world.user(&kopi, person(&format!("pegawai{number:02}")).password("")).await;
    }
    let teh = world.organization("teh").await;
    let foreign = world.user(&teh, Person::named("orang-lain").email("orang@teh.example").password("")).await;
    let mut sari = world.visitor("id");
    sari.log_in("sari", PASSWORD);

    let shown = |body: &str| body.matches("data-username=").count();
    let first = sari.get("/users");
    assert_eq!(shown(&first.body), 20);
    assert!(!first.has("first-page"));
    let second = sari.get(&first.attribute("next-page", "href"));
    assert_eq!(shown(&second.body), 5, "{}", second.body);
    assert!(!second.has("next-page") && second.body.contains("data-username=\"sari\""));
    assert_eq!(second.attribute("first-page", "href"), "/users");
    assert_eq!(shown(&sari.get("/users?query=PEGAWAI1").body), 10);
    let nobody = sari.get("/users?query=orang");
    assert!(nobody.has("nobody") && shown(&nobody.body) == 0, "{}", nobody.body);
    let stale = sari.get("/users?query=x&page=nonsense");
    assert_eq!((stale.status, stale.location()), (303, "/users?query=x"));

    let form = |page: &e2e::web::Answer| page.form("search-form");
    assert_eq!(form(&sari.get("/users?query=%22%3E%3Cscript%3E")).fields[0].1, "\"><script>", "text stays text");

    let absent = Uuid::from_u128(0x0193_577e_0000_7000_8000_0000_0000_0001).to_string();
    let answers: Vec<_> = [&foreign.user_id, &absent, "no-id"]
        .map(|id| sari.get(&format!("/users/{id}/reset")))
        .map(|answer| (answer.status, answer.body.replace(&answer.text("support-code"), "")))
        .to_vec();
    assert_eq!(answers[0].0, 404);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "a foreign user is an absent one: {answers:?}");
}

#[tokio::test]
async fn a_member_sees_no_list_and_resets_nobody() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, person("budi")).await;
    let sari = world.user(&kopi, person("sari").role(Role::Admin)).await;
    let mut budi = world.visitor("en");
    let home = budi.log_in("budi", PASSWORD);
    assert!(!home.has("menu-users") && !home.has("to-users"));
    let csrf = home.form("logout-form").fields[0].1.clone();
    let before = world.row_counts().await;
    let reset = format!("/users/{}/reset", sari.user_id);
    for answer in [
        budi.get("/users"),
        budi.get(&reset),
        budi.post(&reset, &[("csrf", &csrf), ("reason", "because")]),
        budi.get(&format!("/users/{}/resets/{}", sari.user_id, Uuid::nil())),
    ] {
        assert_eq!(answer.status, 403, "{}", answer.body);
        assert!(!answer.body.contains("sari"), "{}", answer.body);
    }
    assert_eq!(world.row_counts().await, before);
}

#[tokio::test]
async fn an_admin_learns_why_there_is_no_mail_and_cannot_act_on_an_owner() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, person("sari").role(Role::Admin)).await;
    let owner = world.user(&kopi, person("pemilik").role(Role::Owner)).await;
    let wayan = world.user(&kopi, Person::named("wayan")).await;
    let gone = world.user(&kopi, person("pergi")).await;
    let mut sari = world.visitor("en");
    sari.log_in("sari", PASSWORD);

    let list = sari.get("/users");
    assert!(list.body.contains("class=\"address\" data-state=\"MISSING\""), "{}", list.body);
    assert!(list.body.contains("class=\"help-link\""), "what helps stands in place of the button");
    let path = format!("/users/{}/reset", wayan.user_id);
    let page = sari.get(&path);
    assert!(page.text("obstacle").contains("no email address") && page.body.contains("What you can do"));
    assert!(!page.has("reset-form"), "nothing is offered that cannot work: {}", page.body);
    // Somebody whose page is older than that sends all the same, and is told.
    let csrf = &list.form("logout-form").fields[0].1;
    let sent = sari.post(&path, &[("csrf", csrf), ("reason", "asked at the desk")]);
    let outcome = sari.get(sent.location());
    assert_eq!(outcome.attribute("delivery", "data-state"), "NOT_SENT", "{}", outcome.body);
    assert_eq!(outcome.text("delivery"), "not sent: no email address");

    let user = User { user_id: gone.user_id.clone(), state: UserState::Disabled.into(), ..Default::default() };
    let disable = UpdateUserRequest { user: Some(user), ..Default::default() };
    world.crm().directory.update_user(disable).await.expect("he is disabled");
    let page = sari.get(&format!("/users/{}/reset", gone.user_id));
    assert!(page.text("obstacle").contains("disabled") && !page.has("reset-form"), "{}", page.body);

    let page = sari.get(&format!("/users/{}/reset", owner.user_id));
    let refused = sari.submit(&page, "reset-form", &[("reason", "a try")]);
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("role=\"alert\"") && refused.attribute("reason", "value") == "a try");
    assert!(world.sink().mails().is_empty(), "nobody got a mail");
}
