use futures::FutureExt;
use time::OffsetDateTime;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::*;
use crate::{TraceHeaders, headers::time};

/// What the barrier rests on, whatever else is in flight.
#[tokio::test]
async fn what_became_ready_before_the_barrier_comes_out_before_it() {
    for woken in [[0_usize, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut in_flight = FuturesUnordered::new();
        let mut keys = Vec::new();
        for number in 0_usize..3 {
            let (key, lock) = oneshot::channel::<()>();
            keys.push(Some(key));
            in_flight.push(Box::pin(async move {
                let _ = lock.await;
                Some(number)
            }) as Pin<Box<dyn Future<Output = Option<usize>>>>);
        }
        assert!(in_flight.next().now_or_never().is_none(), "nothing is ready");
        for number in woken {
            drop(keys[number].take());
        }
        in_flight.push(Box::pin(future::ready(None)));
        let mut out = Vec::new();
        while let Some(number) = in_flight.next().await {
            out.push(number);
        }
        assert_eq!(out, woken.map(Some).into_iter().chain([None]).collect::<Vec<_>>());
    }
}

#[test]
fn a_message_says_what_it_is() {
    let message = Message {
        exchange: topology::IDENTITY_EVENTS,
        routing_key: topology::RESET_REQUESTED,
        message_id: Uuid::from_u128(5),
        body: Vec::new(),
        timestamp: OffsetDateTime::UNIX_EPOCH + Duration::from_millis(2_900),
        published: OffsetDateTime::UNIX_EPOCH + Duration::from_millis(3_141),
        trace: TraceHeaders::default(),
    };
    let properties = properties(&message, "sandi-identity");
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
    assert_eq!(text(properties.message_id()), Some(message.message_id.to_string()));
    assert_eq!(text(properties.kind()), Some("identity.reset.requested.v1".to_owned()));
    assert_eq!(text(properties.content_type()), Some("application/protobuf".to_owned()));
    assert_eq!(text(properties.app_id()), Some("sandi-identity".to_owned()));
    let headers = properties.headers().as_ref().expect("there are some");
    assert_eq!(time(headers, PUBLISHED), Some(message.published));
    assert_eq!((*properties.delivery_mode(), *properties.timestamp()), (Some(2), Some(2)));
}
