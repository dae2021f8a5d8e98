//! What the sink is told to do instead of accepting.

use std::time::Duration;

/// A step of the conversation (RFC 5321 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The greeting after the connection.
    Banner,
    /// `EHLO` or `HELO`.
    Hello,
    /// `STARTTLS`.
    StartTls,
    /// `AUTH`.
    Auth,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, before the content.
    Data,
    /// After the final dot: who is answered here keeps the responsibility.
    Final,
    /// `QUIT`.
    Quit,
    /// Any other command.
    Other,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answer this code and text, for example `550` and `5.1.1 no such mailbox`. After a final dot a code of 2yz keeps
    /// the mail, any other does not.
    Reply(u16, String),
    /// Wait, then go on as usual.
    Delay(Duration),
    /// Answer as usual, but one byte at a time with this pause before each.
    Trickle(Duration),
    /// Close the connection without a reply.
    Drop,
    /// Keep the mail (after the final dot), then close the connection without a reply.
    KeepAndDrop,
    /// Never reply again on this connection.
    Silence,
}

/// When to do it.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) phase: Phase,
    pub(super) recipient: Option<String>,
    pub(super) times: Option<u32>,
    pub(super) act: Act,
}

impl Rule {
    /// Each time the conversation comes to `phase`.
    pub fn at(phase: Phase, act: Act) -> Self {
        Self { phase, recipient: None, times: None, act }
    }

    /// Answers `code` and `text` at `phase`.
    pub fn reply(phase: Phase, code: u16, text: impl Into<String>) -> Self {
        Self::at(phase, Act::Reply(code, text.into()))
    }

    /// Only for mails to this address; from `RCPT TO` on, because it is not known before.
    #[must_use]
    pub fn to(mut self, address: impl Into<String>) -> Self {
        self.recipient = Some(address.into());
        self
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn fits(&self, phase: Phase, recipient: Option<&str>) -> bool {
        self.phase == phase
            && self.times != Some(0)
            && (self.recipient.is_none() || self.recipient.as_deref() == recipient)
    }
}

/// The act of the latest rule that fits, which is thereby used once.
pub(super) fn next_act(rules: &mut [Rule], phase: Phase, recipient: Option<&str>) -> Option<Act> {
    let rule = rules.iter_mut().rev().find(|rule| rule.fits(phase, recipient))?;
    if let Some(times) = &mut rule.times {
        *times -= 1;
    }
    Some(rule.act.clone())
}
