//! What one attempt came to, and the table that decides it.

use std::time::Duration;

use proto::mailer::events::v1::mail_status;

/// The outcomes of an attempt. One that is held is not over yet: nobody's mail fails by our own
/// faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The mail server took it.
    Sent,
    /// It said to come again (4yz), or the dialogue broke off before the content was over.
    Deferred,
    /// It refused for good (5yz).
    Bounced(Bounce),
    /// It fell silent after the final dot: it may have the mail or not.
    Unknown,
    /// The mail's time was over before it was handed over.
    Expired,
    /// The event is genuine, and cannot be made into a mail.
    Parked,
    /// Our own fault: the mail server cannot be reached or does not want to talk to us.
    Held,
}

/// What a refusal for good is about, by its enhanced code (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bounce {
    /// The address (5.1.x), or its letters (5.6.7).
    Address,
    /// The mailbox (5.2.x).
    Mailbox,
    /// The content (other 5.6.x), or its size (5.3.4).
    Content,
    /// Somebody's policy (5.7.x): about us as often as about the recipient.
    Policy,
    /// Something else, or there was no enhanced code.
    Other,
}

/// How far an attempt got (`phase` of MailStatus).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// TCP, the banner, EHLO.
    Connect,
    /// STARTTLS and the handshake.
    Tls,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA and the content.
    Data,
    /// After the final dot.
    Final,
}

/// A mail server's answer, without its text: that repeats addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// RFC 3463, empty when there is none.
    pub enhanced: String,
}

impl Reply {
    /// Whether a final refusal speaks of us, whatever the phase: authentication required or not good
    /// enough (RFC 4954, RFC 5248), or our own sender's address.
    fn is_about_us(&self) -> bool {
        const OURS: [&str; 5] = ["5.1.7", "5.1.8", "5.7.8", "5.7.9", "5.7.11"];
        matches!(self.code, 530 | 535 | 538) || OURS.contains(&self.enhanced.as_str())
    }
}

/// One attempt, as it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What it came to.
    pub outcome: Outcome,
    /// How far it got; none when no mail server was involved.
    pub phase: Option<Phase>,
    /// The last answer, if there was one.
    pub reply: Option<Reply>,
    /// `host:port`, empty when no mail server was involved.
    pub relay: String,
    /// How long it took.
    pub duration: Duration,
    /// For the log and the health page: free of addresses and secrets.
    pub cause: String,
}

impl Attempt {
    /// An attempt that no mail server saw.
    pub fn without_relay(outcome: Outcome, cause: impl Into<String>) -> Self {
        Self { outcome, phase: None, reply: None, relay: String::new(), duration: Duration::ZERO, cause: cause.into() }
    }

    /// What it failed by, in a word out of few: the class of the answer, or how far it got without one.
    pub fn error_type(&self) -> Option<&'static str> {
        match (self.outcome, self.reply.as_ref().map(|reply| reply.code / 100)) {
            (Outcome::Sent, _) => None,
            (Outcome::Expired | Outcome::Parked, _) => Some(self.outcome.name()),
            (_, Some(4)) => Some("4yz"),
            (_, Some(5)) => Some("5yz"),
            (_, Some(_)) => Some("reply_unexpected"),
            (_, None) => Some(self.phase.map_or(self.outcome.name(), Phase::name)),
        }
    }

    /// Whether another relay may do better: nothing was said about the recipient. What a relay says of
    /// a recipient is final, and no other relay is asked for its opinion.
    pub fn passes_on(&self) -> bool {
        let before_recipient = self.phase.is_some_and(|phase| phase <= Phase::Mail);
        self.outcome == Outcome::Held || (self.outcome == Outcome::Deferred && before_recipient)
    }
}

/// What a refusal or a silence means.
///
/// | | 4yz | 5yz | no answer |
/// |---|---|---|---|
/// | connect | deferred | held | held |
/// | tls, auth | held | held | held |
/// | mail | deferred | held | deferred |
/// | rcpt, data | deferred | bounced | deferred |
/// | final | deferred | bounced | unknown |
///
/// MAIL FROM names only us, so a final refusal there is about us; so are codes of authentication
/// anywhere, and refusals by policy of several recipients in a row (see `transport::doubt`).
pub fn of_failure(phase: Phase, reply: Option<&Reply>) -> Outcome {
    let class = reply.map(|reply| reply.code / 100);
    match (phase, class) {
        _ if reply.is_some_and(Reply::is_about_us) => Outcome::Held,
        (Phase::Tls | Phase::Auth, _) => Outcome::Held,
        (Phase::Connect, Some(4)) => Outcome::Deferred,
        (Phase::Connect, _) | (Phase::Mail, Some(5)) => Outcome::Held,
        (Phase::Rcpt | Phase::Data | Phase::Final, Some(5)) => {
            Outcome::Bounced(Bounce::of(reply.map_or("", |reply| &reply.enhanced)))
        }
        (Phase::Final, Some(4)) => Outcome::Deferred,
        (Phase::Final, _) => Outcome::Unknown,
        (Phase::Mail | Phase::Rcpt | Phase::Data, _) => Outcome::Deferred,
    }
}

impl Outcome {
    /// After these no attempt of the event is mailed again.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Sent | Self::Bounced(_))
    }

    /// After these the mail is not sent, and nobody tries again.
    pub fn gives_up(self) -> bool {
        matches!(self, Self::Bounced(_) | Self::Expired | Self::Parked)
    }

    /// For metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Deferred => "deferred",
            Self::Bounced(_) => "bounced",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Parked => "parked",
            Self::Held => "held",
        }
    }
}

impl Bounce {
    /// By the enhanced code; empty when there is none.
    pub fn of(enhanced: &str) -> Self {
        match enhanced.split_once('.').map_or("", |(_, detail)| detail) {
            "3.4" => Self::Content,
            "6.7" => Self::Address,
            detail => match detail.split('.').next() {
                Some("1") => Self::Address,
                Some("2") => Self::Mailbox,
                Some("6") => Self::Content,
                Some("7") => Self::Policy,
                _ => Self::Other,
            },
        }
    }

    /// For metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Mailbox => "mailbox",
            Self::Content => "content",
            Self::Policy => "policy",
            Self::Other => "other",
        }
    }
}

impl From<Outcome> for mail_status::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Sent => Self::Sent,
            Outcome::Deferred => Self::Deferred,
            Outcome::Bounced(_) => Self::Bounced,
            Outcome::Unknown => Self::Unknown,
            Outcome::Expired => Self::Expired,
            Outcome::Parked => Self::Parked,
            Outcome::Held => Self::Held,
        }
    }
}

impl Phase {
    /// As it stands in MailStatus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Final => "final",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const OUTCOMES: [Outcome; 7] = [
        Outcome::Sent,
        Outcome::Deferred,
        Outcome::Bounced(Bounce::Other),
        Outcome::Unknown,
        Outcome::Expired,
        Outcome::Parked,
        Outcome::Held,
    ];

    #[test]
    fn outcomes_are_reported_under_their_own_names() {
        use mail_status::Outcome as Reported;

        assert_eq!(
            OUTCOMES.map(|outcome| (outcome.name(), Reported::from(outcome))),
            [
                ("sent", Reported::Sent),
                ("deferred", Reported::Deferred),
                ("bounced", Reported::Bounced),
                ("unknown", Reported::Unknown),
                ("expired", Reported::Expired),
                ("parked", Reported::Parked),
                ("held", Reported::Held),
            ]
        );
        let bounces = [Bounce::Address, Bounce::Mailbox, Bounce::Content, Bounce::Policy, Bounce::Other];
        assert_eq!(bounces.map(Bounce::name), ["address", "mailbox", "content", "policy", "other"]);
        let phases = [Phase::Connect, Phase::Tls, Phase::Auth, Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Final];
        assert_eq!(phases.map(Phase::name), ["connect", "tls", "auth", "mail", "rcpt", "data", "final"]);
    }

    #[test]
    fn nothing_is_mailed_again_after_a_yes_or_a_no() {
        let settled = OUTCOMES.map(Outcome::is_settled);
        assert_eq!(settled, [true, false, true, false, false, false, false]);
        let given_up = OUTCOMES.map(Outcome::gives_up);
        assert_eq!(given_up, [false, false, true, false, true, true, false]);
    }

    #[rstest]
    #[case(Outcome::Sent, Some(Phase::Final), Some(250), None)]
    #[case(Outcome::Deferred, Some(Phase::Rcpt), Some(451), Some("4yz"))]
    #[case(Outcome::Bounced(Bounce::Other), Some(Phase::Rcpt), Some(550), Some("5yz"))]
    #[case(Outcome::Deferred, Some(Phase::Data), Some(250), Some("reply_unexpected"))]
    #[case(Outcome::Held, Some(Phase::Connect), None, Some("connect"))]
    #[case(Outcome::Unknown, Some(Phase::Final), None, Some("final"))]
    #[case(Outcome::Expired, Some(Phase::Data), Some(354), Some("expired"))]
    #[case(Outcome::Deferred, None, None, Some("deferred"))]
    fn what_an_attempt_failed_by_is_one_of_few_words(
        #[case] outcome: Outcome,
        #[case] phase: Option<Phase>,
        #[case] code: Option<u16>,
        #[case] word: Option<&str>,
    ) {
        let reply = code.map(|code| Reply { code, enhanced: String::new() });
        let attempt = Attempt { phase, reply, ..Attempt::without_relay(outcome, "it is a test") };
        assert_eq!(attempt.error_type(), word);
    }

    #[rstest]
    #[case(Outcome::Held, Some(Phase::Tls), true)]
    #[case(Outcome::Held, Some(Phase::Rcpt), true)]
    #[case(Outcome::Held, None, true)]
    #[case(Outcome::Deferred, Some(Phase::Connect), true)]
    #[case(Outcome::Deferred, Some(Phase::Mail), true)]
    #[case(Outcome::Deferred, Some(Phase::Rcpt), false)]
    #[case(Outcome::Deferred, Some(Phase::Final), false)]
    #[case(Outcome::Deferred, None, false)]
    #[case(Outcome::Bounced(Bounce::Other), Some(Phase::Mail), false)]
    #[case(Outcome::Sent, Some(Phase::Final), false)]
    #[case(Outcome::Unknown, Some(Phase::Final), false)]
    fn another_relay_is_asked_where_nothing_was_said_about_the_recipient(
        #[case] outcome: Outcome,
        #[case] phase: Option<Phase>,
        #[case] passes_on: bool,
    ) {
        let attempt = Attempt { phase, ..Attempt::without_relay(outcome, "it is a test") };
        assert_eq!(attempt.passes_on(), passes_on);
    }

    #[rstest]
    #[case(Phase::Connect, None, Outcome::Held)]
    #[case(Phase::Connect, Some(421), Outcome::Deferred)]
    #[case(Phase::Connect, Some(554), Outcome::Held)]
    #[case(Phase::Tls, None, Outcome::Held)]
    #[case(Phase::Tls, Some(454), Outcome::Held)]
    #[case(Phase::Auth, Some(535), Outcome::Held)]
    #[case(Phase::Auth, Some(454), Outcome::Held)]
    #[case(Phase::Mail, Some(451), Outcome::Deferred)]
    #[case(Phase::Mail, Some(550), Outcome::Held)]
    #[case(Phase::Mail, None, Outcome::Deferred)]
    #[case(Phase::Rcpt, Some(450), Outcome::Deferred)]
    #[case(Phase::Rcpt, Some(550), Outcome::Bounced(Bounce::Other))]
    #[case(Phase::Rcpt, Some(530), Outcome::Held)]
    #[case(Phase::Rcpt, None, Outcome::Deferred)]
    #[case(Phase::Data, Some(421), Outcome::Deferred)]
    #[case(Phase::Data, Some(554), Outcome::Bounced(Bounce::Other))]
    #[case(Phase::Data, None, Outcome::Deferred)]
    #[case(Phase::Final, Some(452), Outcome::Deferred)]
    #[case(Phase::Final, Some(552), Outcome::Bounced(Bounce::Other))]
    #[case(Phase::Final, None, Outcome::Unknown)]
    #[case(Phase::Final, Some(354), Outcome::Unknown)]
    fn a_refusal_means_what_the_table_says(#[case] phase: Phase, #[case] code: Option<u16>, #[case] outcome: Outcome) {
        let reply = code.map(|code| Reply { code, enhanced: String::new() });
        assert_eq!(of_failure(phase, reply.as_ref()), outcome);
    }

    #[rstest]
    #[case(550, "5.1.1", Outcome::Bounced(Bounce::Address))]
    #[case(550, "5.1.10", Outcome::Bounced(Bounce::Address))]
    #[case(552, "5.2.2", Outcome::Bounced(Bounce::Mailbox))]
    #[case(552, "5.3.4", Outcome::Bounced(Bounce::Content))]
    #[case(554, "5.6.0", Outcome::Bounced(Bounce::Content))]
    #[case(554, "5.7.1", Outcome::Bounced(Bounce::Policy))]
    #[case(554, "5.3.2", Outcome::Bounced(Bounce::Other))]
    #[case(550, "5.1.8", Outcome::Held)]
    #[case(535, "5.7.8", Outcome::Held)]
    #[case(550, "5.7.11", Outcome::Held)]
    #[case(452, "4.2.2", Outcome::Deferred)]
    fn a_refused_recipient_is_told_by_class(#[case] code: u16, #[case] enhanced: &str, #[case] outcome: Outcome) {
        let reply = Reply { code, enhanced: enhanced.to_owned() };
        assert_eq!(of_failure(Phase::Rcpt, Some(&reply)), outcome);
    }
}
