//! From a message of the broker to its verdict: what is mailed, what is told, and when.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailer::deliver::Deliverer;
use mailer::memory::Memory;
use mailer::metrics::Metrics;
use mailer::outcome::{Attempt, Bounce, Outcome, Phase, Reply};
use mailer::sample::{EVENT_ID, Kind, Locale, REQUESTED, Sample, letterhead, sample};
use mailer::transport::{Mail, MailTransport};
use messaging::keys::{KeyRing, Keys, Role, generate};
use messaging::seal::{EventHeader, SealedEvent, encode_event, seal};
use messaging::topology::{NOTICE_REQUESTED, RESET_REQUESTED};
use messaging::{Delivery, PublishError, TraceHeaders, Verdict};
use prost::Message as _;
use proto::identity::events::v1::MailHeader;
use proto::mailer::events::v1::MailStatus;
use proto::mailer::events::v1::mail_status::Outcome as Told;
use runtime::{Clock, Random, SeededRandom, SkewAlarm};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Moves with tokio's own clock, which the tests pause.
struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        REQUESTED + self.0.elapsed()
    }
}

/// Answers in turn, then always with yes.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Outcome>>,
    held: Mutex<bool>,
    mails: Mutex<Vec<(String, Vec<u8>)>>,
    slow: Mutex<Duration>,
}

impl MailTransport for Scripted {
    async fn send(&self, mail: &Mail) -> Attempt {
        let slow = *self.slow.lock().unwrap();
        sleep(slow).await;
        let outcome = match *self.held.lock().unwrap() {
            true => Outcome::Held,
            false => self.answers.lock().unwrap().pop_front().unwrap_or(Outcome::Sent),
        };
        let (phase, code) = match outcome {
            Outcome::Held => (Phase::Connect, None),
            Outcome::Deferred => (Phase::Rcpt, Some(450)),
            Outcome::Bounced(_) => (Phase::Rcpt, Some(550)),
            Outcome::Unknown => (Phase::Final, None),
            _ => (Phase::Final, Some(250)),
        };
        if outcome != Outcome::Held {
            self.mails.lock().unwrap().push((mail.recipient.to_string(), mail.bytes.to_vec()));
        }
        Attempt {
            outcome,
            phase: Some(phase),
            reply: code.map(|code| Reply { code, enhanced: String::new() }),
            relay: "relay.example:587".to_owned(),
            duration: Duration::ZERO,
            cause: "scripted".to_owned(),
        }
    }

    async fn ready(&self) {
        sleep(Duration::from_secs(20)).await;
    }
}

type Reported = Pin<Box<dyn Future<Output = Result<(), PublishError>> + Send>>;
type Report = Box<dyn Fn(MailStatus) -> Reported + Send + Sync>;

struct Bench {
    identity: Keys,
    deliverer: Arc<Deliverer<Scripted, Report>>,
    transport: Arc<Scripted>,
    statuses: Arc<Mutex<Vec<(Duration, MailStatus)>>>,
    refusals: Arc<Mutex<usize>>,
    stop: CancellationToken,
    _directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        for (role, seed) in [(Role::Mailer, 1), (Role::Identity, 2)] {
            let random = SeededRandom::new(seed);
            generate(directory.path(), role, OffsetDateTime::UNIX_EPOCH, &|bytes| random.fill(bytes)).unwrap();
        }
        let transport = Arc::new(Scripted::default());
        let statuses = Arc::new(Mutex::new(Vec::new()));
        let refusals = Arc::new(Mutex::new(0));
        let stop = CancellationToken::new();
        let start = Instant::now();
        let report = {
            let (statuses, refusals) = (Arc::clone(&statuses), Arc::clone(&refusals));
            move |status: MailStatus| -> Reported {
                let mut refusals = refusals.lock().unwrap();
                if *refusals > 0 {
                    *refusals -= 1;
                    return Box::pin(async { Err(PublishError::TimedOut) });
                }
                statuses.lock().unwrap().push((start.elapsed(), status));
                Box::pin(async { Ok(()) })
            }
        };
        let deliverer = Deliverer {
            keys: Arc::new(KeyRing::load(directory.path(), Role::Mailer).unwrap()),
            transport: transport.clone(),
            report: Box::new(report) as Report,
            letterhead: letterhead(),
            clock: Arc::new(TestClock(start)),
            random: Arc::new(SeededRandom::new(3)),
            stop: stop.clone(),
            skew_alarm: SkewAlarm::default(),
            memory: Memory::default(),
            metrics: Metrics::default(),
        };
        Self {
            identity: Keys::load(directory.path(), Role::Identity).unwrap(),
            deliverer: Arc::new(deliverer),
            transport,
            statuses,
            refusals,
            stop,
            _directory: directory,
        }
    }

    fn sealed(&self, plaintext: &[u8], life: Duration) -> SealedEvent {
        let header = EventHeader {
            event_id: EVENT_ID,
            event_time: REQUESTED,
            organization_id: Uuid::from_u128(2),
            expire_time: REQUESTED + life,
        };
        seal(&self.identity, RESET_REQUESTED, &header, plaintext).unwrap()
    }

    fn good(&self) -> SealedEvent {
        self.sealed(&reset(), Duration::from_secs(30 * 60))
    }

    async fn handle(&self, delivery: Delivery) -> Verdict {
        self.deliverer.clone().handle(delivery).await
    }

    async fn attempt(&self, event: &SealedEvent, attempt: u32) -> Verdict {
        self.handle(delivery(RESET_REQUESTED, encode_event(RESET_REQUESTED, event, attempt))).await
    }

    fn answers(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        self.transport.answers.lock().unwrap().extend(outcomes);
    }

    fn hold(&self, held: bool) {
        *self.transport.held.lock().unwrap() = held;
    }

    fn mails(&self) -> usize {
        self.transport.mails.lock().unwrap().len()
    }

    fn told(&self) -> Vec<Told> {
        self.statuses.lock().unwrap().iter().map(|(_, status)| status.outcome()).collect()
    }

    fn told_at(&self) -> Vec<u64> {
        self.statuses.lock().unwrap().iter().map(|(at, _)| at.as_secs()).collect()
    }
}

fn reset() -> Vec<u8> {
    let Sample::Reset(mail) = sample(Kind::Reset, Locale::Id) else { unreachable!() };
    mail.encode_to_vec()
}

fn delivery(routing_key: &str, body: Vec<u8>) -> Delivery {
    Delivery {
        routing_key: routing_key.to_owned(),
        body,
        redelivered: false,
        delivery_count: 0,
        message_id: None,
        trace: TraceHeaders::default(),
        published: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_is_taken_is_told_and_acknowledged() {
    let bench = Bench::new();
    assert_eq!(bench.attempt(&bench.good(), 3).await, Verdict::Ack);
    let mails = bench.transport.mails.lock().unwrap();
    assert_eq!(mails[0].0, "budi@kopi.example");
    assert!(String::from_utf8_lossy(&mails[0].1).contains(&format!("Message-ID: <{EVENT_ID}@")));
    let (_, status) = bench.statuses.lock().unwrap()[0].clone();
    assert_eq!(status.event_id, EVENT_ID.to_string());
    assert_eq!((status.attempt, status.outcome()), (3, Told::Sent));
    assert_eq!((status.relay.as_str(), status.smtp_code), ("relay.example:587", 250));
    assert_eq!(status.phase, "final");
    assert_eq!(status.attempt_time.unwrap().seconds, REQUESTED.unix_timestamp());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_and_acknowledged_too() {
    for (outcome, told) in [
        (Outcome::Deferred, Told::Deferred),
        (Outcome::Bounced(Bounce::Address), Told::Bounced),
        (Outcome::Unknown, Told::Unknown),
        (Outcome::Expired, Told::Expired),
    ] {
        let bench = Bench::new();
        bench.answers([outcome]);
        assert_eq!(bench.attempt(&bench.good(), 1).await, Verdict::Ack);
        assert_eq!(bench.told(), [told]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_opened_is_parked_and_nothing_is_told() {
    let bench = Bench::new();
    let stranger = Bench::new();
    let good = bench.good();
    let mut altered = good.clone();
    let mut header = MailHeader::decode(altered.header.as_slice()).unwrap();
    header.event_id = Uuid::from_u128(9).to_string();
    altered.header = header.encode_to_vec();
    let mixed = SealedEvent { sealed: bench.good().sealed, ..good.clone() };
    let mut flipped = good.clone();
    flipped.sealed[0] ^= 1;
    let body = |event: &SealedEvent| encode_event(RESET_REQUESTED, event, 1);
    let forged = {
        let directory = TempDir::new().unwrap();
        let random = SeededRandom::new(77);
        generate(directory.path(), Role::Identity, OffsetDateTime::UNIX_EPOCH, &|bytes| random.fill(bytes)).unwrap();
        for entry in std::fs::read_dir(stranger._directory.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with("mailer-") && name.ends_with(".pub") {
                std::fs::copy(&path, directory.path().join(name)).unwrap();
            }
        }
        let keys = Keys::load(directory.path(), Role::Identity).unwrap();
        let header = EventHeader {
            event_id: EVENT_ID,
            event_time: REQUESTED,
            organization_id: Uuid::from_u128(2),
            expire_time: REQUESTED + Duration::from_secs(1800),
        };
        seal(&keys, RESET_REQUESTED, &header, &reset()).unwrap()
    };
    for delivery in [
        delivery(RESET_REQUESTED, b"\xff garbage".to_vec()),
        delivery(RESET_REQUESTED, Vec::new()),
        delivery("identity.other.v1", body(&good)),
        delivery(NOTICE_REQUESTED, body(&good)),
        delivery(RESET_REQUESTED, body(&altered)),
        delivery(RESET_REQUESTED, body(&mixed)),
        delivery(RESET_REQUESTED, body(&flipped)),
        delivery(RESET_REQUESTED, body(&forged)),
    ] {
        assert_eq!(bench.handle(delivery).await, Verdict::Park);
    }
    assert_eq!((bench.mails(), bench.told()), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_opens_and_makes_no_sense_is_told_and_parked() {
    let Sample::Reset(mut mail) = sample(Kind::Reset, Locale::Id) else { unreachable!() };
    mail.kind = 99;
    for plaintext in [b"\xff garbage".to_vec(), Vec::new(), mail.encode_to_vec()] {
        let bench = Bench::new();
        let event = bench.sealed(&plaintext, Duration::from_secs(1800));
        assert_eq!(bench.attempt(&event, 1).await, Verdict::Park);
        assert_eq!((bench.mails(), bench.told()), (0, vec![Told::Parked]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_whose_time_is_over_is_not_sent() {
    let bench = Bench::new();
    let event = bench.sealed(&reset(), Duration::from_secs(10));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.attempt(&event, 1).await, Verdict::Ack);
    assert_eq!((bench.mails(), bench.told()), (0, vec![Told::Expired]));
}

#[tokio::test(start_paused = true)]
async fn the_same_attempt_is_mailed_once_and_told_as_often_as_it_comes() {
    let bench = Bench::new();
    let event = bench.good();
    for _ in 0..3 {
        assert_eq!(bench.attempt(&event, 1).await, Verdict::Ack);
    }
    assert_eq!(bench.mails(), 1);
    let statuses = bench.statuses.lock().unwrap();
    assert_eq!(statuses.len(), 3);
    assert!(statuses.iter().all(|(_, status)| *status == statuses[0].1));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_copies_at_once_make_one_mail() {
    let bench = Bench::new();
    *bench.transport.slow.lock().unwrap() = Duration::from_secs(3);
    let event = bench.good();
    let copies = (0..100).map(|_| bench.attempt(&event, 1));
    let verdicts = futures::future::join_all(copies).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Ack));
    assert_eq!((bench.mails(), bench.told().len()), (1, 100));
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_is_made_unless_the_matter_is_settled() {
    let bench = Bench::new();
    let event = bench.good();
    bench.answers([Outcome::Deferred, Outcome::Unknown, Outcome::Sent]);
    for attempt in 1..=5 {
        bench.attempt(&event, attempt).await;
    }
    // An old copy that comes late.
    bench.attempt(&event, 1).await;
    assert_eq!(bench.mails(), 3);
    let sent = Told::Sent;
    assert_eq!(bench.told(), [Told::Deferred, Told::Unknown, sent, sent, sent, sent]);

    let bench = Bench::new();
    bench.answers([Outcome::Bounced(Bounce::Address)]);
    bench.attempt(&event, 1).await;
    bench.attempt(&event, 2).await;
    assert_eq!((bench.mails(), bench.told()), (1, vec![Told::Bounced, Told::Bounced]));
}

#[tokio::test(start_paused = true)]
async fn our_own_fault_holds_the_mail_until_it_is_repaired() {
    let bench = Bench::new();
    bench.hold(true);
    let event = bench.good();
    let repaired = async {
        sleep(Duration::from_secs(90)).await;
        bench.hold(false);
    };
    let (verdict, ()) = tokio::join!(bench.attempt(&event, 1), repaired);
    assert_eq!(verdict, Verdict::Ack);
    assert_eq!((bench.mails(), bench.told()), (1, vec![Told::Held, Told::Sent]));
    assert_eq!(bench.told_at()[0], 0, "told at once");
    let (_, held) = bench.statuses.lock().unwrap()[0].clone();
    assert_eq!(held.phase, "connect");
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_lasts_is_told_every_five_minutes_and_ends_the_attempt_in_time() {
    let bench = Bench::new();
    bench.hold(true);
    let event = bench.good();
    let began = Instant::now();
    assert_eq!(bench.attempt(&event, 1).await, Verdict::Ack);
    assert!(began.elapsed() <= Duration::from_secs(7 * 60), "{:?}", began.elapsed());
    assert_eq!(bench.told(), [Told::Held, Told::Held, Told::Deferred]);
    assert_eq!(bench.told_at()[1], 300);
    // So the identity service sends the next attempt, which finds the relay repaired.
    bench.hold(false);
    assert_eq!(bench.attempt(&event, 2).await, Verdict::Ack);
    assert_eq!((bench.mails(), bench.told()[3]), (1, Told::Sent));
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_is_held_past_its_time_expires() {
    let bench = Bench::new();
    bench.hold(true);
    let event = bench.sealed(&reset(), Duration::from_secs(100));
    assert_eq!(bench.attempt(&event, 1).await, Verdict::Ack);
    assert_eq!((bench.mails(), bench.told()), (0, vec![Told::Held, Told::Expired]));
    assert!(bench.told_at()[1] <= 101);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_acknowledged_only_when_its_status_is_confirmed() {
    let bench = Bench::new();
    *bench.refusals.lock().unwrap() = 7;
    let began = Instant::now();
    assert_eq!(bench.attempt(&bench.good(), 1).await, Verdict::Ack);
    assert!(began.elapsed() >= Duration::from_secs(1), "with waits in between");
    assert_eq!((bench.mails(), bench.told()), (1, vec![Told::Sent]));
}

#[tokio::test(start_paused = true)]
async fn when_the_program_ends_what_is_held_or_not_confirmed_goes_back() {
    let bench = Bench::new();
    bench.hold(true);
    let event = bench.good();
    let stop = async {
        sleep(Duration::from_secs(2)).await;
        bench.stop.cancel();
    };
    let (verdict, ()) = tokio::join!(bench.attempt(&event, 1), stop);
    assert_eq!((verdict, bench.mails()), (Verdict::Requeue, 0));

    let bench = Bench::new();
    *bench.refusals.lock().unwrap() = usize::MAX;
    let event = bench.good();
    let stop = async {
        sleep(Duration::from_secs(2)).await;
        bench.stop.cancel();
    };
    let (verdict, ()) = tokio::join!(bench.attempt(&event, 1), stop);
    assert_eq!(verdict, Verdict::Requeue);
}
