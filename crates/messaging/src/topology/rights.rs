//! What each program's user may do on the broker.

use super::Side;

/// The three regular expressions of a RabbitMQ user, for the vhost of Sandi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// What it may declare and delete.
    pub configure: &'static str,
    /// Exchanges it may publish to, queues it may bind.
    pub write: &'static str,
    /// Queues it may read, exchanges it may bind queues to.
    pub read: &'static str,
}

/// Who declares exchanges, queues and bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declares {
    /// The programs, at each start.
    Programs,
    /// An operator: the programs only look (`amqp.declare = false`).
    Operator,
}

/// The least rights with which `side` can run.
///
/// Neither side may publish to the default exchange, through which any queue can be written to:
/// rejected messages go through an exchange of their own, which also keeps their routing key.
#[must_use]
pub fn permissions(side: Side, declares: Declares) -> Permissions {
    match (side, declares) {
        (Side::Identity, Declares::Programs) => Permissions {
            configure: r"^identity\.(events|mail-status|parked)$",
            write: r"^identity\.(events|mail-status|parked)$",
            read: r"^(identity\.(mail-status|parked)|mailer\.events)$",
        },
        (Side::Mailer, Declares::Programs) => Permissions {
            configure: r"^mailer\.(events|requests|parked)$",
            write: r"^mailer\.(events|requests|parked)$",
            read: r"^(mailer\.(requests|parked)|identity\.events)$",
        },
        (Side::Identity, Declares::Operator) => {
            Permissions { configure: "^$", write: r"^identity\.events$", read: r"^identity\.mail-status$" }
        }
        (Side::Mailer, Declares::Operator) => {
            Permissions { configure: "^$", write: r"^mailer\.events$", read: r"^mailer\.requests$" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_may_touch_its_own_and_read_one_exchange_of_the_other() {
        for (side, own, other) in [(Side::Identity, "identity", "mailer"), (Side::Mailer, "mailer", "identity")] {
            let permissions = permissions(side, Declares::Programs);
            for rights in [permissions.configure, permissions.write] {
                assert!(rights.starts_with(&format!(r"^{own}\.")) && rights.ends_with('$'));
                assert!(!rights.contains(other));
            }
            assert_eq!(permissions.read.matches(other).count(), 1);
        }
    }

    #[test]
    fn where_an_operator_declares_a_side_has_one_exchange_and_one_queue() {
        for side in [Side::Identity, Side::Mailer] {
            let Permissions { configure, write, read } = permissions(side, Declares::Operator);
            assert_eq!(configure, "^$");
            for rights in [write, read] {
                assert!(!rights.contains(['|', '*', '(']), "{rights}");
            }
        }
    }
}
