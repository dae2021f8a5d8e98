//! `Debug` without the fields that the contract marks `debug_redact`.
//!
//! prost knows nothing of that option. So the messages that have such a field are generated without
//! `Debug`, and get one from here.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, Value};

/// Our messages with a field that must not be printed.
pub fn redacted_messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    let messages = pool.all_messages();
    messages.filter(|m| m.fields().any(|field| is_redacted(&field))).collect()
}

fn is_redacted(field: &FieldDescriptor) -> bool {
    let options = field.options();
    let option = options.get_field_by_name("debug_redact");
    option.as_deref() == Some(&Value::Bool(true))
}

/// Appends the `Debug` of a message, and of the types within it, to the code of its package.
pub fn append_debug(out: &Path, message: &MessageDescriptor) -> io::Result<()> {
    // Nothing in the contract needs them; their names would have to be mapped here.
    assert_eq!(message.child_messages().len(), 0, "{}", message.full_name());
    assert!(message.parent_message().is_none(), "{}", message.full_name());

    let mut code = String::new();
    debug_of_message(&mut code, message);
    let module = snake_case(message.name());
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let name = format!("{module}::{}", pascal_case(oneof.name()));
        // The variant would be shown by its name alone, and that is all there is to show.
        let arms = oneof.fields().map(|field| pascal_case(field.name()));
        debug_of_variants(&mut code, &name, "(_)", arms);
    }
    for nested in message.child_enums() {
        let name = format!("{module}::{}", nested.name());
        let prefix = format!("{}_", snake_case(nested.name()).to_uppercase());
        let arms = nested.values().map(|value| {
            let name = value.name();
            pascal_case(&name.strip_prefix(&prefix).unwrap_or(name).to_lowercase())
        });
        debug_of_variants(&mut code, &name, "", arms);
    }
    let file = out.join(format!("{}.rs", message.package_name()));
    let mut file = OpenOptions::new().append(true).open(file)?;
    file.write_all(code.as_bytes())
}

fn debug_of_message(code: &mut String, message: &MessageDescriptor) {
    let name = message.name();
    begin(code, name);
    let _ = writeln!(code, "f.debug_struct(\"{name}\")");
    for field in message.fields() {
        let in_oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        if in_oneof.is_some() {
            continue;
        }
        let name = field.name();
        let is_enum = matches!(field.kind(), Kind::Enum(_)) && !field.is_list();
        let value = match (is_redacted(&field), is_enum) {
            (true, _) => "&::core::format_args!(\"[redacted]\")".to_owned(),
            (false, true) => format!("&self.{name}()"),
            (false, false) => format!("&self.{name}"),
        };
        let _ = writeln!(code, ".field(\"{name}\", {value})");
    }
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let name = oneof.name();
        let _ = writeln!(code, ".field(\"{name}\", &self.{name})");
    }
    code.push_str(".finish()");
    end(code);
}

fn debug_of_variants(code: &mut String, name: &str, pattern: &str, variants: impl Iterator<Item = String>) {
    begin(code, name);
    code.push_str("f.write_str(match self {\n");
    for variant in variants {
        let _ = writeln!(code, "Self::{variant}{pattern} => \"{variant}\",");
    }
    code.push_str("})");
    end(code);
}

fn begin(code: &mut String, name: &str) {
    let _ = writeln!(
        code,
        "impl ::core::fmt::Debug for {name} {{\n\
         fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{"
    );
}

fn end(code: &mut String) {
    code.push_str("\n}\n}\n");
}

/// `CheckResetRequest` as `check_reset_request`: prost's name of the module for what is within it.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// `self_service` as `SelfService`: prost's name of a variant.
fn pascal_case(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(usize::from(!word.is_empty()));
        first.to_ascii_uppercase() + rest
    });
    words.collect()
}
