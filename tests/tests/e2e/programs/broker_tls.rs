//! A broker behind the certificate of a private authority.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use e2e::{Person, World, world::Program};
use proto::identity::v1::DeliveryState;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::tls::{Authority, Issued};

/// Speaks TLS on a port of its own and passes on what it hears. Gives the port.
async fn encrypted(to: u16, issued: &Issued) -> u16 {
    let certificate = CertificateDer::from_pem_file(&issued.certificate).expect("it is one");
    let key = PrivateKeyDer::from_pem_file(&issued.key).expect("it is one");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((accepted, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever does not trust us hangs up here.
                let Ok(mut encrypted) = acceptor.accept(accepted).await else { return };
                let mut plain =
                    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, to))).await.expect("a broker");
                let _ = copy_bidirectional(&mut encrypted, &mut plain).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_of_the_brokers_is_trusted_where_it_is_set() {
    let mut world = World::start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let authority = Authority::new();
    let ca = world.path("broker-ca.pem");
    fs::write(&ca, authority.pem()).expect("it is written");
    let plain = world.rabbitmq().mailer_url(world.vhost());
    let to = plain.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()?.parse().ok()).expect("it has a port");
    let port = encrypted(to, &authority.issue(&world, "broker")).await;

    for (program, name) in [(Program::Mailer, "mailer"), (Program::Identity, "identity")] {
        world.kill(program, 0);
        let file = world.path(&format!("secrets/amqp-{name}-url"));
        let url = fs::read_to_string(&file).expect("it has one").replace("amqp://", "amqps://");
        fs::write(&file, url.replace(&format!("127.0.0.1:{to}"), &format!("localhost:{port}"))).expect("it is written");
        let unknown = world.command(program, &["doctor"]).expect_err("nobody knows the authority");
        assert!(format!("{unknown:#}").contains('1'), "{unknown:#}");
        let settings = world.path(&format!("{name}.toml"));
        let text = fs::read_to_string(&settings).expect("it is there");
        let trusting = text.replace("[amqp]\n", &format!("[amqp]\nca_file = \"{}\"\n", ca.display()));
        assert_ne!(text, trusting);
        fs::write(&settings, trusting).expect("it is written");
        world.start_again(program, 0);
    }
    let said = world.command(Program::Mailer, &["doctor"]).expect("all is well");
    assert!(said.contains("ok    broker: reached"), "{said}");
    world.command(Program::Identity, &["doctor"]).expect("all is well");
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Sent).await;
}
