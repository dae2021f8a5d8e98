//! Forgotten username: the address is typed instead.

use std::collections::BTreeMap;

use e2e::{Person, World, people::PASSWORD, refused};
use proto::identity::v1::{DeliveryState, LinkState, UserState, request_reset_request::Identifier};

use crate::calls::{both_say, check_reset, flat, set_state, settled};

const SHARED: &str = "keluarga@rumah.example";

#[tokio::test]
async fn one_mail_to_a_shared_address_names_every_active_account_on_it() {
    let world = World::start().await;
    let (kopi, teh) = (world.organization("kopi").await, world.organization("teh").await);
    world.user(&kopi, Person::named("budi").email(SHARED)).await;
    world.user(&teh, Person::named("budi.teh").email(SHARED)).await;
    world.user(&teh, Person::named("citra").email(SHARED)).await;
    let gone = world.user(&kopi, Person::named("dewi").email(SHARED)).await;
    set_state(world.crm(), &gone, UserState::Disabled).await.expect("it is disabled");
    world.user(&kopi, Person::named("eko").email("eko@kopi.example")).await;

    let request = world.request_reset_by(Identifier::Email("Keluarga@RUMAH.example".to_owned())).await;
    let mail = world.mail_to(SHARED).await;

    assert_eq!(mail.subject(), "Atur ulang kata sandi Sandi");
    both_say(&mail, "Alamat email ini dipakai oleh 3 akun. Gunakan tautan di bawah akun yang ingin Anda atur ulang.");
    let from = mail.header("From").expect("a sender");
    assert!(!from.contains("Toko"), "several organisations: the instance's brand, not {from}");
    let mut accounts = links_by_account(&flat(&mail.text()));
    let base_of: BTreeMap<_, _> =
        [("budi", "https://kopi.example"), ("budi.teh", "https://teh.example"), ("citra", "https://teh.example")]
            .into();
    assert_eq!(accounts.keys().map(String::as_str).collect::<Vec<_>>(), ["budi", "budi.teh", "citra"]);
    for (username, (organization, link)) in &accounts {
        let base = base_of[username.as_str()];
        assert!(link.starts_with(&format!("{base}/reset#")), "{username}: the link of its own organisation");
        assert_eq!(*organization, format!("Toko {}", &base["https://".len()..base.len() - ".example".len()]));
    }
    for part in [mail.text(), mail.html()] {
        assert!(!part.contains("dewi") && !part.contains("eko"), "disabled ones and others are not named");
    }
    assert_eq!(mail.html().matches("<a ").count(), 3);

    // Each link sets its own account's password, and leaves the others alone.
    let tokens: BTreeMap<String, String> =
        accounts.iter_mut().map(|(name, (_, link))| (name.clone(), link.split_off(link.len() - 43))).collect();
    for (number, (username, token)) in tokens.iter().enumerate() {
        let link = check_reset(&world, token).await.expect("the others' links still live").into_inner();
        assert_eq!(&link.username, username);
        let new = format!("perahu ke-{number} berlayar jauh");
        let completed = world.complete_reset(token, &new).await.expect("the link is good").into_inner();
        assert_eq!(&completed.username, username);
        world.log_in(username, &new).await.expect("the new password is good");
        for later in tokens.keys().skip(number + 1) {
            world.log_in(later, PASSWORD).await.expect("not touched yet");
        }
    }
    settled(&world).await;
    assert_eq!(world.sink().mails_to(SHARED).len(), 4, "one mail with links, three notices");

    world.reset_in(&request, DeliveryState::Sent).await;
    let resets = world.resets_of(&request).await;
    assert_eq!(resets.len(), 3, "one for each account");
    for reset in &resets {
        assert_eq!((reset.delivery_state(), reset.link_state()), (DeliveryState::Sent, LinkState::Completed));
        assert_eq!(reset.support_code, resets[0].support_code, "one code a mail");
    }
}

/// Organisation and link of each account in the text part, by username.
fn links_by_account(text: &str) -> BTreeMap<String, (String, String)> {
    let blocks = text.split("Nama pengguna: ").skip(1);
    blocks
        .map(|block| {
            let (username, rest) = block.split_once(" Organisasi: ").expect("the organisation follows");
            let (organization, rest) = rest.split_once(" Buat kata sandi baru").expect("the button follows");
            let link = rest.split(' ').find(|word| word.starts_with("https://")).expect("the link follows");
            (username.to_owned(), (organization.to_owned(), link.to_owned()))
        })
        .collect()
}

#[tokio::test]
async fn of_many_accounts_on_one_address_the_five_latest_are_named() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    for number in 1..=7 {
        world.user(&kopi, Person::named(&format!("kasir{number}")).email(SHARED).password("")).await;
    }
    world.request_reset_by(Identifier::Email(SHARED.to_owned())).await;
    let mail = world.mail_to(SHARED).await;
    let accounts = links_by_account(&flat(&mail.text()));
    let names: Vec<_> = accounts.keys().map(String::as_str).collect();
    assert_eq!(names, ["kasir3", "kasir4", "kasir5", "kasir6", "kasir7"]);
}

#[tokio::test]
async fn an_address_of_one_account_is_answered_like_its_username() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset_by(Identifier::Email("budi@kopi.example".to_owned())).await;
    let mail = world.mail_to("budi@kopi.example").await;
    both_say(&mail, "Kami menerima permintaan untuk mengatur ulang kata sandi akun ini:");
    let token = mail.tokens().remove(0);
    assert_eq!(
        world.complete_reset(&token, "awan putih di atas ladang 3").await.unwrap().into_inner().username,
        "budi"
    );
    assert_eq!(refused(world.log_in("budi", PASSWORD).await).reason, "PASSWORD_MISMATCH");
}
