//! From the answer to the mail, and the mailer by itself.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use mailer::sample::{self, Kind, Locale};
use testbed::{ports, smtp::Sink};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    bench::{Bench, Findings},
    calls::request_reset,
    clients::Clients,
    events::{Sealer, now, publish},
    figure::Figure,
    load::{Op, millis, open},
    people::{of_address, username},
    plot::{Plot, Series, Shape},
    world::{SMTP_CONNECTIONS, Wish, World},
};

/// People; more than are asked for in a round, so that none is asked for twice in one.
const PEOPLE: u64 = 10_000;
/// How long the last mails of a round may take.
const BOUND: Duration = Duration::from_secs(30);

/// When a caller had its OK, by person.
type Answered = Arc<Mutex<HashMap<u64, OffsetDateTime>>>;

/// From the caller's OK to the mail server's.
pub async fn latency(bench: &Bench) -> Result<Findings> {
    let sink = Sink::start(ports::loopback(0), None).await?;
    let world = Arc::new(World::start(bench, Wish::new("latency").people(PEOPLE).mailer(sink.address())).await?);
    let answered = Answered::default();
    let clients = world.clients(&[0]).await?;
    let next = std::sync::atomic::AtomicU64::new(0);
    let people = world.people;
    let op: Op = {
        let answered = Arc::clone(&answered);
        Arc::new(move || {
            let number = 1 + next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % people;
            Box::pin(ask(clients.clone(), number, Arc::clone(&answered)))
        })
    };
    let mut findings = Findings::default();
    let mut series = Vec::new();
    for rate in [100.0, 500.0] {
        let mut rounds = Vec::new();
        for round in bench.rounds_of(&format!("mails of {rate:.0} requests a second")) {
            // The first second of all is not measured: connections are made in it.
            if round == 0 {
                open(&op, rate, Duration::ZERO, Duration::from_secs(1)).await.sound()?;
                collect(&sink, &answered).await?;
            }
            open(&op, rate, Duration::ZERO, bench.time(5.0)).await.sound()?;
            rounds.push(collect(&sink, &answered).await?);
            world.clear().await?;
        }
        let of = |percentile| rounds.iter().map(|it| millis(it, percentile)).collect::<Vec<_>>();
        let name = |part: &str| format!("OK to mail accepted, {rate:.0} requests/s, {part}");
        findings.figures.push(Figure::new(name("p50"), "ms", &of(50.0)).at_most(8.0).stretch(4.0));
        findings.figures.push(Figure::new(name("p99"), "ms", &of(99.0)).at_most(30.0).stretch(12.0));
        let points = [5.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9];
        let middle = &rounds[rounds.len() / 2];
        let points = points.map(|percentile| (percentile, millis(middle, percentile)));
        series.push(Series::new(&format!("{rate:.0} requests/s"), points.to_vec()));
    }
    findings.plots.push(Plot {
        name: "mail-latency".to_owned(),
        title: "From the caller's OK to the mail server's".to_owned(),
        shape: Shape::Lines {
            x: "of all mails took no longer (%)".to_owned(),
            y: "milliseconds".to_owned(),
            log_x: false,
            log_y: true,
            series,
        },
    });
    Ok(findings)
}

async fn ask(clients: Clients, number: u64, answered: Answered) -> Result<(), tonic::Status> {
    clients.gateway().identity.request_reset(request_reset(username(number))).await?;
    answered.lock().expect("no holder panics").insert(number, now());
    Ok(())
}

/// Waits for the mail of everybody who was answered, one each, and gives how long each took, in microseconds.
async fn collect(sink: &Sink, answered: &Answered) -> Result<Histogram<u64>> {
    let answered = std::mem::take(&mut *answered.lock().expect("no holder panics"));
    let mails = sink.wait_for(BOUND, |mails| (mails.len() >= answered.len()).then(|| mails.to_vec())).await?;
    ensure!(mails.len() == answered.len(), "{} mails for {} requests", mails.len(), answered.len());
    let mut times = Histogram::new_with_bounds(1, 60_000_000, 3)?;
    for mail in &mails {
        let person = mail.to.first().and_then(|to| of_address(to)).context("a mail to a stranger")?;
        let asked = answered.get(&person).context("a mail that nobody asked for")?;
        // A mail may be there before its answer is read.
        let took = (mail.time - *asked).whole_microseconds().max(1);
        times.saturating_record(u64::try_from(took)?);
    }
    sink.forget();
    Ok(times)
}

/// The mailer against a sender that only knows SMTP.
pub async fn mailer(bench: &Bench) -> Result<Findings> {
    let (_sink, address) = bench.ground.smtp_sink()?;
    let mut world = World::make(bench, Wish::new("mailer").mailer(address)).await?;
    let sealer = Sealer::new(&world.sandi().path("keys/identity"))?;
    let count = bench.pick(20_000, 5_000);
    let letter = sample::sample(Kind::Reset, Locale::Id).render(&sample::letterhead())?.bytes;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let mut numbers = 0_u64;
    for _ in bench.rounds_of("mailer beside a bare sender") {
        let first = numbers;
        numbers += count as u64;
        let bodies: Vec<_> =
            (first..numbers).map(|number| sealer.body(number).map(Arc::new)).collect::<Result<Vec<_>>>()?;
        publish(world.channel().await?, count, |index| Arc::clone(&bodies[index])).await?;
        let waiting = world.depth().await?;
        world.spawn_mailer()?;
        let begin = world.depth_until(|depth| depth <= waiting * 9 / 10).await?;
        let from = world.depth().await?;
        let end = world.depth_until(|depth| depth == 0).await?;
        ours.push(from as f64 / (end - begin).as_secs_f64());
        world.stop_mailer()?;
        world.purge().await?;
        bare.push(send(address, count, &letter).await?);
    }
    let against = format!("a bare sender with PIPELINING, the same sink and {SMTP_CONNECTIONS} connections");
    let figure = Figure::against("Mailer, from the queue to smtp-sink", "mails/s", &ours, &against, &bare);
    let note = "seals are opened, mails rendered, statuses published and confirmed";
    Ok(Findings { figures: vec![figure.at_least(0.5).stretch(0.9).note(note)], ..Findings::default() })
}

/// Sends `count` mails over as many connections as the mailer has, and gives the rate.
async fn send(address: SocketAddr, count: usize, letter: &[u8]) -> Result<f64> {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    let mut content = letter.to_vec();
    if !content.ends_with(b"\r\n") {
        content.extend(b"\r\n");
    }
    content.extend(b".\r\n");
    let content = Arc::new(content);
    for connection in 0..SMTP_CONNECTIONS {
        tasks.spawn(talk(address, connection, count / SMTP_CONNECTIONS, Arc::clone(&content)));
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok((count / SMTP_CONNECTIONS * SMTP_CONNECTIONS) as f64 / begin.elapsed().as_secs_f64())
}

/// One connection. Sender, recipient and DATA go out together (RFC 2920).
async fn talk(address: SocketAddr, connection: usize, mails: usize, content: Arc<Vec<u8>>) -> Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    reply(&mut stream, &mut line, "220").await?;
    stream.write_all(b"EHLO bench.example\r\n").await?;
    reply(&mut stream, &mut line, "250").await?;
    for mail in 0..mails {
        let to = format!("user{mail}@d{connection}.example");
        let envelope = format!("MAIL FROM:<bounce@sandi.example>\r\nRCPT TO:<{to}>\r\nDATA\r\n");
        stream.write_all(envelope.as_bytes()).await?;
        for code in ["250", "250", "354"] {
            reply(&mut stream, &mut line, code).await?;
        }
        stream.write_all(&content).await?;
        reply(&mut stream, &mut line, "250").await?;
    }
    Ok(())
}

/// Reads one reply, of one line or more.
async fn reply(stream: &mut BufReader<TcpStream>, line: &mut String, code: &str) -> Result<()> {
    loop {
        line.clear();
        if stream.read_line(line).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        ensure!(line.starts_with(code), "the sink answered: {}", line.trim_end());
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}
