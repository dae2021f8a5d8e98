//! Times and durations as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use time::{Date, Duration, OffsetDateTime, UtcOffset};

use super::texts::Texts;

/// An organisation's time zone. Indonesia's three have their own names; in another one the
/// distance from UTC is told, and an unknown one is told in UTC.
pub struct Zone(TimeZone);

/// A moment in a zone, ready for a sentence.
pub struct Moment {
    /// The hour and the zone: "14.30 WIB".
    pub hour: String,
    /// The day: "Senin, 23 November 2026".
    pub day: String,
}

impl Zone {
    /// The zone of an IANA name.
    pub fn of(name: &str) -> Self {
        Self(TimeZone::get(name).unwrap_or(TimeZone::UTC))
    }

    /// `at` in this zone.
    pub fn moment(&self, at: OffsetDateTime, texts: &Texts) -> Moment {
        let (offset, zone) = self.offset(at);
        let local = at.to_offset(offset);
        Moment {
            hour: format!("{} {zone}", (texts.clock)(local.hour(), local.minute())),
            day: day(local.date(), texts),
        }
    }

    fn offset(&self, at: OffsetDateTime) -> (UtcOffset, String) {
        let utc = || (UtcOffset::UTC, "UTC".to_owned());
        let Ok(moment) = Timestamp::from_second(at.unix_timestamp()) else {
            return utc();
        };
        let info = self.0.to_offset_info(moment);
        let Ok(offset) = UtcOffset::from_whole_seconds(info.offset().seconds()) else {
            return utc();
        };
        let name = match info.abbreviation() {
            // Elsewhere the letters are used twice (IST, CST) or not known.
            name @ ("WIB" | "WITA" | "WIT") => name.to_owned(),
            _ => from_utc(offset),
        };
        (offset, name)
    }
}

fn from_utc(offset: UtcOffset) -> String {
    match offset.as_hms() {
        (0, 0, _) => "UTC".to_owned(),
        (hours, 0, _) => format!("UTC{hours:+}"),
        (hours, minutes, _) => {
            let sign = if offset.is_negative() { '-' } else { '+' };
            format!("UTC{sign}{}:{:02}", hours.abs(), minutes.abs())
        }
    }
}

fn day(date: Date, texts: &Texts) -> String {
    let weekday = texts.weekdays[usize::from(date.weekday().number_days_from_monday())];
    let month = texts.months[usize::from(u8::from(date.month())) - 1];
    format!("{weekday}, {} {month} {}", date.day(), date.year())
}

/// A link's life: "30 menit", "24 jam", rounded to the minute, or to the second below one.
pub fn life(life: Duration, texts: &Texts) -> String {
    let seconds = life.whole_seconds().max(0);
    if seconds < 60 {
        return (texts.seconds)(seconds);
    }
    let minutes = (seconds + 30) / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => (texts.minutes)(minutes),
        (hours, 0) => (texts.hours)(hours),
        (hours, minutes) => format!("{} {}", (texts.hours)(hours), (texts.minutes)(minutes)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use time::macros::datetime;

    use super::*;
    use crate::render::texts::{ENGLISH, INDONESIAN};

    #[rstest]
    #[case("Asia/Jakarta", "14.30 WIB", "Senin, 23 November 2026")]
    #[case("Asia/Pontianak", "14.30 WIB", "Senin, 23 November 2026")]
    #[case("Asia/Makassar", "15.30 WITA", "Senin, 23 November 2026")]
    #[case("Asia/Jayapura", "16.30 WIT", "Senin, 23 November 2026")]
    #[case("Asia/Singapore", "15.30 UTC+8", "Senin, 23 November 2026")]
    #[case("Asia/Kolkata", "13.00 UTC+5:30", "Senin, 23 November 2026")]
    #[case("America/New_York", "02.30 UTC-5", "Senin, 23 November 2026")]
    #[case("America/St_Johns", "04.00 UTC-3:30", "Senin, 23 November 2026")]
    #[case("Pacific/Kiritimati", "21.30 UTC+14", "Senin, 23 November 2026")]
    #[case("UTC", "07.30 UTC", "Senin, 23 November 2026")]
    #[case("Mars/Olympus", "07.30 UTC", "Senin, 23 November 2026")]
    #[case("", "07.30 UTC", "Senin, 23 November 2026")]
    fn a_moment_is_told_in_the_zone(#[case] zone: &str, #[case] hour: &str, #[case] day: &str) {
        let moment = Zone::of(zone).moment(datetime!(2026-11-23 07:30:00 UTC), &INDONESIAN);
        assert_eq!((moment.hour.as_str(), moment.day.as_str()), (hour, day));
    }

    #[test]
    fn the_day_is_that_of_the_zone() {
        let moment = Zone::of("Asia/Jayapura").moment(datetime!(2026-12-31 23:05:00 UTC), &ENGLISH);
        assert_eq!(moment.hour, "08:05 WIT");
        assert_eq!(moment.day, "Friday, 1 January 2027");
    }

    #[rstest]
    #[case(Duration::minutes(30), "30 menit", "30 minutes")]
    #[case(Duration::milliseconds(1_800_400), "30 menit", "30 minutes")]
    #[case(Duration::seconds(1_801), "30 menit", "30 minutes")]
    #[case(Duration::hours(24), "24 jam", "24 hours")]
    #[case(Duration::hours(1), "1 jam", "1 hour")]
    #[case(Duration::minutes(90), "1 jam 30 menit", "1 hour 30 minutes")]
    #[case(Duration::minutes(1), "1 menit", "1 minute")]
    #[case(Duration::seconds(1), "1 detik", "1 second")]
    #[case(Duration::seconds(-5), "0 detik", "0 seconds")]
    fn a_life_is_told_in_whole_units(#[case] of: Duration, #[case] id: &str, #[case] en: &str) {
        assert_eq!(life(of, &INDONESIAN), id);
        assert_eq!(life(of, &ENGLISH), en);
    }
}
