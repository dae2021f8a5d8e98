//! Faults of the machines around us: killed, stopped, frozen and torn connections. Nothing that was
//! accepted is lost, and nobody is mailed twice who need not be.

mod alarm;
mod broker;
mod campaign;
mod clock;
mod database;
mod disk;
mod health;
mod identity;
mod line;
mod loss;
mod mailer;
mod parked;
mod replicas;
mod rolling;
mod rotation;
mod shutdown;
mod starved;
mod upgrade;

use e2e::World;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

/// What gRPC health says of the first identity process.
///
/// # Panics
/// When it does not answer.
async fn health(world: &World) -> ServingStatus {
    let request = HealthCheckRequest { service: "sandi.identity.v1.IdentityService".to_owned() };
    let answer = HealthClient::new(world.channel(0)).check(request).await;
    answer.expect("health is always there").into_inner().status()
}

/// Sends a signal by name to a process.
///
/// # Panics
/// When there is no such process.
fn signal(name: &str, pid: u32) {
    let status = std::process::Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(status.expect("kill can be run").success(), "no process {pid}");
}
