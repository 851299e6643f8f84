//! Pages for browsers: so far one, on which a desktop is watched live, and controlled.
//!
//! They are files of the program and hold nothing of anybody: what is shown comes over the API, by the rights of who
//! is logged in. Nothing is loaded from elsewhere, and no script stands in a page.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::state::Api;

/// What a page may load and do: its own script and style, and the API.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The pages and what belongs to them.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/watch/{id}", get(|| file("text/html", WATCH_PAGE)))
        .route(
            "/console/watch.js",
            get(|| file("text/javascript", WATCH_SCRIPT)),
        )
        .route(
            "/console/control.js",
            get(|| file("text/javascript", CONTROL_SCRIPT)),
        )
        .route("/console/watch.css", get(|| file("text/css", WATCH_STYLE)))
}

const WATCH_PAGE: &str = include_str!("watch.html");
const WATCH_SCRIPT: &str = include_str!("watch.js");
const CONTROL_SCRIPT: &str = include_str!("control.js");
const WATCH_STYLE: &str = include_str!("watch.css");

async fn file(kind: &str, content: &'static str) -> Response {
    let mut response = content.into_response();
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, &format!("{kind}; charset=utf-8"));
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    set(opener, "same-origin");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policy would keep a browser from doing it; the page must not need it.
    #[test]
    fn nothing_in_the_page_needs_more_than_the_policy_allows() {
        for forbidden in [
            "<style", "style=", "onclick", "onload", "http://", "https://",
        ] {
            assert!(!WATCH_PAGE.contains(forbidden), "{forbidden}");
        }
        for script in WATCH_PAGE.split("<script").skip(1) {
            let (tag, rest) = script.split_once('>').unwrap();
            assert!(tag.contains("src=\"/console/"), "{tag}");
            assert!(rest.starts_with("</script>"), "a script in the page");
        }
        for forbidden in ["innerHTML", "eval(", "document.write", "?token="] {
            assert!(!WATCH_SCRIPT.contains(forbidden), "{forbidden}");
            assert!(!CONTROL_SCRIPT.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn every_element_of_the_script_is_in_the_page() {
        let named: Vec<&str> = WATCH_SCRIPT
            .split("element(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(named.len() > 5, "{named:?}");
        for name in named {
            assert!(WATCH_PAGE.contains(&format!("id=\"{name}\"")), "{name}");
        }
    }
}
