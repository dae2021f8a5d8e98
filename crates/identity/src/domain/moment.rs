//! Moments and spans of time in words.

use std::time::Duration;

use time::{Month, OffsetDateTime, UtcOffset, Weekday};

use super::locale::Locale;
use super::time_zone::TimeZone;

/// A moment on the zone's clocks: `pukul 14.30 WIB, Senin, 23 November 2026` or
/// `14:30 WIB on Monday, 23 November 2026`.
pub fn moment(at: OffsetDateTime, zone: &TimeZone, locale: Locale) -> String {
    let local = zone.local(at);
    let (hour, minute) = (local.hour(), local.minute());
    let name = zone_name(zone, local.offset());
    let date = date(local, locale);
    match locale {
        Locale::Id => format!("pukul {hour:02}.{minute:02} {name}, {date}"),
        Locale::En => format!("{hour:02}:{minute:02} {name} on {date}"),
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
            format!(
                "UTC{sign}{}:{:02}",
                hours.unsigned_abs(),
                minutes.unsigned_abs()
            )
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
