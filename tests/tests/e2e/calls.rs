//! Calls that several subjects make, each in one line.

use std::time::Duration;

use e2e::{
    Mail, World,
    client::Client,
    people::{actor, requester},
    resets::BOUND,
};
use proto::identity::v1::{
    AdminResetRequest, AdminResetResponse, ChangePasswordRequest, ChangePasswordResponse, CheckResetRequest,
    CheckResetResponse, GetResetRequest, ListResetsRequest, Reset, UpdateUserRequest, User, UserState,
    get_reset_request::Key,
};
use tonic::{Code, Response, Status};

/// What a call comes to.
pub type Outcome<T> = Result<Response<T>, Status>;

/// Where everybody's browser is.
pub const BROWSER: &str = "203.0.113.7";

/// Changes a password as the account settings do: current, new, and new again.
pub async fn change_password(
    mut client: Client,
    user: &User,
    current: &str,
    new: &str,
) -> Outcome<ChangePasswordResponse> {
    let request = ChangePasswordRequest {
        user_id: user.user_id.clone(),
        current_password: current.to_owned(),
        new_password: new.to_owned(),
        confirm_password: Some(new.to_owned()),
        requester: requester(BROWSER, "id"),
        ..Default::default()
    };
    client.identity.change_password(request).await
}

/// Sends a user a link on an admin's word.
pub async fn admin_reset(mut client: Client, admin: &User, user: &User) -> Outcome<AdminResetResponse> {
    client.identity.admin_reset(admin_reset_request(admin, user)).await
}

/// What the button beside a user sends.
pub fn admin_reset_request(admin: &User, user: &User) -> AdminResetRequest {
    AdminResetRequest {
        user_id: user.user_id.clone(),
        actor: actor(admin),
        reason: "asked for at the counter".to_owned(),
        requester: requester(BROWSER, "id"),
        ..Default::default()
    }
}

/// Looks at a link.
pub async fn check_reset(world: &World, token: &str) -> Outcome<CheckResetResponse> {
    world.gateway().identity.check_reset(CheckResetRequest { token: token.to_owned() }).await
}

/// Changes these fields of a user as the system of record does.
pub async fn update(
    mut client: Client,
    user: User,
    paths: &[&str],
) -> Outcome<proto::identity::v1::UpdateUserResponse> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(prost_types::FieldMask { paths });
    client.directory.update_user(UpdateUserRequest { user: Some(user), update_mask, ..Default::default() }).await
}

/// Disables or enables a user.
pub async fn set_state(
    client: Client,
    user: &User,
    state: UserState,
) -> Outcome<proto::identity::v1::UpdateUserResponse> {
    update(client, User { state: state.into(), ..user.clone() }, &["state"]).await
}

/// The reset of that id as support sees it.
pub async fn reset_by_id(world: &World, reset_id: &str) -> Reset {
    let key = Some(Key::ResetId(reset_id.to_owned()));
    let found = world.support().support.get_reset(GetResetRequest { key, ..Default::default() }).await;
    found.expect("the reset is there").into_inner().resets.remove(0)
}

/// All resets of a user, newest first.
pub async fn resets_of_user(world: &World, user: &User) -> Vec<Reset> {
    let (organization_id, user_id) = (user.organization_id.clone(), user.user_id.clone());
    let request = ListResetsRequest { organization_id, user_id, page_size: 500, ..Default::default() };
    world.support().support.list_resets(request).await.expect("support may read them").into_inner().resets
}

/// Waits until every request is issued and every event is done with.
pub async fn settled(world: &World) {
    let database = world.database().await;
    let end = tokio::time::Instant::now() + BOUND * 2;
    loop {
        let open: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM reset_requests WHERE due_time IS NOT NULL) + (SELECT count(*) FROM outbox)",
        )
        .fetch_one(&database)
        .await
        .expect("the owner may count");
        if open == 0 {
            return;
        }
        assert!(tokio::time::Instant::now() < end, "{open} requests and events are not done with");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a refusal is made of, to the byte.
pub fn bytes<T>(outcome: Outcome<T>) -> (Code, String, Vec<u8>) {
    let Err(status) = outcome else { panic!("the call succeeded") };
    (status.code(), status.message().to_owned(), status.details().to_vec())
}

/// A text on one line, so that it can be searched for sentences.
pub fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether both parts of a mail, text and HTML, say this.
#[track_caller]
pub fn both_say(mail: &Mail, sentence: &str) {
    for (part, text) in [("text", flat(&mail.text())), ("HTML", flat(&mail.html()))] {
        assert!(text.contains(sentence), "the {part} part does not say {sentence:?}:\n{text}");
    }
}
