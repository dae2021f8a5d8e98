//! English.

use proto::identity::v1::{AddressState, DeliveryState, LinkState, NotSentReason, Role};

use super::{
    Account, Admin, Common, Failure, Forgot, Frame, Home, Link, LogIn, Obstacle, Outcome, Rules, Texts, Users,
};

/// English.
pub const ENGLISH: Texts = Texts {
    tag: "en",
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    clock: |hour, minute| format!("{hour:02}:{minute:02}"),
    frame: Frame {
        skip: "Skip to the content",
        menu: "Menu",
        home: "Home",
        account: "Account Settings",
        users: "User Settings",
        log_out: "Log out",
        languages: "Language",
    },
    common: Common {
        username: "User name",
        password: "Password",
        organisation: "Organisation",
        problems: "Please check what you entered",
        to_log_in: "Back to the log-in page",
        support: |contact| format!("Need help? Contact {contact}."),
        wait: |seconds| format!("Too many attempts. Please try again in {}.", duration(seconds)),
        away: "The service cannot be reached. Please try again in a moment.",
        support_code: "Support code",
    },
    log_in: LogIn {
        title: "Log in",
        forgot: "Forgot your password?",
        ended: "Your session has ended. Please log in again.",
        out: "You have logged out.",
    },
    forgot: Forgot {
        title: "Forgot password",
        intro: "Type your user name. We will send a link for choosing a new password to the registered email address.",
        submit: "Send the link",
        no_username: "I forgot my user name",
        by_email_title: "Forgot user name",
        by_email_intro: "Type your email address. We will send the user name of every account with that address, \
                         each with a link for choosing a new password.",
        email: "Email address",
        sent_title: "Check your email",
        sent: "If the account exists, a mail with a link is on its way to the registered address.",
        sent_life: "The link works only once, and until the time that the mail says.",
        not_come: "No mail yet?",
        steps: [
            "Wait a few minutes, and look into the spam folder too.",
            "Check that what you typed is right, then ask again.",
            "The registered address may be wrong or missing. Ask your organisation's administrator to check it.",
        ],
        again: "Ask again",
    },
    link: Link {
        title: "Choose a new password",
        paste: "Copy the link from the mail into the field below, then continue.",
        no_script: "Your browser does not run JavaScript, so the link does not open by itself.",
        label: "Link from the mail",
        open: "Continue",
        life: |minutes| format!("This link works for another {} and only once.", hours(minutes)),
        new: "New password",
        confirm: "New password again",
        save: "Save the password",
        kept: "Your link is not lost. It can still be used once.",
        retry: "Try again",
        kept_password: "Your link is not lost. Please type your new password again and save it in a moment.",
        over_title: "This link does not work",
        over: "It is incomplete, has been used, or has expired.",
        over_next: "Please ask for a new one. If an administrator sent you this link, ask for it to be sent again.",
        ask_again: "Ask for a new link",
        done_title: "Your new password is saved",
        done: "You have been logged out on all devices. Please log in with your new password.",
    },
    rules: Rules {
        title: "The new password:",
        length: |least| format!("has at least {least} characters"),
        name: "has at least 8 characters besides the user name",
        same: "is the same in both fields",
        verdict: "When you save it, we also check whether it is a common password or easy to guess.",
        met: "met",
        unmet: "not yet",
    },
    account: Account {
        title: "Account Settings",
        intro: "Change your password here. You will be logged out on your other devices.",
        current: "Current password",
        submit: "Change the password",
        done_title: "Your password has been changed",
        done: "You have been logged out on your other devices. Here you stay logged in.",
    },
    home: Home {
        hello: |name| format!("Hello {name}"),
        where_: |product, organisation| format!("You are logged in to {product} as a member of {organisation}."),
    },
    users: Users {
        title: "User Settings",
        search: "Find by user name or name",
        find: "Find",
        nobody: "No user matches.",
        user: "User",
        role: "Role",
        address: "Email address",
        last: "Last reset",
        action: "Action",
        reset: "Reset password",
        reset_of: |username| format!("Reset password of {username}"),
        help: "How to help",
        help_of: |username| format!("How to help {username}"),
        disabled: "disabled",
        never: "never",
        next: "Next page",
        first: "First page",
        role_name: |role| match role {
            Role::Owner => "owner",
            Role::Admin => "administrator",
            Role::Member | Role::Unspecified => "member",
        },
        address_state: |state| match state {
            AddressState::Missing => "no email address",
            AddressState::Undeliverable => "cannot be reached",
            AddressState::Ok | AddressState::Unspecified => "",
        },
    },
    admin: Admin {
        title: |username| format!("Reset the password of {username}?"),
        intro: "This user will get a mail with a link for choosing a new password. The current password stays valid \
                until then.",
        cannot: |username| format!("No link can be sent to {username} yet"),
        instead: "What you can do",
        missing: Obstacle {
            why: "This user has no email address.",
            steps: [
                "Enter an address in the user's data, then come back to the list and send the link.",
                "If you cannot change that data, ask for help and give the user name.",
            ],
        },
        disabled: Obstacle {
            why: "This account is disabled.",
            steps: [
                "If the user may log in again, enable the account in the user's data, then send the link from the list.",
                "If you cannot change that data, ask for help and give the user name.",
            ],
        },
        undeliverable: "The last mail did not reach this address. First check whether it is right.",
        reason: "Reason",
        reason_hint: "Such as: asked by phone. Kept for audits.",
        submit: "Send the link",
        cancel: "Cancel",
    },
    outcome: Outcome {
        title: |username| format!("Password reset of {username}"),
        mail: "Mail",
        link: "Link",
        address: "Email address",
        asked: "Requested",
        ends: "The link works until",
        reason: "Reason",
        code: "Support code",
        again: "Look again",
        back: "Back to the list of users",
        delivery,
        link_state: |state| match state {
            LinkState::NotIssued | LinkState::Unspecified => "",
            LinkState::Live => "works",
            LinkState::Completed => "used, a new password has been chosen",
            LinkState::Expired => "expired",
            LinkState::Revoked => "revoked",
        },
        next,
    },
    failure: Failure {
        malformed: ("The request cannot be read", "Please reload the page before this one and try again."),
        foreign: (
            "This form is no longer valid",
            "Nothing has changed. Open the page again, make sure that your browser accepts cookies, and try again.",
        ),
        forbidden: ("For administrators only", "Only your organisation's administrators can open this page."),
        absent: ("Page not found", "There is nothing at this address. It may be mistyped."),
        method: ("This page cannot be opened like this", "Please start at the log-in page."),
        slow: ("Too slow", "What you entered did not arrive in time. Please try again."),
        large: ("Too large", "What you entered is larger than we can accept."),
        kind: ("What was sent cannot be read", "Please fill in the form on our page."),
        busy: ("Too many attempts", "Please wait a little and try again."),
        away: ("The service cannot be reached", "Please try again in a moment."),
        internal: (
            "Something went wrong on our side",
            "Please try again. If it happens again, contact support and give the code below.",
        ),
    },
};

fn duration(seconds: u64) -> String {
    match seconds {
        0 | 1 => "1 second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

fn hours(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => plural(minutes, "minute"),
        (hours, 0) => plural(hours, "hour"),
        (hours, minutes) => format!("{} {}", plural(hours, "hour"), plural(minutes, "minute")),
    }
}

fn plural(n: i64, unit: &str) -> String {
    if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") }
}

fn delivery(state: DeliveryState, reason: NotSentReason) -> &'static str {
    match state {
        DeliveryState::Unspecified | DeliveryState::Pending => "being prepared",
        DeliveryState::Queued => "waiting to be sent",
        DeliveryState::Held => "held at our own mail server",
        DeliveryState::Deferred => "not accepted yet, will be tried again",
        DeliveryState::Sent => "sent",
        DeliveryState::Unknown => "not known whether it arrived",
        DeliveryState::Bounced => "refused by the recipient's mail server",
        DeliveryState::NotSent => match reason {
            NotSentReason::NoAddress => "not sent: no email address",
            NotSentReason::AccountDisabled => "not sent: the account is disabled",
            NotSentReason::CoolingDown => "not sent: the mail before still works",
            NotSentReason::Expired => "not sent: its time had passed",
            NotSentReason::Revoked => "not sent: the link was revoked",
            NotSentReason::NoSuchAccount
            | NotSentReason::Parked
            | NotSentReason::Internal
            | NotSentReason::Unspecified => "not sent",
        },
    }
}

fn next(state: DeliveryState, reason: NotSentReason) -> &'static str {
    match (state, reason) {
        (DeliveryState::Pending | DeliveryState::Queued | DeliveryState::Unspecified, _) => {
            "A mail is usually sent within seconds. Look again in a moment."
        }
        (DeliveryState::Sent, _) => "Ask the user to look into the inbox and the spam folder.",
        (DeliveryState::Held, _) => "There is nothing to do. The mail goes out as soon as our mail server is back.",
        (DeliveryState::Deferred, _) => "Wait for the next attempt, or check whether the address is right.",
        (DeliveryState::Unknown, _) => "Ask the user whether the mail has come. If not, send it again.",
        (DeliveryState::Bounced, _) => "Correct the address in the user's data, then send it again.",
        (DeliveryState::NotSent, NotSentReason::NoAddress) => {
            "Enter an email address in the user's data, then send it again."
        }
        (DeliveryState::NotSent, NotSentReason::AccountDisabled) => "Enable the account first, then send it again.",
        (DeliveryState::NotSent, NotSentReason::CoolingDown) => "Ask the user to use the link in the mail before.",
        (DeliveryState::NotSent, _) => "Send it again. If it happens again, contact support.",
    }
}
