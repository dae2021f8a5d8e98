//! Prost's codec, but a body that does not decode is the caller's mistake.
//!
//! The stock codec answers `INTERNAL`. Ours answers `INVALID_ARGUMENT` with the reason
//! `FIELD_INVALID` and the field that could not be read.

use std::collections::HashMap;
use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The codec of every generated client and server.
#[derive(Debug, Clone)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = tonic_prost::ProstEncoder<T>;
    type Decoder = BodyDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        tonic_prost::ProstEncoder::new(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        BodyDecoder(PhantomData)
    }
}

/// Decodes one message.
#[derive(Debug, Clone)]
pub struct BodyDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for BodyDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(buf).map(Some).map_err(|error| undecodable(&error))
    }
}

fn undecodable(error: &prost::DecodeError) -> Status {
    let text = error.to_string();
    let mut details = ErrorDetails::with_error_info("FIELD_INVALID", "sandi.identity", HashMap::new());
    details.set_bad_request(vec![FieldViolation {
        field: field_of(&text),
        description: "cannot be decoded".into(),
        reason: "MALFORMED".into(),
        localized_message: None,
    }]);
    Status::with_error_details(Code::InvalidArgument, "the request body cannot be decoded", details)
}

/// The path in prost's message "… Protobuf message: Inner.b: Outer.a: what", or `body`. Of a choice prost names the
/// choice, not the field.
fn field_of(text: &str) -> String {
    let mut path: Vec<&str> = text
        .split(": ")
        .filter_map(|part| part.split_once('.'))
        .filter(|(message, field)| is_name(message) && is_name(field))
        .map(|(_, field)| field)
        .collect();
    path.reverse();
    if path.is_empty() { "body".into() } else { path.join(".") }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::field_of;

    #[test]
    fn the_field_is_read_out_of_the_decode_error() {
        let nested = "failed to decode Protobuf message: Requester.ip: A.requester: invalid string value";
        assert_eq!(field_of(nested), "requester.ip");
        assert_eq!(field_of("failed to decode Protobuf message: buffer underflow"), "body");
    }
}
