//! The mails, as `mailer preview` writes them.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, ensure};
use testbed::browser::{Look, Scheme};

use super::Album;
use crate::place;

/// What the README shows: mail, look, file.
const SHOWN: [(&str, Look, &str); 4] = [
    ("reset-id", Look { width: 600, scheme: Scheme::Light }, "reset-id.png"),
    ("reset-id", Look { width: 600, scheme: Scheme::Dark }, "reset-id-dark.png"),
    ("reset-en", Look { width: 320, scheme: Scheme::Light }, "reset-en-320.png"),
    ("accounts-en", Look { width: 320, scheme: Scheme::Light }, "accounts-en-320.png"),
];

/// Takes them all; says how many pictures there are.
pub(super) async fn take(album: &Album) -> Result<usize> {
    let folder = album.folder.join("mails");
    write_previews(&folder)?;
    let mut count = 0;
    for entry in fs::read_dir(&folder)? {
        let file = entry?.path();
        if file.extension().is_none_or(|extension| extension != "html") {
            continue;
        }
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        album.browser.open(&format!("file://{}", file.display())).await?;
        count += album.take_all(&format!("mails/{name}")).await?;
        for (_, look, picture) in SHOWN.iter().filter(|(shown, ..)| *shown == name) {
            album.take_for_docs(*look, &format!("mails/{picture}")).await?;
        }
    }
    Ok(count)
}

fn write_previews(folder: &Path) -> Result<()> {
    let mut command = Command::new(place::programs().join("mailer"));
    let output = command.args(["preview", "--all", "--directory"]).arg(folder).output()?;
    ensure!(output.status.success(), "mailer preview: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
