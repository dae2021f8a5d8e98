//! Organisations and users.

use proto::identity::v1::{
    Actor, CreateOrganizationRequest, CreateUserRequest, GetUserRequest, Organization, Requester, Role, User, actor,
    get_user_request::Key,
};
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::{World, resets::BOUND};

/// The password of everybody whom a test makes without saying more.
pub const PASSWORD: &str = "langit biru di atas telaga 7";

/// How long the database is left alone after it said that it cannot.
const BREATH: std::time::Duration = std::time::Duration::from_millis(250);

/// A user to be made.
pub struct Person {
    username: String,
    email: String,
    display_name: String,
    locale: String,
    role: Role,
    password: String,
}

impl Person {
    /// A member with [`PASSWORD`] and without an address.
    pub fn named(username: &str) -> Self {
        Self {
            username: username.to_owned(),
            email: String::new(),
            display_name: String::new(),
            locale: String::new(),
            role: Role::Member,
            password: PASSWORD.to_owned(),
        }
    }

    /// With this address.
    #[must_use]
    pub fn email(mut self, email: &str) -> Self {
        self.email = email.to_owned();
        self
    }

    /// With this name in mails.
    #[must_use]
    pub fn display_name(mut self, name: &str) -> Self {
        self.display_name = name.to_owned();
        self
    }

    /// With this language.
    #[must_use]
    pub fn locale(mut self, locale: &str) -> Self {
        self.locale = locale.to_owned();
        self
    }

    /// With this role.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// With this password; empty for none.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = password.to_owned();
        self
    }
}

impl World {
    /// Makes an organisation with this slug, Indonesian, whose links begin with `https://SLUG.example`, or lead to the
    /// web gateway where the world has one.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn organization(&self, slug: &str) -> Organization {
        let organization = Organization {
            slug: slug.to_owned(),
            display_name: format!("Toko {slug}"),
            locale: "id".to_owned(),
            time_zone: "Asia/Jakarta".to_owned(),
            link_base: self.find_gateway().unwrap_or_else(|| format!("https://{slug}.example")),
            support_contact: format!("bantuan@{slug}.example"),
            ..Organization::default()
        };
        let request = CreateOrganizationRequest { organization: Some(organization), ..Default::default() };
        let response = self.crm().directory.create_organization(request).await;
        response.expect("the organisation is made").into_inner().organization.expect("it is answered")
    }

    /// Makes a user; asks again while the database is out of breath.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn user(&self, organization: &Organization, person: Person) -> User {
        let user = User {
            organization_id: organization.organization_id.clone(),
            username: person.username,
            email: person.email,
            display_name: person.display_name,
            locale: person.locale,
            role: person.role.into(),
            ..User::default()
        };
        self.learn(&person.password);
        let request = CreateUserRequest { user: Some(user), password: person.password, ..Default::default() };
        let end = Instant::now() + BOUND;
        let response = loop {
            match self.crm().directory.create_user(request.clone()).await {
                Err(status) if status.code() == Code::Unavailable && Instant::now() < end => {
                    sleep(BREATH).await;
                }
                response => break response,
            }
        };
        response.expect("the user is made").into_inner().user.expect("it is answered")
    }

    /// A token that says that this user is there, as the web gateway signs them for a minute.
    ///
    /// # Panics
    /// When the gateway's key is gone.
    pub fn actor_token(&self, user_id: &str) -> String {
        let token = self.sandi.actor_token(user_id, std::time::Duration::from_secs(60));
        token.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// The user of that name as the system of record sees it.
    ///
    /// # Panics
    /// When there is none.
    pub async fn find_user(&self, username: &str) -> User {
        let request = GetUserRequest { key: Some(Key::Username(username.to_owned())) };
        let response = self.crm().directory.get_user(request).await;
        response.expect("the user is there").into_inner().user.expect("it is answered")
    }
}

/// The person on whose behalf a caller with `assert-actor` acts.
pub fn actor(user: &User) -> Option<Actor> {
    Some(Actor { kind: Some(actor::Kind::UserId(user.user_id.clone())) })
}

/// A person's browser at this address, in this language.
pub fn requester(ip: &str, locale: &str) -> Option<Requester> {
    let user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    Some(Requester { ip: ip.to_owned(), user_agent: user_agent.to_owned(), locale: locale.to_owned() })
}
