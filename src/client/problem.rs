//! What went wrong between us and a server, in words that say what to do.

use std::io;

use serde::Deserialize;

use crate::failure::Failure;

/// RFC 9457 problem details, as far as we show them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    errors: Vec<serde_json::Value>,
}

/// An answer that is not the one asked for: `title: detail`, and every further error on its line.
pub fn failure(status: u16, body: &str) -> Failure {
    let problem: Problem = serde_json::from_str(body).unwrap_or_default();
    let title = if problem.title.is_empty() {
        format!("the server answered with status {status}")
    } else {
        problem.title
    };
    let first = if problem.detail.is_empty() {
        title
    } else {
        format!("{title}: {}", problem.detail)
    };
    let further = problem.errors.iter().map(|error| match error.as_str() {
        Some(text) => text.to_owned(),
        None => error.to_string(),
    });
    // Where there is a list, the detail often is its first entry.
    let further: Vec<String> = further
        .filter(|error| !problem.detail.starts_with(error.as_str()))
        .collect();
    let hint = (status == 401)
        .then(|| "run `sallyport login` and put the token into SALLYPORT_TOKEN".to_owned());
    Failure::all(std::iter::once(first).chain(further).chain(hint))
}

/// No answer at all.
pub(super) fn unreachable(base: &str, error: ureq::Error) -> Failure {
    #[expect(clippy::wildcard_enum_match_arm, reason = "not our enum, and it grows")]
    let text = match &error {
        ureq::Error::Io(error) => io_error(base, error),
        ureq::Error::Rustls(error) => certificate(base, error),
        ureq::Error::HostNotFound => {
            format!("the name in {base} is not known; is SALLYPORT_URL right?")
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            format!("{base} is no address of a server; is SALLYPORT_URL right?")
        }
        ureq::Error::Timeout(_) => format!("{base} does not answer in time"),
        other => format!("talking to {base} failed: {other}"),
    };
    Failure::new(text)
}

/// Errors of the socket, among them those of TLS.
pub fn io_error(base: &str, error: &io::Error) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(inner) = inner {
        return certificate(base, inner);
    }
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return format!(
            "no server answers at {base} (connection refused); is it running, and is SALLYPORT_URL right?"
        );
    }
    format!("talking to {base} failed: {error}")
}

fn certificate(base: &str, error: &rustls::Error) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "not our enum, and it grows")]
    match error {
        rustls::Error::InvalidCertificate(why) => format!(
            "the certificate of {base} is not trusted ({why}); \
             set SALLYPORT_CA to the server's certificate, api-cert.pem in its data folder"
        ),
        other => format!("{base} does not speak TLS as expected: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_details_become_title_and_detail() {
        for (status, body, text) in [
            (
                404,
                r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"there is no such session"}"#,
                "sallyport: Not Found: there is no such session",
            ),
            (
                422,
                r#"{"title":"Unprocessable","detail":"two mistakes","errors":["a","b"]}"#,
                "sallyport: Unprocessable: two mistakes\nsallyport: a\nsallyport: b",
            ),
            (
                401,
                r#"{"title":"Unauthorized","detail":"the token has expired"}"#,
                "sallyport: Unauthorized: the token has expired\nsallyport: run `sallyport login` and put the token into SALLYPORT_TOKEN",
            ),
            (
                502,
                "<html>",
                "sallyport: the server answered with status 502",
            ),
        ] {
            assert_eq!(failure(status, body).to_string(), text);
        }
    }

    #[test]
    fn a_certificate_that_is_not_trusted_says_what_to_set() {
        let error = io::Error::other(rustls::Error::InvalidCertificate(
            rustls::CertificateError::UnknownIssuer,
        ));
        assert_eq!(
            io_error("https://x", &error),
            "the certificate of https://x is not trusted (UnknownIssuer); set SALLYPORT_CA to the server's certificate, api-cert.pem in its data folder"
        );
    }
}
