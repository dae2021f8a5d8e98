//! Ports on loopback.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{LazyLock, Mutex},
};

use crate::random;

/// Below the range from which the kernel takes ports for outgoing connections, so that no connection of a neighbour
/// lands on a port between its choice and its use.
const RANGE: std::ops::Range<u16> = 20_000..30_000;

/// Handed out by this process, whether in use yet or not.
static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A chosen port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Port {
    /// The port to use.
    pub number: u16,
    /// The port that people expect there.
    pub usual: u16,
}

impl Port {
    /// Whether another program has the usual port.
    pub fn moved(self) -> bool {
        self.number != self.usual
    }

    /// The port on 127.0.0.1.
    pub fn address(self) -> SocketAddr {
        loopback(self.number)
    }
}

/// 127.0.0.1 with the port.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Whether nobody listens on the port.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

/// The usual port if it is free, else another one.
pub fn prefer(usual: u16) -> Port {
    let mine = GIVEN.lock().expect("no holder panics").insert(usual) && is_free(usual);
    Port { number: if mine { usual } else { free() }, usual }
}

/// A free port that this process has not handed out before.
pub fn free() -> u16 {
    loop {
        let bytes = random::bytes();
        let port = RANGE.start + u16::from_ne_bytes(bytes) % (RANGE.end - RANGE.start);
        if GIVEN.lock().expect("no holder panics").insert(port) && is_free(port) {
            return port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_way_to_another() {
        let usual = free();
        let _taken = TcpListener::bind(loopback(usual)).unwrap();
        let port = prefer(usual);
        assert!(port.moved());
        assert!(is_free(port.number));
    }

    #[test]
    fn a_port_is_handed_out_once() {
        let ports: HashSet<u16> = (0..100).map(|_| free()).collect();
        assert_eq!(ports.len(), 100);
    }
}
