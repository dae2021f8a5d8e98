//! What this was measured on, without its name.

use std::{fs, process::Command};

use serde::{Deserialize, Serialize};

use crate::{autogroup, bench::cores, ground::Ground};

/// The machine and its servers.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    postgresql: String,
    rabbitmq: String,
    rust: String,
    #[serde(default)]
    autogroups: bool,
}

impl Machine {
    /// Looks at it.
    pub fn look(ground: &Ground) -> Self {
        let shared = &ground.shared;
        let rabbitmq = shared.rabbitmq.api("GET", "overview", None).map(|answer| answer.body).unwrap_or_default();
        let rabbitmq: serde_json::Value = serde_json::from_str(&rabbitmq).unwrap_or_default();
        let rust = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_default(),
            cores: cores(),
            memory_gib: field("/proc/meminfo", "MemTotal").and_then(|text| kib(&text)).unwrap_or_default()
                / 1_048_576.0,
            kernel: kernel(),
            postgresql: ground.sql("postgres", "SHOW server_version").unwrap_or_default().trim().to_owned(),
            rabbitmq: rabbitmq["rabbitmq_version"].as_str().unwrap_or_default().to_owned(),
            rust: String::from_utf8_lossy(&rust).trim().trim_start_matches("rustc ").to_owned(),
            autogroups: autogroup::is_on(),
        }
    }

    /// How many cores it has, at least one.
    pub fn cores(&self) -> usize {
        self.cores.max(1)
    }

    /// Rows for a table of names and values.
    pub fn rows(&self) -> [(&'static str, String); 8] {
        [
            ("Processor", self.cpu.clone()),
            ("Cores", self.cores.to_string()),
            ("Memory", format!("{:.1} GiB", self.memory_gib)),
            ("Kernel", format!("Linux {}", self.kernel)),
            ("PostgreSQL", self.postgresql.clone()),
            ("RabbitMQ", self.rabbitmq.clone()),
            ("Rust", self.rust.clone()),
            ("Automatic groups of processes", if self.autogroups { "on" } else { "off" }.to_owned()),
        ]
    }
}

/// The kernel's version, without what whoever built it has added.
fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().split('-').next().unwrap_or_default().to_owned()
}

/// A field of a process's `/proc/PID/status`, in MiB.
pub fn memory_mib(pid: u32, name: &str) -> Option<f64> {
    Some(kib(&field(&format!("/proc/{pid}/status"), name)?)? / 1024.0)
}

/// The first value of `NAME : VALUE`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn kib(text: &str) -> Option<f64> {
    text.strip_suffix("kB")?.trim().parse().ok()
}
