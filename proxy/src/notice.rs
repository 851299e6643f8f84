//! What the gateway says inside the user's client.

use sallyport_domain::close::CloseReason;
use sallyport_domain::declared::Protocol;
use sallyport_domain::session::Notice;

/// A notice in words, without line ends.
pub fn text(notice: &Notice, protocol: Protocol) -> String {
    // On a desktop the key is the target's.
    let has_key = match protocol {
        Protocol::Ssh => true,
        Protocol::Rdp => false,
    };
    match notice {
        Notice::EndsSoon {
            at,
            remaining_s,
            extendable,
        } => {
            let left = remaining(*remaining_s);
            let end = at.format("%H:%M:%S UTC");
            if *extendable && has_key {
                format!("This session ends in {left}, at {end}. Press Ctrl+X to extend it.")
            } else {
                format!("This session ends in {left}, at {end}.")
            }
        }
        Notice::Extended { at, left } => {
            format!(
                "This session now ends at {}. Extensions left: {left}.",
                at.format("%H:%M:%S UTC")
            )
        }
        Notice::NotExtended { why } => format!("This session was not extended: {why}."),
        Notice::Message { from, text } => format!("Message from {from}: {}", printable(text)),
        Notice::ViewerJoined { viewer } => format!("{viewer} is now watching this session."),
        Notice::ViewerLeft { viewer } => format!("{viewer} is no longer watching this session."),
        Notice::ControlTaken {
            viewer,
            exclusive: true,
        } => format!(
            "{viewer} has taken control. Your keyboard and mouse do nothing until it is given back."
        ),
        Notice::ControlTaken {
            viewer,
            exclusive: false,
        } => format!("{viewer} has taken control together with you."),
        Notice::ControlReleased { viewer } => format!("{viewer} is no longer in control."),
    }
}

/// A notice as it is painted into a terminal: on lines of its own, in reverse.
pub fn in_terminal(text: &str) -> String {
    format!("\r\n\x1b[7m[sallyport]\x1b[0m {text}\r\n")
}

/// A notice for a channel without a terminal: a line of standard error.
pub fn on_stderr(text: &str) -> String {
    format!("sallyport: {}\r\n", text.replace('\n', "\r\n"))
}

/// Why a connection was cut, for the disconnect message.
pub fn farewell(reason: &CloseReason) -> String {
    format!("Sallyport: {}", printable(&reason.to_string()))
}

fn remaining(seconds: i64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, 1) => "1 second".to_owned(),
        (0, s) => format!("{s} seconds"),
        (1, 0) => "1 minute".to_owned(),
        (m, 0) => format!("{m} minutes"),
        (m, s) => format!("{m} min {s} s"),
    }
}

/// What the network said, in words for the user.
pub fn io_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        std::io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        std::io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        std::io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        // The library that does TLS says more than anybody here wants to read.
        std::io::ErrorKind::UnexpectedEof => "connection closed".to_owned(),
        _ => error.to_string(),
    }
}

/// Control characters of an administrator's text must not steer the user's terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remaining_time_in_words() {
        for (seconds, words) in [
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (300, "5 minutes"),
            (90, "1 min 30 s"),
        ] {
            assert_eq!(remaining(seconds), words);
        }
    }

    #[test]
    fn a_key_is_named_only_where_it_does_something() {
        let soon = Notice::EndsSoon {
            at: crate::clock::now(),
            remaining_s: 60,
            extendable: true,
        };
        assert!(text(&soon, Protocol::Ssh).contains("Ctrl+X"));
        assert!(!text(&soon, Protocol::Rdp).contains("Ctrl+X"));
    }

    #[test]
    fn texts_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb\nc");
    }
}
