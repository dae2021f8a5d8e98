//! Client certificates: who calls, by the name in one; replaced and revoked while the service runs.

use std::{fs, sync::Arc, time::Duration};

use e2e::{Refusal, World, client::Client, resets::BOUND};
use proto::identity::v1::{CreateOrganizationRequest, GetUserRequest, get_user_request::Key};
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use sha2::Digest;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, ClientTlsConfig};

use super::tls::{Authority, Issued, Served, trusting};

const VAULT_TOKEN: &str = "the-vaults-own-token-of-no-worth";

/// The reason of a refusal; `CLOSED` when there is no connection.
async fn ask(channel: Channel, token: Option<&str>) -> String {
    let request = GetUserRequest { key: Some(Key::Username("nobody".to_owned())) };
    let outcome = Client::new(channel, token).directory.get_user(request).await;
    let reason = Refusal::from(&outcome.expect_err("there is nobody")).reason;
    if reason.is_empty() { "CLOSED".to_owned() } else { reason }
}

/// Asks anew, over connections of their own, until this is the answer.
async fn until(served: &Served, tls: &ClientTlsConfig, token: Option<&str>, wants: &str) {
    let end = tokio::time::Instant::now() + BOUND;
    loop {
        let gets = ask(served.channel(Some(tls.clone())), token).await;
        if gets == wants {
            return;
        }
        assert!(tokio::time::Instant::now() < end, "{gets}, not {wants}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Adds a caller that has a certificate, and one that has a certificate and a token.
fn add_callers(world: &World) {
    let file = world.path("callers.toml");
    let digest: String = sha2::Sha256::digest(VAULT_TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    let more = format!(
        r#"
[[callers]]
name = "ledger"
certificate_names = ["Ledger.internal"]
scopes = ["directory.read"]

[[callers]]
name = "vault"
token_sha256 = ["{digest}"]
certificate_names = ["vault.internal"]
scopes = ["directory.read"]
"#
    );
    let callers = fs::read_to_string(&file).expect("the callers");
    fs::write(&file, callers + &more).expect("it can be written");
}

fn named(world: &World, authority: &Authority, name: &str, number: u8) -> Issued {
    authority.issue_with(world, name, |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into().expect("a name"))];
        params.serial_number = Some(vec![number].into());
    })
}

#[tokio::test]
async fn the_name_in_a_certificate_says_who_calls() {
    let world = World::build().mailers(0).start().await;
    add_callers(&world);
    let (authority, clients) = (Authority::new(), Authority::new());
    let optional = ["grpc.tls.client_certificates=optional".to_owned()];
    let served = Served::start_with(&world, &authority.issue(&world, "server"), Some(&clients.pem()), &optional);
    let with = |name: &str| trusting(&authority).identity(named(&world, &clients, name, 7).identity());
    let (crm, vault) = (Some(world.token("crm")), Some(VAULT_TOKEN));
    for (what, tls, token, wants) in [
        ("a certificate alone", with("ledger.internal"), None, "USER_NOT_FOUND"),
        ("a name that nobody has", with("other.internal"), None, "CALLER_UNKNOWN"),
        ("a token beside any name", with("other.internal"), crm, "USER_NOT_FOUND"),
        ("a token alone", trusting(&authority), crm, "USER_NOT_FOUND"),
        ("nothing", trusting(&authority), None, "CALLER_UNKNOWN"),
        ("half of two proofs", with("vault.internal"), None, "CALLER_UNKNOWN"),
        ("the other half", trusting(&authority), vault, "CALLER_UNKNOWN"),
        ("another's certificate", with("ledger.internal"), vault, "CALLER_UNKNOWN"),
        ("both proofs", with("vault.internal"), vault, "USER_NOT_FOUND"),
        ("a wrong token", with("ledger.internal"), Some("wrong"), "CALLER_UNKNOWN"),
    ] {
        assert_eq!(ask(served.channel(Some(tls)), token).await, wants, "{what}");
    }
    let foreign = trusting(&authority).identity(named(&world, &authority, "ledger.internal", 7).identity());
    assert_eq!(ask(served.channel(Some(foreign)), None).await, "CLOSED", "of another authority");
    // Its scopes are its own.
    let mut ledger = Client::new(served.channel(Some(with("ledger.internal"))), None).directory;
    let refused = ledger.create_organization(CreateOrganizationRequest::default()).await;
    assert_eq!(Refusal::from(&refused.expect_err("it may only read")).reason, "SCOPE_MISSING");
}

#[tokio::test]
async fn certificates_are_replaced_and_revoked_while_the_service_runs() {
    let world = World::build().mailers(0).start().await;
    add_callers(&world);
    let (authority, next, clients) = (Authority::new(), Authority::new(), Authority::new());
    let list = world.path("client.crl");
    fs::write(&list, clients.revoke(&[])).expect("it can be written");
    let further = [format!("grpc.tls.client_crl={}", list.display())];
    let served = Served::start_with(&world, &authority.issue(&world, "server"), Some(&clients.pem()), &further);
    let ledger = named(&world, &clients, "ledger.internal", 7).identity();
    let other = named(&world, &clients, "ledger.internal", 8).identity();
    let old = trusting(&authority).identity(ledger.clone());
    let open = served.channel(Some(old.clone()));
    assert_eq!(ask(open.clone(), None).await, "USER_NOT_FOUND");

    next.issue(&world, "server");
    let new = trusting(&next).identity(ledger);
    until(&served, &new, None, "USER_NOT_FOUND").await;
    assert_eq!(ask(served.channel(Some(old)), None).await, "CLOSED", "the old certificate is shown to nobody");
    assert_eq!(ask(open, None).await, "USER_NOT_FOUND", "who was connected stays");

    fs::write(&list, clients.revoke(&[7])).expect("it can be written");
    until(&served, &new, None, "CLOSED").await;
    let other = trusting(&next).identity(other);
    assert_eq!(ask(served.channel(Some(other)), None).await, "USER_NOT_FOUND", "another certificate of the same name");
}

/// How the second of two connections with the same memory of sessions begins.
async fn second_handshake(served: &Served, authority: &Authority, own: &Issued) -> HandshakeKind {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM")).expect("a certificate");
    let chain = vec![CertificateDer::from_pem_file(&own.certificate).expect("PEM")];
    let key = PrivateKeyDer::from_pem_file(&own.key).expect("PEM");
    let mut config =
        ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key).expect("they fit");
    config.alpn_protocols.push(b"h2".to_vec());
    let connector = TlsConnector::from(Arc::new(config));
    let mut last = None;
    for _ in 0..2 {
        let stream = TcpStream::connect(("127.0.0.1", served.port)).await.expect("it listens");
        let mut stream = connector.connect("localhost".try_into().expect("a name"), stream).await.expect("TLS");
        // The first words of the server: tickets come before them.
        stream.write_all(e2e::raw::GREETING).await.expect("it is open");
        stream.read_exact(&mut [0; 9]).await.expect("it greets");
        last = stream.get_ref().1.handshake_kind();
    }
    last.expect("it is over")
}

#[tokio::test]
async fn a_session_is_not_taken_up_again_without_a_look_at_the_certificate() {
    let world = World::build().mailers(0).start().await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let own = named(&world, &clients, "ledger.internal", 7);
    let served = Served::start_with(&world, &authority.issue(&world, "server"), Some(&clients.pem()), &[]);
    assert_eq!(second_handshake(&served, &authority, &own).await, HandshakeKind::Full);
    drop(served);
    let served = Served::start(&world, &authority.issue(&world, "server"), None);
    let resumed = second_handshake(&served, &authority, &own).await;
    assert_eq!(resumed, HandshakeKind::Resumed, "where nobody shows one, it may be");
}
