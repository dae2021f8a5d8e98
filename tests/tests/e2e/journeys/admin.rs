//! An admin sees the list of users, and presses the button beside one.

use e2e::{
    Person, World,
    people::{PASSWORD, actor},
};
use prost::Message;
use proto::identity::v1::{
    AddressState, DeliveryState, GetResetRequest, LinkState, ListResetsRequest, ListUsersRequest, Organization,
    ResetKind, RevokeResetRequest, Role, User, get_reset_request::Key,
};

use crate::calls::{Outcome, admin_reset, both_say, settled};

const NEW: &str = "awan putih di atas ladang 3";

/// Two organisations, each with an admin and a member.
pub(super) struct Town {
    pub(super) world: World,
    pub(super) kopi: Organization,
    pub(super) teh: Organization,
    pub(super) siti: User,
    pub(super) budi: User,
    pub(super) tono: User,
}

impl Town {
    pub(super) async fn build() -> Self {
        let world = World::start().await;
        let (kopi, teh) = (world.organization("kopi").await, world.organization("teh").await);
        let siti = Person::named("siti").email("siti@kopi.example").role(Role::Admin);
        let siti = world.user(&kopi, siti).await;
        let budi = Person::named("budi").email("budi@kopi.example").display_name("Budi Santoso");
        let budi = world.user(&kopi, budi).await;
        let tono = world.user(&teh, Person::named("tono").email("tono@teh.example").role(Role::Admin)).await;
        Self { world, kopi, teh, siti, budi, tono }
    }

    /// One page as the gateway shows it to an admin.
    pub(super) async fn page(&self, admin: &User, organization: &str, query: &str, size: i32, token: &str) -> Page {
        let request = ListUsersRequest {
            organization_id: organization.to_owned(),
            query: query.to_owned(),
            page_size: size,
            page_token: token.to_owned(),
            actor: actor(admin),
        };
        self.world.gateway().directory.list_users(request).await
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let page = self.page(&self.siti, &self.kopi.organization_id, query, 0, "").await;
        page.expect("an admin may").into_inner().users.into_iter().map(|user| user.username).collect()
    }
}

type Page = Outcome<proto::identity::v1::ListUsersResponse>;

#[tokio::test]
async fn an_admin_reads_the_users_of_the_organisation_page_by_page_and_by_prefix() {
    let town = Town::build().await;
    for (username, display_name) in
        [("agus", "Agus Salim"), ("ayu", "Dewi Ayu"), ("budiman", ""), ("dian", "BUDI Dian")]
    {
        let person = Person::named(username).email(&format!("{username}@kopi.example")).display_name(display_name);
        town.world.user(&town.kopi, person.password("")).await;
    }
    let everybody = ["agus", "ayu", "budi", "budiman", "dian", "siti"];

    let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = town.page(&town.siti, &town.kopi.organization_id, "", 4, &token).await.unwrap().into_inner();
        sizes.push(page.users.len());
        seen.extend(page.users);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [4, 2]);
    assert_eq!(seen.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(), everybody);
    for user in &seen {
        assert_eq!(user.organization_id, town.kopi.organization_id);
        assert_eq!(user.email, "", "an admin sees no full address of {}", user.username);
        let address = user.address.as_ref().expect("what is known of the address");
        assert_eq!(address.state(), AddressState::Ok);
        assert!(address.masked.contains("***") && !address.masked.contains(&user.username), "{}", address.masked);
    }
    let exact = town.page(&town.siti, &town.kopi.organization_id, "", 6, "").await.unwrap().into_inner();
    assert_eq!((exact.users.len(), exact.next_page_token.as_str()), (6, ""), "no empty page follows");

    assert_eq!(town.names("bud").await, ["budi", "budiman", "dian"], "username or display name");
    assert_eq!(town.names("BUDI S").await, ["budi"], "in any case");
    assert_eq!(town.names("dewi").await, ["ayu"]);
    assert_eq!(town.names("ayu").await, ["ayu"], "a prefix, not any part: Dewi Ayu is found by the username");
    assert_eq!(town.names("%").await, [""; 0], "a pattern means itself");
    assert_eq!(town.names("tono").await, [""; 0], "of another organisation");
}

#[tokio::test]
async fn an_admin_resets_a_users_password_without_ever_seeing_the_link() {
    let town = Town::build().await;
    let world = &town.world;
    let mut seen: Vec<u8> = Vec::new();

    let listed = town.page(&town.siti, &town.kopi.organization_id, "budi", 0, "").await.unwrap().into_inner();
    seen.extend(listed.encode_to_vec());
    let sent = admin_reset(world.gateway(), &town.siti, &listed.users[0]).await.expect("an admin may");
    seen.extend(format!("{:?}", sent.metadata()).into_bytes());
    let sent = sent.into_inner();
    seen.extend(sent.encode_to_vec());
    let address = sent.address.as_ref().expect("what is known of the address");
    assert_eq!((address.state(), address.masked.as_str()), (AddressState::Ok, "b***@kopi.example"));

    let mail = world.mail_to("budi@kopi.example").await;
    assert_eq!(mail.subject(), "Atur ulang kata sandi Sandi");
    both_say(&mail, "Admin Toko kopi meminta Anda membuat kata sandi baru untuk akun ini:");
    both_say(&mail, "(24 jam sejak diminta)");
    let token = mail.tokens().remove(0);

    let reset = world.reset_by_id_in(&sent.reset_id, DeliveryState::Sent).await;
    assert_eq!((reset.kind(), reset.link_state()), (ResetKind::Admin, LinkState::Live));
    let life = sent.expire_time.unwrap().seconds - reset.request_time.unwrap().seconds;
    assert_eq!(life, 24 * 60 * 60);
    world.log_in("budi", PASSWORD).await.expect("nothing has changed yet");
    world.complete_reset(&token, NEW).await.expect("the link is good");
    world.log_in("budi", NEW).await.expect("the new password is good");

    // What became of it, in every way an admin can ask.
    let ask = |key| GetResetRequest { key: Some(key), actor: actor(&town.siti) };
    for key in [Key::ResetId(sent.reset_id.clone()), Key::SupportCode(reset.support_code.clone())] {
        let found = world.gateway().support.get_reset(ask(key)).await.expect("an admin may").into_inner();
        let [reset] = &found.resets[..] else { panic!("one reset: {found:?}") };
        assert_eq!((reset.delivery_state(), reset.link_state()), (DeliveryState::Sent, LinkState::Completed));
        assert_eq!(
            (reset.requested_by.as_str(), reset.reason.as_str()),
            (&*town.siti.user_id, "asked for at the counter")
        );
        assert!(reset.complete_time.is_some());
        seen.extend(found.encode_to_vec());
    }
    for user_id in [String::new(), town.budi.user_id.clone()] {
        let organization_id = town.kopi.organization_id.clone();
        let request = ListResetsRequest { organization_id, user_id, actor: actor(&town.siti), ..Default::default() };
        let found = world.gateway().support.list_resets(request).await.expect("an admin may").into_inner();
        assert_eq!(found.resets.iter().map(|it| &it.reset_id).collect::<Vec<_>>(), [&sent.reset_id]);
        seen.extend(found.encode_to_vec());
    }
    let revoke =
        RevokeResetRequest { reset_id: sent.reset_id.clone(), actor: actor(&town.siti), reason: String::new() };
    let ended = world.gateway().support.revoke_reset(revoke).await.expect_err("the link is over");
    assert_eq!(e2e::Refusal::from(&ended).reason, "RESET_ENDED");
    seen.extend(ended.details());

    // Not even half of it.
    for piece in [&token.as_bytes()[..21], &token.as_bytes()[22..]] {
        assert!(!seen.windows(piece.len()).any(|window| window == piece), "an admin was shown a link");
    }
    settled(world).await;
    assert_eq!(world.sink().mails_to("siti@kopi.example").len(), 0, "nothing goes to the admin");
    assert_eq!(world.sink().mails_to("budi@kopi.example").len(), 2, "the link and the notice");
}
