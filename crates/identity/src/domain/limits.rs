//! The silent limits of one account: a stranger can neither flood a mailbox nor keep a person
//! without a live link.

use std::time::Duration;

use time::OffsetDateTime;

/// Mails a person may be sent on request.
#[derive(Clone, Copy, Debug)]
pub struct MailLimits {
    /// Mails a minute.
    pub per_minute: u32,
    /// Links that live at one time.
    pub live_links: u32,
    /// Mails in 24 hours, after which there is one per link life.
    pub per_day: u32,
    /// How long a link lives.
    pub link_life: Duration,
}

/// A mail of the last 24 hours that counts.
#[derive(Clone, Copy, Debug)]
pub struct SentMail {
    /// When its link was made.
    pub issue_time: OffsetDateTime,
    /// When its link ends.
    pub expire_time: OffsetDateTime,
    /// Whether its link may still be used.
    pub live: bool,
}

impl MailLimits {
    /// Whether another mail may go out now; if not, from when.
    ///
    /// # Errors
    /// The time from which a new request is mailed again.
    pub fn admit(&self, sent: &[SentMail], now: OffsetDateTime) -> Result<(), OffsetDateTime> {
        let mut times: Vec<OffsetDateTime> = sent.iter().map(|mail| mail.issue_time).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let mut live: Vec<OffsetDateTime> =
            sent.iter().filter(|mail| mail.live && mail.expire_time > now).map(|mail| mail.expire_time).collect();
        live.sort_unstable_by(|a, b| b.cmp(a));

        let minute = Duration::from_secs(60);
        let day = Duration::from_secs(24 * 60 * 60);
        let full = |count: u32, within: Duration| {
            let oldest = times.get(usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(1))?;
            (*oldest + within > now).then(|| *oldest + within)
        };
        let waits = [
            full(self.per_minute, minute),
            live.get(usize::try_from(self.live_links).unwrap_or(usize::MAX).saturating_sub(1)).copied(),
            // Past the day's number, the newest mail must be a link life old.
            full(self.per_day, day).and_then(|_| full(1, self.link_life)),
        ];
        waits.into_iter().flatten().max().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-23 12:00 UTC);
    const LIMITS: MailLimits =
        MailLimits { per_minute: 1, live_links: 3, per_day: 10, link_life: Duration::from_secs(1800) };

    fn sent(seconds_ago: &[u64]) -> Vec<SentMail> {
        seconds_ago
            .iter()
            .map(|ago| {
                let issue_time = NOW - Duration::from_secs(*ago);
                let expire_time = issue_time + LIMITS.link_life;
                SentMail { issue_time, expire_time, live: expire_time > NOW }
            })
            .collect()
    }

    #[test]
    fn the_first_mail_goes_out() {
        assert_eq!(LIMITS.admit(&[], NOW), Ok(()));
    }

    #[test]
    fn a_second_mail_waits_a_minute() {
        assert_eq!(LIMITS.admit(&sent(&[59]), NOW), Err(NOW + Duration::from_secs(1)));
        assert_eq!(LIMITS.admit(&sent(&[60]), NOW), Ok(()));
    }

    #[test]
    fn a_fourth_live_link_waits_until_one_has_ended() {
        assert_eq!(LIMITS.admit(&sent(&[100, 200]), NOW), Ok(()));
        assert_eq!(LIMITS.admit(&sent(&[100, 200, 300]), NOW), Err(NOW + Duration::from_secs(1500)));
    }

    #[test]
    fn a_used_link_makes_room() {
        let mut mails = sent(&[100, 200, 300]);
        mails[0].live = false;
        assert_eq!(LIMITS.admit(&mails, NOW), Ok(()));
    }

    #[test]
    fn a_link_that_is_just_over_makes_room() {
        let mut mails = sent(&[100, 200, 300]);
        (mails[0].expire_time, mails[0].live) = (NOW, true);
        assert_eq!(LIMITS.admit(&mails, NOW), Ok(()));
    }

    #[test]
    fn the_day_ends_after_24_hours() {
        const DAY: u64 = 24 * 60 * 60;
        let mut ten: Vec<u64> = (1..9).map(|n| n * 5000).collect();
        ten.extend([100, DAY - 1]);
        assert_eq!(LIMITS.admit(&sent(&ten), NOW), Err(NOW + Duration::from_secs(1700)));
        ten[9] = DAY;
        assert_eq!(LIMITS.admit(&sent(&ten), NOW), Ok(()));
    }

    #[test]
    fn after_ten_mails_there_is_one_per_link_life_so_nobody_is_ever_without_a_link() {
        let mut ten: Vec<u64> = (0..9).map(|n| 4000 + n * 2000).collect();
        ten.push(1799);
        assert_eq!(LIMITS.admit(&sent(&ten), NOW), Err(NOW + Duration::from_secs(1)));
        ten[9] = 1800;
        assert_eq!(LIMITS.admit(&sent(&ten), NOW), Ok(()), "the last link has just ended");
    }

    #[test]
    fn an_attacker_who_asks_all_day_never_keeps_a_person_without_a_live_link() {
        let mut mails: Vec<SentMail> = Vec::new();
        let mut dark = 0;
        for minute in 0..(24 * 60) {
            let now = NOW + Duration::from_secs(minute * 60);
            for mail in &mut mails {
                mail.live = mail.expire_time > now;
            }
            mails.retain(|mail| mail.issue_time + Duration::from_secs(24 * 60 * 60) > now);
            if LIMITS.admit(&mails, now).is_ok() {
                mails.push(SentMail { issue_time: now, expire_time: now + LIMITS.link_life, live: true });
            }
            dark += usize::from(!mails.iter().any(|mail| mail.live && mail.expire_time > now));
        }
        assert_eq!(dark, 0, "minutes without a live link");
    }
}
