//! Calls made by hand: any headers, any bytes, any method. What a client library would never send can be sent here,
//! and what it would hide can be read.

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::net::TcpStream;
use tonic::Status;

use crate::{Refusal, World, contract};

/// One HTTP/2 connection. Clones share it.
#[derive(Clone)]
pub struct Wire {
    send: SendRequest<Bytes>,
}

/// A call to be made.
#[derive(Clone)]
pub struct Call {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What came back, to the last header.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The response's headers; those of the trailers too when there is no body.
    pub headers: HeaderMap,
    /// What came after the body.
    pub trailers: HeaderMap,
    /// The body: frames of five bytes and a message each.
    pub body: Vec<u8>,
}

impl World {
    /// A connection of its own to the first identity process.
    ///
    /// # Panics
    /// When it is away.
    pub async fn wire(&self) -> Wire {
        let address = self.sandi.plan().identities[0].grpc;
        let stream = TcpStream::connect(address).await.expect("the identity service listens");
        stream.set_nodelay(true).expect("a socket takes options");
        Wire::over(stream).await.expect("it speaks HTTP/2")
    }
}

impl Call {
    /// A call of `/package.Service/Method` with the headers that gRPC asks for, and an empty message.
    pub fn to(path: &str) -> Self {
        let headers = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "10S")];
        let call = Self { path: path.to_owned(), headers: HeaderMap::new(), body: Bytes::new() };
        headers.into_iter().fold(call, |call, (name, value)| call.header(name, value)).message(&[])
    }

    /// A call of the contract by its name, with a request in its JSON form.
    ///
    /// # Panics
    /// When there is no such call, or the request does not fit.
    pub fn of(rpc: &str, request: serde_json::Value) -> Self {
        let rpc = contract::rpc(rpc);
        Self::to(&contract::path(&rpc)).message(&contract::encoded(&rpc, request))
    }

    /// With the token of a caller.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a header more; one of that name may be there already.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"));
        self
    }

    /// Without the headers of that name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// With this message.
    #[must_use]
    pub fn message(self, message: &[u8]) -> Self {
        self.body(frame(0, message))
    }

    /// With this body, whatever it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// A frame: a flag, the length, the message.
pub fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("messages are small");
    let mut frame = vec![flag];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    frame
}

impl Wire {
    /// Speaks HTTP/2 over a connection.
    ///
    /// # Errors
    /// When the other side does not.
    pub async fn over(stream: TcpStream) -> Result<Self, h2::Error> {
        let (send, connection) = h2::client::handshake(stream).await?;
        tokio::spawn(connection);
        Ok(Self { send })
    }

    /// How many calls the server takes at once on this connection, once it has answered one.
    pub fn most_calls(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// Makes a call and waits for its end.
    ///
    /// # Panics
    /// When the connection ends, or the server breaks HTTP/2.
    pub async fn call(&self, call: Call) -> Answer {
        self.try_call(call).await.unwrap_or_else(|error| panic!("the server answers over HTTP/2: {error}"))
    }

    /// As [`Wire::call`], for a server that may hang up.
    ///
    /// # Errors
    /// When the connection or the stream was ended without an answer.
    pub async fn try_call(&self, call: Call) -> Result<Answer, h2::Error> {
        let mut request = http::Request::post(format!("http://sandi{}", call.path)).body(()).expect("a path is a URL");
        *request.headers_mut() = call.headers;
        let (response, mut body) = self.send.clone().ready().await?.send_request(request, false)?;
        // A server that has refused already takes no body any more.
        let _ = body.send_data(call.body, true);
        let (parts, stream) = response.await?.into_parts();
        let (body, trailers) = read(stream).await?;
        Ok(Answer { headers: parts.headers, trailers, body })
    }
}

/// Body and trailers.
pub(crate) async fn read(mut stream: RecvStream) -> Result<(Vec<u8>, HeaderMap), h2::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        body.extend(chunk);
    }
    Ok((body, stream.trailers().await?.unwrap_or_default()))
}

impl Answer {
    /// The status.
    ///
    /// # Panics
    /// When there is none: then it is no answer of gRPC.
    pub fn status(&self) -> Status {
        let status = Status::from_header_map(&self.trailers).or_else(|| Status::from_header_map(&self.headers));
        status.unwrap_or_else(|| panic!("no grpc-status: {self:?}"))
    }

    /// The refusal; its code is OK when it is none.
    ///
    /// # Panics
    /// As [`Answer::status`].
    pub fn refusal(&self) -> Refusal {
        Refusal::from(&self.status())
    }

    /// The message.
    ///
    /// # Panics
    /// When the call was refused.
    pub fn message(&self) -> &[u8] {
        self.body.get(5..).unwrap_or_else(|| panic!("no message: {:?}", self.status()))
    }

    /// A header of the answer, wherever it stands.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).or_else(|| self.trailers.get(name))?.to_str().ok()
    }
}
