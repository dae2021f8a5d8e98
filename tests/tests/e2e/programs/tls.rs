//! The public port with certificates.

use std::{fs, path::PathBuf, time::Duration};

use e2e::{World, client::Client, refused};
use proto::identity::v1::{GetUserRequest, get_user_request::Key};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, ExtendedKeyUsagePurpose,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, date_time_ymd,
};
use testbed::{
    ports,
    process::{Process, Start},
};
use tonic::{
    Code, Response, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

/// Somebody who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What is different about a certificate.
type Change = fn(&mut CertificateParams);

/// A certificate of one and its key, as files.
pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        Self(CertifiedIssuer::self_signed(params, key).expect("it signs itself"))
    }

    /// A list that revokes certificates by their numbers.
    pub fn revoke(&self, numbers: &[u8]) -> String {
        let revoked = |number: &u8| RevokedCertParams {
            serial_number: vec![*number].into(),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2200, 1, 1),
            crl_number: vec![1].into(),
            issuing_distribution_point: None,
            revoked_certs: numbers.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).expect("it signs").pem().expect("it can be written")
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `localhost`.
    pub fn issue(&self, world: &World, name: &str) -> Issued {
        self.issue_with(world, name, |_| ())
    }

    /// As [`Authority::issue`], with something changed.
    pub fn issue_with(&self, world: &World, name: &str, change: impl Fn(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).expect("it signs");
        let file = |extension: &str, text: String| {
            let path = world.path(&format!("{name}.{extension}"));
            fs::write(&path, text).expect("it can be written");
            path
        };
        Issued { certificate: file("crt", certificate.pem()), key: file("tls-key", key.serialize_pem()) }
    }
}

impl Issued {
    pub fn identity(&self) -> Identity {
        Identity::from_pem(fs::read(&self.certificate).unwrap(), fs::read(&self.key).unwrap())
    }
}

/// An identity process outside of development mode.
pub struct Served {
    _process: Process,
    pub port: u16,
    token: String,
}

impl Served {
    pub fn start(world: &World, certificates: &Issued, client_ca: Option<&str>) -> Self {
        Self::start_with(world, certificates, client_ca, &[])
    }

    /// As [`Served::start`], with further settings.
    pub fn start_with(world: &World, certificates: &Issued, client_ca: Option<&str>, further: &[String]) -> Self {
        let (grpc, admin) = (ports::free(), ports::free());
        let mut settings = vec![
            "development=false".to_owned(),
            "grpc.reflection=false".to_owned(),
            format!("grpc.listen=127.0.0.1:{grpc}"),
            format!("admin.listen=127.0.0.1:{admin}"),
            format!("grpc.tls.certificate={}", certificates.certificate.display()),
            format!("grpc.tls.key={}", certificates.key.display()),
        ];
        if let Some(client_ca) = client_ca {
            let path = world.path("client-ca.crt");
            fs::write(&path, client_ca).expect("it can be written");
            settings.push(format!("grpc.tls.client_ca={}", path.display()));
        }
        settings.extend_from_slice(further);
        let settings = settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]);
        let file = world.path("identity.toml").display().to_string();
        let mut process = Start::new(
            "identity-tls",
            world.sandi().plan().programs.join("identity"),
            world.path("log/identity-tls.log"),
        )
        .args(["serve".to_owned(), "--config".to_owned(), file].into_iter().chain(settings))
        .spawn()
        .expect("it starts");
        let ready = process.wait_ready(&format!("http://127.0.0.1:{admin}/readyz"), Duration::from_secs(30));
        ready.unwrap_or_else(|error| panic!("{error:#}"));
        Self { _process: process, port: grpc, token: world.token("crm").to_owned() }
    }

    pub fn channel(&self, tls: Option<ClientTlsConfig>) -> Channel {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://localhost:{}", self.port)).expect("a URL");
        let endpoint = match tls {
            Some(tls) => endpoint.tls_config(tls).expect("it fits"),
            None => endpoint,
        };
        endpoint.connect_timeout(Duration::from_secs(5)).connect_lazy()
    }

    async fn ask(
        &self,
        tls: Option<ClientTlsConfig>,
    ) -> Result<Response<proto::identity::v1::GetUserResponse>, Status> {
        let request = GetUserRequest { key: Some(Key::Username("nobody".to_owned())) };
        Client::new(self.channel(tls), Some(&self.token)).directory.get_user(request).await
    }
}

/// No answer of ours: the connection itself did not come about.
#[track_caller]
fn assert_no_connection(outcome: Result<Response<proto::identity::v1::GetUserResponse>, Status>, what: &str) {
    let status = outcome.expect_err(what);
    assert!(std::error::Error::source(&status).is_some(), "the transport's own: {what}: {status:?}");
    assert!(status.details().is_empty(), "{what}: {status:?}");
}

/// A client that trusts the authority.
pub fn trusting(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority.pem())).domain_name("localhost")
}

#[tokio::test]
async fn with_certificates_the_port_speaks_tls_and_nothing_else() {
    let world = World::build().mailers(0).start().await;
    let authority = Authority::new();
    let served = Served::start(&world, &authority.issue(&world, "server"), None);
    let refusal = refused(served.ask(Some(trusting(&authority))).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::NotFound, "USER_NOT_FOUND"), "it is served");
    assert_no_connection(served.ask(None).await, "plain text");
    assert_no_connection(served.ask(Some(trusting(&Authority::new()))).await, "another authority");
    let misnamed = trusting(&authority).domain_name("kopi.example");
    assert_no_connection(served.ask(Some(misnamed)).await, "another name");
    assert_eq!(refused(served.ask(Some(trusting(&authority))).await).reason, "USER_NOT_FOUND", "the next one");
}

#[tokio::test]
async fn with_an_authority_for_clients_a_certificate_of_it_is_asked_for() {
    let world = World::build().mailers(0).start().await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let served = Served::start(&world, &authority.issue(&world, "server"), Some(&clients.pem()));
    let known = trusting(&authority).identity(clients.issue(&world, "client").identity());
    assert_eq!(refused(served.ask(Some(known)).await).reason, "USER_NOT_FOUND", "it is served");
    assert_no_connection(served.ask(Some(trusting(&authority))).await, "no certificate");
    let foreign = trusting(&authority).identity(authority.issue(&world, "foreign").identity());
    assert_no_connection(served.ask(Some(foreign)).await, "another authority's");
    let unfit: [(&str, Change); 4] = [
        ("for servers only", |it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        ("for code only", |it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning]),
        ("not valid yet", |it| it.not_before = date_time_ymd(2200, 1, 1)),
        ("not valid any more", |it| it.not_after = date_time_ymd(2020, 1, 1)),
    ];
    for (what, change) in unfit {
        let certificate = clients.issue_with(&world, "unfit", change).identity();
        assert_no_connection(served.ask(Some(trusting(&authority).identity(certificate))).await, what);
    }
}
