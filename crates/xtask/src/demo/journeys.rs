//! The journeys. Each tells at its end whether its effect was seen.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use super::{
    Demo,
    call::{Answer, Caller},
    mails::Shown,
    passwords,
};

/// How long a mail may take.
const BOUND: Duration = Duration::from_secs(10);
/// Where the demo's people sit (RFC 5737: an address for documents).
const HOME: &str = "203.0.113.7";
/// Where somebody else sits, who does not know the new password.
const ELSEWHERE: &str = "198.51.100.23";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux) Firefox/140.0";

impl Demo {
    /// Forgot password.
    pub(super) async fn request(&self, name: &str) -> Result<bool> {
        self.prefer_locale(name).await?;
        Ok(self.ask(json!({ "username": name }), name).await?.is_some())
    }

    /// A link opened, a new password set.
    pub(super) async fn complete(&self, name: &str) -> Result<bool> {
        self.prefer_locale(name).await?;
        let token = match self.live_token(name).await? {
            Some(token) => token,
            None => {
                self.say(
                    "Belum ada tautan yang berlaku; diminta dulu.",
                    "There is no live link yet; asking for one first.",
                );
                let Some(shown) = self.ask(json!({ "username": name }), name).await? else {
                    return Ok(false);
                };
                shown.mail.tokens().pop().context("the mail has no link")?
            }
        };
        let check = self.client.call(Caller::Gateway, "IdentityService/CheckReset", json!({ "token": token })).await?;
        check.ok()?;
        let (old, new) = (self.passwords.of(name), passwords::invent());
        let mails = self.mails.count()?;
        let request = json!({
            "token": token, "newPassword": new, "confirmPassword": new, "requester": self.requester(HOME),
        });
        self.client.call(Caller::Gateway, "IdentityService/CompleteReset", request).await?.ok()?;
        self.after_change(name, &old, &new, mails).await
    }

    /// Logging in.
    pub(super) async fn login(&self, name: &str) -> Result<bool> {
        let answer = self.verify(name, &self.passwords.of(name), HOME).await?;
        if answer.outcome.is_ok() {
            self.say(format!("{name} masuk."), format!("{name} is logged in."));
            return Ok(true);
        }
        if answer.reason() == "PASSWORD_MISMATCH" {
            self.say(
                format!("Kata sandi yang tercatat di sini tidak berlaku; `cargo xtask demo complete {name}` membuat yang baru."),
                format!("The password known here does not fit; `cargo xtask demo complete {name}` sets a new one."),
            );
        }
        Ok(false)
    }

    /// Account settings.
    pub(super) async fn change(&self, name: &str) -> Result<bool> {
        self.prefer_locale(name).await?;
        let user = self.user(name).await?;
        let (old, new) = (self.passwords.of(name), passwords::invent());
        let mails = self.mails.count()?;
        let request = json!({
            "userId": user["userId"], "currentPassword": old, "newPassword": new, "confirmPassword": new,
            "requester": self.requester(HOME),
        });
        self.client.call(Caller::Gateway, "IdentityService/ChangePassword", request).await?.ok()?;
        self.after_change(name, &old, &new, mails).await
    }

    /// The admin's list, two a page.
    pub(super) async fn users(&self, admin: &str) -> Result<bool> {
        let organization = self.environment.get("SANDI_DEMO_ORGANIZATION_ID")?;
        let mut token = String::new();
        let mut seen = Vec::new();
        loop {
            let mut request = json!({ "organizationId": organization, "pageSize": 2, "actor": self.admin()? });
            if !token.is_empty() {
                request["pageToken"] = json!(token);
            }
            let answer = self.client.call(Caller::Gateway, "DirectoryService/ListUsers", request).await?;
            let page = answer.ok()?;
            for user in page["users"].as_array().into_iter().flatten() {
                seen.push(text(&user["username"]).to_owned());
            }
            token = text(&page["nextPageToken"]).to_owned();
            if token.is_empty() {
                break;
            }
        }
        let names = seen.join(", ");
        self.say(format!("{admin} melihat: {names}"), format!("{admin} sees: {names}"));
        Ok(seen.iter().any(|name| name == admin))
    }

    /// The admin's button beside a user.
    pub(super) async fn reset_user(&self, name: &str) -> Result<bool> {
        self.prefer_locale(name).await?;
        let user = self.user(name).await?;
        let request = json!({
            "userId": user["userId"], "actor": self.admin()?, "reason": "asked for help at the front desk",
            "requester": self.requester(HOME),
        });
        let answer = self.client.call(Caller::Gateway, "IdentityService/AdminReset", request).await?;
        let response = answer.ok()?;
        if text(&response["address"]["state"]) == "ADDRESS_STATE_MISSING" {
            self.say(
                format!("Admin langsung diberi tahu: {name} tidak punya alamat email."),
                format!("The admin is told at once: {name} has no address on file."),
            );
            return Ok(true);
        }
        let key = json!({ "resetId": response["resetId"], "actor": self.admin()? });
        Ok(self.follow(Caller::Gateway, key, name, answer.trace()).await?.is_some())
    }

    /// A forgotten username, asked by address.
    pub(super) async fn forgot_username(&self, address: &str) -> Result<bool> {
        let (email, name) = match address.contains('@') {
            true => (address.to_owned(), address),
            false => (self.address(address).await?, address),
        };
        if email.is_empty() {
            self.say(
                format!("{name} tidak punya alamat email untuk ditanyakan."),
                format!("{name} has no address to ask by."),
            );
            return Ok(false);
        }
        let Some(shown) = self.ask(json!({ "email": email }), name).await? else {
            return Ok(false);
        };
        let mut named = Vec::new();
        for token in shown.mail.tokens() {
            let account = self.check(&token).await?;
            named.extend(
                account.map(|it| format!("{} ({})", text(&it["username"]), text(&it["organizationDisplayName"]))),
            );
        }
        let names = named.join(", ");
        self.say(format!("Akun di alamat itu: {names}"), format!("Accounts on that address: {names}"));
        Ok(!named.is_empty())
    }

    /// Support's answer.
    pub(super) async fn why(&self, name: &str) -> Result<bool> {
        let answer = self.explain(name).await?;
        Ok(answer.outcome.is_ok())
    }

    /// Asks for a reset and follows it to the mailbox; none, with the reason said, when no mail came.
    async fn ask(&self, identifier: Value, name: &str) -> Result<Option<Shown>> {
        let mut request = identifier;
        request["requester"] = self.requester(HOME);
        let answer = self.client.call(Caller::Gateway, "IdentityService/RequestReset", request).await?;
        let key = json!({ "requestId": answer.ok()?["requestId"] });
        self.follow(Caller::Support, key, name, answer.trace()).await
    }

    /// Waits until it is known what became of a reset, then for its mail.
    async fn follow(&self, caller: Caller, key: Value, name: &str, trace: &str) -> Result<Option<Shown>> {
        let end = tokio::time::Instant::now() + BOUND;
        let (answer, reset) = loop {
            let answer = self.client.quietly(caller, "SupportService/GetReset", key.clone()).await?;
            let reset = answer.outcome.as_ref().ok().map(|found| found["resets"][0].clone()).unwrap_or_default();
            if is_final(&reset) || tokio::time::Instant::now() > end {
                break (answer, reset);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        };
        answer.show();
        if text(&reset["deliveryState"]) != "DELIVERY_STATE_SENT" {
            self.say_why_not(&reset, name).await?;
            return Ok(None);
        }
        let code = text(&reset["supportCode"]).to_owned();
        let Some(shown) = self.mails.wait(BOUND, |mail| mail.text().contains(&code)).await? else {
            self.say(
                "Server email menerimanya, tetapi bukan kotak surat ini; lihat [[smtp.relays]] di target/up/mailer.toml.",
                "The mail server took it, but it is not this mailbox; see [[smtp.relays]] in target/up/mailer.toml.",
            );
            return Ok(None);
        };
        let (asked, sent) = (moment(&reset["requestTime"])?, shown.mail.time);
        let took = (sent - asked).whole_milliseconds();
        let (asked, sent) = (clock(asked)?, clock(sent)?);
        self.say(
            format!("diminta {asked}, terkirim {sent} ({took} ms), trace {trace}"),
            format!("asked {asked}, sent {sent} ({took} ms), trace {trace}"),
        );
        self.show_mail(&shown);
        Ok(Some(shown))
    }

    async fn say_why_not(&self, reset: &Value, name: &str) -> Result<()> {
        let state = text(&reset["deliveryState"]).trim_start_matches("DELIVERY_STATE_");
        let reason = text(&reset["notSentReason"]).trim_start_matches("NOT_SENT_REASON_");
        let last = reset["attempts"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
        let smtp = last["smtpCode"].as_u64().map(|code| format!(", SMTP {code} {}", text(&last["enhancedCode"])));
        let what = match state {
            "" => "PENDING".to_owned(),
            _ => format!("{state} {reason}{}", smtp.unwrap_or_default()).replace(" ,", ","),
        };
        let what = what.trim_end();
        if is_final(reset) {
            self.say(format!("Tidak ada email: {what}."), format!("No mail: {what}."));
        } else {
            let bound = BOUND.as_secs();
            self.say(
                format!("Belum ada email setelah {bound} detik: {what}."),
                format!("No mail yet after {bound} s: {what}."),
            );
        }
        if state != "NOT_SENT" {
            self.say("Log kedua program ada di target/up/log.", "The logs of both programs are in target/up/log.");
        }
        if !name.contains('@') {
            self.explain(name).await?;
        }
        Ok(())
    }

    async fn explain(&self, name: &str) -> Result<Answer> {
        let request = json!({ "username": name, "locale": self.language.tag(), "reason": "the mail never came" });
        let answer = self.client.call(Caller::Support, "SupportService/ExplainReset", request).await?;
        if let Ok(response) = &answer.outcome {
            self.say(text(&response["summary"]), text(&response["summary"]));
            for step in response["nextSteps"].as_array().into_iter().flatten() {
                self.say(format!("- {}", text(step)), format!("- {}", text(step)));
            }
        }
        Ok(answer)
    }

    /// What holds after every change: the new password works, the old one does not, and a notice mail says so.
    async fn after_change(&self, name: &str, old: &str, new: &str, mails: usize) -> Result<bool> {
        self.passwords.remember(name, new)?;
        let accepted = self.verify(name, new, HOME).await?.outcome.is_ok();
        let refused = self.verify(name, old, ELSEWHERE).await?.reason() == "PASSWORD_MISMATCH";
        let address = self.address(name).await?;
        let noticed = address.is_empty() || self.notice(&address, mails).await?;
        self.say(format!("Kata sandi baru {name}: {new}"), format!("The new password of {name}: {new}"));
        Ok(accepted && refused && noticed)
    }

    /// Waits for a mail to the address that came after the first `before` and has no link in it.
    async fn notice(&self, address: &str, before: usize) -> Result<bool> {
        let end = tokio::time::Instant::now() + BOUND;
        while tokio::time::Instant::now() < end {
            let new = self.mails.count()?.saturating_sub(before);
            let latest = self.mails.latest()?.into_iter().take(new);
            let mut notices =
                latest.filter(|it| it.mail.to.iter().any(|to| to == address) && it.mail.tokens().is_empty());
            if let Some(shown) = notices.next() {
                self.show_mail(&shown);
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        self.say(
            format!("Tidak ada email pemberitahuan dalam {} detik.", BOUND.as_secs()),
            format!("No notice mail within {} s.", BOUND.as_secs()),
        );
        Ok(false)
    }

    fn show_mail(&self, shown: &Shown) {
        let (to, subject) = (shown.mail.to.join(", "), shown.mail.subject());
        self.say(format!("email ke {to}: \"{subject}\""), format!("mail to {to}: \"{subject}\""));
        self.say(&shown.page, &shown.page);
        for link in shown.mail.links() {
            self.say(format!("tautan {link}"), format!("link {link}"));
        }
    }

    /// The token of the newest mail to the user whose link still lives and is his.
    async fn live_token(&self, name: &str) -> Result<Option<String>> {
        let address = self.address(name).await?;
        let latest = self.mails.latest()?.into_iter().filter(|shown| shown.mail.to.contains(&address));
        for shown in latest.take(5) {
            for token in shown.mail.tokens() {
                let account = self.check(&token).await?;
                if account.is_some_and(|account| account["username"] == name) {
                    return Ok(Some(token));
                }
            }
        }
        Ok(None)
    }

    /// What a live link says; none for one that is over.
    async fn check(&self, token: &str) -> Result<Option<Value>> {
        let request = json!({ "token": token });
        let answer = self.client.quietly(Caller::Gateway, "IdentityService/CheckReset", request).await?;
        match answer.reason().as_str() {
            "RESET_TOKEN_INVALID" => Ok(None),
            _ => answer.ok().map(|account| Some(account.clone())),
        }
    }

    async fn verify(&self, name: &str, password: &str, ip: &str) -> Result<Answer> {
        let request = json!({ "username": name, "password": password, "requester": self.requester(ip) });
        self.client.call(Caller::Gateway, "IdentityService/VerifyPassword", request).await
    }

    async fn user(&self, name: &str) -> Result<Value> {
        let request = json!({ "username": name });
        let answer = self.client.quietly(Caller::Crm, "DirectoryService/GetUser", request).await?;
        Ok(answer.ok()?["user"].clone())
    }

    /// The user's address; empty when there is none, or no such user.
    async fn address(&self, name: &str) -> Result<String> {
        let request = json!({ "username": name });
        let answer = self.client.quietly(Caller::Crm, "DirectoryService/GetUser", request).await?;
        match answer.reason().as_str() {
            "USER_NOT_FOUND" => Ok(String::new()),
            _ => Ok(text(&answer.ok()?["user"]["email"]).to_owned()),
        }
    }

    /// With `--locale`, makes it the user's language, which decides that of the mail.
    async fn prefer_locale(&self, name: &str) -> Result<()> {
        let Some(locale) = self.locale else {
            return Ok(());
        };
        let request = json!({ "username": name });
        let answer = self.client.quietly(Caller::Crm, "DirectoryService/GetUser", request).await?;
        let Ok(found) = &answer.outcome else {
            return Ok(());
        };
        let user = &found["user"];
        if text(&user["locale"]) == locale.tag() {
            return Ok(());
        }
        let request = json!({
            "user": { "userId": user["userId"], "locale": locale.tag() }, "updateMask": "locale",
        });
        self.client.call(Caller::Crm, "DirectoryService/UpdateUser", request).await?.ok()?;
        Ok(())
    }

    fn requester(&self, ip: &str) -> Value {
        json!({ "ip": ip, "userAgent": BROWSER, "locale": self.language.tag() })
    }

    fn admin(&self) -> Result<Value> {
        Ok(json!({ "token": self.environment.get("SANDI_ACTOR_TOKEN_ADMIN")? }))
    }
}

fn is_final(reset: &Value) -> bool {
    matches!(
        text(&reset["deliveryState"]),
        "DELIVERY_STATE_SENT" | "DELIVERY_STATE_UNKNOWN" | "DELIVERY_STATE_BOUNCED" | "DELIVERY_STATE_NOT_SENT"
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn moment(value: &Value) -> Result<OffsetDateTime> {
    Ok(OffsetDateTime::parse(text(value), &Rfc3339)?)
}

fn clock(moment: OffsetDateTime) -> Result<String> {
    Ok(moment.format(format_description!("[hour]:[minute]:[second].[subsecond digits:3]"))?)
}
