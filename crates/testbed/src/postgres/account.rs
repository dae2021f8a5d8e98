//! Who runs PostgreSQL: it refuses to run as root.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    private::write_private,
    process,
    process::{Start, is_root},
};

/// Puts a disk in memory in the place of the data and becomes the server, for whom alone it is there (mount_namespaces(7)).
/// Arguments: size in MiB, the data, the command.
const SMALL_DISK: &str = r#"
    set -eu
    size=$1 data=$2
    shift 2
    mkdir -p "$data.small"
    mount -t tmpfs -o "size=${size}m,mode=0700" none "$data.small"
    cp -a "$data/." "$data.small"
    chown --reference="$data" "$data.small"
    mount --move "$data.small" "$data"
    exec "$@"
"#;

/// Who runs the server.
pub(super) struct Account {
    /// Set when we are root: user and group of `postgres`.
    other: Option<(u32, u32)>,
}

impl Account {
    pub(super) fn current(directory: &Path) -> Result<Self> {
        if !is_root() {
            return Ok(Self { other: None });
        }
        let other = process::account("postgres").context("there is no user `postgres` to run PostgreSQL as")?;
        let account = Self { other: Some(other) };
        fs::create_dir_all(directory)?;
        if process::run(account.command("test").args(["-x".as_ref(), directory]), "").is_err() {
            bail!("the user `postgres` cannot reach {}", directory.display());
        }
        Ok(account)
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self.other {
            None => return Command::new(program),
            Some(_) => Command::new("setpriv"),
        };
        command.args(self.setpriv()).arg(program);
        command
    }

    pub(super) fn start(&self, name: &str, program: &Path, log: &Path) -> Start {
        match self.other {
            None => Start::new(name, program, log),
            Some(_) => Start::new(name, "setpriv", log).args(self.setpriv()).args([program]),
        }
    }

    pub(super) fn start_on_small_disk(&self, name: &str, program: &Path, log: &Path, data: &Path, mib: u32) -> Start {
        Start::new(name, "unshare", log)
            .args(["--mount", "--", "sh", "-c", SMALL_DISK, "small-disk", &mib.to_string()])
            .args([data])
            .args(["setpriv".to_owned()].into_iter().chain(self.setpriv()))
            .args([program])
    }

    fn setpriv(&self) -> Vec<String> {
        let (user, group) = self.other.unwrap_or_default();
        vec![format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned(), "--".to_owned()]
    }

    pub(super) fn initialise(&self, bin: &Path, data: &Path, superuser_password: &str) -> Result<()> {
        fs::create_dir_all(data)?;
        fs::set_permissions(data, fs::Permissions::from_mode(0o700))?;
        let password_file = data.with_file_name("superuser-password");
        write_private(&password_file, superuser_password)?;
        if let Some((user, group)) = self.other {
            chown(data, Some(user), Some(group))?;
            chown(&password_file, Some(user), Some(group))?;
        }
        let mut initdb = self.command(bin.join("initdb"));
        initdb
            .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"])
            .args(["--no-sync", "--no-instructions"])
            .arg(format!("--pwfile={}", password_file.display()))
            .args([Path::new("-D"), data])
            .current_dir("/");
        let outcome = process::run(&mut initdb, "");
        fs::remove_file(password_file)?;
        outcome.context("initdb failed")?;
        Ok(())
    }
}

/// Whether a server can have a disk of its own here: only root may mount, and not in every container.
pub fn small_disk_is_possible() -> bool {
    const TRY: &str = "mount -t tmpfs -o size=1m none /tmp";
    is_root() && process::run(Command::new("unshare").args(["--mount", "--", "sh", "-c", TRY]), "").is_ok()
}

/// A directory for a server's data: `wanted` if the user that will run the server can reach it, else one of ours under
/// `/var/tmp`, named after `wanted`.
///
/// # Errors
/// When neither can be made.
pub fn reachable_directory(wanted: &Path) -> Result<PathBuf> {
    if Account::current(wanted).is_ok() {
        return Ok(wanted.to_owned());
    }
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(wanted.as_os_str().as_encoded_bytes());
    let name: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let other = Path::new("/var/tmp").join(format!("sandi-{name}"));
    Account::current(&other)?;
    Ok(other)
}
