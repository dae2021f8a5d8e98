//! The few lines before STARTTLS (RFC 3207), read strictly: no TLS, no mail, and nothing that
//! came in clear is believed afterwards.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::outcome::{Phase, Reply};

use super::session::Failure;

/// Longest answer in clear.
const LIMIT: usize = 16 * 1024;

/// Says hello on a fresh connection, and hears that TLS is offered.
pub(super) async fn greet<S>(stream: &mut S, hello: &str) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    expect(answer(stream).await, Phase::Connect, 220)?;
    say(stream, Phase::Connect, &format!("EHLO {hello}\r\n")).await?;
    let ehlo = expect(answer(stream).await, Phase::Connect, 250)?;
    let offered =
        ehlo.lines().any(|line| line.get(4..).is_some_and(|keyword| keyword.trim().eq_ignore_ascii_case("STARTTLS")));
    if !offered {
        return Err(Failure::silent(Phase::Tls, "the relay does not offer STARTTLS"));
    }
    Ok(())
}

/// Takes up the offer: the TLS handshake comes next.
pub(super) async fn begin<S>(stream: &mut S) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    say(stream, Phase::Tls, "STARTTLS\r\n").await?;
    expect(answer(stream).await, Phase::Tls, 220)?;
    Ok(())
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, phase: Phase, command: &str) -> Result<(), Failure> {
    stream.write_all(command.as_bytes()).await.map_err(|error| Failure::io(phase, &error))
}

/// One answer, of one or more lines. Bytes behind it are refused: somebody put them there to be
/// read as if they had come encrypted.
async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        if stream.read_buf(&mut text).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = end(&text) {
            if end < text.len() {
                return Err(io::Error::other("the relay sent more than its answer before TLS"));
            }
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
        if text.len() > LIMIT {
            return Err(io::Error::other("the answer is too long"));
        }
    }
}

/// Where an answer ends: behind the first line without a hyphen after its code.
fn end(text: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(length) = text[start..].iter().position(|byte| *byte == b'\n') {
        let next = start + length + 1;
        if text[start..next].get(3) != Some(&b'-') {
            return Some(next);
        }
        start = next;
    }
    None
}

fn expect(answer: io::Result<String>, phase: Phase, code: u16) -> Result<String, Failure> {
    let text = answer.map_err(|error| Failure::io(phase, &error))?;
    match text.get(..3).and_then(|digits| digits.parse().ok()) {
        Some(found) if found == code => Ok(text),
        Some(found) => Err(Failure::refused(
            phase,
            Reply { code: found, enhanced: super::session::enhanced(found, text.get(4..)) },
        )),
        None => Err(Failure::silent(phase, "the relay does not speak SMTP")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn talk(script: &[&str]) -> Result<(), Failure> {
        let (mut ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let script: Vec<String> = script.iter().map(|line| (*line).to_owned()).collect();
        let server = async move {
            for line in script {
                theirs.write_all(line.as_bytes()).await.unwrap();
                let mut command = [0; 256];
                let _ = theirs.read(&mut command).await;
            }
        };
        let client = async move {
            greet(&mut ours, "mailer.example").await?;
            begin(&mut ours).await
        };
        let (result, ()) = tokio::join!(client, server);
        result
    }

    #[tokio::test]
    async fn an_offer_that_is_taken_up_leads_to_the_handshake() {
        let offer = "250-relay.example\r\n250-SIZE 1000\r\n250-starttls\r\n250 8BITMIME\r\n";
        assert!(talk(&["220 relay.example\r\n", offer, "220 go\r\n"]).await.is_ok());
        let bare = "250-relay.example\n250-STARTTLS\n250\n";
        assert!(talk(&["220\n", bare, "220\r\n"]).await.is_ok());
    }

    #[tokio::test]
    async fn without_the_offer_nothing_more_is_said() {
        let failure = talk(&["220 hi\r\n", "250 SIZE 1000\r\n"]).await.unwrap_err();
        assert_eq!(failure.phase, Phase::Tls);
        assert!(failure.cause.contains("STARTTLS"));
    }

    #[tokio::test]
    async fn bytes_behind_the_answer_are_refused() {
        let injected = "220 go\r\n250 injected\r\n";
        let failure = talk(&["220 hi\r\n", "250 STARTTLS\r\n", injected]).await.unwrap_err();
        assert_eq!(failure.phase, Phase::Tls);
        assert!(failure.cause.contains("before TLS"));
    }

    #[tokio::test]
    async fn refusals_keep_their_codes() {
        let failure = talk(&["554 5.3.2 not for you\r\n"]).await.unwrap_err();
        assert_eq!(failure.phase, Phase::Connect);
        assert_eq!(failure.reply, Some(Reply { code: 554, enhanced: "5.3.2".to_owned() }));
        let failure = talk(&["220 hi\r\n", "250 STARTTLS\r\n", "454 4.7.0 later\r\n"]).await;
        assert_eq!(failure.unwrap_err().phase, Phase::Tls);
        let failure = talk(&["hello\r\n"]).await.unwrap_err();
        assert_eq!(failure.reply, None);
    }
}
