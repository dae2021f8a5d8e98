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
        /// Ended by another link's use, a change of password, address, username or state, a higher role, or by somebody.
        Revoked = 5,
    }
}

numbered! {
    /// What ended a link before its time.
    RevokeCause {
        /// Another link set a password.
        OtherLink = 1,
        /// The password was changed in the account settings.
        PasswordChanged = 2,
        /// The address was changed or removed.
        AddressChanged = 3,
        /// The username was changed.
        UsernameChanged = 4,
        /// The user was disabled.
        UserDisabled = 5,
        /// An admin did.
        Admin = 6,
        /// The user rose in rank.
        RoleRaised = 7,
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

impl NotSentReason {
    /// The name as in the contract, without its prefix.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchAccount => "NO_SUCH_ACCOUNT",
            Self::AccountDisabled => "ACCOUNT_DISABLED",
            Self::NoAddress => "NO_ADDRESS",
            Self::CoolingDown => "COOLING_DOWN",
            Self::Expired => "EXPIRED",
            Self::Revoked => "REVOKED",
            Self::Parked => "PARKED",
            Self::Internal => "INTERNAL",
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
    /// and in any order. A deferral makes the next attempt the current one, and so does a status of a
    /// later attempt.
    pub fn concerns(self, attempt: u32, current: u32) -> bool {
        match self {
            Self::Published | Self::Held | Self::Deferred => attempt >= current,
            Self::Unknown { .. } | Self::Sent | Self::Bounced | Self::NotSent(_) => true,
        }
    }

    /// Whether nothing is tried after this: the event's row in the outbox can go.
    pub fn is_final(self) -> bool {
        match self {
            Self::Published | Self::Held | Self::Deferred | Self::Unknown { second: false } => false,
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
    ///   who may have got a mail must not be told that there was none. Its first reason stays.
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
        let moves = next.knowledge() > self.knowledge() || (next.knowledge() == self.knowledge() && next != self);
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
        if is_over { self.after(LinkEvent::Expired).unwrap_or(self) } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASONS: [NotSentReason; 3] = [NotSentReason::Expired, NotSentReason::Revoked, NotSentReason::Parked];

    /// What the feedback does with one status, and the relay with its confirm: skip it if it says nothing any more, else move, and go on
    /// to the next attempt after a deferral.
    fn hear(state: &mut DeliveryState, current: &mut u32, attempt: u32, event: DeliveryEvent) {
        if event.concerns(attempt, *current) {
            *state = state.after(event).unwrap_or(*state);
            let deferred = event == DeliveryEvent::Deferred;
            *current = (*current).max(if deferred { attempt + 1 } else { attempt });
        }
    }

    fn end_of(statuses: &[(u32, DeliveryEvent)]) -> DeliveryState {
        let mut state = DeliveryState::Pending;
        let mut current = 1;
        for (attempt, event) in statuses {
            hear(&mut state, &mut current, *attempt, *event);
        }
        state
    }

    fn orders<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
        if items.len() < 2 {
            return vec![items.to_vec()];
        }
        let mut all = Vec::new();
        for position in 0..items.len() {
            let mut rest = items.to_vec();
            let first = rest.remove(position);
            for mut order in orders(&rest) {
                order.insert(0, first);
                all.push(order);
            }
        }
        all
    }

    #[test]
    fn numbers_are_those_of_the_contract() {
        assert_eq!(Role::from_i16(2), Some(Role::Admin));
        assert_eq!(Role::Owner.as_i16(), 3);
        assert_eq!(Role::from_i16(0), None);
        assert_eq!(UserState::from_i32(2), Some(UserState::Disabled));
        assert_eq!(UserState::from_i32(70_000), None);
        assert_eq!(DeliveryState::Held.as_i16(), 8);
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::from_i16(state.as_i16()), Some(*state));
        }
        assert_eq!(NotSentReason::ALL.len(), 8);
        assert_eq!(LinkState::Revoked.as_i16(), 5);
        assert_eq!(ResetKind::Invitation.as_i16(), 3);
    }

    #[test]
    fn ranks_are_in_order() {
        assert!(Role::Member < Role::Admin && Role::Admin < Role::Owner);
    }

    #[test]
    fn an_address_is_missing_refused_or_fine() {
        assert_eq!(AddressState::of(false, false), AddressState::Missing);
        assert_eq!(AddressState::of(false, true), AddressState::Missing);
        assert_eq!(AddressState::of(true, false), AddressState::Ok);
        assert_eq!(AddressState::of(true, true), AddressState::Undeliverable);
    }

    #[test]
    fn the_table_of_transitions_is_this() {
        use DeliveryEvent as E;
        use DeliveryState as S;
        let expired = E::NotSent(NotSentReason::Expired);
        let unknown = E::Unknown { second: false };
        let columns = [E::Published, E::Held, E::Deferred, expired, unknown, E::Sent, E::Bounced];
        let table = [
            (
                S::Pending,
                [
                    Some(S::Queued),
                    Some(S::Held),
                    Some(S::Deferred),
                    Some(S::NotSent),
                    Some(S::Unknown),
                    Some(S::Sent),
                    Some(S::Bounced),
                ],
            ),
            (
                S::Queued,
                [
                    None,
                    Some(S::Held),
                    Some(S::Deferred),
                    Some(S::NotSent),
                    Some(S::Unknown),
                    Some(S::Sent),
                    Some(S::Bounced),
                ],
            ),
            (
                S::Held,
                [None, None, Some(S::Deferred), Some(S::NotSent), Some(S::Unknown), Some(S::Sent), Some(S::Bounced)],
            ),
            (
                S::Deferred,
                [None, Some(S::Held), None, Some(S::NotSent), Some(S::Unknown), Some(S::Sent), Some(S::Bounced)],
            ),
            (S::NotSent, [None, None, None, None, Some(S::Unknown), Some(S::Sent), Some(S::Bounced)]),
            (S::Unknown, [None, None, None, None, None, Some(S::Sent), Some(S::Bounced)]),
            (S::Sent, [None, None, None, None, None, None, Some(S::Bounced)]),
            (S::Bounced, [None, None, None, None, None, None, None]),
        ];
        assert_eq!(table.len(), S::ALL.len());
        for (state, row) in table {
            for (event, next) in columns.into_iter().zip(row) {
                assert_eq!(state.after(event), next, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn statuses_in_any_order_end_in_the_same_state() {
        use DeliveryEvent as E;
        let possible = [
            (1, E::Published),
            (1, E::Held),
            (1, E::Deferred),
            (2, E::Held),
            (2, E::Deferred),
            (1, E::Unknown { second: false }),
            (2, E::Unknown { second: true }),
            (3, E::Sent),
            (3, E::Bounced),
            (3, E::NotSent(REASONS[0])),
            (3, E::NotSent(REASONS[1])),
            (3, E::NotSent(REASONS[2])),
        ];
        // Every choice of up to five of them, in every order.
        for chosen in 0_u32..1 << possible.len() {
            if chosen.count_ones() > 5 {
                continue;
            }
            let statuses: Vec<_> = possible
                .iter()
                .enumerate()
                .filter(|(bit, _)| chosen & (1 << bit) != 0)
                .map(|(_, status)| *status)
                .collect();
            let expected = end_of(&statuses);
            for order in orders(&statuses) {
                assert_eq!(end_of(&order), expected, "{order:?}");
            }
        }
    }

    #[test]
    fn a_mail_that_went_out_is_never_called_not_sent() {
        for reason in REASONS {
            for state in [DeliveryState::Unknown, DeliveryState::Sent, DeliveryState::Bounced] {
                assert_eq!(state.after(DeliveryEvent::NotSent(reason)), None);
                let event = match state {
                    DeliveryState::Unknown => DeliveryEvent::Unknown { second: false },
                    DeliveryState::Sent => DeliveryEvent::Sent,
                    _ => DeliveryEvent::Bounced,
                };
                assert_eq!(DeliveryState::NotSent.after(event), Some(state));
            }
        }
    }

    #[test]
    fn a_hold_of_a_past_attempt_does_not_hide_its_deferral() {
        use DeliveryEvent as E;
        assert_eq!(end_of(&[(1, E::Deferred), (1, E::Held)]), DeliveryState::Deferred);
        assert_eq!(end_of(&[(1, E::Deferred), (2, E::Published), (2, E::Held)]), DeliveryState::Held);
    }

    #[test]
    fn the_second_silence_and_every_outcome_end_the_attempts() {
        use DeliveryEvent as E;
        for event in [E::Published, E::Held, E::Deferred, E::Unknown { second: false }] {
            assert!(!event.is_final());
        }
        for event in [E::Unknown { second: true }, E::Sent, E::Bounced, E::NotSent(NotSentReason::Parked)] {
            assert!(event.is_final());
        }
    }

    #[test]
    fn only_a_live_link_has_a_future() {
        for event in [LinkEvent::Completed, LinkEvent::Revoked, LinkEvent::Expired] {
            assert!(LinkState::Live.after(event).is_some());
            for state in [LinkState::NotIssued, LinkState::Completed, LinkState::Expired, LinkState::Revoked] {
                assert_eq!(state.after(event), None);
            }
        }
    }

    #[test]
    fn expiry_is_seen_when_read() {
        assert_eq!(LinkState::Live.at(false), LinkState::Live);
        assert_eq!(LinkState::Live.at(true), LinkState::Expired);
        assert_eq!(LinkState::Completed.at(true), LinkState::Completed);
        assert_eq!(LinkState::NotIssued.at(true), LinkState::NotIssued);
    }
}
