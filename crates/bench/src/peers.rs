//! Sandi beside Django and better-auth. They were measured once, on a machine like the one of `docs/benchmarks.md` (2
//! cores shared by server, database, mail sink and load) but not in the same run: a difference of a quarter means
//! nothing here.

use crate::{figure::Figure, parts::Part, results::Results};

/// Password-reset requests a second, 16 callers, 10,000 users, the mail sent within the request: Django 5.2 under
/// gunicorn (2 processes of 8 threads), better-auth 1.7.25 in one process.
const RESETS: [(&str, f64); 2] = [("Django 5.2", 272.0), ("better-auth 1.7", 422.0)];
/// Log-ins a second, 16 callers, Argon2id m=19456, t=2, p=1; better-auth in two processes.
const LOG_INS: [(&str, f64); 2] = [("Django 5.2", 62.0), ("better-auth 1.7", 104.0)];

/// Rows of the table, from what was measured of ours.
pub fn figures(results: &Results) -> Vec<Figure> {
    let mut rows = Vec::new();
    let note = "the peer was measured in another run, on a machine of the same kind";
    let mut add = |part, found: &str, what: &str, peers: &[(&str, f64)], target, stretch| {
        let figures = results.of(part).map_or(&[][..], |outcome| &outcome.figures);
        let Some(ours) = figures.iter().find(|figure| figure.name == found) else { return };
        for (peer, rate) in peers {
            let figure = Figure::against(what, &ours.unit, &[ours.ours], peer, &[*rate]);
            rows.push(figure.at_least(target).stretch(stretch).note(note));
        }
    };
    let requests = "RequestReset accepted, 16 callers, every name an account";
    add(Part::Requests, requests, "Reset requests, 16 callers", &RESETS, 10.0, 20.0);
    add(Part::Hash, "VerifyPassword, 16 callers", "Log-ins, 16 callers", &LOG_INS, 1.25, 1.9);
    rows
}
