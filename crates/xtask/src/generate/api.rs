//! The page of the calls, from the comments in `proto/`.

use std::fmt::Write as _;

use anyhow::Result;
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

use super::Made;

const HEAD: &str = "\
<!-- Made by `cargo xtask generate` from proto/. -->
# Calls, messages and events

What holds for all calls stands at the head of
[identity_service.proto](../proto/sandi/identity/v1/identity_service.proto); the reasons of errors in
[errors.md](errors.md).
";

/// Numbers of fields in the descriptors, of which the paths to comments are made.
const FILE_MESSAGE: i32 = 4;
const FILE_ENUM: i32 = 5;
const FILE_SERVICE: i32 = 6;
const INNER: i32 = 2;

/// `docs/api.md`.
pub(super) fn page() -> Result<Made> {
    let files = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET)?;
    let mut text = HEAD.to_owned();
    for file in files.file.iter().filter(|file| file.package().starts_with("sandi.")) {
        let _ = writeln!(text, "\n## {}", file.name());
        services(&mut text, file);
        for (index, message) in (0..).zip(&file.message_type) {
            message_table(&mut text, file, message, &[FILE_MESSAGE, index], "");
        }
        for (index, it) in (0..).zip(&file.enum_type) {
            enum_table(&mut text, file, it, &[FILE_ENUM, index], "");
        }
    }
    Ok(Made { path: "docs/api.md", text })
}

fn services(text: &mut String, file: &FileDescriptorProto) {
    for (index, service) in (0..).zip(&file.service) {
        let path = [FILE_SERVICE, index];
        let _ = writeln!(text, "\n### {}\n\n{}", service.name(), comment(file, &path));
        for (number, method) in (0..).zip(&service.method) {
            let input = short(method.input_type());
            let _ = writeln!(
                text,
                "\n#### {}.{}\n\n`{input}` → `{}`\n",
                service.name(),
                method.name(),
                short(method.output_type())
            );
            let _ = writeln!(text, "{}", comment(file, &[FILE_SERVICE, index, INNER, number]));
        }
    }
}

fn message_table(text: &mut String, file: &FileDescriptorProto, message: &DescriptorProto, path: &[i32], outer: &str) {
    let name = format!("{outer}{}", message.name());
    let _ = writeln!(text, "\n#### {name}\n\n{}", comment(file, path));
    if !message.field.is_empty() {
        let _ = writeln!(text, "\n| field | type | |\n|---|---|---|");
    }
    for (number, field) in (0..).zip(&message.field) {
        let meaning = in_a_cell(&comment(file, &[path, &[INNER, number]].concat()));
        let _ = writeln!(text, "| `{}` = {} | {} | {meaning} |", field.name(), field.number(), kind(field));
    }
    for (number, inner) in (0..).zip(&message.nested_type) {
        message_table(text, file, inner, &[path, &[3, number]].concat(), &format!("{name}."));
    }
    for (number, inner) in (0..).zip(&message.enum_type) {
        enum_table(text, file, inner, &[path, &[FILE_MESSAGE, number]].concat(), &format!("{name}."));
    }
}

fn enum_table(text: &mut String, file: &FileDescriptorProto, it: &EnumDescriptorProto, path: &[i32], outer: &str) {
    let _ = writeln!(text, "\n#### {outer}{}\n\n{}\n\n| value | |\n|---|---|", it.name(), comment(file, path));
    for (number, value) in (0..).zip(&it.value) {
        let meaning = in_a_cell(&comment(file, &[path, &[INNER, number]].concat()));
        let _ = writeln!(text, "| `{}` = {} | {meaning} |", value.name(), value.number());
    }
}

/// What stands above a thing.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let all = file.source_code_info.iter().flat_map(|info| &info.location);
    let text = all.filter(|location| location.path == path).find_map(|location| location.leading_comments.as_deref());
    text.unwrap_or_default().lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn in_a_cell(text: &str) -> String {
    text.trim().replace('|', "\\|").replace('\n', " ")
}

fn kind(field: &FieldDescriptorProto) -> String {
    let name = match field.r#type() {
        Type::Message | Type::Enum => short(field.type_name()).to_owned(),
        other => other.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    if field.label() == Label::Repeated { format!("repeated {name}") } else { name }
}

fn short(name: &str) -> &str {
    name.trim_start_matches('.').trim_start_matches("sandi.identity.v1.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_an_error_is_explained() {
        let files = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
        let reasons = files.file.iter().flat_map(|file| &file.enum_type).find(|it| it.name() == "ErrorReason").unwrap();
        let page = super::super::read("docs/errors.md").unwrap();
        for value in reasons.value.iter().skip(1) {
            let reason = value.name().trim_start_matches("ERROR_REASON_");
            assert!(page.contains(&format!("| `{reason}` |")), "{reason} is not in docs/errors.md");
        }
    }
}
