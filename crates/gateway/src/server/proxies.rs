//! Where a request comes from. `X-Forwarded-For` and `X-Forwarded-Proto` are believed from our own proxies only:
//! anybody can write them.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use super::Peer;

/// The networks of our reverse proxies.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpNet>);

/// What is known of where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via {
    /// The person's address, as far as we can tell.
    pub ip: IpAddr,
    /// True when the person's browser speaks TLS.
    pub https: bool,
    /// True when a proxy of ours brought it.
    pub trusted: bool,
}

impl Proxies {
    /// Reads networks (`10.0.0.0/8`) and single addresses.
    ///
    /// # Errors
    /// The first one that is neither.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let read = |text: &String| {
            let network = text.parse::<IpNet>().ok();
            let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| format!("{text} is no network such as 10.0.0.0/8"))
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Where a request of this connection comes from.
    pub fn via(&self, peer: Peer, headers: &HeaderMap) -> Via {
        let ip = peer.address.ip().to_canonical();
        if !self.holds(ip) {
            return Via { ip, https: peer.tls, trusted: false };
        }
        let proto = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
        let https = proto.map_or(peer.tls, |proto| proto.eq_ignore_ascii_case("https"));
        Via { ip: self.person(ip, headers), https, trusted: true }
    }

    /// The right-most address that no proxy of ours has: what stands left of it, a stranger may have written.
    fn person(&self, proxy: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lists = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = lists.flat_map(|list| list.split(',')).collect();
        let mut ip = proxy;
        for hop in hops.into_iter().rev() {
            if !self.holds(ip) {
                break;
            }
            let Some(before) = address(hop.trim()) else { break };
            ip = before;
        }
        ip
    }

    /// Whether a proxy of ours has this address.
    pub fn holds(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// An address, also one with a port: some proxies add it.
fn address(text: &str) -> Option<IpAddr> {
    let ip = text.parse::<IpAddr>().ok();
    let ip = ip.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn via(peer: &str, forwarded: &[&str], proto: Option<&str>) -> Via {
        let proxies = Proxies::parse(&["10.0.0.0/8".into(), "::1".into()]).unwrap();
        let mut headers = HeaderMap::new();
        for list in forwarded {
            headers.append("x-forwarded-for", list.parse().unwrap());
        }
        if let Some(proto) = proto {
            headers.insert("x-forwarded-proto", proto.parse().unwrap());
        }
        let peer = Peer { address: SocketAddr::new(peer.parse().unwrap(), 4711), tls: false };
        proxies.via(peer, &headers)
    }

    #[rstest]
    #[case("203.0.113.7", &["198.51.100.1"], "203.0.113.7")]
    #[case("10.1.1.1", &["198.51.100.1"], "198.51.100.1")]
    #[case("10.1.1.1", &["1.2.3.4, 198.51.100.1, 10.2.2.2"], "198.51.100.1")]
    #[case("10.1.1.1", &["1.2.3.4", "198.51.100.1:4711"], "198.51.100.1")]
    #[case("10.1.1.1", &["1.2.3.4, nonsense"], "10.1.1.1")]
    #[case("10.1.1.1", &[], "10.1.1.1")]
    #[case("::ffff:10.1.1.1", &["[2001:db8::1]:80"], "2001:db8::1")]
    #[case("::1", &["2001:db8::1"], "2001:db8::1")]
    fn only_our_own_proxies_are_believed(#[case] peer: &str, #[case] forwarded: &[&str], #[case] ip: &str) {
        assert_eq!(via(peer, forwarded, None).ip, ip.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_stranger_cannot_say_that_he_speaks_tls() {
        assert!(via("10.1.1.1", &[], Some("https")).https);
        assert!(!via("203.0.113.7", &[], Some("https")).https);
    }

    #[test]
    fn what_is_no_network_is_named() {
        assert!(Proxies::parse(&["10.0.0.0/8".into(), "proxy".into()]).unwrap_err().contains("proxy"));
    }
}
