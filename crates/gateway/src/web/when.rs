//! Times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use prost_types::Timestamp as Moment;

use crate::texts::Texts;

/// An organisation's time zone.
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of an IANA name; UTC when there is none.
    pub fn of(name: &str) -> Self {
        Self(TimeZone::get(name).unwrap_or(TimeZone::UTC))
    }

    /// `23 November 2026, 14.30 WIB`.
    pub fn show(&self, at: &Moment, texts: &Texts) -> String {
        let Ok(at) = Timestamp::from_second(at.seconds) else { return String::new() };
        let local = self.0.to_datetime(at);
        let info = self.0.to_offset_info(at);
        // Elsewhere the letters are used twice (IST, CST); the distance from UTC is not.
        let name = match info.abbreviation() {
            name @ ("WIB" | "WITA" | "WIT" | "UTC") => name.to_owned(),
            _ => format!("UTC{}", info.offset()),
        };
        let month = usize::from(local.month().unsigned_abs()) - 1;
        let hour = (texts.clock)(local.hour(), local.minute());
        format!("{} {} {}, {hour} {name}", local.day(), texts.months[month], local.year())
    }
}

/// Whole minutes until then, at least one.
pub fn minutes_left(until: Option<&Moment>, now: time::OffsetDateTime) -> i64 {
    let until = until.map_or(0, |until| until.seconds);
    ((until - now.unix_timestamp()) / 60).max(1)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::texts::{ENGLISH, INDONESIAN};

    #[rstest]
    #[case("Asia/Jakarta", &INDONESIAN, "23 November 2026, 14.30 WIB")]
    #[case("Asia/Makassar", &ENGLISH, "23 November 2026, 15:30 WITA")]
    #[case("Asia/Kolkata", &ENGLISH, "23 November 2026, 13:00 UTC+05:30")]
    #[case("nowhere", &INDONESIAN, "23 November 2026, 07.30 UTC")]
    fn a_moment_is_told_in_the_organisations_zone(#[case] zone: &str, #[case] texts: &Texts, #[case] told: &str) {
        let at = Moment { seconds: 1_795_419_000, nanos: 0 };
        assert_eq!(Zone::of(zone).show(&at, texts), told);
    }
}
