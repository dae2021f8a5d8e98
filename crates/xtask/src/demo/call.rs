//! One call, from JSON to JSON, as `buf curl` makes it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http::uri::PathAndQuery;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;
use testbed::random;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

use crate::shell::Environment;

/// The longest that a call may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a call is repeated while the server asks to come back later.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who calls: `gateway`, `crm` or `support`.
#[derive(Clone, Copy)]
pub enum Caller {
    /// What people do in the browser.
    Gateway,
    /// The system of record.
    Crm,
    /// The support desk.
    Support,
}

impl Caller {
    /// The variable that holds its token.
    fn variable(self) -> &'static str {
        match self {
            Self::Gateway => "SANDI_TOKEN_GATEWAY",
            Self::Crm => "SANDI_TOKEN_CRM",
            Self::Support => "SANDI_TOKEN_SUPPORT",
        }
    }
}

/// A connection, and what is known about the calls.
pub struct Client {
    channel: Channel,
    pool: DescriptorPool,
    environment: Environment,
}

/// How a call went.
pub struct Answer {
    /// The response, or what was refused.
    pub outcome: Result<Value, Box<Status>>,
    caller: Caller,
    method: String,
    request: Value,
    trace: String,
    took: Duration,
}

impl Client {
    /// To the identity service that `up` started.
    pub fn new(environment: &Environment) -> Result<Self> {
        let address = environment.get("SANDI_GRPC_ADDR")?.to_owned();
        Ok(Self {
            channel: Endpoint::from_shared(address)?.connect_timeout(DEADLINE).connect_lazy(),
            pool: DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET)?,
            environment: environment.clone(),
        })
    }

    /// Makes a call and shows it, whatever comes back.
    ///
    /// # Errors
    /// When the request does not fit the contract; a refusal is an answer.
    pub async fn call(&self, caller: Caller, method: &str, request: Value) -> Result<Answer> {
        let answer = self.quietly(caller, method, request).await?;
        answer.show();
        Ok(answer)
    }

    /// As [`Client::call`], without showing it. Comes back later when the server asks for it.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn quietly(&self, caller: Caller, method: &str, request: Value) -> Result<Answer> {
        let start = Instant::now();
        loop {
            let answer = self.once(caller, method, request.clone()).await?;
            match answer.retry_after() {
                Some(pause) if start.elapsed() + pause < PATIENCE => tokio::time::sleep(pause).await,
                _ => return Ok(answer),
            }
        }
    }

    async fn once(&self, caller: Caller, method: &str, request: Value) -> Result<Answer> {
        let (service, name) = method.split_once('/').context("a method is SERVICE/NAME")?;
        let service = format!("sandi.identity.v1.{service}");
        let known = self.pool.get_service_by_name(&service).context("no such service")?;
        let known = known.methods().find(|it| it.name() == name).context("no such method")?;
        let message = DynamicMessage::deserialize(known.input(), request.clone())
            .with_context(|| format!("the request to {name}"))?;
        let trace = random::hex::<16>();
        let mut outgoing = Request::new(message.encode_to_vec());
        outgoing.set_timeout(DEADLINE);
        let metadata = outgoing.metadata_mut();
        let token = self.environment.get(caller.variable())?;
        metadata.insert("authorization", format!("Bearer {token}").parse()?);
        metadata.insert("traceparent", format!("00-{trace}-{}-01", random::hex::<8>()).parse()?);

        let path = PathAndQuery::try_from(format!("/{service}/{name}"))?;
        let mut grpc = Grpc::new(self.channel.clone());
        let start = Instant::now();
        let outcome = match grpc.ready().await {
            Ok(()) => grpc.unary(outgoing, path, Bytes).await,
            Err(error) => Err(Status::unavailable(format!("cannot connect: {error}"))),
        };
        let took = start.elapsed();
        let outcome = match outcome {
            Ok(response) => Ok(to_json(known.output(), &response.into_inner())?),
            Err(status) => Err(Box::new(status)),
        };
        Ok(Answer { outcome, caller, method: format!("{service}/{name}"), request, trace, took })
    }
}

impl Answer {
    /// Shows the call and what came back.
    #[expect(clippy::print_stdout, reason = "a person reads it")]
    pub fn show(&self) {
        // In JSON's own way, so that the shell's quotes stay whole.
        let mut request = self.request.to_string().replace('\'', r"\u0027");
        if let Some(token) = self.request["actor"]["token"].as_str() {
            request = request.replace(token, "'\"$SANDI_ACTOR_TOKEN_ADMIN\"'");
        }
        println!(
            "\n$ buf curl --timeout 5s --protocol grpc --http2-prior-knowledge \\\n    \
             -H \"authorization: Bearer ${}\" \\\n    -d '{request}' \\\n    \"$SANDI_GRPC_ADDR/{}\"",
            self.caller.variable(),
            self.method
        );
        let took = self.took.as_secs_f64() * 1000.0;
        match &self.outcome {
            Ok(response) => {
                println!("OK  {took:.1} ms  trace {}", self.trace);
                println!("{}", serde_json::to_string_pretty(response).unwrap_or_default());
            }
            Err(status) => {
                println!("{} {}  {took:.1} ms  trace {}", proto::code_name(status.code()), self.reason(), self.trace);
                println!("  {}", status.message());
                let details = status.get_error_details();
                if let Some(bad) = details.bad_request() {
                    for violation in &bad.field_violations {
                        println!("  {}: {}", violation.field, violation.description);
                    }
                }
                if let Some(localized) = details.localized_message().filter(|it| it.message != status.message()) {
                    println!("  {}: {}", localized.locale, localized.message);
                }
            }
        }
    }

    /// The reason of a refusal; empty for a success.
    pub fn reason(&self) -> String {
        let status = self.outcome.as_ref().err();
        let info = status.and_then(|status| status.get_details_error_info());
        info.map(|info| info.reason).unwrap_or_default()
    }

    /// The response.
    ///
    /// # Errors
    /// When there is none, with what was said instead.
    pub fn ok(&self) -> Result<&Value> {
        self.outcome.as_ref().map_err(|status| {
            let reason = self.reason();
            anyhow::anyhow!(
                "{} answered {} {reason}: {}",
                self.method,
                proto::code_name(status.code()),
                status.message()
            )
        })
    }

    /// The trace that the call is part of.
    pub fn trace(&self) -> &str {
        &self.trace
    }

    fn retry_after(&self) -> Option<Duration> {
        let status = self.outcome.as_ref().err()?;
        let retryable = matches!(status.code(), Code::ResourceExhausted | Code::Unavailable);
        let info = status.get_details_retry_info().filter(|_| retryable)?;
        info.retry_delay
    }
}

fn to_json(kind: MessageDescriptor, body: &[u8]) -> Result<Value> {
    let message = DynamicMessage::decode(kind, body)?;
    Ok(serde_json::to_value(&message)?)
}

/// Messages as they travel: their kind is known only at run time.
#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        use prost::bytes::Buf;
        let mut item = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}
