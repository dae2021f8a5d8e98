//! How long calls may take and which are retried: what `deploy/grpc/service-config.json` says, and nothing else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use backon::ExponentialBuilder;
use serde::Deserialize;
use tonic::{Code, Status};

use super::refusal::is_lost;

const SHIPPED: &str = include_str!("../../../../deploy/grpc/service-config.json");
/// A token of the throttle is counted in thousandths.
const TOKEN: i64 = 1000;

/// The policy of every method, and the throttle that they share.
pub(super) struct Policies {
    methods: HashMap<(String, String), Policy>,
    throttle: Throttle,
}

/// The policy of a method.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// How long all attempts may take together.
    pub timeout: Duration,
    retry: Option<RetryPolicy>,
}

impl Policies {
    /// The file as it is shipped.
    ///
    /// # Panics
    /// When the file that this was built with is no service config; a test reads it.
    pub fn shipped() -> Self {
        let file: File = serde_json::from_str(SHIPPED).expect("deploy/grpc/service-config.json is a service config");
        let mut methods = HashMap::new();
        for config in file.method_config {
            let policy = Policy { timeout: config.timeout.0, retry: config.retry_policy };
            for name in config.name {
                methods.insert((name.service, name.method), policy.clone());
            }
        }
        Self { methods, throttle: Throttle::new(&file.retry_throttling) }
    }

    /// The policy of a method.
    ///
    /// # Panics
    /// When the file has none: a test asks for every method that is called.
    pub fn of(&self, service: &str, method: &str) -> &Policy {
        let key = (format!("sandi.identity.v1.{service}"), method.to_owned());
        self.methods.get(&key).unwrap_or_else(|| panic!("{method} is not in the service config"))
    }

    /// Whether a failed attempt may be followed by another one: the service cannot be had, or the connection was lost
    /// on the way. Only calls that may be made twice have gaps to wait for.
    pub fn may_retry(&self, status: &Status) -> bool {
        (status.code() == Code::Unavailable || is_lost(status)) && self.throttle.failed()
    }

    /// Notes that a call was answered.
    pub fn answered(&self) {
        self.throttle.answered();
    }
}

impl Policy {
    /// The gaps between attempts, with jitter; none for a method that is not retried.
    pub fn gaps(&self) -> ExponentialBuilder {
        let Some(retry) = &self.retry else {
            return ExponentialBuilder::default().with_max_times(0);
        };
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(retry.initial_backoff.0)
            .with_max_delay(retry.max_backoff.0)
            .with_factor(retry.backoff_multiplier)
            .with_max_times(retry.max_attempts.saturating_sub(1))
    }
}

/// gRPC's retry throttle (gRFC A6): many failures end the retries, not the calls.
struct Throttle {
    tokens: AtomicI64,
    most: i64,
    back: i64,
}

impl Throttle {
    fn new(file: &Throttling) -> Self {
        let most = i64::from(file.max_tokens) * TOKEN;
        #[expect(clippy::cast_possible_truncation, reason = "a ratio has three decimals")]
        let back = (file.token_ratio * TOKEN as f64) as i64;
        Self { tokens: AtomicI64::new(most), most, back }
    }

    fn failed(&self) -> bool {
        self.add(-TOKEN) > self.most / 2
    }

    fn answered(&self) {
        self.add(self.back);
    }

    fn add(&self, change: i64) -> i64 {
        let bounded = |tokens: i64| (tokens + change).clamp(0, self.most);
        let before = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| Some(bounded(tokens)));
        bounded(before.unwrap_or_default())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    method_config: Vec<MethodConfig>,
    retry_throttling: Throttling,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MethodConfig {
    name: Vec<Name>,
    timeout: Seconds,
    retry_policy: Option<RetryPolicy>,
}

#[derive(Deserialize)]
struct Name {
    service: String,
    method: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryPolicy {
    max_attempts: usize,
    initial_backoff: Seconds,
    max_backoff: Seconds,
    backoff_multiplier: f32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Throttling {
    max_tokens: u32,
    token_ratio: f64,
}

/// `0.1s`, as protobuf writes durations in JSON.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Seconds(Duration);

impl TryFrom<String> for Seconds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let seconds = text.strip_suffix('s').and_then(|number| number.parse().ok());
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.map(Self).ok_or_else(|| format!("{text} is no duration"))
    }
}

#[cfg(test)]
mod tests {
    use backon::BackoffBuilder as _;

    use super::*;
    use crate::identity::calls::METHODS;

    #[test]
    fn every_call_has_a_deadline() {
        let policies = Policies::shipped();
        for (service, method) in METHODS {
            let policy = policies.of(service, method);
            assert!((1..=10).contains(&policy.timeout.as_secs()), "{method}");
        }
    }

    #[test]
    fn a_log_in_is_tried_once_and_a_request_four_times() {
        let policies = Policies::shipped();
        let tries = |method| policies.of("IdentityService", method).gaps().build().count() + 1;
        assert_eq!(tries("VerifyPassword"), 1);
        assert_eq!(tries("RequestReset"), 4);
    }

    #[test]
    fn only_unavailable_is_retried_and_not_for_ever() {
        let policies = Policies::shipped();
        assert!(!policies.may_retry(&Status::internal("")));
        assert!(policies.may_retry(&Status::from_error(Box::new(std::io::Error::other("reset")))), "a lost connection");
        policies.answered();
        let unavailable = Status::unavailable("");
        let retried = (0..100).take_while(|_| policies.may_retry(&unavailable)).count();
        assert_eq!(retried, 4, "five of ten tokens must be left");
        (0..100).for_each(|_| policies.answered());
        assert!(policies.may_retry(&unavailable));
    }
}
