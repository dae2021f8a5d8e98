//! The kind of device that a mail names: "Chrome on Android", or nothing.

use super::text::{at_most_bytes, no_control_characters};
use super::violation::Problem;

/// The longest user agent that is looked at, in bytes.
pub const USER_AGENT_MAX_BYTES: usize = 512;

/// What a browser calls itself, and what people call it. The first match counts: most browsers also
/// claim to be Chrome or Safari.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("OPiOS/", "Opera"),
    ("Opera Mini/", "Opera Mini"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("MiuiBrowser/", "Mi Browser"),
    ("UCBrowser/", "UC Browser"),
    ("UBrowser/", "UC Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("HeyTapBrowser/", "HeyTap Browser"),
    ("VivoBrowser/", "vivo Browser"),
    ("YaBrowser/", "Yandex Browser"),
    ("Vivaldi/", "Vivaldi"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Brave/", "Brave"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Trident/", "Internet Explorer"),
];

/// Likewise for systems: Android also claims to be Linux, an iPad to be like a Mac.
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("HarmonyOS", "HarmonyOS"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// Checks the user agent that a caller forwards, and keeps the kind of device only.
///
/// # Errors
/// [`Problem::TooLong`] past 512 bytes, [`Problem::ControlCharacters`].
pub fn parse_user_agent(user_agent: &str) -> Result<String, Problem> {
    at_most_bytes(user_agent, USER_AGENT_MAX_BYTES)?;
    no_control_characters(user_agent)?;
    Ok(kind_of_device(user_agent))
}

/// "Chrome on Android", "Firefox", or empty when the browser is not a known one. Made of our own words
/// alone, so that nobody can write into a mail by way of the user agent.
pub fn kind_of_device(user_agent: &str) -> String {
    let Some(browser) = browser(user_agent) else {
        return String::new();
    };
    match find(SYSTEMS, user_agent) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.into(),
    }
}

fn browser(user_agent: &str) -> Option<&'static str> {
    // Safari alone says Version/ and Safari/ without naming another browser; so does Android's old one.
    let safari = || {
        let is_safari =
            user_agent.contains("Version/") && user_agent.contains("Safari/") && !user_agent.contains("Android");
        is_safari.then_some("Safari")
    };
    find(BROWSERS, user_agent).or_else(safari)
}

fn find(table: &[(&str, &'static str)], user_agent: &str) -> Option<&'static str> {
    table.iter().find(|(token, _)| user_agent.contains(token)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::violation::Unit;

    #[test]
    fn the_browsers_that_people_use_are_named() {
        for (user_agent, device) in [
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0",
                "Edge on Windows",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0", "Firefox on Linux"),
            ("Mozilla/5.0 (Android 14; Mobile; rv:141.0) Gecko/141.0 Firefox/141.0", "Firefox on Android"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/139.0.7258.60 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/141.0 Mobile/15E148 Safari/605.1.15",
                "Firefox on iPad",
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            (
                "Mozilla/5.0 (Linux; U; Android 13; id-id; 23021RAA2Y Build/TKQ1) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/112.0.5615.136 Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.10.1-gn",
                "Mi Browser on Android",
            ),
            (
                "Mozilla/5.0 (Linux; U; Android 12; en-US; CPH2269 Build/SP1A) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/100.0.4896.58 UCBrowser/13.7.8.1322 Mobile Safari/537.36",
                "UC Browser on Android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36 OPR/90.0.0.0",
                "Opera on Android",
            ),
            (
                "Opera/9.80 (Android; Opera Mini/90.0.2254/191.303; U; id) Presto/2.12.423 Version/12.16",
                "Opera Mini on Android",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
                "Chrome on ChromeOS",
            ),
            ("Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer on Windows"),
            ("Mozilla/5.0 (PlayStation 5) Firefox/1.0", "Firefox"),
        ] {
            assert_eq!(kind_of_device(user_agent), device, "{user_agent}");
        }
    }

    #[test]
    fn programs_and_texts_of_their_own_are_not_named() {
        for user_agent in [
            "",
            "curl/8.5.0",
            "okhttp/4.12.0",
            "grpc-python/1.74.0",
            "http://evil.example",
            "Mozilla/5.0 (Linux; Android 10)",
            "Safari",
        ] {
            assert_eq!(kind_of_device(user_agent), "", "{user_agent}");
        }
    }

    #[test]
    fn a_long_or_unprintable_user_agent_is_refused() {
        assert!(parse_user_agent(&"x".repeat(512)).is_ok());
        assert_eq!(parse_user_agent(&"x".repeat(513)), Err(Problem::TooLong { limit: 512, unit: Unit::Bytes }));
        assert_eq!(parse_user_agent("Firefox/1\r\n"), Err(Problem::ControlCharacters));
    }
}
