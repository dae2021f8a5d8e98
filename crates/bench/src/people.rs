//! People and links, many at a time, written straight into the database.

use anyhow::Result;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use crate::bench::Bench;

/// The password of all.
pub const PASSWORD: &str = "kopi-susu-gula-aren";
/// The organisation of all.
pub const ORGANIZATION: &str = "0193577e-8a00-7000-8000-00000000a000";
/// Recipient domains, so that no share of one holds anybody up.
const DOMAINS: u64 = 16;
/// Links of [`links`] live so long.
const LIFE: &str = "20 hours";

/// The username of a person.
pub fn username(number: u64) -> String {
    format!("user{number}")
}

/// The address of a person.
pub fn address(number: u64) -> String {
    format!("user{number}@d{}.example", number % DOMAINS)
}

/// The person of an address.
pub fn of_address(address: &str) -> Option<u64> {
    address.strip_prefix("user")?.split('@').next()?.parse().ok()
}

/// The id of a person, or of another row of that number.
pub fn id(number: u64) -> String {
    format!("0193577e-8a00-7000-8000-{number:012x}")
}

/// The token of the link of that number.
pub fn token(number: u64) -> String {
    format!("{number:A>42}A")
}

/// SQL for [`id`] of the expression `n`.
pub fn sql_id(n: &str) -> String {
    format!("('0193577e-8a00-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid")
}

/// Argon2id as the service is set by default.
pub fn parameters() -> Params {
    Params::new(19_456, 2, 1, Some(32)).expect("the parameters are sound")
}

/// One hash of [`PASSWORD`] for all: every person's is checked by the same work.
fn password_hash() -> String {
    let (parameters, salt, mut tag) = (parameters(), [7_u8; 16], [0_u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into(PASSWORD.as_bytes(), &salt, &mut tag)
        .expect("the lengths are sound");
    format!("$argon2id$v=19$m=19456,t=2,p=1${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(tag))
}

/// Makes the organisation, its admin (number 0), and people numbered from 1.
///
/// # Errors
/// With what the server said.
pub fn fill(bench: &Bench, database: &str, people: u64) -> Result<()> {
    let (hash, user_id) = (password_hash(), sql_id("n"));
    bench.ground.sql(
        database,
        &format!(
            "SET session_replication_role = replica;
             INSERT INTO organizations (organization_id, slug, display_name, locale, time_zone, link_base,
                 support_contact, sender_name, reply_to, suspended, password_min_length)
             VALUES ('{ORGANIZATION}', 'kopi', 'Kopi Nusantara', 'id', 'Asia/Jakarta', 'https://kopi.example',
                 'bantuan@kopi.example', '', '', false, 15);
             INSERT INTO users (user_id, organization_id, username, display_name, email, role, state, password_hash,
                 credential_version)
             SELECT {user_id}, '{ORGANIZATION}', 'user' || n, 'Pengguna ' || n,
                 'user' || n || '@d' || n % {DOMAINS} || '.example', CASE n WHEN 0 THEN 2 ELSE 1 END, 1, '{hash}', 1
             FROM generate_series(0, {people}) n;"
        ),
    )?;
    settle(bench, database)
}

/// Makes links numbered `from` to `to`, each of the person that the expression `person` of `n` names. `age` is how long
/// ago they were asked for; those older than their life have expired.
///
/// # Errors
/// With what the server said.
pub fn links(bench: &Bench, database: &str, from: u64, to: u64, person: &str, age: &str) -> Result<()> {
    let (reset_id, event_id, user_id) = (sql_id("n"), sql_id("n"), sql_id(person));
    bench.ground.sql(
        database,
        &format!(
            "SET session_replication_role = replica;
             INSERT INTO resets (reset_id, request_id, event_id, kind, user_id, organization_id, token_digest,
                 delivery_state, link_state, request_time, issue_time, expire_time, support_code)
             SELECT {reset_id}, {reset_id}, {event_id}, 1, {user_id}, '{ORGANIZATION}',
                 sha256(convert_to(lpad(n::text, 42, 'A') || 'A', 'UTF8')), 4, 2, now() - interval '{age}',
                 now() - interval '{age}', now() - interval '{age}' + interval '{LIFE}', NULL
             FROM generate_series({from}::bigint, {to}::bigint) n;"
        ),
    )?;
    Ok(())
}

/// Fresh statistics, no rows to clean up, and nothing left for the next checkpoint.
///
/// # Errors
/// With what the server said.
pub fn settle(bench: &Bench, database: &str) -> Result<()> {
    bench.ground.sql(database, "VACUUM (ANALYZE)")?;
    bench.ground.sql(database, "CHECKPOINT").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_person_and_a_token_has_43_characters() {
        assert_eq!(of_address(&address(4711)), Some(4711));
        assert_eq!(token(4711).len(), 43);
        assert_eq!(id(255), "0193577e-8a00-7000-8000-0000000000ff");
    }
}
