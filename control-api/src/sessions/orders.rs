//! What the bodies of orders look like, and which commands they become.

use sallyport_domain::command::Command;
use sallyport_domain::role::Act;
use sallyport_domain::span::Span;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// Longest text shown in a user's client, in characters.
const LONGEST_TEXT: usize = 2000;

/// The body of an order.
pub trait Order: DeserializeOwned + Default + Send + Sync + 'static {
    /// The last part of its path.
    const VERB: &'static str;
    /// What its author must be allowed to do.
    const ACT: Act;
    /// The command it becomes.
    fn command(&self) -> Result<Command, Problem>;
    /// What else is to be prevented.
    fn prevent(&self) -> Option<Prevent> {
        None
    }
}

/// What a lock prevents besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prevent {
    /// New activities of the user on this host.
    Resource,
    /// Anything: the account and all of the user's live sessions are locked.
    All,
}

/// Freezes a session.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lock {
    /// Headline in the user's client.
    title: Option<String>,
    /// Text below it.
    message: Option<String>,
    prevent: Option<Prevent>,
}

/// Thaws a session.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Unlock {}

/// Ends a session.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct End {
    /// Shown to the user.
    reason: Option<String>,
}

/// Cuts a session's connections now.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Terminate {
    /// Also end the session, so that it cannot be entered again.
    cancel: bool,
    /// Shown to the user.
    reason: Option<String>,
}

/// Moves a session's scheduled end.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Extend {
    /// By how much; the profile's step if not given.
    #[schema(value_type = Option<String>, example = "15m")]
    by: Option<Span>,
}

/// Shows a text in the user's client.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Message {
    /// The text.
    text: String,
}

impl Order for Lock {
    const VERB: &'static str = "lock";
    const ACT: Act = Act::ControlSessions;

    fn command(&self) -> Result<Command, Problem> {
        let title = printable("title", self.title.as_deref().unwrap_or_default())?;
        let title = if title.is_empty() {
            "Session locked".to_owned()
        } else {
            title
        };
        Ok(Command::Lock {
            title,
            message: printable("message", self.message.as_deref().unwrap_or_default())?,
        })
    }

    fn prevent(&self) -> Option<Prevent> {
        self.prevent
    }
}

impl Order for Unlock {
    const VERB: &'static str = "unlock";
    const ACT: Act = Act::ControlSessions;

    fn command(&self) -> Result<Command, Problem> {
        Ok(Command::Unlock)
    }
}

impl Order for End {
    const VERB: &'static str = "end";
    const ACT: Act = Act::UseSessions;

    fn command(&self) -> Result<Command, Problem> {
        Ok(Command::End {
            reason: printable("reason", self.reason.as_deref().unwrap_or_default())?,
        })
    }
}

impl Order for Terminate {
    const VERB: &'static str = "terminate";
    const ACT: Act = Act::ControlSessions;

    fn command(&self) -> Result<Command, Problem> {
        Ok(Command::Terminate {
            cancel: self.cancel,
            reason: printable("reason", self.reason.as_deref().unwrap_or_default())?,
        })
    }
}

impl Order for Extend {
    const VERB: &'static str = "extend";
    const ACT: Act = Act::UseSessions;

    fn command(&self) -> Result<Command, Problem> {
        Ok(Command::Extend { by: self.by })
    }
}

impl Order for Message {
    const VERB: &'static str = "message";
    const ACT: Act = Act::ControlSessions;

    fn command(&self) -> Result<Command, Problem> {
        let text = printable("text", &self.text)?;
        if text.is_empty() {
            return Err(Problem::unprocessable(
                "`text` is missing: the message to show",
            ));
        }
        Ok(Command::Message { text })
    }
}

/// Text for somebody's terminal: a control character in it would command that terminal.
pub fn printable(field: &str, text: &str) -> Result<String, Problem> {
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Problem::unprocessable(format!(
            "`{field}` may hold no control characters but line ends"
        )));
    }
    if text.chars().count() > LONGEST_TEXT {
        return Err(Problem::unprocessable(format!(
            "`{field}` may have {LONGEST_TEXT} characters at most"
        )));
    }
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command<T: Order>(body: &str) -> Result<Command, String> {
        let order: T = serde_json::from_str(body).map_err(|error| error.to_string())?;
        order
            .command()
            .map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn bodies_become_commands() {
        assert_eq!(
            command::<Lock>(r#"{"message": "call us\n030", "prevent": "resource"}"#),
            Ok(Command::Lock {
                title: "Session locked".to_owned(),
                message: "call us\n030".to_owned()
            })
        );
        assert_eq!(
            command::<Terminate>("{}"),
            Ok(Command::Terminate {
                cancel: false,
                reason: String::new()
            })
        );
        assert_eq!(
            command::<Extend>(r#"{"by": "15m"}"#),
            Ok(Command::Extend {
                by: Some(Span::from_minutes(15))
            })
        );
        assert_eq!(
            command::<End>("{}"),
            Ok(Command::End {
                reason: String::new()
            })
        );
        assert_eq!(
            command::<Message>(r#"{"text": " hi "}"#),
            Ok(Command::Message {
                text: "hi".to_owned()
            })
        );
    }

    #[test]
    fn what_would_command_the_terminal_or_says_nothing_is_refused() {
        for problem in [
            command::<Message>(r#"{"text": "\u001b[2J"}"#),
            command::<Lock>(r#"{"title": "a\rb"}"#),
            command::<End>(r#"{"reason": "\u009b31m"}"#),
            command::<Message>("{}"),
            command::<Message>(&format!(
                r#"{{"text": "{}"}}"#,
                "x".repeat(LONGEST_TEXT + 1)
            )),
            command::<Unlock>(r#"{"why": "x"}"#),
            command::<Lock>(r#"{"prevent": "everything"}"#),
        ] {
            assert!(problem.is_err(), "{problem:?}");
        }
    }
}
