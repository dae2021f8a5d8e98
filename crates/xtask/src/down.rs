//! `down`: ends what `up` started, in order.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Result;
use testbed::{postgres, process, process::Record, sandi::DRAIN};

use crate::{language::Language, place, up::LIST};

const POSTGRES: Duration = Duration::from_secs(30);
/// RabbitMQ closes its stores at once and then lingers for 5 s; a kill in that time loses nothing.
const RABBITMQ: Duration = Duration::from_secs(2);

/// Ends it, and says so.
#[expect(clippy::print_stdout, reason = "a person reads it")]
pub fn down(directory: &Path) -> Result<ExitCode> {
    // The servers that `test --keep-servers` left, too.
    let mut stopped = stop(directory)?;
    if directory == place::up() {
        stopped += stop(&place::test())?;
    }
    let language = Language::of_environment();
    println!(
        "{}",
        match stopped {
            0 => language.pick("Tidak ada yang berjalan.", "Nothing is running."),
            _ => language.pick("Sandi berhenti.", "Sandi has stopped."),
        }
    );
    Ok(ExitCode::SUCCESS)
}

/// Ends all programs of the list, and tells how many still ran: first ours, which drain, then what they stand on.
///
/// # Errors
/// When the list cannot be removed.
pub fn stop(directory: &Path) -> Result<usize> {
    let list = directory.join(LIST);
    let running: Vec<Record> = process::read_list(&list).into_iter().filter(Record::is_running).collect();
    let (ours, servers): (Vec<_>, Vec<_>) = running
        .iter()
        .partition(|record| ["identity", "mailer", "gateway"].iter().any(|it| record.name.starts_with(it)));
    end(&ours);
    end(&servers);
    if list.exists() {
        std::fs::remove_file(list)?;
    }
    Ok(running.len())
}

/// Ends programs side by side.
fn end(records: &[&Record]) {
    std::thread::scope(|scope| {
        for record in records {
            let (signal, bound) = match record.name.as_str() {
                "postgres" => (postgres::STOP, POSTGRES),
                "rabbitmq" => (process::TERMINATE, RABBITMQ),
                _ => (process::TERMINATE, DRAIN),
            };
            scope.spawn(move || record.stop(signal, bound));
        }
    });
}
