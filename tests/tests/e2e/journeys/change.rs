//! Change password: current, new, confirmation.

use e2e::{
    Person, World,
    people::{PASSWORD, requester},
    refused,
};
use proto::identity::v1::{ChangePasswordRequest, User};
use tonic::Code;
use tonic_types::StatusExt;

use super::has_no_link;
use crate::calls::{BROWSER, both_say, change_password, check_reset, settled};

const NEW: &str = "awan putih di atas ladang 3";

#[tokio::test]
async fn a_password_is_changed_in_the_account_settings() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;
    let session = world.log_in("budi", PASSWORD).await.unwrap().into_inner().user.unwrap().credential_version;

    let changed = change_password(world.gateway(), &budi, PASSWORD, NEW).await.expect("it is changed").into_inner();

    assert!(changed.credential_version > session, "sessions from before are over");
    assert_eq!(world.find_user("budi").await.credential_version, changed.credential_version);
    assert_eq!(refused(world.log_in("budi", PASSWORD).await).reason, "PASSWORD_MISMATCH");
    let user = world.log_in("budi", NEW).await.expect("the new password is good").into_inner().user.unwrap();
    assert_eq!(user.credential_version, changed.credential_version);
    assert_eq!(refused(check_reset(&world, &token).await).reason, "RESET_TOKEN_INVALID", "links from before are over");

    let notice = world.mails_to("budi@kopi.example", 2).await.remove(1);
    assert_eq!(notice.subject(), "Kata sandi Sandi Anda telah diubah");
    both_say(&notice, "Kata sandi akun ini diubah pada");
    both_say(&notice, "Semua perangkat yang sedang masuk telah dikeluarkan.");
    both_say(&notice, "Jika Anda yang mengubahnya, tidak ada yang perlu dilakukan.");
    has_no_link(&notice);
}

/// What a person typed, and what the answer is.
struct Refused {
    what: &'static str,
    current: &'static str,
    new: String,
    confirm: Option<String>,
    code: Code,
    reason: &'static str,
    /// Field and reason of each violation.
    violations: Vec<(&'static str, &'static str)>,
    id: &'static str,
    en: &'static str,
}

fn weak(new: &str, rules: &[&'static str]) -> Refused {
    Refused {
        what: rules[0],
        current: PASSWORD,
        new: new.to_owned(),
        confirm: Some(new.to_owned()),
        code: Code::InvalidArgument,
        reason: "PASSWORD_REJECTED",
        violations: rules.iter().map(|rule| ("new_password", *rule)).collect(),
        id: "Kata sandi baru ini belum cukup kuat. Silakan pilih yang lain.",
        en: "This new password is not strong enough. Please choose another.",
    }
}

fn refusals() -> Vec<Refused> {
    let wrong = |what| Refused {
        what,
        current: "hutan jati berkabut tebal",
        new: NEW.to_owned(),
        confirm: Some(NEW.to_owned()),
        code: Code::FailedPrecondition,
        reason: "PASSWORD_MISMATCH",
        violations: Vec::new(),
        id: "Kata sandi tidak cocok. Periksa kembali yang Anda ketik, lalu coba lagi.",
        en: "The password does not match. Please check what you typed and try again.",
    };
    let differing = |what, current| Refused {
        what,
        current,
        new: NEW.to_owned(),
        confirm: Some(format!("{NEW} ")),
        code: Code::InvalidArgument,
        reason: "CONFIRMATION_MISMATCH",
        violations: vec![("confirm_password", "CONFIRMATION_MISMATCH")],
        id: "Kedua kata sandi baru tidak sama. Silakan ketik ulang.",
        en: "The two new passwords are not the same. Please type them again.",
    };
    vec![
        wrong("wrong current password"),
        // Whoever does not know the password learns nothing about how a new one is judged.
        Refused { new: "pendek".to_owned(), confirm: None, ..wrong("wrong current password, weak new one") },
        differing("differing confirmation", PASSWORD),
        differing("differing confirmation, wrong current password", "hutan jati berkabut tebal"),
        weak("xvq7 lmpz 3kwu", &["TOO_SHORT"]),
        weak(&"meja biru tertawa ".repeat(57), &["TOO_LONG"]),
        weak("bismillahirrahmanirrahim", &["COMMON"]),
        weak("abcabcabcabcabcabc", &["GUESSABLE"]),
        weak("budi-kopi-Q7#x-sandi", &["CONTEXT_WORD"]),
        weak(PASSWORD, &["SAME_AS_CURRENT"]),
        weak("Sandi123", &["TOO_SHORT", "COMMON", "GUESSABLE", "CONTEXT_WORD"]),
    ]
}

#[tokio::test]
async fn a_change_that_is_refused_says_why_in_the_persons_language_and_changes_nothing() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    for locale in ["id", "en"] {
        for case in refusals() {
            is_refused(&world, &budi, &case, locale).await;
        }
    }
    assert_eq!(world.find_user("budi").await, budi, "nothing has changed");
    world.log_in("budi", PASSWORD).await.expect("the password is as before");
    settled(&world).await;
    assert_eq!(world.sink().mails().len(), 0, "nothing to tell");
}

async fn is_refused(world: &World, user: &User, case: &Refused, locale: &str) {
    let request = ChangePasswordRequest {
        user_id: user.user_id.clone(),
        current_password: case.current.to_owned(),
        new_password: case.new.clone(),
        confirm_password: case.confirm.clone(),
        requester: requester(BROWSER, locale),
        ..Default::default()
    };
    let status = world.gateway().identity.change_password(request).await.expect_err(case.what);
    let refusal = e2e::Refusal::from(&status);
    assert_eq!((refusal.code, refusal.reason.as_str()), (case.code, case.reason), "{}", case.what);
    let violations: Vec<(&str, &str)> =
        refusal.violations.iter().map(|(field, reason)| (field.as_str(), reason.as_str())).collect();
    assert_eq!(violations, case.violations, "{}", case.what);
    let said = if locale == "id" { case.id } else { case.en };
    assert_eq!(refusal.localized, Some((locale.to_owned(), said.to_owned())), "{}", case.what);
    // Each rule speaks for itself too.
    let details = status.get_error_details();
    for violation in details.bad_request().map(|bad| &bad.field_violations[..]).unwrap_or_default() {
        let localized = violation.localized_message.as_ref().expect("words for a person");
        assert_eq!(localized.locale, locale, "{}", case.what);
        assert!(localized.message.ends_with('.'), "{}: {}", case.what, localized.message);
    }
}

#[tokio::test]
async fn nobody_learns_by_a_change_whether_a_user_is_there() {
    use proto::identity::v1::UserState;

    use crate::calls::{bytes, set_state};

    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let active = world.user(&kopi, Person::named("budi").email("budi@kopi.example").locale("en")).await;
    let disabled = world.user(&kopi, Person::named("citra").locale("en")).await;
    set_state(world.crm(), &disabled, UserState::Disabled).await.expect("it is disabled");
    let without = world.user(&kopi, Person::named("dewi").password("").locale("en")).await;
    let absent = User { user_id: "0191a6c0-0000-7000-8000-000000000000".to_owned(), ..User::default() };

    let wrong = "hutan jati berkabut tebal";
    let expected = bytes(change_password(world.gateway(), &active, wrong, NEW).await);
    for (who, user, password) in [
        ("disabled, wrong password", &disabled, wrong),
        ("disabled, right password", &disabled, PASSWORD),
        ("without a password", &without, PASSWORD),
        ("absent", &absent, PASSWORD),
    ] {
        assert_eq!(bytes(change_password(world.gateway(), user, password, NEW).await), expected, "{who}");
    }
}
