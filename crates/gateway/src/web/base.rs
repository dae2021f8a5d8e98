//! Where people find the gateway. From the settings alone: whatever a request says in `Host` is not believed.

use url::Url;

/// What all our paths begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base(String);

impl Base {
    /// From the public URL.
    pub fn of(url: &Url) -> Self {
        Self(url.path().trim_end_matches('/').to_owned())
    }

    /// The path of the public URL, without a slash at its end; empty when there is none.
    pub fn prefix(&self) -> &str {
        &self.0
    }

    /// One of our paths, as the browser knows it.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_public_url_comes_first() {
        let base = |url: &str| Base::of(&url.parse().unwrap());
        assert_eq!(base("https://kopi.example").path("/login"), "/login");
        assert_eq!(base("https://kopi.example/account/").path("/login"), "/account/login");
    }
}
