//! Moments and spans of time in words.

use std::time::Duration;

use time::{Month, OffsetDateTime, UtcOffset, Weekday};

use super::locale::Locale;
use super::time_zone::TimeZone;

/// A moment on the zone's clocks: `Senin, 23 November 2026, pukul 14.30 WIB` or
/// `14:30 WIB on Monday, 23 November 2026`.
pub fn moment(at: OffsetDateTime, zone: &TimeZone, locale: Locale) -> String {
    let (date, clock) = (date(zone.local(at), locale), clock(at, zone, locale));
    match locale {
        Locale::Id => format!("{date}, {clock}"),
        Locale::En => format!("{clock} on {date}"),
    }
}

/// The time of day alone: `pukul 14.30 WIB` or `14:30 WIB`.
pub fn clock(at: OffsetDateTime, zone: &TimeZone, locale: Locale) -> String {
    let local = zone.local(at);
    let (hour, minute) = (local.hour(), local.minute());
    let name = zone_name(zone, local.offset());
    match locale {
        Locale::Id => format!("pukul {hour:02}.{minute:02} {name}"),
        Locale::En => format!("{hour:02}:{minute:02} {name}"),
    }
}

fn date(local: OffsetDateTime, locale: Locale) -> String {
    let (day, year) = (local.day(), local.year());
    let weekday = weekday(local.weekday(), locale);
    let month = month(local.month(), locale);
    format!("{weekday}, {day} {month} {year}")
}

/// The Indonesian zones by the names that people use, others by their distance from UTC.
fn zone_name(zone: &TimeZone, offset: UtcOffset) -> String {
    match zone.as_str() {
        "Asia/Jakarta" | "Asia/Pontianak" => return "WIB".into(),
        "Asia/Makassar" | "Asia/Ujung_Pandang" => return "WITA".into(),
        "Asia/Jayapura" => return "WIT".into(),
        _ => {}
    }
    let (hours, minutes, _) = offset.as_hms();
    match (hours, minutes) {
        (0, 0) => "UTC".into(),
        (hours, 0) => format!("UTC{hours:+}"),
        _ => {
            let sign = if offset.is_negative() { '-' } else { '+' };
            format!("UTC{sign}{}:{:02}", hours.unsigned_abs(), minutes.unsigned_abs())
        }
    }
}

fn weekday(day: Weekday, locale: Locale) -> &'static str {
    let (id, en) = match day {
        Weekday::Monday => ("Senin", "Monday"),
        Weekday::Tuesday => ("Selasa", "Tuesday"),
        Weekday::Wednesday => ("Rabu", "Wednesday"),
        Weekday::Thursday => ("Kamis", "Thursday"),
        Weekday::Friday => ("Jumat", "Friday"),
        Weekday::Saturday => ("Sabtu", "Saturday"),
        Weekday::Sunday => ("Minggu", "Sunday"),
    };
    locale.pick(id, en)
}

fn month(month: Month, locale: Locale) -> &'static str {
    let (id, en) = match month {
        Month::January => ("Januari", "January"),
        Month::February => ("Februari", "February"),
        Month::March => ("Maret", "March"),
        Month::April => ("April", "April"),
        Month::May => ("Mei", "May"),
        Month::June => ("Juni", "June"),
        Month::July => ("Juli", "July"),
        Month::August => ("Agustus", "August"),
        Month::September => ("September", "September"),
        Month::October => ("Oktober", "October"),
        Month::November => ("November", "November"),
        Month::December => ("Desember", "December"),
    };
    locale.pick(id, en)
}

/// A wait in the unit that people would use, rounded up: `45 detik`, `2 minutes`, `3 jam`.
pub fn wait(duration: Duration, locale: Locale) -> String {
    let seconds = duration.as_millis().div_ceil(1000).max(1);
    let (count, id, en) = match seconds {
        0..=90 => (seconds, "detik", "second"),
        91..=5400 => (seconds.div_ceil(60), "menit", "minute"),
        _ => (seconds.div_ceil(3600), "jam", "hour"),
    };
    match (locale, count) {
        (Locale::Id, _) => format!("{count} {id}"),
        (Locale::En, 1) => format!("1 {en}"),
        (Locale::En, _) => format!("{count} {en}s"),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_moment_is_said_on_the_clocks_of_the_organisation() {
        let at = datetime!(2026-11-23 07:30 UTC);
        let zone = |name| TimeZone::parse(name).unwrap();
        let id = |name| moment(at, &zone(name), Locale::Id);
        assert_eq!(id("Asia/Jakarta"), "Senin, 23 November 2026, pukul 14.30 WIB");
        assert_eq!(id("Asia/Makassar"), "Senin, 23 November 2026, pukul 15.30 WITA");
        assert_eq!(id("Asia/Jayapura"), "Senin, 23 November 2026, pukul 16.30 WIT");
        let en = |name| moment(at, &zone(name), Locale::En);
        assert_eq!(en("Asia/Jakarta"), "14:30 WIB on Monday, 23 November 2026");
        assert_eq!(en("UTC"), "07:30 UTC on Monday, 23 November 2026");
        assert_eq!(en("Asia/Singapore"), "15:30 UTC+8 on Monday, 23 November 2026");
        assert_eq!(en("Asia/Kathmandu"), "13:15 UTC+5:45 on Monday, 23 November 2026");
        assert_eq!(en("America/St_Johns"), "04:00 UTC-3:30 on Monday, 23 November 2026");
        assert_eq!(en("Pacific/Kiritimati"), "21:30 UTC+14 on Monday, 23 November 2026");
    }

    #[test]
    fn every_day_and_month_has_its_name() {
        let zone = TimeZone::default();
        let start = datetime!(2026-01-04 05:00 UTC);
        let said: Vec<_> =
            (0..7).map(|day| moment(start + time::Duration::days(day * 31), &zone, Locale::Id)).collect();
        assert_eq!(said[0], "Minggu, 4 Januari 2026, pukul 12.00 WIB");
        assert_eq!(said[1], "Rabu, 4 Februari 2026, pukul 12.00 WIB");
        assert_eq!(said[6], "Kamis, 9 Juli 2026, pukul 12.00 WIB");
    }

    #[test]
    fn a_wait_is_rounded_up_to_the_unit_that_people_use() {
        let id = |seconds| wait(Duration::from_secs_f64(seconds), Locale::Id);
        assert_eq!(id(0.0), "1 detik");
        assert_eq!(id(0.2), "1 detik");
        assert_eq!(id(59.5), "60 detik");
        assert_eq!(id(91.0), "2 menit");
        assert_eq!(id(3600.0), "60 menit");
        assert_eq!(id(7201.0), "3 jam");
        let en = |seconds| wait(Duration::from_secs(seconds), Locale::En);
        assert_eq!(en(1), "1 second");
        assert_eq!(en(30), "30 seconds");
        assert_eq!(en(120), "2 minutes");
        assert_eq!(en(86_400), "24 hours");
    }
}
