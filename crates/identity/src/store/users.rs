//! Table `users`, always read together with the user's organisation.

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Result;
use super::organizations::{Organization, OrganizationRow, organization_columns};
use crate::domain::locale::Locale;
use crate::domain::states::{AddressState, Role, UserState};

/// A user with the organisation.
macro_rules! person_columns {
    () => {
        concat!(
            "u.user_id, u.username, u.display_name, u.email, u.locale, u.role, u.state, u.password_hash,
             u.credential_version, u.password_change_time, u.address_change_time, u.undeliverable_since,
             u.undeliverable_code, u.create_time, u.update_time, ",
            organization_columns!()
        )
    };
}

/// A person who logs in, and the organisation.
#[derive(Clone)]
pub struct Person {
    /// UUID version 7.
    pub user_id: Uuid,
    /// Canonical name.
    pub username: String,
    /// Name shown to people; may be empty.
    pub display_name: String,
    /// Where links go; none: no address.
    pub email: Option<String>,
    /// The user's own language.
    pub own_locale: Option<Locale>,
    /// Rank.
    pub role: Role,
    /// Active or disabled.
    pub state: UserState,
    /// PHC string; none: no password yet.
    pub password_hash: Option<String>,
    /// Sessions made under another one are over.
    pub credential_version: i64,
    /// When the password was last set.
    pub password_change_time: Option<OffsetDateTime>,
    /// When the address was last set.
    pub address_change_time: OffsetDateTime,
    /// When the address was first refused for good.
    pub undeliverable_since: Option<OffsetDateTime>,
    /// The enhanced status code of that refusal.
    pub undeliverable_code: Option<String>,
    /// When the row was made.
    pub create_time: OffsetDateTime,
    /// When the row last changed.
    pub update_time: OffsetDateTime,
    /// The organisation.
    pub organization: Organization,
}

impl Person {
    /// Whether the person may log in and reset: active, in an organisation that is not suspended.
    pub fn is_active(&self) -> bool {
        self.state == UserState::Active && !self.organization.suspended
    }

    /// The language to write in: the person's, else the organisation's.
    pub fn locale(&self) -> Locale {
        self.own_locale.unwrap_or(self.organization.locale)
    }

    /// What is known of the address.
    pub fn address_state(&self) -> AddressState {
        match (&self.email, self.undeliverable_since) {
            (None, _) => AddressState::Missing,
            (Some(_), Some(_)) => AddressState::Undeliverable,
            (Some(_), None) => AddressState::Ok,
        }
    }
}

#[derive(FromRow)]
struct PersonRow {
    user_id: Uuid,
    username: String,
    display_name: String,
    email: Option<String>,
    locale: Option<String>,
    role: i16,
    state: i16,
    password_hash: Option<String>,
    credential_version: i64,
    password_change_time: Option<OffsetDateTime>,
    address_change_time: OffsetDateTime,
    undeliverable_since: Option<OffsetDateTime>,
    undeliverable_code: Option<String>,
    create_time: OffsetDateTime,
    update_time: OffsetDateTime,
    #[sqlx(flatten)]
    organization: OrganizationRow,
}

impl From<PersonRow> for Person {
    fn from(row: PersonRow) -> Self {
        Self {
            user_id: row.user_id,
            username: row.username,
            display_name: row.display_name,
            email: row.email,
            own_locale: row.locale.as_deref().and_then(super::locale),
            // A number this version does not know has the least rank and is not active.
            role: Role::from_i16(row.role).unwrap_or(Role::Member),
            state: UserState::from_i16(row.state).unwrap_or(UserState::Disabled),
            password_hash: row.password_hash,
            credential_version: row.credential_version,
            password_change_time: row.password_change_time,
            address_change_time: row.address_change_time,
            undeliverable_since: row.undeliverable_since,
            undeliverable_code: row.undeliverable_code,
            create_time: row.create_time,
            update_time: row.update_time,
            organization: row.organization.into(),
        }
    }
}

/// Adds a user. The times are set by the database.
///
/// # Errors
/// [`super::StoreError::Taken`] when the username is taken.
pub async fn insert(connection: &mut PgConnection, person: &Person) -> Result<()> {
    sqlx::query(
        "INSERT INTO users
             (user_id, organization_id, username, display_name, email, locale, role, state,
              password_hash, credential_version, password_change_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $9 IS NULL THEN NULL ELSE now() END)",
    )
    .bind(person.user_id)
    .bind(person.organization.organization_id)
    .bind(&person.username)
    .bind(&person.display_name)
    .bind(&person.email)
    .bind(person.own_locale.map(Locale::as_str))
    .bind(person.role.as_i16())
    .bind(person.state.as_i16())
    .bind(&person.password_hash)
    .bind(person.credential_version)
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores what UpdateUser may change. `address_changed` also forgets what was known of the old address.
///
/// # Errors
/// [`super::StoreError::Taken`] when the username is taken.
pub async fn update(connection: &mut PgConnection, person: &Person, address_changed: bool) -> Result<()> {
    sqlx::query(
        "UPDATE users
         SET username = $2, display_name = $3, email = $4, locale = $5, role = $6, state = $7,
             credential_version = $8, update_time = now(),
             address_change_time = CASE WHEN $9 THEN now() ELSE address_change_time END,
             undeliverable_since = CASE WHEN $9 THEN NULL ELSE undeliverable_since END,
             undeliverable_code = CASE WHEN $9 THEN NULL ELSE undeliverable_code END
         WHERE user_id = $1",
    )
    .bind(person.user_id)
    .bind(&person.username)
    .bind(&person.display_name)
    .bind(&person.email)
    .bind(person.own_locale.map(Locale::as_str))
    .bind(person.role.as_i16())
    .bind(person.state.as_i16())
    .bind(person.credential_version)
    .bind(address_changed)
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets a password and ends the sessions made under older versions. With `replaces`, only if that credential version
/// still stands: a hash may have been renewed meanwhile, of the same password. Returns the new credential version and
/// the time, or nothing if it no longer stood.
///
/// # Errors
/// The database's.
pub async fn set_password(
    connection: &mut PgConnection,
    user_id: Uuid,
    password_hash: &str,
    replaces: Option<i64>,
) -> Result<Option<(i64, OffsetDateTime)>> {
    Ok(sqlx::query_as(
        "UPDATE users
         SET password_hash = $2, credential_version = credential_version + 1,
             password_change_time = now(), update_time = now()
         WHERE user_id = $1 AND ($3::bigint IS NULL OR credential_version = $3)
         RETURNING credential_version, password_change_time",
    )
    .bind(user_id)
    .bind(password_hash)
    .bind(replaces)
    .fetch_optional(connection)
    .await?)
}

/// Replaces a hash of older parameters by one of the same password; a change made meanwhile wins.
///
/// # Errors
/// The database's.
pub async fn upgrade_hash(connection: &mut PgConnection, user_id: Uuid, old: &str, new: &str) -> Result<()> {
    sqlx::query("UPDATE users SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2")
        .bind(user_id)
        .bind(old)
        .bind(new)
        .execute(connection)
        .await?;
    Ok(())
}

/// Finds a user by id.
///
/// # Errors
/// The database's.
pub async fn by_id(connection: &mut PgConnection, user_id: Uuid) -> Result<Option<Person>> {
    let row: Option<PersonRow> = sqlx::query_as(concat!(
        "SELECT ",
        person_columns!(),
        " FROM users u JOIN organizations o USING (organization_id) WHERE u.user_id = $1"
    ))
    .bind(user_id)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Person::from))
}

/// Finds a user by canonical name.
///
/// # Errors
/// The database's.
pub async fn by_username(connection: &mut PgConnection, username: &str) -> Result<Option<Person>> {
    let row: Option<PersonRow> = sqlx::query_as(concat!(
        "SELECT ",
        person_columns!(),
        " FROM users u JOIN organizations o USING (organization_id) WHERE u.username = $1"
    ))
    .bind(username)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Person::from))
}

/// Finds a user and keeps it from changing until the transaction ends. Whatever touches a user and
/// the user's resets locks the user first, so that no two transactions wait for each other.
///
/// # Errors
/// The database's.
pub async fn lock(connection: &mut PgConnection, user_id: Uuid) -> Result<Option<Person>> {
    let row: Option<PersonRow> = sqlx::query_as(concat!(
        "SELECT ",
        person_columns!(),
        " FROM users u JOIN organizations o USING (organization_id)
          WHERE u.user_id = $1 FOR NO KEY UPDATE OF u"
    ))
    .bind(user_id)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Person::from))
}

/// Accounts looked at for one address, the active and latest first.
const ACCOUNTS_PER_ADDRESS: i64 = 20;

/// Locks everybody with one of these names or addresses, in one order over all replicas. Of an address
/// that very many accounts share, only some are looked at.
///
/// # Errors
/// The database's.
pub async fn lock_matching(
    connection: &mut PgConnection,
    usernames: &[String],
    emails: &[String],
) -> Result<Vec<Person>> {
    // Two index scans, then the rows by key: a single OR would scan the table, and so might a shared address.
    let rows: Vec<PersonRow> = sqlx::query_as(concat!(
        "SELECT ",
        person_columns!(),
        " FROM users u JOIN organizations o USING (organization_id)
          WHERE u.user_id IN (
              SELECT user_id FROM users WHERE username = ANY($1)
              UNION SELECT a.user_id FROM unnest($2::text[]) AS typed (email), LATERAL (
                  SELECT user_id FROM users WHERE email = typed.email
                  ORDER BY state, create_time DESC
                  LIMIT $3) AS a)
          ORDER BY u.user_id FOR NO KEY UPDATE OF u"
    ))
    .bind(usernames)
    .bind(emails)
    .bind(ACCOUNTS_PER_ADDRESS)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Person::from).collect())
}

/// One page of an organisation's users by username, after `cursor`, whose name or display name
/// begins with `prefix`. `limit` rows at most. In a transaction, if there is a prefix.
///
/// # Errors
/// The database's.
pub async fn list(
    connection: &mut PgConnection,
    organization_id: Uuid,
    prefix: &str,
    cursor: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Person>> {
    if !prefix.is_empty() {
        // Either name may begin with it: only a bitmap takes both indexes together.
        sqlx::query("SELECT set_config('enable_bitmapscan', 'on', true)").execute(&mut *connection).await?;
    }
    let rows: Vec<PersonRow> = sqlx::query_as(concat!(
        "SELECT ",
        person_columns!(),
        " FROM users u JOIN organizations o USING (organization_id)
          WHERE u.organization_id = $1
            AND ($2 = '' OR u.username LIKE $2 || '%' OR lower(u.display_name COLLATE \"und-x-icu\") LIKE $2 || '%')
            AND ($3::uuid IS NULL OR u.username > (SELECT username FROM users WHERE user_id = $3))
          ORDER BY u.username
          LIMIT $4"
    ))
    .bind(organization_id)
    .bind(like_literal(&prefix.to_lowercase()))
    .bind(cursor)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Person::from).collect())
}

/// Counts the active owners of an organisation other than this user, and keeps them from changing.
///
/// # Errors
/// The database's.
pub async fn lock_other_owners(connection: &mut PgConnection, organization_id: Uuid, user_id: Uuid) -> Result<usize> {
    let owners: Vec<Uuid> = sqlx::query_scalar(
        "SELECT user_id FROM users
         WHERE organization_id = $1 AND role = $2 AND state = $3 AND user_id <> $4
         ORDER BY user_id FOR NO KEY UPDATE",
    )
    .bind(organization_id)
    .bind(Role::Owner.as_i16())
    .bind(UserState::Active.as_i16())
    .bind(user_id)
    .fetch_all(connection)
    .await?;
    Ok(owners.len())
}

/// Locks the users whose address the outcomes of these mails speak of, before anything else of theirs, and says
/// whether there are any. Each mail comes with whether the address was refused; of an acceptance, those only are meant
/// whose address is marked.
///
/// # Errors
/// The database's.
pub async fn lock_addressees(connection: &mut PgConnection, told: &[(Uuid, bool)]) -> Result<bool> {
    let (event_ids, refused): (Vec<Uuid>, Vec<bool>) = told.iter().copied().unzip();
    let locked: Vec<Uuid> = sqlx::query_scalar(
        "SELECT u.user_id FROM users u
         WHERE u.user_id IN (
             SELECT a.user_id
             FROM unnest($1::uuid[], $2::boolean[]) AS told (event_id, refused)
             JOIN resets r ON r.event_id = told.event_id
             JOIN users a ON a.user_id = r.user_id
             WHERE told.refused OR a.undeliverable_since IS NOT NULL)
         ORDER BY u.user_id FOR NO KEY UPDATE",
    )
    .bind(event_ids)
    .bind(refused)
    .fetch_all(connection)
    .await?;
    Ok(!locked.is_empty())
}

/// Marks the address of the users of these mails as refused for good, each with the code, unless it was changed after
/// the mail was written.
///
/// # Errors
/// The database's.
pub async fn mark_undeliverable(connection: &mut PgConnection, refused: &[(Uuid, &str)]) -> Result<()> {
    let (event_ids, codes): (Vec<Uuid>, Vec<&str>) = refused.iter().copied().unzip();
    sqlx::query(
        "UPDATE users u
         SET undeliverable_since = COALESCE(u.undeliverable_since, now()), undeliverable_code = told.code
         FROM unnest($1::uuid[], $2::text[]) AS told (event_id, code)
         JOIN resets r ON r.event_id = told.event_id
         WHERE u.user_id = r.user_id AND u.address_change_time <= r.issue_time",
    )
    .bind(event_ids)
    .bind(codes)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets refusals, because these mails to the same addresses were accepted.
///
/// # Errors
/// The database's.
pub async fn clear_undeliverable(connection: &mut PgConnection, event_ids: &[Uuid]) -> Result<()> {
    sqlx::query(
        "UPDATE users u
         SET undeliverable_since = NULL, undeliverable_code = NULL
         FROM resets r
         WHERE r.event_id = ANY($1) AND u.user_id = r.user_id AND u.address_change_time <= r.issue_time
           AND u.undeliverable_since IS NOT NULL",
    )
    .bind(event_ids)
    .execute(connection)
    .await?;
    Ok(())
}

/// Text as a LIKE pattern that means itself.
fn like_literal(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}
