//! The inner parts, one by one: `cargo bench --package bench`.

use std::{hint::black_box, time::Duration};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use criterion::{Criterion, criterion_group, criterion_main};
use identity::domain::token::ResetToken;
use mailer::sample::{self, Kind, Locale, Sample};
use messaging::{
    EventHeader, KeyRing, Role,
    keys::generate,
    seal::{decode_event, encode_event, open, seal},
    topology::RESET_REQUESTED,
};
use prost::Message as _;
use uuid::Uuid;

/// Randomness that a benchmark can do with.
fn fill(bytes: &mut [u8]) {
    for (value, byte) in (17..).zip(bytes) {
        *byte = value;
    }
}

/// One hash as the service's threads compute it, and one that allocates its memory.
fn hash(c: &mut Criterion) {
    let parameters = Params::new(19_456, 2, 1, Some(32)).expect("the parameters are sound");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters.clone());
    let (salt, mut tag) = ([7_u8; 16], [0_u8; 32]);
    let mut memory = vec![Block::default(); parameters.block_count()];
    let mut group = c.benchmark_group("argon2id");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function("memory reused", |b| {
        b.iter(|| argon2.hash_password_into_with_memory(b"kopi-susu-gula-aren", &salt, &mut tag, &mut memory));
    });
    group.bench_function("memory allocated", |b| {
        b.iter(|| argon2.hash_password_into(b"kopi-susu-gula-aren", &salt, &mut tag));
    });
    group.finish();
}

/// A token, and what is stored of it.
fn token(c: &mut Criterion) {
    let token = ResetToken::generate(&fill);
    let text = token.text();
    c.bench_function("token/digest", |b| b.iter(|| black_box(&token).digest()));
    c.bench_function("token/parse", |b| b.iter(|| ResetToken::parse(black_box(&text))));
}

/// A mail event on its way.
fn event(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for (role, other, seed) in [(Role::Identity, "mailer", 1), (Role::Mailer, "identity", 2)] {
        let own = at(role.prefix());
        let id = generate(&own, role, sample::NOW, &|bytes| bytes.fill(seed)).expect("keys are made");
        std::fs::create_dir_all(at(other)).expect("a folder is made");
        let public = format!("{}-{id}.pub", role.prefix());
        std::fs::copy(own.join(&public), at(other).join(&public)).expect("a key is copied");
    }
    let keys = KeyRing::load(&at("identity"), Role::Identity).expect("keys are there").current();
    let mailer_keys = KeyRing::load(&at("mailer"), Role::Mailer).expect("keys are there").current();
    let Sample::Reset(mail) = sample::sample(Kind::Reset, Locale::Id) else { panic!("the sample is a reset") };
    let plaintext = mail.encode_to_vec();
    let header = EventHeader {
        event_id: Uuid::nil(),
        event_time: sample::NOW,
        organization_id: Uuid::nil(),
        expire_time: sample::NOW,
    };
    let sealed = seal(&keys, RESET_REQUESTED, &header, &plaintext).expect("it is sealed");
    let body = encode_event(RESET_REQUESTED, &sealed, 1);
    c.bench_function("event/seal", |b| b.iter(|| seal(&keys, RESET_REQUESTED, &header, &plaintext)));
    c.bench_function("event/open", |b| {
        b.iter(|| open(&mailer_keys, RESET_REQUESTED, &sealed.header, &sealed.sealed));
    });
    c.bench_function("event/encode", |b| b.iter(|| encode_event(RESET_REQUESTED, black_box(&sealed), 1)));
    c.bench_function("event/decode", |b| b.iter(|| decode_event(RESET_REQUESTED, black_box(&body))));
}

/// A mail from its event.
fn render(c: &mut Criterion) {
    let head = sample::letterhead();
    for (name, kind) in [("reset", Kind::Reset), ("accounts", Kind::Accounts), ("notice", Kind::PasswordChanged)] {
        let mail = sample::sample(kind, Locale::Id);
        c.bench_function(&format!("render/{name}"), |b| b.iter(|| mail.render(&head)));
    }
}

criterion_group!(benches, hash, token, event, render);
criterion_main!(benches);
