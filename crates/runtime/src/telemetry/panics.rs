//! A panic as a log line, without what it says: a formatted message can hold anything.

use std::panic;

/// Logs every panic with its place. The message is shown only when it is a literal of the
/// program.
pub(super) fn log_panics() {
    panic::set_hook(Box::new(|panicked| {
        let message = panicked.payload().downcast_ref::<&'static str>();
        let location = panicked.location().map(ToString::to_string);
        tracing::error!(message_of_panic = message, location, "a task panicked");
    }));
}
