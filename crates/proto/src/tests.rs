use prost::Message;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

use crate::FILE_DESCRIPTOR_SET;
use crate::identity::events::v1 as events;
use crate::identity::v1::*;

const SECRET: &str = "kopi-susu";

fn files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let ours = |file: &FileDescriptorProto| file.package().starts_with("sandi.");
    set.file.into_iter().filter(ours).collect()
}

fn printed(message: impl std::fmt::Debug) -> String {
    format!("{message:?}")
}

#[test]
fn secrets_and_names_of_people_are_not_printed() {
    let texts = [
        printed(RequestResetRequest {
            identifier: Some(request_reset_request::Identifier::Username(SECRET.into())),
            ..Default::default()
        }),
        printed(CheckResetRequest { token: SECRET.into() }),
        printed(CompleteResetRequest {
            token: SECRET.into(),
            new_password: SECRET.into(),
            confirm_password: Some(SECRET.into()),
            ..Default::default()
        }),
        printed(ChangePasswordRequest {
            current_password: SECRET.into(),
            new_password: SECRET.into(),
            confirm_password: Some(SECRET.into()),
            ..Default::default()
        }),
        printed(VerifyPasswordRequest { username: SECRET.into(), password: SECRET.into(), ..Default::default() }),
        printed(CreateUserRequest {
            user: Some(User { username: SECRET.into(), email: SECRET.into(), ..Default::default() }),
            password: SECRET.into(),
            actor: Some(Actor { kind: Some(actor::Kind::Token(SECRET.into())) }),
            ..Default::default()
        }),
        printed(events::ResetMail {
            recipient: SECRET.into(),
            links: vec![events::AccountLink { link: SECRET.into(), ..Default::default() }],
            ..Default::default()
        }),
        printed(events::NoticeMail { recipient: SECRET.into(), ..Default::default() }),
    ];
    for text in texts {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn the_rest_of_such_a_message_is_printed() {
    let user = User { user_id: "018f".into(), username: SECRET.into(), role: Role::Admin.into(), ..Default::default() };
    let text = printed(GetUserResponse { user: Some(user) });
    assert!(text.contains("user_id: \"018f\""), "{text}");
    assert!(text.contains("username: [redacted]"), "{text}");
    assert!(text.contains("role: Admin"), "{text}");

    let request = GetUserRequest { key: Some(get_user_request::Key::UserId("018f".into())) };
    assert_eq!(printed(request), "GetUserRequest { key: Some(UserId) }");
    let kind = events::reset_mail::Kind::SelfService;
    assert_eq!(printed(kind), "SelfService");
}

/// `debug_redact` is unknown to prost's descriptors, so this test asks the generated code.
#[test]
fn a_field_with_the_name_of_a_secret_is_marked() {
    let secret = |name: &str| matches!(name, "token" | "link" | "email" | "recipient") || name.ends_with("password");
    let mut found = Vec::new();
    for file in files() {
        for message in &file.message_type {
            let fields = message.field.iter();
            let fields = fields.filter(|field| field.r#type() == Type::String);
            let fields = fields.filter(|field| secret(field.name()));
            found.extend(fields.map(|field| format!("{}.{}", message.name(), field.name())));
        }
    }
    found.sort();
    // Each of these stands in the test above. A new one: mark it, and add it there.
    let known = [
        "AccountLink.link",
        "Actor.token",
        "ChangePasswordRequest.confirm_password",
        "ChangePasswordRequest.current_password",
        "ChangePasswordRequest.new_password",
        "CheckResetRequest.token",
        "CompleteResetRequest.confirm_password",
        "CompleteResetRequest.new_password",
        "CompleteResetRequest.token",
        "CreateUserRequest.password",
        "NoticeMail.recipient",
        "RequestResetRequest.email",
        "ResetMail.recipient",
        "User.email",
        "VerifyPasswordRequest.password",
    ];
    assert_eq!(found, known);
}

#[test]
fn every_message_field_and_method_has_a_comment_in_reflection() {
    for file in files() {
        let info = file.source_code_info.as_ref().unwrap();
        let commented = |path: &[i32]| {
            info.location.iter().any(|location| location.path == path && !location.leading_comments().is_empty())
        };
        for (index, message) in (0..).zip(&file.message_type) {
            assert!(commented(&[4, index]), "{}", message.name());
            assert_fields(message, |field| commented(&[4, index, 2, field]));
        }
        for (index, service) in (0..).zip(&file.service) {
            for (number, method) in (0..).zip(&service.method) {
                assert!(commented(&[6, index, 2, number]), "{}", method.name());
            }
        }
    }
}

fn assert_fields(message: &DescriptorProto, commented: impl Fn(i32) -> bool) {
    for (index, field) in (0..).zip(&message.field) {
        assert!(commented(index), "{}.{}", message.name(), field.name());
    }
}
