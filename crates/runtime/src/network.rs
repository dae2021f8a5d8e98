//! The network of an address, as limits count it.

use std::net::{IpAddr, Ipv6Addr};

/// The address itself; of IPv6 the /64, because one person has a whole one.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}
