//! The states of mails, links, users and addresses, and **the** table of their transitions.
//!
//! Numbers are those of `sandi.identity.v1`, and what the database keeps.

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$case_doc])* $case = $number,)*
        }

        impl $name {
            /// Every value, by number.
            pub const ALL: &[Self] = &[$(Self::$case),*];

            /// The number of the contract and the database.
            pub fn as_i16(self) -> i16 {
                self as i16
            }

            /// The value of a number; `None`: it is not one of the contract, or it is its zero.
            pub fn from_i16(number: i16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$case),)*
                    _ => None,
                }
            }

            /// The value of a number as protobuf carries it.
            pub fn from_i32(number: i32) -> Option<Self> {
                i16::try_from(number).ok().and_then(Self::from_i16)
            }
        }
    };
}

numbered! {
    /// Rank of a user within the organisation, in order.
    Role {
        /// Logs in.
        Member = 1,
        /// Also manages users.
        Admin = 2,
        /// Also manages admins; the last one stays one.
        Owner = 3,
    }
}

numbered! {
    /// Whether a user may log in.
    UserState {
        /// Yes.
        Active = 1,
        /// No.
        Disabled = 2,
    }
}

numbered! {
    /// What is known of a user's address.
    AddressState {
        /// Nothing speaks against it.
        Ok = 1,
        /// There is none.
        Missing = 2,
        /// A mail server refused it for good. It informs people and never suppresses a mail.
        Undeliverable = 3,
    }
}

numbered! {
    /// Who started a reset.
    ResetKind {
        /// The person.
        SelfService = 1,
        /// An admin, or support.
        Admin = 2,
        /// The making of the user.
        Invitation = 3,
    }
}

numbered! {
    /// What became of the mail.
    DeliveryState {
        /// Accepted, not yet handed to the mailer.
        Pending = 1,
        /// Handed to the broker, confirmed.
        Queued = 2,
        /// Tried; tried again at `next_attempt_time`, or just now when that is unset.
        Deferred = 3,
        /// Accepted by the mail server; a later bounce may still turn it into `Bounced`.
        Sent = 4,
        /// The mail server fell silent after the content; tried once more.
        Unknown = 5,
        /// Refused for good.
        Bounced = 6,
        /// There was no mail; the reason says why.
        NotSent = 7,
        /// Waits for our own mail server, since `hold_time`.
        Held = 8,
    }
}

numbered! {
    /// Why there was no mail.
    NotSentReason {
        /// Nobody has this name or address.
        NoSuchAccount = 1,
        /// The user is disabled or the organisation suspended.
        AccountDisabled = 2,
        /// The user has no address.
        NoAddress = 3,
        /// A mail went out shortly before.
        CoolingDown = 4,
        /// Could not be sent before the link's end.
        Expired = 5,
        /// The link was revoked before the mail went out.
        Revoked = 6,
        /// The mailer could not open or understand it.
        Parked = 7,
        /// Our own fault.
        Internal = 8,
    }
}

numbered! {
    /// What became of the link.
    LinkState {
        /// There never was one.
        NotIssued = 1,
        /// Works.
        Live = 2,
        /// Set a password.
        Completed = 3,
        /// Over by time; derived when read, never stored.
        Expired = 4,
        /// Ended by another link's use, a change of password, address, username or state, or by somebody.
        Revoked = 5,
    }
}

impl AddressState {
    /// What is known of an address, by whether there is one and whether it was refused for good.
    pub fn of(has_address: bool, undeliverable: bool) -> Self {
        match (has_address, undeliverable) {
            (false, _) => Self::Missing,
            (true, false) => Self::Ok,
            (true, true) => Self::Undeliverable,
        }
    }
}

/// What happens to a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryEvent {
    /// The broker confirmed the message, the first or a later attempt.
    Published,
    /// The mailer holds it: our own mail server is away or refuses us.
    Held,
    /// The mail server said: later.
    Deferred,
    /// The mail server fell silent after the content.
    Unknown {
        /// Whether it is the second time, after which nothing more is tried.
        second: bool,
    },
    /// The mail server took it.
    Sent,
    /// The mail server refused it for good, at once or later.
    Bounced,
    /// It ends without a mail.
    NotSent(NotSentReason),
}

impl DeliveryEvent {
    /// Whether a status of `attempt` still says something while `current` is the attempt under way. What
    /// a mail came to always does; where a past attempt stood does not, so that statuses may come late
    /// and in any order.
    pub fn concerns(self, attempt: u32, current: u32) -> bool {
        match self {
            Self::Published | Self::Held | Self::Deferred => attempt >= current,
            Self::Unknown { .. } | Self::Sent | Self::Bounced | Self::NotSent(_) => true,
        }
    }

    /// Whether nothing is tried after this: the event's row in the outbox can go.
    pub fn is_final(self) -> bool {
        match self {
            Self::Published | Self::Held | Self::Deferred | Self::Unknown { second: false } => {
                false
            }
            Self::Unknown { second: true } | Self::Sent | Self::Bounced | Self::NotSent(_) => true,
        }
    }
}

impl DeliveryState {
    /// The state after an event, or `None` if the event says nothing better than what is known.
    ///
    /// Later columns are better known; a state only moves to the right. `Held` and `Deferred` are equals,
    /// and the newer attempt decides (see [`DeliveryEvent::concerns`]).
    ///
    /// | `Pending` | `Queued` | `Held`, `Deferred` | `NotSent` | `Unknown` | `Sent` | `Bounced` |
    ///
    /// - A deferred or held mail that is published again stays as it is: that is better known than being
    ///   queued. Its next attempt is the one under way when `next_attempt_time` is unset.
    /// - `NotSent` gives way to what a mail server really did, also to its silence after the content:
    ///   who may have got a mail must not be told that there was none.
    /// - `Bounced` beats `Sent`: servers accept first and refuse later, never the reverse.
    pub fn after(self, event: DeliveryEvent) -> Option<Self> {
        let next = match event {
            DeliveryEvent::Published => Self::Queued,
            DeliveryEvent::Held => Self::Held,
            DeliveryEvent::Deferred => Self::Deferred,
            DeliveryEvent::NotSent(_) => Self::NotSent,
            DeliveryEvent::Unknown { .. } => Self::Unknown,
            DeliveryEvent::Sent => Self::Sent,
            DeliveryEvent::Bounced => Self::Bounced,
        };
        let moves = next.knowledge() > self.knowledge()
            || (next.knowledge() == self.knowledge() && next != self);
        moves.then_some(next)
    }

    /// How much is known in this state.
    fn knowledge(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Queued => 1,
            Self::Held | Self::Deferred => 2,
            Self::NotSent => 3,
            Self::Unknown => 4,
            Self::Sent => 5,
            Self::Bounced => 6,
        }
    }

    /// Whether more may be tried in this state. `Unknown` may have one more try before it, which only the
    /// outbox knows.
    pub fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::Queued | Self::Held | Self::Deferred => true,
            Self::NotSent | Self::Unknown | Self::Sent | Self::Bounced => false,
        }
    }
}

/// A mail's state with the reason of `NotSent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// What became of it.
    pub state: DeliveryState,
    /// Why there was none; set in `NotSent` only.
    pub not_sent_reason: Option<NotSentReason>,
}

impl Delivery {
    /// A mail that was just asked for.
    pub const PENDING: Self = Self {
        state: DeliveryState::Pending,
        not_sent_reason: None,
    };

    /// A mail that will not be.
    pub fn not_sent(reason: NotSentReason) -> Self {
        Self {
            state: DeliveryState::NotSent,
            not_sent_reason: Some(reason),
        }
    }

    /// The state after an event by the table of [`DeliveryState::after`]; of two reasons the one with the
    /// greater number stays, so that their order does not matter.
    pub fn after(self, event: DeliveryEvent) -> Option<Self> {
        if let (DeliveryState::NotSent, DeliveryEvent::NotSent(reason)) = (self.state, event) {
            return (Some(reason) > self.not_sent_reason).then(|| Self::not_sent(reason));
        }
        let state = self.state.after(event)?;
        let not_sent_reason = match event {
            DeliveryEvent::NotSent(reason) => Some(reason),
            _ => None,
        };
        Some(Self {
            state,
            not_sent_reason,
        })
    }
}

/// What happens to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkEvent {
    /// It set a password.
    Completed,
    /// It was ended before its time.
    Revoked,
    /// Its time is over.
    Expired,
}

impl LinkState {
    /// The state after an event, or `None`: only a live link has a future.
    pub fn after(self, event: LinkEvent) -> Option<Self> {
        match (self, event) {
            (Self::Live, LinkEvent::Completed) => Some(Self::Completed),
            (Self::Live, LinkEvent::Revoked) => Some(Self::Revoked),
            (Self::Live, LinkEvent::Expired) => Some(Self::Expired),
            (Self::NotIssued | Self::Completed | Self::Expired | Self::Revoked, _) => None,
        }
    }

    /// The state as read: a live link past its end is expired.
    pub fn at(self, is_over: bool) -> Self {
        if is_over {
            self.after(LinkEvent::Expired).unwrap_or(self)
        } else {
            self
        }
    }
}
