//! A database behind a certificate: whose it is and for which name is verified before a password is sent.

use std::fs;

use e2e::{World, world::Program};
use rcgen::{CertificateParams, SanType};

use super::{
    front::{First, encrypted},
    tls::Authority,
};

fn elsewhere(params: &mut CertificateParams) {
    params.subject_alt_names = vec![SanType::DnsName("db.internal".try_into().expect("a name"))];
}

#[tokio::test(flavor = "multi_thread")]
async fn the_databases_certificate_has_to_be_of_the_authority_and_of_the_name() {
    let world = World::build().mailers(0).start().await;
    let (ours, theirs) = (Authority::new(), Authority::new());
    let ca = world.path("database-ca.pem");
    fs::write(&ca, ours.pem()).expect("it is written");
    let plain = world.postgres().service_url(world.database_name());
    let address = plain.rsplit_once('@').and_then(|(_, rest)| rest.split_once('/')).expect("it has a host").0;
    let to: u16 = address.rsplit_once(':').expect("it has a port").1.parse().expect("it is one");

    for (issued, works) in [
        (ours.issue(&world, "right"), true),
        (ours.issue_with(&world, "elsewhere", elsewhere), false),
        (theirs.issue(&world, "stranger"), false),
    ] {
        let port = encrypted(to, &issued, First::Question).await;
        let url = plain.replace(address, &format!("localhost:{port}"));
        let url = format!("{url}?sslmode=verify-full&sslrootcert={}", ca.display());
        fs::write(world.path("secrets/database-url"), url).expect("it is written");
        let said = world.command(Program::Identity, &["organization", "list"]);
        assert_eq!(said.is_ok(), works, "{}: {said:?}", issued.certificate.display());
    }
}
