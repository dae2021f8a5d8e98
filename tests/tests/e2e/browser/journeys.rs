//! The journeys of the CRM's help page, in both languages, and every page on the way judged.

use e2e::{Person, Phase, Rule};

use super::stage::{NEW, NEWER, OLD, Stage};

/// The headings of one language, in the order of the journeys.
struct Words {
    locale: &'static str,
    sent: &'static str,
    choose: &'static str,
    done: &'static str,
    changed: &'static str,
    missing: &'static str,
    undeliverable: &'static str,
}

const INDONESIAN: Words = Words {
    locale: "id",
    sent: "Periksa email Anda",
    choose: "Buat kata sandi baru",
    done: "Kata sandi baru tersimpan",
    changed: "Kata sandi telah diubah",
    missing: "tidak ada alamat email",
    undeliverable: "tidak dapat dijangkau",
};

const ENGLISH: Words = Words {
    locale: "en",
    sent: "Check your email",
    choose: "Choose a new password",
    done: "Your new password is saved",
    changed: "Your password has been changed",
    missing: "no email address",
    undeliverable: "cannot be reached",
};

#[tokio::test]
async fn people_walk_the_help_pages_journeys_in_indonesian() {
    walk(&INDONESIAN).await;
}

#[tokio::test]
async fn people_walk_the_help_pages_journeys_in_english() {
    walk(&ENGLISH).await;
}

async fn walk(words: &Words) {
    let stage = Stage::set(words.locale).await;
    forgotten_password(&stage, words).await;
    change_of_password(&stage, words).await;
    reset_by_an_admin(&stage, words).await;
    forgotten_username(&stage, words).await;
    no_mail_came(&stage, words).await;
}

async fn heading(stage: &Stage, words: &Words, expected: &str) {
    let script = "return document.querySelector('h1')?.innerText === arguments[0];";
    stage.window.until(expected, script, &[expected.into()]).await;
    assert_eq!(stage.window.attribute("html", "lang").await.as_deref(), Some(words.locale));
}

/// (a) Forgot password, by username.
async fn forgotten_password(stage: &Stage, words: &Words) {
    let window = &stage.window;
    stage.go("/login").await;
    window.is_kind("log in").await;
    window.click("#forgot").await;
    window.is_kind("forgot password").await;
    window.fill("#username", "budi").await;
    window.click("#forgot-form > button").await;
    heading(stage, words, words.sent).await;
    window.is_kind("a mail is on its way").await;

    let mail = stage.world.mail_to("budi@kopi.example").await;
    stage.follow(&mail, 0).await;
    assert_eq!(stage.account().await, "budi");
    heading(stage, words, words.choose).await;
    assert!(!window.address().await.contains('#'), "the token is not left in the address bar");
    window.is_kind("the page of the link").await;
    window.fill("#new_password", NEW).await;
    window.fill("#confirm_password", NEW).await;
    for rule in ["length", "name", "match"] {
        window.see(&format!("#rules > [data-rule={rule}][data-met=true]")).await;
    }
    window.click("#password-form > button").await;
    heading(stage, words, words.done).await;
    window.is_kind("the new password is saved").await;
    window.click("#to-login").await;
    stage.log_in_here("budi", NEW).await;
    window.see("#menu-home").await;
    window.is_kind("home").await;
    assert!(!window.has("#menu-users").await, "a member has no list of users");
    assert!(!stage.opens("budi", OLD).await);

    stage.follow(&mail, 0).await;
    window.see("#ask-again").await;
    window.is_kind("a link that is over").await;
}

/// (b) Change password, in the account settings.
async fn change_of_password(stage: &Stage, words: &Words) {
    let window = &stage.window;
    stage.log_in("budi", NEW).await;
    window.click("#menu-account").await;
    window.is_kind("account settings").await;
    window.fill("#current_password", NEW).await;
    window.fill("#new_password", NEWER).await;
    window.fill("#confirm_password", NEWER).await;
    window.double_click("#change-form > button").await;
    window.see("#done").await;
    heading(stage, words, words.changed).await;
    window.is_kind("the password has been changed").await;
    window.click("#menu-home").await;
    window.see("#menu-home[aria-current]").await;
    stage.log_out().await;
    stage.log_in("budi", NEWER).await;
    stage.log_out().await;
}

/// (c) The admin presses Reset Password beside a user.
async fn reset_by_an_admin(stage: &Stage, words: &Words) {
    let window = &stage.window;
    let before = stage.world.mails_to("budi@kopi.example", 3).await.len();
    stage.log_in("sari", OLD).await;
    window.click("#menu-users").await;
    window.see("tr[data-username=budi] .last-reset[data-state=SENT]").await;
    window.is_kind("the list of users").await;
    window.click("tr[data-username=budi] a.reset-button").await;
    window.is_kind("is this reset meant").await;
    window.fill("#reason", "diminta lewat telepon").await;
    window.click("#reset-form > button").await;
    comes_to(stage, "SENT").await;
    window.is_kind("what became of the reset").await;
    stage.log_out().await;

    let mail = stage.world.mails_to("budi@kopi.example", before + 1).await.remove(before);
    stage.follow(&mail, 0).await;
    heading(stage, words, words.choose).await;
    stage.choose(NEW).await;
    window.click("#to-login").await;
    stage.log_in_here("budi", NEW).await;
    window.see("#menu-home").await;
    stage.log_out().await;
}

/// (d) A forgotten username, by address: one mail names every account.
async fn forgotten_username(stage: &Stage, words: &Words) {
    let window = &stage.window;
    for name in ["gudang", "kasir"] {
        let person = Person::named(name).email("usaha@kopi.example").locale(words.locale);
        stage.world.user(&stage.kopi, person).await;
    }
    stage.go("/login").await;
    window.click("#forgot").await;
    window.click("#forgot-username").await;
    window.is_kind("forgot username").await;
    window.fill("#email", "usaha@kopi.example").await;
    window.click("#forgot-username-form > button").await;
    heading(stage, words, words.sent).await;
    let mail = stage.world.mail_to("usaha@kopi.example").await;
    assert_eq!(mail.links().len(), 2);
    let text = mail.text();
    let (gudang, kasir) = (text.find(": gudang").expect("it is named"), text.find(": kasir").expect("it is named"));
    let (first, second) = if gudang < kasir { ("gudang", "kasir") } else { ("kasir", "gudang") };
    stage.follow(&mail, 1).await;
    assert_eq!(stage.account().await, second);
    stage.choose(NEW).await;
    assert!(stage.opens(second, NEW).await);
    assert!(stage.opens(first, OLD).await, "the other account is as it was");
}

/// (e) The admin sees why no mail came.
async fn no_mail_came(stage: &Stage, words: &Words) {
    let window = &stage.window;
    stage.world.user(&stage.kopi, Person::named("wayan").locale(words.locale)).await;
    stage.world.user(&stage.kopi, Person::named("putra").email("hilang@kopi.example").locale(words.locale)).await;
    stage.world.script(Rule::reply(Phase::Recipient, 550, "5.1.1 no such mailbox").to("hilang@kopi.example"));
    stage.go("/forgot").await;
    window.fill("#username", "wayan").await;
    window.click("#forgot-form > button").await;
    heading(stage, words, words.sent).await;

    // Nothing can be sent to wayan: what helps is said instead.
    stage.log_in("sari", OLD).await;
    window.click("#menu-users").await;
    window.fill("#query", "wayan").await;
    window.click("#search-form button").await;
    assert!(!window.has("tr[data-username=wayan] a.reset-button").await, "no button that cannot work");
    window.click("tr[data-username=wayan] a.help-link").await;
    window.see("#obstacle").await;
    window.is_kind("why nothing can be sent to wayan").await;

    window.click("#menu-users").await;
    window.click("tr[data-username=putra] a.reset-button").await;
    window.fill("#reason", "emailnya tidak datang").await;
    window.click("#reset-form > button").await;
    comes_to(stage, "BOUNCED").await;
    assert!(!window.text("#next-steps").await.is_empty());
    window.is_kind("why no mail came to putra").await;
    window.click("#menu-users").await;
    for (name, address, reset, said) in
        [("wayan", "MISSING", "NOT_SENT", words.missing), ("putra", "UNDELIVERABLE", "BOUNCED", words.undeliverable)]
    {
        let row = format!("tr[data-username={name}]");
        let text = window.text(&format!("{row} .address[data-state={address}]")).await;
        assert!(text.contains(said), "{text}");
        window.see(&format!("{row} .last-reset[data-state={reset}]")).await;
    }
    window.is_kind("the list with addresses that fail").await;
    window.click("tr[data-username=putra] a.reset-button").await;
    window.see("#reset-form").await;
    window.is_kind("a reset to an address that failed").await;
}

/// Looks again until the mail of the reset on the page is in this state.
async fn comes_to(stage: &Stage, state: &str) {
    let wanted = format!("#delivery[data-state={state}]");
    for _ in 0..200 {
        stage.window.see("#delivery").await;
        if stage.window.has(&wanted).await {
            return;
        }
        stage.window.click("#again").await;
    }
    panic!("not {state}: {}", stage.window.page().await);
}
