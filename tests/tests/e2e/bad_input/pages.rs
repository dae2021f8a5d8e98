//! Page tokens: good for the list they were made for, and for nothing else.

use e2e::{Person, Refusal, World, client::Client, people::actor, refused};
use proto::identity::v1::{Actor, ListResetsRequest, ListUsersRequest, ListUsersResponse, Organization, Role};
use tonic::{Code, Response, Status};

struct Shop {
    world: World,
    organization: Organization,
    actor: Option<Actor>,
}

impl Shop {
    /// An owner, and the members a, b, c, d.
    async fn open() -> Self {
        let world = World::build().mailers(0).wide_limits().start().await;
        let organization = world.organization("kopi").await;
        let owner = world.user(&organization, Person::named("owner").role(Role::Owner).password("")).await;
        for name in ["anna", "bayu", "citra", "dewi"] {
            world.user(&organization, Person::named(name).display_name("Orang Kopi").password("")).await;
        }
        Self { world, organization, actor: actor(&owner) }
    }

    fn request(&self, page_size: i32, page_token: &str, query: &str) -> ListUsersRequest {
        ListUsersRequest {
            organization_id: self.organization.organization_id.clone(),
            page_size,
            page_token: page_token.to_owned(),
            query: query.to_owned(),
            actor: self.actor.clone(),
        }
    }

    async fn list(&self, client: &Client, request: ListUsersRequest) -> Result<Response<ListUsersResponse>, Status> {
        client.directory.clone().list_users(request).await
    }

    async fn page(&self, page_size: i32, page_token: &str, query: &str) -> (Vec<String>, String) {
        let request = self.request(page_size, page_token, query);
        let page = self.list(&self.world.gateway(), request).await.expect("a page").into_inner();
        (page.users.into_iter().map(|user| user.username).collect(), page.next_page_token)
    }
}

#[track_caller]
fn assert_no_page_token(refusal: &Refusal, what: &str) {
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"), "{what}");
    assert_eq!(refusal.fields(), ["page_token"], "{what}");
}

#[tokio::test]
async fn pages_of_any_size_give_everybody_once_and_in_one_order() {
    let shop = Shop::open().await;
    let everybody = ["anna", "bayu", "citra", "dewi", "owner"];
    for size in [0, 5, 6, 500, 501, i32::MAX] {
        assert_eq!(shop.page(size, "", "").await, (everybody.map(str::to_owned).to_vec(), String::new()), "{size}");
    }
    for size in 1..5 {
        let (mut seen, mut token) = shop.page(size, "", "").await;
        while !token.is_empty() {
            let (page, next) = shop.page(size, &token, "").await;
            assert!(!page.is_empty() && page.len() <= usize::try_from(size).unwrap(), "{size}: {page:?}");
            seen.extend(page);
            token = next;
        }
        assert_eq!(seen, everybody, "by {size}");
    }
    // Another size may go on where the one before ended.
    let (_, token) = shop.page(2, "", "").await;
    assert_eq!(shop.page(3, &token, "").await, (["citra", "dewi", "owner"].map(str::to_owned).to_vec(), String::new()));
}

#[tokio::test]
async fn a_page_token_is_refused_for_any_list_but_its_own() {
    let shop = Shop::open().await;
    let other = shop.world.organization("teh").await;
    let gateway = shop.world.gateway();
    let (_, token) = shop.page(1, "", "").await;
    let (_, filtered) = shop.page(1, "", "Orang").await;
    assert!(!token.is_empty() && !filtered.is_empty());

    let refusal = refused(shop.list(&gateway, shop.request(1, &token, "Orang")).await);
    assert_no_page_token(&refusal, "with a filter more");
    let refusal = refused(shop.list(&gateway, shop.request(1, &filtered, "")).await);
    assert_no_page_token(&refusal, "with a filter less");
    let refusal = refused(shop.list(&gateway, shop.request(1, &filtered, "orang k")).await);
    assert_no_page_token(&refusal, "with another filter");
    let refusal = refused(shop.list(&shop.world.crm(), shop.request(1, &token, "")).await);
    assert_no_page_token(&refusal, "of another caller");
    let resets = ListResetsRequest {
        organization_id: shop.organization.organization_id.clone(),
        page_token: token.clone(),
        actor: shop.actor.clone(),
        ..Default::default()
    };
    let refusal = refused(gateway.support.clone().list_resets(resets).await);
    assert_no_page_token(&refusal, "of another call");
    let elsewhere =
        ListUsersRequest { organization_id: other.organization_id, page_token: token.clone(), ..Default::default() };
    let support = shop.world.support();
    assert_no_page_token(&refused(shop.list(&support, elsewhere).await), "of another organisation");
}

#[tokio::test]
async fn a_page_token_with_one_character_changed_is_refused() {
    let shop = Shop::open().await;
    let gateway = shop.world.gateway();
    let (_, token) = shop.page(1, "", "").await;
    assert!(token.is_ascii());
    let mut forged: Vec<_> = (0..token.len())
        .flat_map(|at| ["A", "B", "_", "=", ""].map(|other| format!("{}{other}{}", &token[..at], &token[at + 1..])))
        .collect();
    forged.extend([
        format!("{token}A"),
        format!("{token}="),
        format!(" {token}"),
        token.to_uppercase(),
        token.repeat(2),
    ]);
    for forged in forged.iter().filter(|forged| **forged != token) {
        let refusal = refused(shop.list(&gateway, shop.request(1, forged, "")).await);
        assert_no_page_token(&refusal, forged);
    }
    // Beside another bad field it is named too.
    let refusal = refused(shop.list(&gateway, shop.request(-1, forged.last().unwrap(), "")).await);
    assert_eq!(refusal.fields(), ["page_size", "page_token"]);
}
