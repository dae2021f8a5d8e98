//! What is too large, too slow or of another form is refused, and nothing changes.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use e2e::{
    Person, World,
    people::PASSWORD,
    resets::BOUND,
    web::{Answer, Visitor},
    world::Program,
};
use http::Method;
use proto::identity::v1::Role;

use super::pages::assert_strict;
use crate::{metrics, waiting::until};

const FORM: &str = "application/x-www-form-urlencoded";

/// Sends raw bytes, and gives all that comes back until the other end closes.
pub(super) fn raw(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.gateway_address()).expect("it listens");
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
        assert!(answer.body.contains("<h1>"), "{}", answer.body);
        assert_strict(&answer);
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
    let slow = Answer::read(&slow);
    assert!(slow.status == 408 && slow.body.contains("Too slow"), "{}", slow.body);
    assert_strict(&slow);
    let chunked =
        raw(&world, format!("{head}content-type: {FORM}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nusern").as_bytes());
    assert!(chunked.starts_with("HTTP/1.1 408 "), "{chunked}");
    let unfinished = raw(&world, head.as_bytes());
    assert!(unfinished.is_empty() || unfinished.starts_with("HTTP/1.1 408 "), "{unfinished}");
    let long =
        raw(&world, format!("GET /login HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024)).as_bytes());
    assert!(long.starts_with("HTTP/1.1 431 "), "{long}");
    let longer = format!("{head}cookie: x={}\r\nconnection: close\r\n\r\n", "y".repeat(20 * 1024));
    let longer = Answer::read(&raw(&world, longer.replace("POST /forgot", "GET /login").as_bytes()));
    assert_eq!(longer.status, 431, "{}", longer.body);
    assert_strict(&longer);
    assert_eq!(world.row_counts().await, before, "nothing was written");
}

#[tokio::test]
async fn connections_that_say_nothing_do_not_keep_others_out_for_long() {
    let world =
        World::build().gateway().set("gateway.limits.connections=4").set("gateway.limits.header_time=1s").start().await;
    let silent = silent(&world, 8);
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

/// Connections that say nothing.
fn silent(world: &World, count: usize) -> Vec<TcpStream> {
    let connect = || TcpStream::connect(world.gateway_address()).expect("it listens");
    let streams: Vec<TcpStream> = (0..count).map(|_| connect()).collect();
    for stream in &streams {
        stream.set_read_timeout(Some(BOUND)).expect("a bound");
    }
    streams
}

/// How many of them the other end closes, once it has closed `least`.
fn closed(streams: &[TcpStream], least: usize) -> usize {
    let end = Instant::now() + BOUND;
    loop {
        let is_closed = |stream: &&TcpStream| {
            stream.set_nonblocking(true).expect("it can be told");
            let mut reading: &TcpStream = stream;
            !matches!(reading.read(&mut [0; 16]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        };
        let count = streams.iter().filter(is_closed).count();
        if count >= least {
            return count;
        }
        assert!(Instant::now() < end, "{count} of {least} are closed");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[tokio::test]
async fn one_address_has_its_share_of_the_connections_and_our_proxy_has_more() {
    let of_address = "gateway.limits.connections_per_address=4";
    let world = World::build().gateway().set(of_address).set("gateway.limits.header_time=60s").start().await;
    let many = silent(&world, 20);
    assert_eq!(world.visitor("en").get("/login").status, 200, "the oldest that say nothing go");
    assert!(closed(&many, 16) <= 17, "and no more than must");
    assert!(metrics::sum(&world, Program::Gateway, "sandi_web_connections_refused_total", "address") >= 16.0);
    assert!(metrics::sum(&world, Program::Gateway, "sandi_web_connections", "") >= 1.0);
    drop(world);

    let proxy = "gateway.trusted_proxies=[\"127.0.0.1\"]";
    let world = World::build().gateway().set(of_address).set(proxy).set("gateway.limits.header_time=60s").start().await;
    let many = silent(&world, 20);
    assert_eq!(world.visitor("en").get("/login").status, 200);
    assert_eq!(closed(&many, 0), 0, "many people come by our proxy");
}

#[tokio::test]
async fn who_sends_slowly_from_one_address_keeps_nobody_else_out() {
    let world = World::build()
        .gateway()
        .set("gateway.limits.connections_per_address=4")
        .set("gateway.limits.body_time=60s")
        .start()
        .await;
    let kind = format!("content-type: {FORM}\r\ncontent-length: 100\r\nexpect: 100-continue");
    let mut slow = silent(&world, 4);
    for stream in &mut slow {
        stream.write_all(format!("POST /forgot HTTP/1.1\r\nhost: x\r\n{kind}\r\n\r\n").as_bytes()).expect("it reads");
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).expect("it waits for the body");
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    // Nobody else comes in from there; others do.
    let request = b"GET /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut another = silent(&world, 1).remove(0);
    let mut answer = String::new();
    let read = another.write_all(request).and_then(|()| another.read_to_string(&mut answer));
    assert!(read.is_err() || answer.is_empty(), "{answer}");
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.2:0".parse().expect("an address")).expect("the whole network is ours");
    let stream = socket.connect(world.gateway_address()).await.expect("it listens").into_std().expect("it is ours");
    stream.set_nonblocking(false).expect("it can be told");
    stream.set_read_timeout(Some(BOUND)).expect("a bound");
    (&stream).write_all(request).expect("it reads");
    let mut answer = String::new();
    (&stream).read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Logs in with a wrong password as fast as it goes until told to stop; gives all answers, and says when it has to wait.
fn flood(mut visitor: Visitor, stop: &AtomicBool, waits: &AtomicBool) -> Vec<Answer> {
    let page = visitor.get("/login");
    let mut answers = Vec::new();
    while !stop.load(Relaxed) {
        let name = format!("nobody-{}", answers.len());
        let answer = visitor.submit(&page, "login-form", &[("username", &name), ("password", "not this one either")]);
        waits.fetch_or(answer.status == 429, Relaxed);
        answers.push(answer);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_fast_from_one_address_waits_and_nobody_else_does() {
    let world = World::build()
        .gateway()
        .set("gateway.trusted_proxies=[\"127.0.0.1\"]")
        .set("gateway.limits.requests_per_second=4")
        .set("gateway.limits.request_burst=40")
        // What all people have together at the identity service.
        .set("identity.limits.caller_per_second=20")
        .start()
        .await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset("budi").await;
    let link = world.mail_to("budi@kopi.example").await.links()[0].clone();

    let of = |language: &str, ip: &str| world.visitor(language).header("x-forwarded-for", ip);
    let (stop, waits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let floods: Vec<_> = ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
        .into_iter()
        .map(|ip| (of("en", ip), Arc::clone(&stop), Arc::clone(&waits)))
        .map(|(visitor, stop, waits)| tokio::task::spawn_blocking(move || flood(visitor, &stop, &waits)))
        .collect();
    until("the first burst is through", async || waits.load(Relaxed).then_some(())).await;
    // What it used up at the identity service is there again.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut budi = of("en", "203.0.113.7");
    for _ in 0..3 {
        assert!(budi.log_in("budi", PASSWORD).has("welcome"));
        let page = budi.get("/reset");
        let opened = budi.submit(&page, "open-form", &[("token", &link)]);
        assert_eq!((opened.status, opened.attribute("username", "value").as_str()), (200, "budi"), "{}", opened.body);
    }
    let (mut flooder, style) = (of("id", "2001:db8::4"), page_style(&of("en", "203.0.113.7").get("/login")));
    let told = loop {
        let answer = flooder.get("/login");
        if answer.status == 429 {
            break answer;
        }
    };
    assert!(
        told.body.contains("<html lang=\"id\">") && told.body.contains("Terlalu banyak percobaan"),
        "{}",
        told.body
    );
    assert_strict(&told);
    assert_eq!(flooder.get(&style).status, 200, "what a page is drawn with does not count");
    stop.store(true, Relaxed);
    for flood in floods {
        let answers = flood.await.expect("it runs");
        let waiting: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
        assert!(waiting.len() > answers.len() / 4, "{} of {}", waiting.len(), answers.len());
        for answer in waiting {
            assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|wait| (1..=60).contains(&wait)));
            assert!(answer.body.contains("Too many attempts"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_page_counts_for_all_that_it_asks_of_the_service_and_only_for_its_own_address() {
    let world = World::build()
        .gateway()
        .set("gateway.trusted_proxies=[\"127.0.0.1\"]")
        .set("gateway.limits.requests_per_second=1")
        .set("gateway.limits.request_burst=60")
        .start()
        .await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("sari").role(Role::Admin)).await;
    for number in 0..19 {
        world.user(&kopi, Person::named(&format!("pegawai{number:02}")).password("")).await;
    }
    let begin = Instant::now();
    let mut sari = world.visitor("en").header("x-forwarded-for", "203.0.113.7");
    sari.log_in("sari", PASSWORD);
    let mut shown = 0;
    let told = loop {
        let answer = sari.get("/users");
        if answer.status == 429 {
            break answer;
        }
        assert_eq!((answer.status, answer.body.matches("data-username=").count()), (200, 20), "{}", answer.body);
        shown += 1;
    };
    // One call for each user, of sixty at once and one a second since.
    let asked = metrics::sum(&world, Program::Identity, "rpc_server_call_duration_seconds_count", "ListResets");
    let most = 60.0 + begin.elapsed().as_secs_f64();
    assert!(shown >= 2 && asked <= most, "{shown} pages, {asked} calls of at most {most}");
    assert!(told.body.contains("Too many attempts"), "{}", told.body);
    assert!(told.header("retry-after").parse::<u64>().is_ok_and(|wait| (1..=60).contains(&wait)));
    assert_strict(&told);

    let mut elsewhere = sari.clone().header("x-forwarded-for", "203.0.113.8");
    assert_eq!(elsewhere.get("/users").status, 200, "another address has its own");
}

/// The address of a page's stylesheet.
fn page_style(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("rel=\"stylesheet\" href=\"").expect("a page has a stylesheet");
    rest.split_once('"').expect("an attribute ends").0.to_owned()
}
