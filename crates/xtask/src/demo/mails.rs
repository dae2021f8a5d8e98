//! The demo's mailbox.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use testbed::{
    mailbox,
    smtp::{Mail, read_mail},
};

use crate::shell::Environment;

/// The folder of mails, and the page that shows it.
pub struct Mails {
    folder: PathBuf,
    page: String,
}

/// A mail, and where to look at it.
pub struct Shown {
    /// The mail.
    pub mail: Mail,
    /// Its page.
    pub page: String,
}

impl Mails {
    /// The mailbox of the running demo.
    pub fn new(environment: &Environment) -> Result<Self> {
        Ok(Self {
            folder: environment.get("SANDI_MAILBOX_DIR")?.into(),
            page: environment.get("SANDI_MAILBOX_URL")?.to_owned(),
        })
    }

    /// The mails, latest first.
    pub fn latest(&self) -> Result<Vec<Shown>> {
        let files = mailbox::files(&self.folder)?;
        let shown = files.iter().filter_map(|file| {
            let name = file.file_stem()?.to_string_lossy();
            Some(Shown { mail: read_mail(file).ok()?, page: format!("{}/mails/{name}", self.page) })
        });
        Ok(shown.collect())
    }

    /// How many there are.
    pub fn count(&self) -> Result<usize> {
        Ok(mailbox::files(&self.folder)?.len())
    }

    /// The first fitting mail, latest first, once it is there; none when `bound` has passed.
    pub async fn wait(&self, bound: Duration, fits: impl Fn(&Mail) -> bool) -> Result<Option<Shown>> {
        let end = tokio::time::Instant::now() + bound;
        loop {
            if let Some(shown) = self.latest()?.into_iter().find(|shown| fits(&shown.mail)) {
                return Ok(Some(shown));
            }
            if tokio::time::Instant::now() > end {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}
