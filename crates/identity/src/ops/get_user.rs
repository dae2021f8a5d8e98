//! GetUser.

use uuid::Uuid;

use super::call::Call;
use super::error::{Error, Result};
use crate::domain::identifier::Identifier;
use crate::domain::username::canonical_for_lookup;
use crate::service::Service;
use crate::store::users::{self, Person};

/// By what a user is found.
pub enum UserKey {
    /// The id.
    UserId(Uuid),
    /// The name, in any form that canonicalises to it.
    Username(Identifier),
}

/// Finds a user.
///
/// # Errors
/// `USER_NOT_FOUND`, or the database's.
pub async fn get_user(service: &Service, _call: &Call, key: UserKey) -> Result<Person> {
    let mut connection = service.store.connection().await?;
    let person = match key {
        UserKey::UserId(user_id) => users::by_id(&mut connection, user_id).await?,
        UserKey::Username(username) => match canonical_for_lookup(username.as_str()) {
            Some(username) => users::by_username(&mut connection, &username).await?,
            None => None,
        },
    };
    person.ok_or(Error::UserNotFound)
}
