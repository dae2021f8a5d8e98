//! What is too large, too slow or of another form is refused, and nothing changes.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use e2e::{World, resets::BOUND};
use http::Method;

const FORM: &str = "application/x-www-form-urlencoded";

/// Sends raw bytes, and gives all that comes back until the other end closes.
fn raw(world: &World, bytes: &[u8]) -> String {
    let address = world.gateway_url().replace("http://", "");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(BOUND)).expect("a bound");
    stream.write_all(bytes).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers and closes in time");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_too_large_or_of_another_form_is_refused_with_a_page_and_changes_nothing() {
    let world = World::build().gateway().start().await;
    let mut visitor = world.visitor("en");
    let form = visitor.get("/forgot").form("forgot-form");
    let csrf = &form.fields.iter().find(|(name, _)| name == "csrf").expect("a token").1;
    let before = world.row_counts().await;

    let with = |rest: &str| format!("csrf={csrf}&{rest}");
    let large = |bytes: usize| with(&format!("username={}", "a".repeat(bytes)));
    for (method, path, kind, body, status) in [
        (Method::POST, "/forgot", FORM, large(1024 * 1024), 413),
        (Method::POST, "/login", FORM, large(16 * 1024), 413),
        (Method::POST, "/nowhere", FORM, large(1024 * 1024), 413),
        (Method::POST, "/forgot", "text/plain", with("username=budi"), 415),
        (Method::POST, "/forgot", "multipart/form-data; boundary=x", with("username=budi"), 415),
        (Method::POST, "/forgot", FORM, with("username=budi&username=sari"), 400),
        (Method::POST, "/forgot", FORM, with("username=%FF"), 400),
        (Method::POST, "/forgot", FORM, with("username="), 422),
        (Method::POST, "/forgot", FORM, with(&format!("username={}", "a".repeat(257))), 422),
        (Method::POST, "/forgot", FORM, with("username=a%00b"), 422),
        (Method::POST, "/nowhere", FORM, with("username=budi"), 404),
        (Method::PUT, "/forgot", FORM, with("username=budi"), 405),
        (Method::DELETE, "/login", FORM, String::new(), 405),
        (Method::GET, "/logout", FORM, String::new(), 405),
    ] {
        let answer = visitor.send(&method, path, Some(kind), body);
        assert_eq!(answer.status, status, "{method} {path} {kind}: {}", answer.body);
        assert!(answer.body.contains("<h1>") && answer.header("cache-control") == "no-store", "{}", answer.body);
    }
    assert_eq!(world.row_counts().await, before, "nothing was written");
}

#[tokio::test]
async fn who_sends_too_slowly_is_not_waited_for() {
    let world =
        World::build().gateway().set("gateway.limits.body_time=1s").set("gateway.limits.header_time=1s").start().await;
    let before = world.row_counts().await;
    let head = "POST /forgot HTTP/1.1\r\nhost: x\r\naccept-language: en\r\n";
    let slow = raw(&world, format!("{head}content-type: {FORM}\r\ncontent-length: 100\r\n\r\nusername=b").as_bytes());
    assert!(slow.starts_with("HTTP/1.1 408 ") && slow.contains("Too slow"), "{slow}");
    let chunked =
        raw(&world, format!("{head}content-type: {FORM}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nusern").as_bytes());
    assert!(chunked.starts_with("HTTP/1.1 408 "), "{chunked}");
    let unfinished = raw(&world, head.as_bytes());
    assert!(unfinished.is_empty() || unfinished.starts_with("HTTP/1.1 408 "), "{unfinished}");
    let long =
        raw(&world, format!("GET /login HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024)).as_bytes());
    assert!(long.starts_with("HTTP/1.1 431 "), "{long}");
    assert_eq!(world.row_counts().await, before, "nothing was written");
}

#[tokio::test]
async fn connections_that_say_nothing_do_not_keep_others_out_for_long() {
    let world =
        World::build().gateway().set("gateway.limits.connections=4").set("gateway.limits.header_time=1s").start().await;
    let address = world.gateway_url().replace("http://", "");
    let silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(&address).expect("it listens")).collect();
    let answer = tokio::time::timeout(
        BOUND,
        tokio::task::spawn_blocking({
            let mut visitor = world.visitor("en");
            move || visitor.get("/login").status
        }),
    );
    assert_eq!(answer.await.expect("in time").expect("it runs"), 200);
    drop(silent);
}
