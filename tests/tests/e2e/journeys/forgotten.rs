//! Forgot password: a username, a link by mail, a new password.

use e2e::{Mail, Person, World, people::PASSWORD, refused};
use proto::identity::v1::{DeliveryState, LinkState, Organization, ResetKind};

use super::has_no_link;
use crate::calls::{both_say, check_reset, flat};

const NEW: &str = "awan putih di atas ladang 3";

/// What the two mails say in one language.
struct Words {
    locale: &'static str,
    subject: &'static str,
    asked: &'static [&'static str],
    notice_subject: &'static str,
    told: &'static [&'static str],
}

const INDONESIAN: Words = Words {
    locale: "id",
    subject: "Atur ulang kata sandi Sandi",
    asked: &[
        "Halo Budi Santoso,",
        "Kami menerima permintaan untuk mengatur ulang kata sandi akun ini:",
        "(30 menit sejak diminta), dan hanya dapat dipakai satu kali.",
        "Bukan Anda yang meminta? Abaikan email ini. Kata sandi Anda tidak berubah.",
        "hubungi bantuan@kopi.example.",
        "dari Firefox di Linux",
        "Kami tidak pernah menanyakan kata sandi Anda.",
    ],
    notice_subject: "Kata sandi Sandi Anda telah diatur ulang",
    told: &["Kata sandi akun ini diatur ulang lewat tautan", "Semua perangkat yang sedang masuk telah dikeluarkan."],
};

const ENGLISH: Words = Words {
    locale: "en",
    subject: "Reset your Sandi password",
    asked: &[
        "Hello Budi Santoso,",
        "We received a request to reset the password of this account:",
        "(30 minutes from the request) and only once.",
        "Not you? Ignore this mail; your password has not changed.",
        "contact bantuan@kopi.example.",
        "from Firefox on Linux",
        "We never ask for your password.",
    ],
    notice_subject: "Your Sandi password has been reset",
    told: &["The password of this account was reset by a link", "All signed-in devices have been signed out."],
};

#[tokio::test]
async fn a_forgotten_password_is_replaced_through_a_link_in_an_indonesian_mail() {
    a_forgotten_password_is_replaced(&INDONESIAN).await;
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_through_a_link_in_an_english_mail() {
    a_forgotten_password_is_replaced(&ENGLISH).await;
}

async fn a_forgotten_password_is_replaced(words: &Words) {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let budi = Person::named("budi").email("budi@kopi.example").display_name("Budi Santoso").locale(words.locale);
    world.user(&kopi, budi).await;
    let before = world.log_in("budi", PASSWORD).await.expect("the password is good").into_inner().user.unwrap();

    let request = world.request_reset("budi").await;
    let mail = world.mail_to("budi@kopi.example").await;
    assert_eq!(mail.to, ["budi@kopi.example"], "one recipient");
    is_well_formed(&mail, words);
    assert_eq!(mail.subject(), words.subject);
    for sentence in words.asked {
        both_say(&mail, sentence);
    }
    let token = the_one_link(&mail, &kopi);
    world.log_in("budi", PASSWORD).await.expect("asking changes nothing");

    let link = check_reset(&world, &token).await.expect("the link is good").into_inner();
    assert_eq!((link.username.as_str(), link.organization_display_name.as_str()), ("budi", "Toko kopi"));
    assert_eq!(link.locale, words.locale);
    assert_eq!(link.password_policy.unwrap().min_length, 15);

    let completed = world.complete_reset(&token, NEW).await.expect("the link is good").into_inner();
    assert_eq!((completed.user_id.as_str(), completed.username.as_str()), (before.user_id.as_str(), "budi"));
    assert!(completed.credential_version > before.credential_version, "sessions from before are over");
    assert_eq!(world.find_user("budi").await.credential_version, completed.credential_version);
    assert_eq!(refused(world.log_in("budi", PASSWORD).await).reason, "PASSWORD_MISMATCH");
    let after = world.log_in("budi", NEW).await.expect("the new password is good").into_inner().user.unwrap();
    assert_eq!(after.credential_version, completed.credential_version);
    assert_eq!(refused(world.complete_reset(&token, PASSWORD).await).reason, "RESET_TOKEN_INVALID");

    let notice = world.mails_to("budi@kopi.example", 2).await.remove(1);
    is_well_formed(&notice, words);
    assert_eq!(notice.subject(), words.notice_subject);
    for sentence in words.told {
        both_say(&notice, sentence);
    }
    has_no_link(&notice);

    let reset = world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!((reset.kind(), reset.link_state()), (ResetKind::SelfService, LinkState::Completed));
    assert_eq!((reset.attempts.len(), reset.attempts[0].smtp_code), (1, 250));
    both_say(&mail, &reset.support_code);
    both_say(&notice, &reset.support_code);
}

/// The rules of form that hold for every mail.
#[track_caller]
fn is_well_formed(mail: &Mail, words: &Words) {
    let header = |name: &str| mail.header(name).unwrap_or_default();
    let raw = String::from_utf8_lossy(&mail.data);
    assert!(header("Content-Type").starts_with("multipart/alternative"), "{}", header("Content-Type"));
    let (text, html) = (raw.find("text/plain").expect("a text part"), raw.find("text/html").expect("an HTML part"));
    assert!(text < html, "text first, so that the richer part is the last one (RFC 2046)");
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert_eq!(header("Content-Language"), words.locale);
    assert!(mail.html().contains(&format!("<html lang=\"{}\"", words.locale)));
    assert!(header("Message-ID").ends_with("@sandi.example>") || header("Message-ID").ends_with("@sandi.example"));
    for line in mail.text().lines().filter(|line| !line.contains("/reset#")) {
        assert!(line.chars().count() <= 78, "a line of the text part is too wide: {line}");
    }
    both_say(mail, "Toko kopi");
    assert!(flat(&mail.text()).contains("budi"), "the mail names the account");
}

/// The token of the only link, whose form is as documented, the same in both parts.
#[track_caller]
fn the_one_link(mail: &Mail, organization: &Organization) -> String {
    let [link] = &mail.links()[..] else { panic!("one link, not {:?}", mail.links().len()) };
    let token = link.strip_prefix(&format!("{}/reset#", organization.link_base)).expect("the organisation's own link");
    assert_eq!(token.len(), 43);
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "base64url");
    let html = mail.html();
    assert_eq!(html.matches("<a ").count(), 1, "one thing to press");
    assert!(html.contains(&format!("href=\"{link}\"")) && html.contains(&format!(">{link}<")), "the same link to read");
    let elsewhere = html.replace(link.as_str(), "");
    assert!(!elsewhere.contains("http"), "nothing else is fetched or linked:\n{elsewhere}");
    token.to_owned()
}

#[tokio::test]
async fn a_mail_speaks_the_users_language_else_the_requesters_else_the_organisations() {
    use proto::identity::v1::{RequestResetRequest, request_reset_request::Identifier};

    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    for (username, own) in [("ayu", "en"), ("budi", ""), ("citra", "")] {
        let address = format!("{username}@kopi.example");
        world.user(&kopi, Person::named(username).email(&address).locale(own)).await;
    }
    for (username, asked_in, subject) in [
        ("ayu", Some("id"), ENGLISH.subject),
        ("budi", Some("en-GB"), ENGLISH.subject),
        ("citra", None, INDONESIAN.subject),
    ] {
        let request = RequestResetRequest {
            identifier: Some(Identifier::Username(username.to_owned())),
            requester: asked_in.and_then(|locale| e2e::people::requester("203.0.113.7", locale)),
            ..Default::default()
        };
        world.gateway().identity.request_reset(request).await.expect("it is accepted");
        assert_eq!(world.mail_to(&format!("{username}@kopi.example")).await.subject(), subject, "{username}");
    }
}
