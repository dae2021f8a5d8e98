//! A seal made without the identity service's private key.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use e2e::World;
use hpke::{Deserializable, Kem as _, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256};
use prost::Message as _;
use proto::identity::events::v1::{AccountLink, Brand, MailHeader, ResetMail, ResetRequested, reset_mail::Kind};

type Kem = hpke::kem::X25519HkdfSha256;
type PrivateKey = <Kem as hpke::Kem>::PrivateKey;
type PublicKey = <Kem as hpke::Kem>::PublicKey;

/// Whom the forger wants to have mailed.
pub(super) const VICTIM: &str = "korban@surat.example";

/// A key pair of the forger's, and the public keys that everybody at the broker may know.
pub(super) struct Sealer {
    own: (PrivateKey, PublicKey),
    mailer: PublicKey,
    mailer_id: String,
    identity_id: String,
}

impl Sealer {
    pub(super) fn new(world: &World) -> Self {
        let mailer = public_key(world, "keys/identity", "mailer");
        let text = std::fs::read_to_string(&mailer).expect("it can be read");
        let bytes = STANDARD.decode(text.lines().last().expect("it has a line"));
        Self {
            own: Kem::derive_keypair(&[7; 32]),
            mailer: PublicKey::from_bytes(&bytes.expect("it is base64")).expect("it is a key"),
            mailer_id: id_of(&mailer, "mailer"),
            identity_id: id_of(&public_key(world, "keys/mailer", "identity"), "identity"),
        }
    }

    /// An id in the form of a key's, of a key that nobody has.
    pub(super) fn other_id() -> String {
        "00000000deadbeef".to_owned()
    }

    /// In base mode, which proves nothing of the sender. `model` gives the header but for the keys.
    pub(super) fn base(&self, routing_key: &str, model: &MailHeader, sender: Sender) -> ResetRequested {
        self.seal(&OpModeS::Base, routing_key, model, sender)
    }

    /// In auth mode, by a key of the forger's own.
    pub(super) fn auth(&self, routing_key: &str, model: &MailHeader, sender: Sender) -> ResetRequested {
        self.seal(&OpModeS::Auth(self.own.clone()), routing_key, model, sender)
    }

    fn seal(&self, mode: &OpModeS<Kem>, routing_key: &str, model: &MailHeader, sender: Sender) -> ResetRequested {
        let made = hpke::setup_sender::<ChaCha20Poly1305, HkdfSha256, Kem>(mode, &self.mailer, routing_key.as_bytes());
        let (encapsulated, mut context) = made.expect("the mailer's key is good");
        let sender_key_id = match sender {
            Sender::Identity => self.identity_id.clone(),
            Sender::Forger => Self::other_id(),
        };
        let header = MailHeader {
            sender_key_id,
            recipient_key_id: self.mailer_id.clone(),
            encapsulated_key: encapsulated.to_bytes().to_vec(),
            ..model.clone()
        }
        .encode_to_vec();
        let sealed = context.seal(&private_part(model).encode_to_vec(), &header).expect("it can be sealed");
        ResetRequested { header, sealed, attempt: 1 }
    }
}

/// In whose name.
#[derive(Clone, Copy)]
pub(super) enum Sender {
    Identity,
    Forger,
}

/// What a genuine event could say.
pub(super) fn private_part(model: &MailHeader) -> ResetMail {
    ResetMail {
        recipient: VICTIM.to_owned(),
        brand: Some(Brand {
            organization_display_name: "Toko kopi".to_owned(),
            product_name: "Sandi".to_owned(),
            ..Default::default()
        }),
        locale: "id".to_owned(),
        time_zone: "Asia/Jakarta".to_owned(),
        request_time: model.event_time,
        links: vec![AccountLink {
            username: "budi".to_owned(),
            organization_display_name: "Toko kopi".to_owned(),
            link: format!("https://jahat.example/reset#{}", "F".repeat(43)),
            expire_time: model.expire_time,
            ..Default::default()
        }],
        kind: Kind::SelfService.into(),
        support_code: "7KQF3-M2XAB".to_owned(),
        ..Default::default()
    }
}

fn public_key(world: &World, folder: &str, role: &str) -> PathBuf {
    let entries = std::fs::read_dir(world.path(folder)).expect("the folder is there");
    let files = entries.map(|entry| entry.expect("it can be listed").path());
    let found = files.into_iter().find(|file| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&format!("{role}-")) && name.ends_with(".pub")
    });
    found.expect("there is a public key")
}

fn id_of(file: &std::path::Path, role: &str) -> String {
    let name = file.file_stem().and_then(|name| name.to_str()).expect("the name is text");
    name.strip_prefix(&format!("{role}-")).expect("the name begins with the role").to_owned()
}
