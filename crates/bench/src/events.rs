//! Sealed mail events, and a publisher with nothing around it.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use lapin::{
    BasicProperties, Channel,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use mailer::sample::{self, Kind, Locale, Sample};
use messaging::{
    EventHeader, KeyRing, Keys, Role, SealedEvent,
    seal::{encode_event, seal},
    topology::{IDENTITY_EVENTS, RESET_REQUESTED},
};
use prost::Message as _;
use prost_types::Timestamp;
use proto::identity::events::v1::ResetMail;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::people::{ORGANIZATION, address, id};

/// Tasks of the bare publisher, and confirms that each waits for: what lapin was found to do most with.
const TASKS: usize = 16;
const WINDOW: usize = 16;

/// Writes events as the identity service does.
pub struct Sealer {
    keys: Arc<Keys>,
    mail: ResetMail,
    now: OffsetDateTime,
}

impl Sealer {
    /// With the identity service's keys in this folder.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(keys: &Path) -> Result<Self> {
        let Sample::Reset(mut mail) = sample::sample(Kind::Reset, Locale::Id) else {
            anyhow::bail!("the sample is another mail")
        };
        let now = now();
        let at = |time: OffsetDateTime| Some(Timestamp { seconds: time.unix_timestamp(), nanos: 0 });
        mail.request_time = at(now);
        for link in &mut mail.links {
            link.expire_time = at(now + time::Duration::hours(20));
        }
        Ok(Self { keys: KeyRing::load(keys, Role::Identity)?.current(), mail, now })
    }

    /// The event of that number, to the person of that number.
    ///
    /// # Errors
    /// When a key is none.
    pub fn seal(&self, number: u64) -> Result<SealedEvent> {
        let mail = ResetMail { recipient: address(number), ..self.mail.clone() };
        let header = EventHeader {
            event_id: Uuid::parse_str(&id(number))?,
            event_time: self.now,
            organization_id: Uuid::parse_str(ORGANIZATION)?,
            expire_time: self.now + time::Duration::hours(20),
        };
        Ok(seal(&self.keys, RESET_REQUESTED, &header, &mail.encode_to_vec())?)
    }

    /// Its body on the broker.
    ///
    /// # Errors
    /// When a key is none.
    pub fn body(&self, number: u64) -> Result<Vec<u8>> {
        Ok(encode_event(RESET_REQUESTED, &self.seal(number)?, 1))
    }
}

/// Publishes `count` messages, each confirmed, in 16 tasks on one channel, and gives the rate. `body` makes them.
///
/// # Errors
/// When one is not confirmed.
pub async fn publish(channel: Channel, count: usize, body: impl Fn(usize) -> Arc<Vec<u8>>) -> Result<f64> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let bodies: Arc<Vec<Arc<Vec<u8>>>> = Arc::new((0..count).map(body).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (channel, bodies, next) = (channel.clone(), Arc::clone(&bodies), Arc::clone(&next));
        tasks.spawn(async move {
            let mut confirms = VecDeque::with_capacity(WINDOW);
            loop {
                let body = bodies.get(next.fetch_add(1, Ordering::Relaxed));
                if confirms.len() == WINDOW || body.is_none() {
                    let Some(confirm) = confirms.pop_front() else { return anyhow::Ok(()) };
                    confirmed(confirm).await?;
                }
                if let Some(body) = body {
                    let exchange = ShortString::from(IDENTITY_EVENTS);
                    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                    confirms.push_back(
                        channel.basic_publish(exchange, RESET_REQUESTED.into(), options, body, properties()).await?,
                    );
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a publisher broke off")??;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

async fn confirmed(confirm: lapin::PublisherConfirm) -> Result<()> {
    let confirmation = confirm.await?;
    ensure!(confirmation.is_ack() && confirmation.take_message().is_none(), "a message was not taken");
    Ok(())
}

/// What the service's own messages bear.
fn properties() -> BasicProperties {
    const PERSISTENT: u8 = 2;
    BasicProperties::default()
        .with_message_id(ORGANIZATION.into())
        .with_type(RESET_REQUESTED.into())
        .with_content_type("application/protobuf".into())
        .with_delivery_mode(PERSISTENT)
        .with_timestamp(0)
        .with_app_id("bench".into())
}

/// This machine's clock.
#[expect(clippy::disallowed_methods, reason = "measurements and seals need the real time")]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
