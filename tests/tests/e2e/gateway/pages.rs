//! What holds for every page, and what a machine that follows links can do: nothing.

use e2e::{Person, World, people::PASSWORD, web::Answer, world::Program};
use http::Method;
use proto::identity::v1::Role;

use super::{NEW, bounds::raw};

/// The head of every answer, and what its body does not have.
#[track_caller]
pub(super) fn assert_strict(answer: &Answer) {
    assert_strict_head(answer);
    assert_eq!(answer.header("cache-control"), "no-store");
    for inline in [" style=", "<style", "<script>", " onclick=", " onload=", "javascript:", "http://", "https://", "//"]
    {
        assert!(!answer.body.contains(inline), "{inline} in {}", answer.body);
    }
    for cookie in answer.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().expect("ASCII");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    }
}

/// What the head of every answer has, also of those that are no page.
#[track_caller]
fn assert_strict_head(answer: &Answer) {
    let policy = answer.header("content-security-policy");
    for rule in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("x-frame-options"), "DENY");
    assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
}

#[tokio::test]
async fn every_page_is_strict_speaks_both_languages_and_loads_nothing_from_elsewhere() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("sari").email("sari@kopi.example").role(Role::Admin)).await;
    let (mut sari, mut stranger) = (world.visitor("fr"), world.visitor("fr"));
    sari.log_in("sari", PASSWORD);
    let open = ["/login", "/forgot", "/forgot-username", "/forgot/sent", "/reset", "/nowhere"];
    for (visitor, paths) in [(&mut stranger, &open[..]), (&mut sari, &["/", "/account", "/users"][..])] {
        for path in paths {
            for language in ["id", "en"] {
                let answer = visitor.get(&format!("{path}?lang={language}"));
                assert_strict(&answer);
                assert!(answer.body.contains(&format!("<html lang=\"{language}\">")), "{path}: {}", answer.body);
            }
            let kept = visitor.get(path);
            assert!(kept.body.contains("<html lang=\"en\">"), "{path}: the choice is kept");
        }
    }
    let page = stranger.get("/login");
    assert_eq!(page.attribute("username", "autocomplete"), "username");
    assert_eq!(page.attribute("password", "autocomplete"), "current-password");
    for (before, after) in [("rel=\"stylesheet\" href=\"", "text/css"), ("<script src=\"", "text/javascript")] {
        let address = page.body.split(before).nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
        let file = stranger.get(address);
        assert_eq!(file.status, 200);
        assert_strict_head(&file);
        assert!(file.header("content-type").starts_with(after) && file.header("cache-control").contains("immutable"));
        let old = stranger.get(&format!("{}?v=older", address.split('?').next().expect("a path")));
        assert_eq!((old.status, old.header("cache-control")), (200, "no-cache"));
    }
    // What a password manager goes by.
    for (path, fields) in [
        (
            "/account",
            &[
                ("username", "username"),
                ("current_password", "current-password"),
                ("new_password", "new-password"),
                ("confirm_password", "new-password"),
            ][..],
        ),
        ("/forgot", &[("username", "username")][..]),
        ("/forgot-username", &[("email", "email")][..]),
    ] {
        let page = sari.get(path);
        for (field, kind) in fields {
            assert_eq!(page.attribute(field, "autocomplete"), *kind, "{path} {field}");
        }
        assert!(!page.body.contains("onpaste"), "pasting is free");
    }
}

#[tokio::test]
async fn what_no_page_answers_gets_a_page_of_ours_too_in_the_right_language() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("sari").email("sari@kopi.example").role(Role::Admin)).await;
    let mut sari = world.visitor("id");
    sari.log_in("sari", PASSWORD);
    let session = format!("sandi_session={}", sari.cookies["sandi_session"]);
    for (line, status) in [
        ("GET /%ff", 404),
        ("GET /users/%ff/reset", 400),
        ("GET /users/%ff/resets/%fe", 400),
        ("GET /users/%00/reset", 404),
        ("GET /login?note=%ff&lang=%ff", 200),
        ("GET /users?query=%ff", 200),
        ("GET /login/", 404),
        ("GET /static/%ff", 404),
        ("GET //login", 404),
        ("GET http://evil.example/nowhere", 404),
        ("POST /static/gateway.css", 405),
        ("PUT /login", 405),
        ("TRACE /login", 405),
        ("BREW /users", 405),
        ("OPTIONS *", 404),
    ] {
        for language in ["id", "en"] {
            let head = format!(
                "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept-language: {language}\r\ncookie: {session}\r\n\r\n"
            );
            let answer = Answer::read(&raw(&world, head.as_bytes()));
            assert_eq!(answer.status, status, "{line}: {}", answer.body);
            assert!(answer.header("content-type").starts_with("text/html"), "{line}: {:?}", answer.headers);
            assert!(answer.body.contains(&format!("<html lang=\"{language}\">")), "{line}: {}", answer.body);
            assert_strict(&answer);
            if status == 405 {
                assert!(answer.header("allow").contains("GET"), "{line}: {:?}", answer.headers);
            }
            if status >= 400 {
                assert_eq!(answer.text("support-code").len(), 32, "{line}");
            }
        }
    }
}

#[tokio::test]
async fn a_machine_that_follows_the_link_does_not_spend_it() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let request = world.request_reset("budi").await;
    let link = world.mail_to("budi@kopi.example").await.links()[0].clone();
    let token = link.rsplit_once('#').expect("a token").1;

    let mut scanner = world.visitor("en");
    for _ in 0..2 {
        for path in ["/reset".to_owned(), format!("/reset?{token}"), format!("/reset/{token}")] {
            for method in [Method::GET, Method::HEAD] {
                let answer = scanner.send(&method, &path, None, String::new());
                assert!([200, 404].contains(&answer.status) && !answer.body.contains(token), "{method} {path}");
            }
        }
        for path in ["/reset/open", "/reset/complete"] {
            assert_eq!(scanner.send(&Method::GET, path, None, String::new()).status, 405);
        }
        // What a script does: it looks.
        let page = scanner.get("/reset");
        assert_eq!(scanner.submit(&page, "open-form", &[("token", token)]).status, 200);
    }
    let reset = world.resets_of(&request).await.remove(0);
    assert!(reset.complete_time.is_none() && reset.view_time.is_some(), "{reset:?}");

    let mut budi = world.visitor("en");
    let page = budi.get("/reset");
    let page = budi.submit(&page, "open-form", &[("token", &link)]);
    assert_strict_form(&page, token);
    let done = budi.submit(&page, "password-form", &[("new_password", NEW), ("confirm_password", NEW)]);
    assert_eq!(done.status, 200, "{}", done.body);
    let again = budi.submit(&page, "password-form", &[("new_password", NEW), ("confirm_password", NEW)]);
    assert_eq!(again.status, 200, "sent twice, it is one act: {}", again.body);
    assert!(!world.log(Program::Gateway, 0).contains(token), "the token is in no log");
    assert!(!world.log(Program::Gateway, 0).contains(NEW));
}

/// The page of a link, which has its token in forms and nowhere else.
#[track_caller]
fn assert_strict_form(page: &Answer, token: &str) {
    assert_strict(page);
    let hidden = page.body.matches(&format!("<input type=\"hidden\" name=\"token\" value=\"{token}\">")).count();
    assert_eq!(page.body.matches(token).count(), hidden, "{}", page.body);
}

#[tokio::test]
async fn the_program_tells_its_version_and_checks_its_settings() {
    let world = World::build().gateway().start().await;
    let version = world.command(Program::Gateway, &["version", "--json"]).expect("it runs");
    let version: serde_json::Value = serde_json::from_str(&version).expect("JSON");
    assert_eq!(version["service"], "gateway");
    assert!(world.command(Program::Gateway, &["check-config"]).expect("right").contains("right"));
    let dump = world.command(Program::Gateway, &["config", "dump"]).expect("it is shown");
    assert!(dump.contains("limits.body_time = \"10s\"") && dump.contains("# default"), "{dump}");
    assert!(!dump.contains(world.token("gateway")), "secrets stay in their files");
    assert!(world.command(Program::Gateway, &["ready"]).expect("ready").contains("pages: ok"));
    let wrong = ["check-config", "--set", "public_url=nowhere", "--set", "identity.token_file=/nowhere"];
    let said = format!("{:#}", world.command(Program::Gateway, &wrong).expect_err("wrong"));
    assert!(said.contains("public_url:") && said.contains("identity.token_file:"), "{said}");
    let mut world = world;
    assert!(world.terminate(Program::Gateway, 0).success());
}
