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
        let is_safari = user_agent.contains("Version/")
            && user_agent.contains("Safari/")
            && !user_agent.contains("Android");
        is_safari.then_some("Safari")
    };
    find(BROWSERS, user_agent).or_else(safari)
}

fn find(table: &[(&str, &'static str)], user_agent: &str) -> Option<&'static str> {
    table
        .iter()
        .find(|(token, _)| user_agent.contains(token))
        .map(|(_, name)| *name)
}
