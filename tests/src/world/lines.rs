//! Proxies on the lines between the identity service and its servers.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use testbed::{
    proxy::{Mode, Proxy},
    sandi::Servers,
};

use super::{BACKGROUND, World};

/// The two lines.
pub(super) struct Lines {
    broker: Proxy,
    database: Proxy,
}

impl Lines {
    /// Puts itself in between.
    pub(super) fn between(servers: &mut Servers) -> Result<Self> {
        Ok(Self { broker: divert(&mut servers.amqp_identity)?, database: divert(&mut servers.database)? })
    }
}

/// Starts a proxy to the server of a URL, and lets the URL name the proxy.
fn divert(url: &mut String) -> Result<Proxy> {
    let server = url.rsplit_once('@').and_then(|(_, rest)| rest.split('/').next()).context("the URL names a server")?;
    let server: SocketAddr = server.parse()?;
    let proxy = BACKGROUND.block_on(Proxy::start(server))?;
    *url = url.replacen(&format!("@{server}"), &format!("@{}", proxy.address()), 1);
    Ok(proxy)
}

impl World {
    /// What the line between identity and the broker does from now on; it must have been asked for.
    pub fn broker_line(&self, mode: Mode) {
        self.lines.as_ref().expect("proxies were not asked for").broker.set(mode);
    }

    /// What the line between identity and the database does from now on; it must have been asked for.
    pub fn database_line(&self, mode: Mode) {
        self.lines.as_ref().expect("proxies were not asked for").database.set(mode);
    }
}
