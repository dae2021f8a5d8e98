//! The demo's people.

use anyhow::{Context, Result};
use testbed::sandi::Sandi;

/// The organisation's admin.
pub const ADMIN: &str = "sari";
/// A member with an address.
pub const USER: &str = "budi";
/// A member without one.
pub const WITHOUT_ADDRESS: &str = "wayan";
/// The password of all, until a demo command changes one.
pub const PASSWORD: &str = "kopi-susu-gula-aren";
/// The organisation.
const SLUG: &str = "kopi";

/// One of the demo's people.
pub struct Person {
    /// The username.
    pub name: &'static str,
    /// The name in mails.
    pub display_name: &'static str,
    /// `member` or `admin`.
    pub role: &'static str,
    /// Where mails go.
    pub address: Option<&'static str>,
}

/// All of them.
pub const PEOPLE: [Person; 3] = [
    Person { name: ADMIN, display_name: "Sari Wulandari", role: "admin", address: Some("sari@kopi.example") },
    Person { name: USER, display_name: "Budi Santoso", role: "member", address: Some("budi@kopi.example") },
    Person { name: WITHOUT_ADDRESS, display_name: "Wayan Sudarma", role: "member", address: None },
];

/// Ids that the environment names.
pub struct People {
    /// The organisation's.
    pub organization: String,
    /// The admin's.
    pub admin: String,
    /// The member's.
    pub user: String,
}

/// Makes the organisation and its people, where a kept database does not have them yet.
pub fn seed(sandi: &Sandi, link_base: &str) -> Result<People> {
    let organization = organization(sandi, link_base)?;
    let mut ids = Vec::new();
    for person in &PEOPLE {
        ids.push(user(sandi, person).with_context(|| format!("cannot make the user {}", person.name))?);
    }
    let mut ids = ids.into_iter();
    Ok(People { organization, admin: ids.next().unwrap_or_default(), user: ids.next().unwrap_or_default() })
}

fn organization(sandi: &Sandi, link_base: &str) -> Result<String> {
    if let Some(id) = find(&sandi.identity(&["organization", "list"], "")?, SLUG) {
        return Ok(id);
    }
    let create = ["organization", "create", "--slug", SLUG, "--display-name", "Kopi Nusantara"];
    let rest = ["--link-base", link_base, "--support-contact", "bantuan@kopi.example"];
    let output = sandi.identity(&[&create[..], &rest[..]].concat(), "").context("cannot make the organisation")?;
    Ok(output.trim().to_owned())
}

fn user(sandi: &Sandi, person: &Person) -> Result<String> {
    let listed = sandi.identity(&["user", "list", "--organization", SLUG], "")?;
    if let Some(id) = find(&listed, person.name) {
        return Ok(id);
    }
    let mut create = vec!["user", "create", "--organization", SLUG, "--username", person.name];
    create.extend(["--display-name", person.display_name, "--role", person.role]);
    if let Some(address) = person.address {
        create.extend(["--email", address]);
    }
    create.extend(["--password-file", "-"]);
    Ok(sandi.identity(&create, PASSWORD)?.trim().to_owned())
}

/// The id in the line of a listing that names `word`.
fn find(listing: &str, word: &str) -> Option<String> {
    let line = listing.lines().find(|line| line.split_whitespace().any(|it| it == word))?;
    let id = line.split_whitespace().find(|it| it.len() == 36 && it.matches('-').count() == 4)?;
    Some(id.to_owned())
}
