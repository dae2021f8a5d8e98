//! The journeys of the CRM's help page, and what belongs to them.

mod admin;
mod change;
mod forgotten;
mod rank;
mod sessions;
mod support;
mod username;

use e2e::Mail;

/// A notice names no place to go to: nobody should learn to follow links in such mails.
#[track_caller]
fn has_no_link(mail: &Mail) {
    for (part, text) in [("text", mail.text()), ("HTML", mail.html())] {
        for trace in ["http:", "https:", "<a ", "href", "/reset"] {
            assert!(!text.contains(trace), "the {part} part of a notice has {trace}:\n{text}");
        }
    }
}
