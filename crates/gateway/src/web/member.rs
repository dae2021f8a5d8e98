//! Somebody who is logged in, asked anew at every click: a session is over as soon as the user has another credential
//! version, is disabled, or the organisation is suspended.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use proto::identity::v1::{ErrorReason, Organization, Role, User, UserState};

use super::{App, Session, Visit};
use crate::identity::Refusal;
use crate::pages::failure;

/// A person who is logged in.
pub struct Member {
    /// The visit, in the person's or the organisation's language.
    pub visit: Visit,
    /// The session.
    pub session: Session,
    /// The user, as of now.
    pub user: User,
    /// The user's organisation, as of now.
    pub organization: Organization,
}

/// A member who may see the organisation's users.
pub struct Admin(pub Member);

/// Why nobody is known to be logged in.
pub enum Unknown {
    /// The service refused to say, or is away.
    Refused(Box<Visit>, Refusal),
    /// Nobody is, or not who may: the answer says so.
    Answered(Response),
}

impl Unknown {
    /// The page that says so.
    pub fn into_response(self) -> Response {
        match self {
            Self::Refused(visit, refusal) => failure::refused(*visit, &refusal),
            Self::Answered(response) => response,
        }
    }
}

impl Member {
    /// Whether the member may see the organisation's users.
    pub fn is_admin(&self) -> bool {
        matches!(self.user.role(), Role::Admin | Role::Owner)
    }

    /// Where this person finds help.
    pub fn support_contact(&self) -> &str {
        match self.organization.support_contact.as_str() {
            "" => &self.visit.app.support_contact,
            contact => contact,
        }
    }

    async fn find(mut visit: Visit) -> Result<Self, Unknown> {
        let Some(session) = visit.session.clone() else {
            return Err(Unknown::Answered(visit.go("/login")));
        };
        let identity = &visit.identity;
        // Both to their end: a call that is dropped while the connection fails leaves its error to the next one.
        let found =
            futures::join!(identity.get_user(&session.user_id), identity.get_organization(&session.organization_id));
        match found.0.and_then(|user| Ok((user, found.1?))) {
            Ok((user, organization)) if is_live(&session, &user, &organization) => {
                let own = if user.locale.is_empty() { &organization.locale } else { &user.locale };
                visit.speak(own);
                Ok(Self { visit, session, user, organization })
            }
            Err(refusal) if !is_gone(&refusal) => Err(Unknown::Refused(Box::new(visit), refusal)),
            _ => {
                visit.end();
                Err(Unknown::Answered(visit.go("/login?note=ended")))
            }
        }
    }
}

impl Admin {
    /// Who visits, if that is an admin.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn of(visit: Visit) -> Result<Self, Unknown> {
        let member = Member::find(visit).await?;
        if member.is_admin() {
            return Ok(Self(member));
        }
        Err(Unknown::Answered(failure::member(member, StatusCode::FORBIDDEN)))
    }
}

fn is_live(session: &Session, user: &User, organization: &Organization) -> bool {
    user.state() == UserState::Active
        && !organization.suspended
        && user.credential_version == session.credential_version
        && user.organization_id == session.organization_id
}

fn is_gone(refusal: &Refusal) -> bool {
    matches!(refusal.reason, ErrorReason::UserNotFound | ErrorReason::OrganizationNotFound)
}

impl FromRequestParts<Arc<App>> for Member {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        Self::find(Visit::of(parts, app)).await.map_err(Unknown::into_response)
    }
}

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        Self::of(Visit::of(parts, app)).await.map_err(Unknown::into_response)
    }
}
