//! A broker behind the certificate of a private authority.

use std::fs;

use e2e::{Person, World, world::Program};
use proto::identity::v1::DeliveryState;

use super::{
    front::{First, encrypted},
    tls::Authority,
};

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
    let port = encrypted(to, &authority.issue(&world, "broker"), First::Tls).await;

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
