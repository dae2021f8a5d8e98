//! Durations in settings, as people write them: `30m`, `24h`, `90d`, `500ms`, `1h 30m`.
//!
//! For `#[serde(with = "runtime::duration")]`; lists use [`durations`].

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Reads `"30m"`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?)
}

/// Writes `"30m"`.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*duration))
}

/// In days at most: months and years are of no certain length.
fn text(duration: Duration) -> String {
    const UNITS: [(&str, u128); 7] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut rest = duration.as_nanos();
    let mut parts = Vec::new();
    for (unit, length) in UNITS {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// Reads `30m`, for the command line.
///
/// # Errors
/// When it is none, with how to write one.
pub fn from_text(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "not a duration; write it like \"30m\", \"24h\" or \"500ms\"")
}

fn parse<E: Error>(text: &str) -> Result<Duration, E> {
    from_text(text).map_err(E::custom)
}

/// Lists of durations, for `#[serde(with = "runtime::durations")]`.
pub mod durations {
    use std::time::Duration;

    use serde::ser::SerializeSeq;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Reads `["1m", "4m"]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
        Vec::<String>::deserialize(deserializer)?.iter().map(|text| super::parse(text)).collect()
    }

    /// Writes `["1m", "4m"]`.
    pub fn serialize<S: Serializer>(durations: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(durations.len()))?;
        for duration in durations {
            list.serialize_element(&super::text(*duration))?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Settings {
        #[serde(with = "crate::duration")]
        life: Duration,
        #[serde(with = "crate::durations")]
        gaps: Vec<Duration>,
    }

    #[test]
    fn durations_are_read_and_written_as_people_do() {
        let text = "life = \"30m\"\ngaps = [\"1s\", \"500ms\"]\n";
        let settings: Settings = toml::from_str(text).unwrap();
        assert_eq!(settings.life, Duration::from_secs(1800));
        assert_eq!(settings.gaps, [Duration::from_secs(1), Duration::from_millis(500)]);
        assert_eq!(toml::to_string(&settings).unwrap(), text);
    }

    #[test]
    fn what_is_written_can_be_read_and_is_in_days_at_most() {
        for (seconds, written) in [(0, "0s"), (90 * 86_400, "90d"), (400 * 86_400 + 5_400, "400d 1h 30m")] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(super::text(duration), written);
            assert_eq!(super::from_text(written), Ok(duration));
        }
        let odd = Duration::new(1, 2_003_004);
        assert_eq!(super::from_text(&super::text(odd)), Ok(odd));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        let error = toml::from_str::<Settings>("life = \"soon\"\ngaps = []").unwrap_err();
        assert!(error.message().contains("\"30m\""));
    }
}
