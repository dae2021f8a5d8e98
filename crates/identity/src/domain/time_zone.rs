//! Time zones of organisations.

use std::fmt;

use time::{OffsetDateTime, UtcOffset};

use super::violation::Problem;

/// The longest IANA name that is looked at, in bytes.
const MAX_BYTES: usize = 64;

/// A time zone of the IANA database. The database is compiled in, so that every host gives the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(jiff::tz::TimeZone);

impl TimeZone {
    /// Reads an IANA name such as `Asia/Jakarta` or `UTC`; case does not matter.
    ///
    /// # Errors
    /// [`Problem::NotATimeZone`] for any other name.
    pub fn parse(name: &str) -> Result<Self, Problem> {
        if name.len() > MAX_BYTES {
            return Err(Problem::NotATimeZone);
        }
        let zone = jiff::tz::db().get(name).map_err(|_| Problem::NotATimeZone)?;
        if zone.iana_name().is_some_and(|known| known != "Etc/Unknown" && known != "Factory") {
            Ok(Self(zone))
        } else {
            Err(Problem::NotATimeZone)
        }
    }

    /// The IANA name.
    pub fn as_str(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// A moment on this zone's clocks.
    pub fn local(&self, moment: OffsetDateTime) -> OffsetDateTime {
        let offset = jiff::Timestamp::from_second(moment.unix_timestamp())
            .ok()
            .and_then(|timestamp| UtcOffset::from_whole_seconds(self.0.to_offset(timestamp).seconds()).ok())
            .unwrap_or(UtcOffset::UTC);
        moment.to_offset(offset)
    }
}

impl Default for TimeZone {
    /// Where most of our people are.
    fn default() -> Self {
        Self::parse("Asia/Jakarta").unwrap_or(Self(jiff::tz::TimeZone::UTC))
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn zones_of_the_database_are_known_by_name() {
        for name in [
            "Asia/Jakarta",
            "Asia/Makassar",
            "Asia/Jayapura",
            "UTC",
            "Europe/Berlin",
            "America/Argentina/Buenos_Aires",
            "Etc/GMT-7",
        ] {
            assert_eq!(TimeZone::parse(name).unwrap().as_str(), name);
        }
        assert_eq!(TimeZone::parse("asia/jakarta").unwrap().as_str(), "Asia/Jakarta");
    }

    #[test]
    fn anything_else_is_no_zone() {
        for name in [
            "",
            "WIB",
            "Jakarta",
            "Asia/",
            "Asia/Bandung",
            "+07:00",
            "UTC+7",
            "../etc/passwd",
            "Asia/Jakarta\0",
            " UTC",
            "Etc/Unknown",
            &"A".repeat(1000),
        ] {
            assert_eq!(TimeZone::parse(name).err(), Some(Problem::NotATimeZone), "{name:?}");
        }
    }

    #[test]
    fn clocks_follow_summer_time() {
        let zone = TimeZone::parse("Europe/Berlin").unwrap();
        assert_eq!(zone.local(datetime!(2026-07-01 12:00 UTC)), datetime!(2026-07-01 14:00 +2));
        assert_eq!(zone.local(datetime!(2026-12-01 12:00 UTC)).offset(), UtcOffset::from_hms(1, 0, 0).unwrap());
    }

    #[test]
    fn jakarta_stands_where_nothing_is_said() {
        assert_eq!(TimeZone::default().as_str(), "Asia/Jakarta");
    }
}
