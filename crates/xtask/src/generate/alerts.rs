//! The alert rules as the Prometheus Operator takes them.

use anyhow::Result;

use super::{Made, read};

const HEAD: &str = "\
# Made by `cargo xtask generate` from deploy/prometheus/rules.yaml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: sandi
spec:
";

/// Prometheus's own file, one step further in.
pub(super) fn for_the_operator() -> Result<Made> {
    let rules = read("deploy/prometheus/rules.yaml")?;
    let body = rules.lines().skip_while(|line| line.starts_with('#'));
    let indented = body.map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
    let text = HEAD.to_owned() + &indented.collect::<String>();
    Ok(Made { path: "deploy/kubernetes/components/monitoring/prometheus-rule.yaml", text })
}
