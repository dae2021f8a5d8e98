//! The token is chance and nothing else.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use e2e::{Person, World, full};

use super::admin;
use crate::calls::admin_reset;

/// As many accounts, each with two links.
fn accounts() -> usize {
    if full() { 5_000 } else { 200 }
}

#[tokio::test]
async fn every_bit_of_a_token_is_even_and_no_two_tokens_begin_alike() {
    let world = World::build().wide_limits().start().await;
    let (kopi, siti) = admin(&world).await;
    let mut addresses = Vec::new();
    for number in 0..accounts() {
        let address = format!("orang{number}@kopi.example");
        let person = Person::named(&format!("orang{number}")).email(&address).password("");
        let user = world.user(&kopi, person).await;
        world.request_reset(&user.username).await;
        admin_reset(world.gateway(), &siti, &user).await.expect("an admin may");
        addresses.push(address);
    }
    let mut tokens = Vec::new();
    for address in &addresses {
        tokens.extend(world.mails_to(address, 2).await.iter().flat_map(|mail| mail.tokens()));
    }
    assert_eq!(tokens.len(), accounts() * 2);

    let bytes: Vec<[u8; 32]> = tokens
        .iter()
        .map(|token| {
            assert_eq!(token.len(), 43, "{token}");
            let bytes = URL_SAFE_NO_PAD.decode(token).expect("base64url");
            bytes.try_into().expect("256 bits")
        })
        .collect();
    // Of a million runs one would see a bit further from the middle, or the same eight bytes.
    let (half, deviation) = (bytes.len() as f64 / 2.0, (bytes.len() as f64).sqrt() / 2.0);
    for bit in 0..256 {
        let ones = bytes.iter().filter(|bytes| bytes[bit / 8] >> (bit % 8) & 1 == 1).count() as f64;
        assert!((ones - half).abs() < 6.2 * deviation, "bit {bit} is set in {ones} of {} tokens", bytes.len());
    }
    for end in [0, 24] {
        let parts: BTreeSet<&[u8]> = bytes.iter().map(|bytes| &bytes[end..end + 8]).collect();
        assert_eq!(parts.len(), bytes.len(), "bytes {end} to {} of two tokens are the same", end + 8);
    }
}
