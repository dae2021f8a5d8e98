//! Settings files: whatever stands in one, it is read or refused in one line.

use std::io::Write;

use runtime::config::{ConfigError, Sources, load};

/// The bytes as a file, and as the value of `--set`.
pub fn settings(data: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(data).expect("it is ours");
    let set = String::from_utf8_lossy(data).into_owned();
    let from_file = || Sources { env_prefix: "SANDI_FOREIGN", file: Some(file.path().to_owned()), set: Vec::new() };
    let from_line = || Sources { env_prefix: "SANDI_FOREIGN", file: None, set: vec![set.clone()] };
    let both: [&dyn Fn() -> Sources; 2] = [&from_file, &from_line];
    for sources in both {
        match load::<identity::settings::Settings>(&sources()) {
            Ok(settings) => settings.mistakes().iter().for_each(|mistake| assert!(!mistake.contains('\n'))),
            Err(error) => refused_in_one_line(&error),
        }
        match load::<mailer::settings::Settings>(&sources()) {
            // Where files or hosts are named they are looked at, which is no matter of reading.
            Ok(settings) => assert!(!format!("{settings:?}").is_empty()),
            Err(error) => refused_in_one_line(&error),
        }
    }
}

fn refused_in_one_line(error: &ConfigError) {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
}
