//! A session ends as soon as the account is not what it was when the session began.

use e2e::{
    Person, World,
    people::{PASSWORD, requester},
    web::Visitor,
};
use proto::identity::v1::{
    ChangePasswordRequest, Organization, UpdateOrganizationRequest, UpdateUserRequest, User, UserState,
};

use super::NEW;

async fn logged_in(world: &World, user: &User) -> Visitor {
    let mut visitor = world.visitor("id");
    assert!(visitor.log_in(&user.username, PASSWORD).has("welcome"));
    visitor
}

#[track_caller]
fn assert_over(visitor: &mut Visitor) {
    for path in ["/", "/account"] {
        let mut browser = visitor.clone();
        let answer = browser.get(path);
        assert_eq!((answer.status, answer.location()), (303, "/login?note=ended"), "{path}");
        assert!(!browser.cookies.contains_key("sandi_session"), "the cookie is taken back");
    }
}

#[tokio::test]
async fn a_session_of_before_a_change_is_over_at_the_next_click() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let mut browser = logged_in(&world, &budi).await;
    let form = browser.get("/account");

    let change = ChangePasswordRequest {
        user_id: budi.user_id.clone(),
        current_password: PASSWORD.to_owned(),
        new_password: NEW.to_owned(),
        requester: requester("203.0.113.7", "id"),
        ..Default::default()
    };
    world.gateway().identity.change_password(change).await.expect("it is changed");
    assert_over(&mut browser);
    let fields = [("current_password", NEW), ("new_password", PASSWORD), ("confirm_password", PASSWORD)];
    let answer = browser.clone().submit(&form, "change-form", &fields);
    assert_eq!((answer.status, answer.location()), (303, "/login?note=ended"));
    world.log_in("budi", NEW).await.expect("nothing changed");
}

#[tokio::test]
async fn a_session_of_a_disabled_user_or_a_suspended_organisation_is_over() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi")).await;
    let wati = world.user(&kopi, Person::named("wati")).await;
    let (mut of_budi, mut of_wati) = (logged_in(&world, &budi).await, logged_in(&world, &wati).await);

    let user = User { user_id: budi.user_id, state: UserState::Disabled.into(), ..Default::default() };
    let disable = UpdateUserRequest { user: Some(user), ..Default::default() };
    world.crm().directory.update_user(disable).await.expect("he is disabled");
    assert_over(&mut of_budi);
    assert_eq!(of_wati.get("/").status, 200);

    let organization = Organization { organization_id: kopi.organization_id, suspended: true, ..Default::default() };
    let suspend = UpdateOrganizationRequest { organization: Some(organization), ..Default::default() };
    world.crm().directory.update_organization(suspend).await.expect("it is suspended");
    assert_over(&mut of_wati);
}

#[tokio::test]
async fn a_session_ends_by_itself_and_by_logging_out() {
    let world = World::build().gateway().set("gateway.cookie.session_life=3s").start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi")).await;
    let mut browser = logged_in(&world, &budi).await;
    let page = browser.get("/account");
    let out = browser.submit(&page, "logout-form", &[]);
    assert_eq!((out.status, out.location()), (303, "/login?note=out"));
    assert_eq!(browser.get("/").location(), "/login");

    let mut browser = logged_in(&world, &budi).await;
    let end = tokio::time::Instant::now() + e2e::resets::BOUND;
    while browser.get("/account").status == 200 {
        assert!(tokio::time::Instant::now() < end, "still logged in");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(browser.get("/account").location(), "/login");
}
