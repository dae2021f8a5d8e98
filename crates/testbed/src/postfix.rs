//! A private Postfix: its own settings, queue, mailboxes, log and port. The machine's own, if there is one, is never
//! touched.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    ports,
    process::{self, Process, Start},
    random, wait,
};

/// Recipients of this domain have a mailbox.
pub const PEOPLE: &str = "surat.example";
/// What comes to this domain is kept apart: bounces.
pub const OURS: &str = "sandi.example";
/// Delivers to mailboxes: it may write nowhere else.
const NOBODY: u32 = 65_534;
/// The longest time a start may take.
const BOUND: Duration = Duration::from_secs(20);

/// A running Postfix. Dropping it ends it and removes its files.
pub struct Postfix {
    process: Process,
    directory: PathBuf,
    port: u16,
}

/// What it says to recipients that it does not take: address and answer, for example `450 4.7.1 come again`.
pub type Refusal<'a> = (&'a str, &'a str);

/// Where its parts stand, where it is installed.
pub fn program() -> Option<PathBuf> {
    ["/usr/lib/postfix/sbin/master", "/usr/libexec/postfix/master"]
        .into_iter()
        .map(PathBuf::from)
        .find(|it| it.exists())
}

/// Why it cannot be run here; none when it can.
pub fn obstacle() -> Option<&'static str> {
    match (program(), process::is_root()) {
        (None, _) => Some("Postfix is not installed"),
        (_, false) => Some("Postfix must be started by root"),
        _ => None,
    }
}

impl Postfix {
    /// Starts it with recipients that it refuses at once, and one that it takes and cannot deliver to.
    ///
    /// # Errors
    /// When it does not come up; with the end of its log.
    pub fn start(refused: &[Refusal<'_>], gone: &str) -> Result<Self> {
        let program = program().context("Postfix is not installed")?;
        // Its own account has to get there.
        let directory = PathBuf::from(format!("/var/tmp/sandi-postfix-{}", random::hex::<5>()));
        let port = ports::free();
        lay_out(&directory, port, refused, gone)?;
        let log = directory.join("log");
        let checked = Command::new("postfix").arg("-c").arg(directory.join("etc")).arg("check").output()?;
        if !checked.status.success() {
            bail!("postfix check: {}", String::from_utf8_lossy(&checked.stderr).trim_end());
        }
        let process = Start::new("postfix", program, directory.join("start.log"))
            // In the foreground.
            .args(["-d".as_ref(), "-c".as_ref(), directory.join("etc").as_os_str()])
            .env("MAIL_CONFIG", directory.join("etc"))
            .spawn()?;
        let postfix = Self { process, directory, port };
        wait::until("Postfix answers", BOUND, || Ok((!ports::is_free(port)).then_some(())))
            .with_context(|| process::last_lines(&log))?;
        Ok(postfix)
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The mails in the mailbox of a domain, in no order.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn mails(&self, domain: &str) -> Result<Vec<String>> {
        let Ok(entries) = fs::read_dir(self.directory.join("mail").join(domain).join("new")) else {
            return Ok(Vec::new());
        };
        entries.map(|entry| Ok(fs::read_to_string(entry?.path())?)).collect()
    }

    /// The end of its log.
    pub fn last_lines(&self) -> String {
        process::last_lines(&self.directory.join("log"))
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // Its other processes end with the first one.
        let _ = self.process.stop(process::TERMINATE, Duration::from_secs(5));
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn lay_out(directory: &Path, port: u16, refused: &[Refusal<'_>], gone: &str) -> Result<()> {
    for folder in ["etc", "queue", "data", "mail"] {
        fs::create_dir_all(directory.join(folder))?;
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    chown(directory.join("mail"), Some(NOBODY), Some(NOBODY))?;
    let (user, group) = process::account("postfix").context("there is no user `postfix`")?;
    chown(directory.join("data"), Some(user), Some(group))?;
    let answers: Vec<String> = refused.iter().map(|(address, answer)| format!("{address} {answer}\n")).collect();
    fs::write(directory.join("etc/recipients"), answers.concat())?;
    fs::write(directory.join("etc/main.cf"), main_settings(directory, gone))?;
    fs::write(directory.join("etc/master.cf"), services(port))?;
    Ok(())
}

fn main_settings(directory: &Path, gone: &str) -> String {
    let at = directory.display();
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {at}/queue\n\
         data_directory = {at}/data\n\
         maillog_file_prefixes = {at}\n\
         maillog_file = {at}/log\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         myhostname = relay.sandi.example\n\
         mydestination =\n\
         alias_maps =\n\
         local_recipient_maps =\n\
         mynetworks = 127.0.0.0/8\n\
         default_transport = error:5.1.2 nothing leaves this machine\n\
         transport_maps = inline:{{ {gone}=gone: }}\n\
         virtual_mailbox_domains = {PEOPLE} {OURS}\n\
         virtual_mailbox_base = {at}/mail\n\
         virtual_mailbox_maps = inline:{{ @{PEOPLE}={PEOPLE}/ @{OURS}={OURS}/ }}\n\
         virtual_uid_maps = static:{NOBODY}\n\
         virtual_gid_maps = static:{NOBODY}\n\
         smtpd_recipient_restrictions = check_recipient_access texthash:{at}/etc/recipients, permit_mynetworks, reject\n\
         smtpd_relay_restrictions = permit_mynetworks, reject\n\
         notify_classes =\n"
    )
}

/// No part of it runs in a changed root, which would need files of its own.
fn services(port: u16) -> String {
    let internal = "\
        cleanup   unix n - n - 0 cleanup\n\
        qmgr      unix n - n 300 1 qmgr\n\
        rewrite   unix - - n - - trivial-rewrite\n\
        bounce    unix - - n - 0 bounce\n\
        defer     unix - - n - 0 bounce\n\
        trace     unix - - n - 0 bounce\n\
        flush     unix n - n 1000? 0 flush\n\
        proxymap  unix - - n - - proxymap\n\
        error     unix - - n - - error\n\
        retry     unix - - n - - error\n\
        virtual   unix - n n - - virtual\n\
        anvil     unix - - n - 1 anvil\n\
        postlog   unix-dgram n - n - 1 postlogd\n";
    // EX_NOUSER: what it was to deliver to is gone.
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n{internal}\
         gone      unix - n n - - pipe flags= user=nobody argv=/bin/sh -c {{exit 67}}\n"
    )
}
