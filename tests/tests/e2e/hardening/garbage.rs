//! Requests made of noise.

use e2e::{
    World, contract, full,
    wire::{Call, frame},
};
use tonic::Code;

/// All that a caller may.
const EVERYTHING: [&str; 11] = [
    "password.reset",
    "password.change",
    "password.verify",
    "password.admin",
    "directory.read",
    "directory.write",
    "directory.admin",
    "support.read",
    "support.act",
    "audit.read",
    "assert-actor",
];

/// For each call of the contract.
fn count() -> u64 {
    if full() { 50_000 } else { 60 }
}

/// Bytes without a sense; every second time with the tags of protobuf fields among them (wire types 0 and 2).
fn noise(mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8
    };
    let mut bytes = Vec::new();
    for _ in 0..next() % 12 {
        let length = next() % 20;
        if next() % 2 == 0 {
            bytes.extend([((next() % 8) << 3) | (next() & 2), length]);
        }
        bytes.extend((0..length).map(|_| if next() % 3 == 0 { next() } else { b'a' + next() % 26 }));
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_is_never_our_fault_and_never_goes_without_an_answer() {
    let world = World::build().mailers(0).wide_limits().caller("all", &EVERYTHING).start().await;
    let wire = world.wire().await;
    for rpc in contract::rpcs() {
        let call = || Call::to(&contract::path(&rpc)).bearer(world.token("all"));
        for number in 0..count() {
            let bytes = noise(number * 31 + rpc.name().len() as u64);
            let call = if number % 5 == 0 { call().body(bytes.clone()) } else { call().body(frame(0, &bytes)) };
            let refusal = wire.call(call).await.refusal();
            let fault = matches!(refusal.code, Code::Internal | Code::Unknown | Code::Unavailable | Code::DataLoss);
            assert!(!fault, "{}: {bytes:?}: {refusal:?}", rpc.name());
        }
    }
}
