//! A delivery status notification (RFC 3464), read with suspicion: anybody can write one.

use std::borrow::Cow;

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::outcome::Reply;

/// Longest name of a server that is told on.
const NAME: usize = 255;
/// Headers in which a mail server puts the address that a mail came to.
const ARRIVED_AT: [&str; 4] = ["To", "Delivered-To", "X-Original-To", "Envelope-To"];

/// What a notification says.
#[derive(Debug, PartialEq, Eq)]
pub struct Notification {
    /// Addresses that it came to, as its header has them.
    pub addresses: Vec<String>,
    /// The Message-ID of the mail it speaks of, without angle brackets.
    pub message_id: Option<String>,
    /// What became of that mail: of the first recipient that failed, else of the first one.
    pub report: Report,
}

/// What became of a mail at a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `failed`, `delayed`, `delivered`, `relayed`, `expanded`.
    pub action: String,
    /// The code 0 where the server did not speak SMTP.
    pub reply: Reply,
    /// The server that said so.
    pub server: String,
}

impl Report {
    /// Whether the mail will not arrive. A delay says nothing final.
    pub fn is_failure(&self) -> bool {
        self.action == "failed"
    }
}

impl Notification {
    /// Reads a mail. None when it is no notification.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let message = MessageParser::default().parse(bytes)?;
        // The second one is of mails with letters beyond ASCII in their addresses (RFC 6533).
        let told = |part: &&MessagePart<'_>| {
            is(part, "message", "delivery-status") || is(part, "message", "global-delivery-status")
        };
        let status = message.parts.iter().find(told)?;
        let report = report(&String::from_utf8_lossy(body(bytes, status)))?;
        Some(Self { addresses: addresses(&message), message_id: original_id(&message, bytes), report })
    }
}

/// What the fields say (RFC 3464, 2.1: a group for the message, then one for each recipient).
fn report(text: &str) -> Option<Report> {
    let groups: Vec<Fields> = text.replace("\r\n", "\n").split("\n\n").map(Fields::read).collect();
    let recipients: Vec<&Fields> = groups.iter().filter(|fields| fields.get("Action").is_some()).collect();
    let failed = |fields: &&&Fields| fields.get("Action").is_some_and(|action| action.eq_ignore_ascii_case("failed"));
    let fields = recipients.iter().find(failed).or(recipients.first())?;
    let server = fields.get("Remote-MTA").or_else(|| groups.iter().find_map(|group| group.get("Reporting-MTA")));
    Some(Report {
        action: fields.get("Action")?.to_ascii_lowercase(),
        reply: Reply { code: code(fields), enhanced: status(fields.get("Status").unwrap_or_default()) },
        server: name(server.unwrap_or_default()),
    })
}

/// `5.1.1 (comment)` without what is none.
fn status(text: &str) -> String {
    let word: &str = text.split([' ', '\t', '(']).next().unwrap_or_default();
    let digits = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let sound = word.split('.').count() == 3 && word.split('.').all(digits) && word.starts_with(['4', '5']);
    if sound { word.to_owned() } else { String::new() }
}

/// The reply code of `Diagnostic-Code: smtp; 550 5.1.1 …`.
fn code(fields: &Fields) -> u16 {
    let told = fields.get("Diagnostic-Code").and_then(|text| text.split_once(';'));
    let smtp = told.filter(|(kind, _)| kind.trim().eq_ignore_ascii_case("smtp"));
    let code = smtp.and_then(|(_, text)| text.trim_start().get(..3)?.parse().ok());
    code.filter(|code| (400..600).contains(code)).unwrap_or_default()
}

/// `dns; mx.example` without its type and without anything that is no name.
fn name(text: &str) -> String {
    let name = text.split_once(';').map_or(text, |(_, name)| name).trim();
    let sound = name.len() <= NAME && name.bytes().all(|byte| byte.is_ascii_graphic());
    if sound { name.to_owned() } else { String::new() }
}

/// One group of fields, unfolded.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(text: &str) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            match (line.starts_with([' ', '\t']), line.split_once(':'), fields.last_mut()) {
                (true, _, Some((_, value))) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                (false, Some((name, value)), _) => fields.push((name.trim().to_owned(), value.trim().to_owned())),
                _ => {}
            }
        }
        Self(fields)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

fn addresses(message: &Message<'_>) -> Vec<String> {
    let raw = ARRIVED_AT.into_iter().filter_map(|name| message.header_raw(name));
    let words = raw.flat_map(|value| value.split([' ', '\t', '\r', '\n', ',', ';', '<', '>', '"']));
    words.filter(|word| word.contains('@')).map(str::to_owned).collect()
}

/// The returned mail, or its header alone, is the last part (RFC 6522, 3).
fn original_id(message: &Message<'_>, bytes: &[u8]) -> Option<String> {
    let returned = |part: &&MessagePart<'_>| {
        ["message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"]
            .iter()
            .filter_map(|kind| kind.split_once('/'))
            .any(|(kind, subkind)| is(part, kind, subkind))
    };
    let part = message.parts.iter().find(returned)?;
    if let PartType::Message(original) = &part.body {
        return original.message_id().map(str::to_owned);
    }
    let original = MessageParser::default().parse_headers(body(bytes, part))?;
    original.message_id().map(str::to_owned)
}

fn is(part: &MessagePart<'_>, kind: &str, subkind: &str) -> bool {
    let same = |found: &Option<Cow<'_, str>>| found.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(subkind));
    part.content_type().is_some_and(|found| found.c_type.eq_ignore_ascii_case(kind) && same(&found.c_subtype))
}

fn body<'a>(bytes: &'a [u8], part: &MessagePart<'_>) -> &'a [u8] {
    bytes.get(part.offset_body as usize..part.offset_end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn notification(fields: &str, returned: &str) -> String {
        format!(
            "From: MAILER-DAEMON@relay.example\r\nTo: bounces+x@mail.kopi.example\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\n{fields}\r\n\
             --b\r\nContent-Type: {returned}\r\n\r\nMessage-ID: <one@mail.kopi.example>\r\nSubject: x\r\n\r\n--b--\r\n"
        )
    }

    const FAILED: &str = "Reporting-MTA: dns; relay.example\r\n\r\nFinal-Recipient: rfc822; budi@kopi.example\r\n\
        Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.kopi.example\r\n\
        Diagnostic-Code: smtp; 550 5.1.1 <budi@kopi.example>:\r\n    no such mailbox\r\n";

    #[rstest]
    #[case("message/rfc822")]
    #[case("text/rfc822-headers")]
    fn a_failure_is_read(#[case] returned: &str) {
        let read = Notification::read(notification(FAILED, returned).as_bytes()).unwrap();
        assert_eq!(read.addresses, ["bounces+x@mail.kopi.example"]);
        assert_eq!(read.message_id.as_deref(), Some("one@mail.kopi.example"));
        assert!(read.report.is_failure());
        assert_eq!(read.report.reply, Reply { code: 550, enhanced: "5.1.1".to_owned() });
        assert_eq!(read.report.server, "mx.kopi.example");
    }

    #[test]
    fn a_failure_of_an_address_beyond_ascii_is_read() {
        let text =
            notification(FAILED, "message/rfc822").replace("message/delivery-status", "message/global-delivery-status");
        assert!(Notification::read(text.as_bytes()).unwrap().report.is_failure());
    }

    #[test]
    fn a_failure_beside_a_success_is_the_one_that_counts_and_a_delay_is_none() {
        let both = format!("{FAILED}\r\nFinal-Recipient: rfc822; a@b\r\nAction: delivered\r\nStatus: 2.0.0\r\n");
        assert!(report(&both).unwrap().is_failure());
        let delayed = report("Reporting-MTA: dns; r\n\nAction: delayed\nStatus: 4.4.1\n").unwrap();
        assert_eq!((delayed.is_failure(), delayed.server.as_str()), (false, "r"));
    }

    #[rstest]
    #[case("Action: failed\nStatus: x", "", 0, "")]
    #[case("Action: failed\nStatus: 5.1.1 (bad)\nDiagnostic-Code: x-unix; user unknown", "5.1.1", 0, "")]
    #[case("Action: failed\nStatus: 2.0.0\nDiagnostic-Code: smtp; 250 ok", "", 0, "")]
    #[case("Action: failed\nStatus: 5.4.4\nRemote-MTA: dns; bad\u{1b}name", "5.4.4", 0, "")]
    #[case("action: FAILED\nstatus: 5.2.2\ndiagnostic-code: SMTP;552 full", "5.2.2", 552, "")]
    fn what_is_no_code_or_name_is_left_out(
        #[case] fields: &str,
        #[case] enhanced: &str,
        #[case] code: u16,
        #[case] server: &str,
    ) {
        let report = report(fields).unwrap();
        assert_eq!(report.reply, Reply { code, enhanced: enhanced.to_owned() });
        assert_eq!((report.is_failure(), report.server.as_str()), (true, server));
    }

    #[test]
    fn other_mails_are_no_notifications() {
        for mail in ["", "Subject: away\r\n\r\nI am on holiday.\r\n", "\u{0}\u{0}", &notification("", "text/plain")] {
            assert_eq!(Notification::read(mail.as_bytes()), None);
        }
    }
}
