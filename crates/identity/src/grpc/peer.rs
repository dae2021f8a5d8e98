//! Who holds the other end of a connection, by its client certificate, which the handshake has checked.

use std::sync::Arc;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The names in the peer's certificate: DNS names in lower case and URIs. None without a certificate. Clones are of
/// the same connection; requests carry one in their extensions.
#[derive(Clone, Default)]
pub struct Peer(Arc<[String]>);

impl Peer {
    /// The peer with this certificate (DER). The common name counts only where there is no alternative name (RFC 9525).
    pub fn of(certificate: &[u8]) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Self::default() };
        let names: Vec<String> = match certificate.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(named).collect(),
            Ok(None) => {
                certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(dns).collect()
            }
            // Twice the extension, or one that cannot be read: nobody is named.
            Err(_) => Vec::new(),
        };
        Self(names.into())
    }

    /// A peer with these names.
    #[cfg(test)]
    pub fn named(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

fn named(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(dns(name)),
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    }
}

fn dns(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn peer(names: Vec<SanType>) -> Peer {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "CRM.internal");
        params.subject_alt_names = names;
        Peer::of(params.self_signed(&KeyPair::generate().expect("a key")).expect("it signs itself").der())
    }

    #[test]
    fn names_are_those_of_the_certificate() {
        let dns = SanType::DnsName("Gateway.internal".try_into().expect("a name"));
        let uri = SanType::URI("spiffe://kopi/Crm".try_into().expect("a name"));
        assert_eq!(peer(vec![dns, uri]).names(), ["gateway.internal", "spiffe://kopi/Crm"]);
        assert_eq!(peer(Vec::new()).names(), ["crm.internal"], "the common name where there is no other");
        let address = SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
        assert!(peer(vec![address]).names().is_empty(), "an address is no name");
        assert!(Peer::of(b"no certificate").names().is_empty());
    }
}
