//! The calls of the API, each about another person every time.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use proto::identity::v1::{
    Actor, AdminResetRequest, ChangePasswordRequest, CheckResetRequest, CompleteResetRequest, CreateUserRequest,
    ExplainResetRequest, GetOrganizationRequest, GetResetRequest, GetUserRequest, ListAuditEventsRequest,
    ListResetsRequest, ListUsersRequest, RequestResetRequest, Requester, RevokeResetRequest, Role, UpdateUserRequest,
    User, VerifyPasswordRequest, actor, explain_reset_request, get_organization_request, get_reset_request,
    get_user_request, request_reset_request::Identifier,
};
use tonic::Status;

use crate::{
    clients::{Client, Clients},
    load::Op,
    people::{self, ORGANIZATION, PASSWORD, username},
};

/// People whom [`Calls`] takes from a table of any size, at equal distances; links are theirs.
pub const CHOSEN: u64 = 10_000;
/// Links that are looked at, again and again: of the first people.
const LOOKED_AT: u64 = 1_000;
/// Links that are used up by CompleteReset: of the next people, one each.
const COMPLETED: u64 = 4_000;
/// Links that are revoked, of the people after those.
const REVOKED: u64 = 60_000;
/// All of those.
pub const LINKS: u64 = LOOKED_AT + COMPLETED + REVOKED;
/// The first of the chosen people whose password stays, and how many there are. Those behind them change it.
const STEADY: (u64, u64) = (LOOKED_AT + COMPLETED, 4_000);

/// Makes calls in an installation with `people`.
#[derive(Clone)]
pub struct Calls {
    clients: Clients,
    people: u64,
    counter: Arc<AtomicU64>,
}

impl Calls {
    /// Calls of these clients.
    pub fn new(clients: Clients, people: u64) -> Self {
        Self { clients, people, counter: Arc::new(AtomicU64::new(0)) }
    }

    /// SQL for the number of the person whose link `n` is.
    pub fn owner(people: u64) -> String {
        let (stride, (first, steady)) = (people / CHOSEN, STEADY);
        format!("1 + {stride} * (CASE WHEN n <= {first} THEN n - 1 ELSE {first} + n % {steady} END)")
    }

    /// Counts up, from 0.
    fn count(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// One of the chosen people, by number from 0.
    fn chosen(&self, index: u64) -> u64 {
        1 + (self.people / CHOSEN) * (index % CHOSEN)
    }

    /// Anybody: all over the table, and not the same again until all have had their turn.
    fn anybody(&self) -> u64 {
        1 + scattered(self.count(), self.people)
    }

    /// Anybody whose password stays as it is.
    fn steady(&self) -> u64 {
        let stride = self.people / CHOSEN;
        1 + stride * STEADY.0 + scattered(self.count(), stride * STEADY.1)
    }

    fn op<F, Fut, T>(&self, client: fn(&Clients) -> Client, call: F) -> Op
    where
        F: Fn(Client, &Self) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, Status>> + Send + 'static,
    {
        let calls = self.clone();
        Arc::new(move || {
            let call = call(client(&calls.clients), &calls);
            Box::pin(async move { call.await.map(drop) })
        })
    }

    /// A right password.
    pub fn verify_password(&self) -> Op {
        self.op(Clients::crm, |mut client, calls| {
            let username = username(calls.steady());
            let request = VerifyPasswordRequest { username, password: PASSWORD.to_owned(), requester: None };
            async move { client.identity.verify_password(request).await }
        })
    }

    /// A request for a name that nobody has: the same work for the caller, and nothing to mail.
    pub fn request_reset_of_nobody(&self) -> Op {
        self.op(Clients::gateway, |mut client, calls| {
            let request = request_reset(format!("nobody{}", calls.count()));
            async move { client.identity.request_reset(request).await }
        })
    }

    /// A request of anybody, which is mailed.
    pub fn request_reset(&self) -> Op {
        self.op(Clients::gateway, |mut client, calls| {
            let request = request_reset(username(calls.anybody()));
            async move { client.identity.request_reset(request).await }
        })
    }

    /// A link is opened.
    pub fn check_reset(&self) -> Op {
        self.op(Clients::gateway, |mut client, calls| {
            let token = people::token(1 + calls.count() % LOOKED_AT);
            async move { client.identity.check_reset(CheckResetRequest { token }).await }
        })
    }

    /// A link sets a password, once each.
    pub fn complete_reset(&self) -> Op {
        let next = AtomicU64::new(LOOKED_AT + 1);
        self.op(Clients::gateway, move |mut client, _| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let request = CompleteResetRequest {
                token: people::token(number),
                new_password: format!("langit biru di atas telaga {number}"),
                ..Default::default()
            };
            async move { client.identity.complete_reset(request).await }
        })
    }

    /// A password is changed, once for each person.
    pub fn change_password(&self) -> Op {
        // From the end: nobody else's business.
        let next = AtomicU64::new(CHOSEN - 1);
        self.op(Clients::gateway, move |mut client, calls| {
            let number = calls.chosen(next.fetch_sub(1, Ordering::Relaxed));
            let request = ChangePasswordRequest {
                user_id: people::id(number),
                current_password: PASSWORD.to_owned(),
                new_password: format!("langit biru di atas telaga {number}"),
                ..Default::default()
            };
            async move { client.identity.change_password(request).await }
        })
    }

    /// An admin sends a link to one of the first people.
    pub fn admin_reset(&self) -> Op {
        self.op(Clients::crm, |mut client, calls| {
            let user_id = people::id(calls.chosen(calls.count() % LOOKED_AT));
            let request =
                AdminResetRequest { user_id, actor: admin(), reason: "bench".to_owned(), ..Default::default() };
            async move { client.identity.admin_reset(request).await }
        })
    }

    /// Anybody's row.
    pub fn get_user(&self) -> Op {
        self.op(Clients::crm, |mut client, calls| {
            let key = Some(get_user_request::Key::Username(username(calls.anybody())));
            async move { client.directory.get_user(GetUserRequest { key }).await }
        })
    }

    /// The first page of those whose name begins so.
    pub fn list_users(&self) -> Op {
        self.op(Clients::crm, |mut client, calls| {
            let request = ListUsersRequest {
                organization_id: ORGANIZATION.to_owned(),
                page_size: 20,
                query: username(calls.anybody()),
                actor: admin(),
                ..Default::default()
            };
            async move { client.directory.list_users(request).await }
        })
    }

    /// Another name for anybody.
    pub fn update_user(&self) -> Op {
        self.op(Clients::crm, |mut client, calls| {
            let number = calls.anybody();
            let user = User {
                user_id: people::id(number),
                display_name: format!("Pengguna {}", calls.count()),
                ..User::default()
            };
            let update_mask = Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] });
            let request = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
            async move { client.directory.update_user(request).await }
        })
    }

    /// A new user, without a password.
    pub fn create_user(&self) -> Op {
        let run = testbed::random::hex::<4>();
        self.op(Clients::crm, move |mut client, calls| {
            let user = User {
                organization_id: ORGANIZATION.to_owned(),
                username: format!("new{run}{}", calls.count()),
                role: Role::Member.into(),
                ..User::default()
            };
            let request = CreateUserRequest { user: Some(user), ..Default::default() };
            async move { client.directory.create_user(request).await }
        })
    }

    /// The organisation.
    pub fn get_organization(&self) -> Op {
        self.op(Clients::crm, |mut client, _| {
            let key = Some(get_organization_request::Key::OrganizationId(ORGANIZATION.to_owned()));
            async move { client.directory.get_organization(GetOrganizationRequest { key }).await }
        })
    }

    /// A reset by its id.
    pub fn get_reset(&self) -> Op {
        self.op(Clients::support, |mut client, calls| {
            let key = Some(get_reset_request::Key::ResetId(people::id(1 + calls.count() % LOOKED_AT)));
            async move { client.support.get_reset(GetResetRequest { key, ..Default::default() }).await }
        })
    }

    /// One person's resets.
    pub fn list_resets(&self) -> Op {
        self.op(Clients::support, |mut client, calls| {
            let user_id = people::id(calls.chosen(calls.count()));
            let request = ListResetsRequest { user_id, page_size: 20, ..Default::default() };
            async move { client.support.list_resets(request).await }
        })
    }

    /// An admin revokes a link, once each.
    pub fn revoke_reset(&self) -> Op {
        let next = AtomicU64::new(LOOKED_AT + COMPLETED + 1);
        self.op(Clients::crm, move |mut client, _| {
            let reset_id = people::id(next.fetch_add(1, Ordering::Relaxed));
            let request = RevokeResetRequest { reset_id, actor: admin(), reason: "bench".to_owned() };
            async move { client.support.revoke_reset(request).await }
        })
    }

    /// What became of a person's resets, in words.
    pub fn explain_reset(&self) -> Op {
        self.op(Clients::support, |mut client, calls| {
            let key = Some(explain_reset_request::Key::Username(username(calls.chosen(calls.count()))));
            let request =
                ExplainResetRequest { key, locale: "en".to_owned(), reason: "a ticket asks for it".to_owned() };
            async move { client.support.explain_reset(request).await }
        })
    }

    /// One person's audit.
    pub fn list_audit_events(&self) -> Op {
        self.op(Clients::support, |mut client, calls| {
            let user_id = people::id(calls.chosen(calls.count()));
            let request = ListAuditEventsRequest { user_id, page_size: 20, ..Default::default() };
            async move { client.support.list_audit_events(request).await }
        })
    }
}

/// A request by username, from a browser.
pub fn request_reset(username: String) -> RequestResetRequest {
    let requester = Requester {
        ip: "203.0.113.7".to_owned(),
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
        locale: "id".to_owned(),
    };
    RequestResetRequest {
        identifier: Some(Identifier::Username(username)),
        requester: Some(requester),
        idempotency_key: String::new(),
    }
}

/// The numbers below `all` in an order without order, each once.
fn scattered(number: u64, all: u64) -> u64 {
    // A prime that divides no number of people.
    const PRIME: u64 = 2_654_435_761;
    (number % all) * PRIME % all
}

/// The organisation's admin.
fn admin() -> Option<Actor> {
    Some(Actor { kind: Some(actor::Kind::UserId(people::id(0))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_before_anybody_has_two() {
        let seen: std::collections::HashSet<u64> = (0..10_000).map(|number| scattered(number, 10_000)).collect();
        assert_eq!(seen.len(), 10_000);
    }
}
