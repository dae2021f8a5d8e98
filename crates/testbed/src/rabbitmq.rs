//! A private RabbitMQ node: its own name, ports, port mapper, data and cookie, all on loopback. Virtual hosts, users
//! and permissions go through the management API, because each start of `rabbitmqctl` costs a second.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use messaging::topology::{Declares, Permissions, Side};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::{
    http::Http,
    ports,
    private::write_private,
    process,
    process::{Process, Start},
    random, wait,
};

/// The administrator of the node.
pub const ADMINISTRATOR: &str = "sandi";
/// The user of the identity service.
pub const IDENTITY: &str = "sandi_identity";
/// The user of the mailer.
pub const MAILER: &str = "sandi_mailer";
/// The node's name.
const NODE: &str = "sandi@localhost";
/// The longest time a start or an orderly stop may take.
const BOUND: Duration = Duration::from_secs(60);

/// Where and how to run it.
pub struct Options {
    /// Holds data, settings and passwords; made when absent, used again when it holds a node's data.
    pub directory: PathBuf,
    /// The folder of the node's logs.
    pub log: PathBuf,
    /// The port for AMQP on 127.0.0.1.
    pub amqp: u16,
    /// The port of the management page and API.
    pub management: u16,
}

/// A running node.
pub struct RabbitMq {
    node: Process,
    mapper: Process,
    server: Server,
    layout: Layout,
}

/// How to reach a running node, also from another process.
#[derive(Clone, Serialize, Deserialize)]
pub struct Server {
    amqp: u16,
    management: u16,
    passwords: Passwords,
}

#[derive(Clone, Serialize, Deserialize)]
struct Passwords {
    administrator: String,
    identity: String,
    mailer: String,
}

/// What a start needs beyond the addresses.
struct Layout {
    directory: PathBuf,
    log: PathBuf,
    program: PathBuf,
    distribution: u16,
    mapper: u16,
}

impl RabbitMq {
    /// Starts a node on the directory and makes sure of its users.
    ///
    /// # Errors
    /// When RabbitMQ is not installed, or does not come up within 60 s; with the end of its log.
    pub fn start(options: Options) -> Result<Self> {
        let program = program().context("RabbitMQ is not installed")?;
        fs::create_dir_all(&options.log)?;
        fs::create_dir_all(options.directory.join("home"))?;
        let server = Server {
            amqp: options.amqp,
            management: options.management,
            passwords: Passwords::of(&options.directory)?,
        };
        let layout = Layout {
            directory: fs::canonicalize(options.directory)?,
            log: fs::canonicalize(options.log)?,
            program,
            distribution: ports::free(),
            mapper: ports::free(),
        };
        layout.write_settings(&server)?;
        let mapper = layout.launch_mapper()?;
        let mut node = layout.launch()?;
        server.wait_ready(&mut node)?;
        server.make_users()?;
        Ok(Self { node, mapper, server, layout })
    }

    /// How to reach it.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The node and its port mapper, to write down or to let go.
    pub fn into_processes(self) -> [Process; 2] {
        [self.node, self.mapper]
    }

    /// Stops the node in order; takes some seconds.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&mut self) -> Result<()> {
        self.node.stop(Signal::TERM, BOUND).map(drop)
    }

    /// Kills the node at once, as a crash would.
    pub fn kill(&mut self) {
        self.node.kill();
    }

    /// Kills the node and deletes all its data, as the loss of its disk would. After a restart there are
    /// the users again, and no virtual host.
    ///
    /// # Errors
    /// When the files cannot be deleted.
    pub fn lose_data(&mut self) -> Result<()> {
        self.node.kill();
        Ok(fs::remove_dir_all(self.layout.directory.join("data"))?)
    }

    /// Starts the node again on the same data and ports.
    ///
    /// # Errors
    /// As [`RabbitMq::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.node = self.layout.launch()?;
        self.server.wait_ready(&mut self.node)?;
        self.server.make_users()
    }

    /// Runs a command of `rabbitmqctl` on the node, for what the management API cannot do.
    ///
    /// # Errors
    /// With what the command said.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.layout.program.with_file_name("rabbitmqctl"));
        command
            .args(["--node", NODE])
            .args(arguments)
            .env("HOME", self.layout.directory.join("home"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("ERL_EPMD_PORT", self.layout.mapper.to_string());
        process::run(&mut command, "")
    }
}

impl Layout {
    fn write_settings(&self, server: &Server) -> Result<()> {
        let settings = format!(
            "listeners.tcp.default = 127.0.0.1:{amqp}\n\
             management.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {management}\n\
             prometheus.tcp.ip = 127.0.0.1\n\
             prometheus.tcp.port = {prometheus}\n\
             default_user = {ADMINISTRATOR}\n\
             default_pass = {password}\n\
             log.console = false\n\
             log.file = node.log\n\
             log.file.level = info\n\
             disk_free_limit.absolute = 50MB\n",
            amqp = server.amqp,
            management = server.management,
            prometheus = ports::free(),
            password = server.passwords.administrator,
        );
        write_private(&self.directory.join("rabbitmq.conf"), &settings)?;
        // What finds no room in a parked queue is tried again after 2 s, not after three minutes.
        let patience = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 2000}]}].\n";
        fs::write(self.directory.join("advanced.config"), patience)?;
        let plugins = "[rabbitmq_management,rabbitmq_prometheus].\n";
        fs::write(self.directory.join("enabled_plugins"), plugins)?;
        Ok(())
    }

    /// The port mapper, which the node would otherwise start for itself and leave behind.
    fn launch_mapper(&self) -> Result<Process> {
        let port = self.mapper.to_string();
        Start::new("epmd", "epmd", self.log.join("epmd.log"))
            .args(["-port", &port, "-address", "127.0.0.1"])
            .spawn()
            .context("the Erlang port mapper `epmd`")
    }

    fn launch(&self) -> Result<Process> {
        let at = |name: &str| self.directory.join(name).into_os_string();
        // Two schedulers are enough here, and none of them keeps a core awake while it waits.
        let erlang = "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}";
        Start::new("rabbitmq", &self.program, self.log.join("start.log"))
            .env("HOME", at("home"))
            .env("RABBITMQ_NODENAME", NODE)
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", at("data"))
            .env("RABBITMQ_LOG_BASE", &self.log)
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", at("generated"))
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", erlang)
            .env("RABBITMQ_SCHEDULER_BIND_TYPE", "u")
            .env("ERL_EPMD_PORT", self.mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // The start script then becomes the node instead of watching it, so that its process id is the node's.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .spawn()
    }
}

impl Server {
    /// The administrator's AMQP URL of a virtual host.
    pub fn administrator_url(&self, vhost: &str) -> String {
        self.url(ADMINISTRATOR, &self.passwords.administrator, vhost)
    }

    /// The identity service's AMQP URL of a virtual host.
    pub fn identity_url(&self, vhost: &str) -> String {
        self.url(IDENTITY, &self.passwords.identity, vhost)
    }

    /// The mailer's AMQP URL of a virtual host.
    pub fn mailer_url(&self, vhost: &str) -> String {
        self.url(MAILER, &self.passwords.mailer, vhost)
    }

    fn url(&self, user: &str, password: &str, vhost: &str) -> String {
        format!("amqp://{user}:{password}@127.0.0.1:{}/{vhost}", self.amqp)
    }

    /// The management page with its login in it.
    pub fn management_url(&self) -> String {
        let password = &self.passwords.administrator;
        format!("http://{ADMINISTRATOR}:{password}@127.0.0.1:{}", self.management)
    }

    /// Makes a virtual host in which the two programs may do their own part and no more.
    ///
    /// # Errors
    /// When the node refuses.
    pub fn create_vhost(&self, vhost: &str) -> Result<()> {
        self.put(&format!("vhosts/{vhost}"), &serde_json::json!({}))?;
        for (user, side) in [(IDENTITY, Side::Identity), (MAILER, Side::Mailer)] {
            let Permissions { configure, write, read } = messaging::topology::permissions(side, Declares::Programs);
            let rights = serde_json::json!({ "configure": configure, "write": write, "read": read });
            self.put(&format!("permissions/{vhost}/{user}"), &rights)?;
        }
        let all = serde_json::json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.put(&format!("permissions/{vhost}/{ADMINISTRATOR}"), &all)
    }

    /// Removes a virtual host with all that is in it; none of that name is fine.
    ///
    /// # Errors
    /// When the node refuses or is away.
    pub fn delete_vhost(&self, vhost: &str) -> Result<()> {
        let answer = self.api("DELETE", &format!("vhosts/{vhost}"), None)?;
        if answer.is_ok() || answer.status == 404 {
            return Ok(());
        }
        bail!("RabbitMQ answered {}: {}", answer.status, answer.body)
    }

    /// Sends a request to the management API; `path` follows `/api/`.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn api(&self, method: &str, path: &str, body: Option<&serde_json::Value>) -> Result<crate::http::Answer> {
        let url = format!("http://127.0.0.1:{}/api/{path}", self.management);
        let body = body.map(ToString::to_string);
        Http::with_login(ADMINISTRATOR, &self.passwords.administrator).send(method, &url, body.as_deref())
    }

    fn put(&self, path: &str, body: &serde_json::Value) -> Result<()> {
        let answer = self.api("PUT", path, Some(body))?;
        if answer.is_ok() {
            return Ok(());
        }
        bail!("RabbitMQ answered {} to {path}: {}", answer.status, answer.body)
    }

    fn make_users(&self) -> Result<()> {
        for (user, password) in [(IDENTITY, &self.passwords.identity), (MAILER, &self.passwords.mailer)] {
            let body = serde_json::json!({ "password": password, "tags": "" });
            self.put(&format!("users/{user}"), &body)?;
        }
        Ok(())
    }

    fn wait_ready(&self, node: &mut Process) -> Result<()> {
        let log = node.record().log.clone();
        wait::until("RabbitMQ answers", BOUND, || {
            if let Some(status) = node.exit_status() {
                bail!("RabbitMQ ended with {status}");
            }
            let up = self.api("GET", "health/checks/local-alarms", None);
            let listening = !ports::is_free(self.amqp);
            Ok((listening && up.is_ok_and(|answer| answer.is_ok())).then_some(()))
        })
        .map_err(|error| anyhow!("{error:#}{}", process::last_lines(&log)))
    }
}

impl Passwords {
    /// Those of the directory: the data knows them, so they live as long.
    fn of(directory: &Path) -> Result<Self> {
        let file = directory.join("passwords.json");
        if let Ok(text) = fs::read_to_string(&file) {
            return Ok(serde_json::from_str(&text)?);
        }
        let passwords = Self { administrator: random::secret(), identity: random::secret(), mailer: random::secret() };
        write_private(&file, &serde_json::to_string(&passwords)?)?;
        Ok(passwords)
    }
}

/// The start script itself: the one on `PATH` insists on Debian's own user and data.
pub fn program() -> Option<PathBuf> {
    let debian = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
    if debian.exists() {
        return Some(debian);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("rabbitmq-server")).find(|program| program.exists())
}
