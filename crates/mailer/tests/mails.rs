//! Every kind of mail in every language: what people see, and what a mail program makes of it.

use clap::ValueEnum;
use linkify::LinkFinder;
use mail_parser::{HeaderValue, Message, MessageParser, MimeHeaders};
use mailer::render::RenderError;
use mailer::sample::{EVENT_ID, Kind, Locale, Sample, letterhead, sample};
use proto::identity::events::v1::{Brand, ResetMail};

const ZERO_WIDTH: char = '\u{200b}';

fn each() -> impl Iterator<Item = (Kind, Locale, Sample)> {
    Kind::value_variants()
        .iter()
        .flat_map(|kind| Locale::value_variants().iter().map(|locale| (*kind, *locale, sample(*kind, *locale))))
}

fn rendered(sample: &Sample) -> Vec<u8> {
    sample.render(&letterhead()).unwrap().bytes.to_vec()
}

fn parse(bytes: &[u8]) -> Message<'_> {
    MessageParser::default().parse(bytes).unwrap()
}

fn text(mail: &Message<'_>) -> String {
    mail.body_text(0).unwrap().replace("\r\n", "\n")
}

fn html(mail: &Message<'_>) -> String {
    mail.body_html(0).unwrap().replace("\r\n", "\n")
}

fn links(sample: &Sample) -> Vec<String> {
    match sample {
        Sample::Reset(mail) => mail.links.iter().map(|link| link.link.clone()).collect(),
        Sample::Notice(_) => Vec::new(),
    }
}

/// What a person reads of the HTML part.
fn visible(html: &str) -> String {
    let body = html.split_once("<body").unwrap().1.split_once('>').unwrap().1;
    let mut out = String::new();
    let mut inside = false;
    for c in body.chars() {
        match c {
            '<' => {
                inside = true;
                out.push(' ');
            }
            '>' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out.replace("&#38;", "&").replace("&#39;", "'").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_mail_reads_as_it_was_approved() {
    for (kind, locale, sample) in each() {
        let bytes = rendered(&sample);
        let mail = parse(&bytes);
        let headers = String::from_utf8(bytes.clone()).unwrap();
        let headers = headers.split_once("\r\n\r\n").unwrap().0.replace("\r\n", "\n");
        let shown = format!("{headers}\n\n=== text\n{}=== html\n{}", text(&mail), html(&mail));
        insta::assert_snapshot!(format!("{kind:?}-{locale:?}").to_lowercase(), shown);
    }
}

#[test]
fn every_mail_has_the_headers_of_an_automatic_one_to_one_recipient() {
    for (_, locale, sample) in each() {
        let bytes = rendered(&sample);
        let mail = parse(&bytes);
        let header = |name: &'static str| mail.header_raw(name).map(|v| v.trim().to_owned());
        assert_eq!(header("Message-ID"), Some(format!("<{EVENT_ID}@mail.kopi.example>")));
        assert_eq!(header("Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(header("X-Auto-Response-Suppress").as_deref(), Some("All"));
        let locale = format!("{locale:?}").to_lowercase();
        assert_eq!(header("Content-Language"), Some(locale));
        assert_eq!(header("To").as_deref(), Some("budi@kopi.example"));
        assert_eq!(sample.render(&letterhead()).unwrap().recipient.to_string(), "budi@kopi.example");
        assert!(mail.date().is_some());
        assert_eq!(mail.from().unwrap().first().unwrap().address(), Some("akun@mail.kopi.example"));
        let reply_to = mail.reply_to().unwrap().first().unwrap();
        assert_eq!(reply_to.address(), Some("bantuan@kopi.example"));
        for unwanted in ["Cc", "Bcc", "List-Id", "List-Unsubscribe", "Precedence"] {
            assert_eq!(header(unwanted), None);
        }
        assert!(matches!(mail.header("Content-Type"), Some(HeaderValue::ContentType(_))));
        assert_eq!(mail.content_type().unwrap().subtype(), Some("alternative"));
        assert_eq!(mail.text_body_count(), 1);
        assert_eq!(mail.html_body_count(), 1);
        assert_eq!(mail.attachment_count(), 0);
    }
}

#[test]
fn a_mail_is_small_and_plain_ascii_on_the_wire() {
    for (kind, _, sample) in each() {
        let bytes = rendered(&sample);
        assert!(bytes.len() < 20_000, "{kind:?} has {} bytes", bytes.len());
        assert!(bytes.is_ascii());
        let wire = String::from_utf8(bytes).unwrap();
        assert!(wire.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }
}

#[test]
fn every_link_stands_alone_on_its_line_and_is_the_only_anchor() {
    for (_, _, sample) in each() {
        let bytes = rendered(&sample);
        let mail = parse(&bytes);
        let (text, html) = (text(&mail), html(&mail));
        let links = links(&sample);
        let alone: Vec<&str> = text.lines().filter(|line| line.contains("://")).collect();
        assert_eq!(alone, links);
        assert_eq!(html.matches("<a ").count(), links.len());
        assert_eq!(html.matches("href=").count(), links.len());
        for link in &links {
            assert!(html.contains(&format!("href=\"{link}\"")));
            assert!(html.contains(&format!(">{link}</p>")), "not visible in full");
        }
        assert!(!html.contains("<img"));
    }
}

#[test]
fn a_line_of_text_fits_a_terminal() {
    for (_, _, sample) in each() {
        let bytes = rendered(&sample);
        for line in text(&parse(&bytes)).lines() {
            assert!(line.chars().count() <= 78 || line.starts_with("https://"), "{line}");
        }
    }
}

#[test]
fn both_parts_carry_the_same_facts() {
    for (_, _, sample) in each() {
        let bytes = rendered(&sample);
        let mail = parse(&bytes);
        let shown = visible(&html(&mail));
        for paragraph in text(&mail).split("\n\n") {
            let paragraph = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
            let paragraph = paragraph.trim_end_matches(':');
            // Rows of an account are cells in the HTML part.
            for fact in paragraph.split(": ") {
                assert!(shown.contains(fact), "{fact:?} is missing in {shown}");
            }
        }
    }
}

#[test]
fn the_title_is_the_subject_and_the_preheader_is_not() {
    for (_, _, sample) in each() {
        let bytes = rendered(&sample);
        let mail = parse(&bytes);
        let subject = mail.subject().unwrap();
        let html = html(&mail);
        assert!(html.contains(&format!("<title>{subject}</title>")));
        assert!(!subject.to_lowercase().contains("budi"), "no user name in the subject");
        let first = visible(&html);
        assert!(!first.starts_with(subject));
    }
}

#[test]
fn an_organisations_own_sender_name_and_answer_address_win() {
    let Sample::Reset(mut mail) = sample(Kind::Reset, Locale::En) else { unreachable!() };
    let brand = mail.brand.as_mut().unwrap();
    brand.sender_name = "Kopi Masuk".to_owned();
    brand.reply_to = String::new();
    let bytes = rendered(&Sample::Reset(mail));
    let mail = parse(&bytes);
    assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("Kopi Masuk"));
    let reply_to = mail.reply_to().unwrap().first().unwrap();
    assert_eq!(reply_to.address(), Some("bantuan@kopi.example"), "of the settings");
}

#[test]
fn a_link_that_is_over_is_left_out_while_another_lives() {
    let Sample::Reset(mut mail) = sample(Kind::Accounts, Locale::Id) else { unreachable!() };
    mail.links[0].expire_time.as_mut().unwrap().seconds = 0;
    let bytes = rendered(&Sample::Reset(mail.clone()));
    let text = text(&parse(&bytes));
    assert!(!text.contains(&mail.links[0].link));
    assert!(text.contains(&mail.links[1].link));
}

/// Names as somebody would choose them who wants our mail to carry his own link or header.
const HOSTILE: [&str; 20] = [
    "Budi\r\nBcc: victim@evil.example",
    "Budi\n.\n\r\n.\r\nMAIL FROM:<x@evil.example>",
    "a\0b\u{2028}Subject: x\u{2029}c\u{85}d",
    "<a href=\"https://evil.example\">klik</a>",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "{{7*7}} {% raw %} ${7*7} #{7*7}",
    "https://evil.example/masuk?x=1",
    "www.evil.example",
    "menang di evil.com sekarang",
    "=?utf-8?q?evil?= =?utf-8?b?ZXZpbA==?=",
    "\"Admin\" <admin@evil.example>,",
    "\u{202e}elpmaxe.live//:sptth\u{2066}",
    "hubungi sari@evil.com segera",
    "mailto:sari@evil.com?subject=x",
    "//evil.com/masuk",
    "evil。com dan evil．com dan пример.рф",
    "evil\u{200b}.com evil.\u{ad}com",
    "xn--evl-8ma.com:8443/a#b",
    "javascript:alert(1) data:text/html,x",
    "http:\u{2028}//evil.com\r\n\r\n<https://evil.com>",
];

fn hostile(text: &str, kind: Kind) -> Sample {
    let brand = Brand {
        sender_name: text.to_owned(),
        organization_display_name: text.to_owned(),
        support_contact: String::new(),
        reply_to: text.to_owned(),
        product_name: "Sandi".to_owned(),
    };
    match sample(kind, Locale::Id) {
        Sample::Reset(mail) => Sample::Reset(ResetMail {
            links: mail
                .links
                .into_iter()
                .map(|mut link| {
                    link.username = text.to_owned();
                    link.display_name = text.to_owned();
                    link.organization_display_name = text.to_owned();
                    link
                })
                .collect(),
            brand: Some(brand),
            time_zone: text.to_owned(),
            device: text.to_owned(),
            support_code: text.to_owned(),
            ..mail
        }),
        Sample::Notice(mut mail) => {
            mail.username = text.to_owned();
            mail.display_name = text.to_owned();
            mail.device = text.to_owned();
            mail.brand = Some(brand);
            Sample::Notice(mail)
        }
    }
}

#[test]
fn names_that_people_chose_add_no_header_no_link_and_no_markup() {
    let long = "nama panjang evil.example ".repeat(400);
    for text_chosen in HOSTILE.into_iter().chain([long.as_str()]) {
        for kind in Kind::value_variants() {
            let plain = rendered(&sample(*kind, Locale::Id));
            let sample = hostile(text_chosen, *kind);
            let bytes = rendered(&sample);
            let mail = parse(&bytes);

            let names =
                |bytes: &[u8]| -> Vec<String> { parse(bytes).headers().iter().map(|h| h.name().to_owned()).collect() };
            assert_eq!(names(&bytes), names(&plain), "{text_chosen:?}");
            assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("budi@kopi.example"));
            let from: Vec<_> = mail.from().unwrap().iter().map(|a| a.address().unwrap()).collect();
            assert_eq!(from, ["akun@mail.kopi.example"]);

            let (text, html) = (text(&mail), html(&mail));
            assert_eq!(html.matches("<a ").count(), links(&sample).len());
            assert_eq!(html.matches("href=").count() - html.matches("href=&#34;").count(), links(&sample).len());
            assert!(!html.contains("<script") && !html.contains("<img"));
            let schemes = links(&sample).len();
            assert_eq!(text.matches("://").count(), schemes, "{text}");
            assert_eq!(html.matches("://").count(), 2 * schemes, "{html}");
            for part in [&text, &html] {
                assert!(!part.contains("evil.example"), "{part}");
                assert!(!part.contains("evil.com"), "{part}");
                assert!(!part.contains("49 "), "a name was evaluated");
            }
            let ours = links(&sample);
            assert_eq!(detected(&text), ours, "{text_chosen:?}");
            assert_eq!(detected(&visible(&html)), ours, "{text_chosen:?}");
            assert!(text.lines().all(|l| l.chars().count() <= 78 || l.starts_with("https://")));
            assert!(bytes.len() < 20_000, "{} bytes", bytes.len());
            assert!(bytes.is_ascii());
        }
    }
}

/// What a program that makes links of text would make links of; also without a scheme, as they do.
fn detected(text: &str) -> Vec<String> {
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(false);
    finder.links(text).map(|link| link.as_str().to_owned()).collect()
}

#[test]
fn the_detector_of_links_finds_them() {
    let text = "evil.com sari@evil.com https://evil.com/x www.evil.com/masuk";
    assert_eq!(detected(text).len(), 4);
}

#[test]
fn an_address_that_says_more_than_an_address_is_not_mailed_to() {
    for recipient in [
        "budi@kopi.example\r\nRCPT TO:<x@evil.example>",
        "budi@kopi.example>\r\nDATA\r\n.\r\n",
        "budi@kopi.example> SIZE=1",
        "\"budi\r\nBcc: x\"@kopi.example",
        "budi@kopi.example\n",
        "budi\0@kopi.example",
        "budi\u{2028}@kopi.example",
        "budi@kopi.example, x@evil.example",
        "Budi <budi@kopi.example>",
        "@kopi.example",
        "",
    ] {
        let Sample::Reset(mut mail) = sample(Kind::Reset, Locale::Id) else { unreachable!() };
        recipient.clone_into(&mut mail.recipient);
        let refused = Sample::Reset(mail).render(&letterhead()).err();
        assert_eq!(refused, Some(RenderError::RecipientMalformed), "{recipient:?}");
    }
}

#[test]
fn five_accounts_with_long_names_still_make_a_small_mail() {
    let Sample::Reset(mut mail) = sample(Kind::Accounts, Locale::Id) else { unreachable!() };
    let mut link = mail.links[0].clone();
    link.username = "n".repeat(256);
    link.organization_display_name = "Perkumpulan ".repeat(100);
    mail.links = vec![link; 5];
    let bytes = rendered(&Sample::Reset(mail));
    assert!(bytes.len() < 20_000, "{} bytes", bytes.len());
}

#[test]
fn a_username_is_shown_exactly_as_it_must_be_typed() {
    for (_, _, sample) in each() {
        let bytes = rendered(&sample);
        let mail = parse(&bytes);
        let names: Vec<String> = match &sample {
            Sample::Reset(mail) => mail.links.iter().map(|l| l.username.clone()).collect(),
            Sample::Notice(mail) => vec![mail.username.clone()],
        };
        for name in names {
            assert!(text(&mail).contains(&format!(": {name}\n")));
            assert!(html(&mail).contains(&format!(": <strong>{name}</strong>")));
        }
        assert!(!text(&mail).contains(ZERO_WIDTH));
    }
}
