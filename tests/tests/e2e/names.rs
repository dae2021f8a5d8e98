//! Names of people, whatever the database thinks of letters.

use e2e::{Person, World, refused, world::Program};
use proto::identity::v1::{CreateUserRequest, ListUsersRequest, Organization, User};

/// Spellings of one username. To a Turkish database the small letter of I is ı.
const SPELLINGS: [&str; 3] = ["indah.ilir", "INDAH.ILIR", "Indah.Ilir"];

/// Makes the database anew with Turkish rules for letters.
fn become_turkish(world: &mut World) {
    assert!(world.terminate(Program::Identity, 0).success());
    let name = world.database_name();
    let query = |sql: &str| world.postgres().query("postgres", sql).unwrap_or_else(|error| panic!("{error:#}"));
    query(&format!("DROP DATABASE {name} WITH (FORCE)"));
    query(&format!(
        "CREATE DATABASE {name} OWNER sandi_owner TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'"
    ));
    world.sandi().migrate().expect("it takes the schema");
    let folded = world.postgres().query(name, "SELECT lower('I')").expect("it answers");
    assert_eq!(folded.trim(), "ı", "it is Turkish");
    world.start_again(Program::Identity, 0);
}

async fn found(world: &World, kopi: &Organization, query: &str) -> Vec<String> {
    let organization_id = kopi.organization_id.clone();
    let request = ListUsersRequest { organization_id, query: query.to_owned(), page_size: 10, ..Default::default() };
    let users = world.support().directory.list_users(request).await.expect("it is a list").into_inner().users;
    users.into_iter().map(|user| user.username).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turkish_database_finds_the_same_users_as_any_other() {
    let mut world = World::build().wide_limits().start().await;
    for turkish in [false, true] {
        if turkish {
            become_turkish(&mut world);
        }
        let kopi = world.organization("kopi").await;
        let indah = Person::named("Indah.Ilir").email("INDAH@kopi.example").display_name("INDAH Ilir");
        let indah = world.user(&kopi, indah.password("")).await;
        assert_eq!(indah.username, "indah.ilir");
        for (number, spelling) in SPELLINGS.into_iter().enumerate() {
            assert_eq!(world.find_user(spelling).await.user_id, indah.user_id, "{spelling}");
            assert_eq!(found(&world, &kopi, spelling).await, ["indah.ilir"], "{spelling}");
            let user = User {
                organization_id: kopi.organization_id.clone(),
                username: spelling.to_owned(),
                ..User::default()
            };
            let request = CreateUserRequest { user: Some(user), ..Default::default() };
            assert_eq!(refused(world.crm().directory.create_user(request).await).reason, "USERNAME_TAKEN");
            world.request_reset(spelling).await;
            let mails = number + 1 + if turkish { SPELLINGS.len() } else { 0 };
            world.mails_to("indah@kopi.example", mails).await;
        }
        for query in ["indah i", "INDAH I"] {
            assert_eq!(found(&world, &kopi, query).await, ["indah.ilir"], "{query}");
        }
        // Another letter is another name.
        assert_eq!(found(&world, &kopi, "ındah").await, Vec::<String>::new());
    }
}
