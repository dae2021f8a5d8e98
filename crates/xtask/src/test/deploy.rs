//! Checks of what is deployed: containers, clusters, alerts, migrations. Each is skipped, and counted, where its
//! tool cannot be had.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{
    needs,
    steps::{Outcome, Steps},
    tools,
};
use crate::{install, place};

/// The cluster whose schemas the manifests are held to.
const KUBERNETES: &str = "1.34";
/// Migrations up to this one made the first schema, when nobody used the tables yet.
const FIRST_SCHEMA: &str = "20261123000008";
/// A migration is one transaction (of sqlx), so one that stops half way leaves nothing behind; `identity migrate` sets
/// the bound of its locks; and kinds of columns are ours to choose.
const NOT_OURS: &str = "--exclude=prefer-robust-stmts,require-lock-timeout,require-statement-timeout,\
    prefer-bigint-over-int,prefer-bigint-over-smallint,prefer-identity,prefer-text-field";

/// Adds the steps.
pub fn run(steps: &mut Steps) {
    steps.run("Dockerfile", || lint("hadolint", &["deploy/Dockerfile"]));
    steps.run("compose file", || {
        lint("check-jsonschema", &["--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml"])
    });
    steps.run("settings of the containers", settings);
    steps.run("shell scripts", || lint("shellcheck", &strings(&files("sh", &["deploy/compose", "examples"])?)));
    steps.run("Kubernetes manifests", kubernetes);
    steps.run("alert rules", promtool);
    steps.run("migrations beside the running release", migrations);
}

fn lint(program: &str, arguments: &[impl AsRef<std::ffi::OsStr>]) -> Result<Outcome> {
    match tools::linter(program) {
        Ok(program) => super::step(Command::new(program).args(arguments).current_dir(place::top())),
        Err(why) => Ok(Outcome::Skipped(format!("{why:#}"))),
    }
}

/// Holds samples and containers' settings to the schemas.
fn settings() -> Result<Outcome> {
    for program in ["identity", "mailer", "gateway"] {
        let schema = format!("docs/settings/{program}.schema.json");
        let mut arguments = vec!["--schemafile".to_owned(), schema, format!("deploy/{program}.toml")];
        for folder in ["base", "overlays/production"] {
            let file = place::top().join(format!("deploy/kubernetes/{folder}/settings/{program}.toml"));
            arguments.extend(file.exists().then(|| file.display().to_string()));
        }
        if let Outcome::Skipped(why) = lint("check-jsonschema", &arguments)? {
            return Ok(Outcome::Skipped(why));
        }
    }
    Ok(Outcome::Passed)
}

/// Renders base and overlays, and holds what comes out to the schemas. Kinds that others bring have none there.
fn kubernetes() -> Result<Outcome> {
    if !install::has("kubectl", &["kustomize", "--help"]) {
        return Ok(Outcome::Skipped("no kubectl".to_owned()));
    }
    let rendered = place::target().join("test/kubernetes");
    fs::create_dir_all(&rendered)?;
    let mut own = Vec::new();
    for folder in ["base", "overlays/small", "overlays/production"] {
        let text = kustomize(folder)?;
        let known: Vec<&str> = text.split("---\n").filter(|resource| is_of_kubernetes(resource)).collect();
        let file = rendered.join(format!("{}.yaml", folder.replace('/', "-")));
        fs::write(&file, known.join("---\n"))?;
        own.push(file);
    }
    let options = ["--strict", "--quiet", "--kubernetes-version", KUBERNETES].map(str::to_owned);
    lint("kubernetes-validate", &[options.to_vec(), strings(&own)].concat())
}

fn kustomize(folder: &str) -> Result<String> {
    let output = Command::new("kubectl")
        .args(["kustomize", &format!("deploy/kubernetes/{folder}")])
        .current_dir(place::top())
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!("{folder} does not render: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn is_of_kubernetes(resource: &str) -> bool {
    let version = resource.lines().find_map(|line| line.strip_prefix("apiVersion: ")).unwrap_or_default();
    let others = ["keda.sh/", "monitoring.coreos.com/", "rabbitmq.com/"];
    !others.iter().any(|group| version.starts_with(group))
}

fn promtool() -> Result<Outcome> {
    if let Err(why) = needs::prometheus() {
        return Ok(Outcome::Skipped(format!("{why:#}")));
    }
    for arguments in [
        ["check", "config", "--syntax-only", "prometheus.yaml"].as_slice(),
        &["check", "rules", "rules.yaml"],
        &["test", "rules", "rules.test.yaml"],
    ] {
        super::step(Command::new("promtool").args(arguments).current_dir(place::top().join("deploy/prometheus")))?;
    }
    Ok(Outcome::Passed)
}

/// Holds each migration since the first schema to what is safe while the previous release works on the tables.
fn migrations() -> Result<Outcome> {
    let all = files("sql", &["migrations"])?;
    let later =
        |file: &PathBuf| file.file_stem().is_some_and(|stem| *stem.to_string_lossy() > *format!("{FIRST_SCHEMA}_~"));
    let later: Vec<PathBuf> = all.into_iter().filter(later).collect();
    if later.is_empty() {
        return Ok(Outcome::Passed);
    }
    let options = ["--assume-in-transaction", "--pg-version=15.0", NOT_OURS].map(str::to_owned);
    lint("squawk", &[options.to_vec(), strings(&later)].concat())
}

/// Files of that kind in these folders of the checkout, in order.
fn files(extension: &str, folders: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        let folder = place::top().join(folder);
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn strings(paths: &[impl AsRef<Path>]) -> Vec<String> {
    paths.iter().map(|path| path.as_ref().display().to_string()).collect()
}
