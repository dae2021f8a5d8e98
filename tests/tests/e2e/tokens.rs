//! The token: what it is made of, what spends it, what ends it, and that one answer says nothing about which.

mod chance;
pub(crate) mod ending;
mod guessed;
mod one_answer;
mod spending;

use e2e::{Person, World};
use proto::identity::v1::{Organization, Role, User};

pub(crate) const NEW: &str = "awan putih di atas ladang 3";

/// An organisation with an admin.
async fn admin(world: &World) -> (Organization, User) {
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    (kopi, siti)
}

/// The newest token mailed to an address, once there are so many mails.
async fn newest_token(world: &World, address: &str, mails: usize) -> String {
    let mails = world.mails_to(address, mails).await;
    mails.last().and_then(|mail| mail.tokens().pop()).expect("the newest mail has a link")
}
