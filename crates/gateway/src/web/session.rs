//! Who is logged in, as the cookie says it. It is believed when we signed it, it is young enough, and the user still
//! has the credential version that it was made under (see [`super::Member`]).

use std::time::Duration;

use proto::identity::v1::User;

/// Clocks of replicas may differ by so much.
const LEEWAY_SECONDS: i64 = 60;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// UUID of the user.
    pub user_id: String,
    /// UUID of the user's organisation, which never changes.
    pub organization_id: String,
    /// The credential version that it was made under.
    pub credential_version: i64,
    /// When, in seconds since 1970.
    pub issued: i64,
    /// Ties forms to the session.
    pub nonce: String,
}

impl Session {
    /// A session of this user, from now on.
    pub fn begin(user: &User, now: i64, nonce: String) -> Self {
        Self {
            user_id: user.user_id.clone(),
            organization_id: user.organization_id.clone(),
            credential_version: user.credential_version,
            issued: now,
            nonce,
        }
    }

    /// The cookie's value.
    pub fn to_text(&self) -> String {
        let Self { user_id, organization_id, credential_version, issued, nonce } = self;
        format!("{user_id}.{organization_id}.{credential_version}.{issued}.{nonce}")
    }

    /// From the cookie's value, unless it is too old.
    pub fn read(text: &str, now: i64, life: Duration) -> Option<Self> {
        let mut parts = text.split('.');
        let session = Self {
            user_id: parts.next()?.to_owned(),
            organization_id: parts.next()?.to_owned(),
            credential_version: parts.next()?.parse().ok()?,
            issued: parts.next()?.parse().ok()?,
            nonce: parts.next()?.to_owned(),
        };
        let age = now - session.issued;
        let life = i64::try_from(life.as_secs()).ok()?;
        (parts.next().is_none() && (-LEEWAY_SECONDS..life).contains(&age)).then_some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_as_it_was_written_while_it_is_young() {
        let user =
            User { user_id: "u".into(), organization_id: "o".into(), credential_version: 7, ..Default::default() };
        let session = Session::begin(&user, 1000, "n".into());
        let read = |now| Session::read(&session.to_text(), now, Duration::from_secs(60));
        assert_eq!(read(1059), Some(session.clone()));
        assert_eq!(read(1060), None);
        assert_eq!(read(900), None, "from the future");
        assert_eq!(Session::read("u.o.7.1000.n.more", 1000, Duration::from_secs(60)), None);
    }
}
