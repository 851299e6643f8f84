//! Taking control of the desktop that one watches: what a viewer says in his WebSocket.
//!
//! Text messages of JSON. `take` asks for control, `release` gives it back; in between `key`, `text` and `mouse` are what
//! he does. They may be parts of a secret, so they go to the session's node and nowhere else, and nothing of them is
//! repeated in what he is answered. He has control until he gives it back, leaves, may not have it any more, or it is
//! taken from him; the session says so by closing his way.

use std::time::Duration;

use sallyport_domain::command::Command;
use sallyport_domain::control::ControlInput;
use sallyport_domain::role::Act;
use sallyport_store::{SessionType, Viewer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use super::Watching;
use crate::command;
use crate::controls::{NoSeat, Seat};

/// So many messages of one viewer are taken in so much time; further ones wait in his socket.
const MESSAGES: u32 = 100;
const WINDOW: Duration = Duration::from_millis(250);
/// Most characters in one message of text.
const LONGEST_TEXT: usize = 200;
/// Scancodes have seven bits; the eighth says that a key goes up.
const LAST_SCANCODE: u8 = 0x7f;
/// Buttons of a mouse that there are.
const BUTTONS: u8 = 0x1f;

/// What a viewer says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    Take {
        #[serde(default)]
        mode: Mode,
    },
    Release {},
    Key {
        scancode: u8,
        #[serde(default)]
        extended: bool,
        down: bool,
    },
    Text {
        text: String,
    },
    Mouse {
        x: u16,
        y: u16,
        #[serde(default)]
        buttons: u8,
        #[serde(default)]
        wheel: i16,
    },
}

/// What becomes of the user's own input meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// It is dropped.
    #[default]
    Exclusive,
    /// It goes on as well.
    Shared,
}

/// One viewer's hold on the desktop, if he has one.
#[derive(Default)]
pub struct Control {
    seat: Option<Seat>,
}

impl Control {
    /// Takes what a viewer says; answers what he is told.
    pub async fn hear(&mut self, watching: &Watching, text: &str) -> Option<Value> {
        let told = match serde_json::from_str(text) {
            Ok(Said::Take { mode }) => self.take(watching, mode).await,
            Ok(Said::Release {}) => self.release(watching).await,
            Ok(Said::Key {
                scancode,
                extended,
                down,
            }) => self.pass(key(scancode, extended, down)),
            Ok(Said::Text { text }) => self.pass(typed(text)),
            Ok(Said::Mouse {
                x,
                y,
                buttons,
                wheel,
            }) => self.pass(mouse(x, y, buttons, wheel)),
            // What the parser says could hold a part of what was typed.
            Err(_) => Err("no such message; /api/v1/openapi.json says which there are".to_owned()),
        };
        told.unwrap_or_else(|reason| Some(json!({ "type": "refused", "reason": reason })))
    }

    /// Waits until control is taken from who has it; then he is told.
    pub async fn taken_away(&self) {
        match &self.seat {
            Some(seat) => seat.inputs.closed().await,
            None => std::future::pending().await,
        }
    }

    /// He has it no more; answers what he is told.
    pub fn lose(&mut self, reason: &str) -> Option<Value> {
        self.seat.take()?;
        Some(json!({ "type": "control", "yours": false, "reason": reason }))
    }

    /// Looks whether he still may have it; answers what he is told if not.
    pub fn recheck(&mut self, viewer: &Viewer) -> Option<Value> {
        match viewer.may(Act::TakeOver) {
            true => None,
            false => self.lose("you may not control this session any more"),
        }
    }

    async fn take(&mut self, watching: &Watching, mode: Mode) -> Result<Option<Value>, String> {
        if self.seat.is_some() {
            return Err("you are in control already".to_owned());
        }
        let (api, session) = (&watching.api, &watching.session);
        if !watching.may(Act::TakeOver).await {
            let refused = watching.caller.refuse(api, session, Act::TakeOver).await;
            let problem = refused.unwrap_or_else(|problem| problem);
            return Err(problem.detail().to_owned());
        }
        if session.kind != SessionType::PamRdp {
            return Err("only desktops can be controlled so far, no terminals".to_owned());
        }
        let seat = api.controls.open(session.id);
        let seat = seat.map_err(|why| no_seat(why, &session.node_name))?;
        let order = Command::TakeOver {
            seat: seat.id,
            connection: watching.connection,
            exclusive: mode == Mode::Exclusive,
        };
        let answer = command::order(api, &watching.caller, session, &order).await;
        let answer = answer.map_err(|problem| problem.detail().to_owned())?;
        if !answer.is_confirmed() {
            // The seat goes with this: should control come late, it goes back at once.
            return Err("the session did not answer in time; try again".to_owned());
        }
        self.seat = Some(seat);
        let mode = match mode {
            Mode::Exclusive => "exclusive",
            Mode::Shared => "shared",
        };
        Ok(Some(
            json!({ "type": "control", "yours": true, "mode": mode }),
        ))
    }

    async fn release(&mut self, watching: &Watching) -> Result<Option<Value>, String> {
        let seat = self.seat.take().ok_or("you are not in control")?;
        let order = Command::HandBack { seat: seat.id };
        let (api, session) = (&watching.api, &watching.session);
        if let Err(problem) = command::order(api, &watching.caller, session, &order).await {
            // It goes back all the same: the seat is dropped.
            tracing::warn!(session = %session.id, problem = problem.detail(), "control was given back without an order");
        }
        Ok(Some(
            json!({ "type": "control", "yours": false, "reason": "you gave control back" }),
        ))
    }

    fn pass(&mut self, input: Result<ControlInput, String>) -> Result<Option<Value>, String> {
        let input = input?;
        let seat = self
            .seat
            .as_ref()
            .ok_or("you are not in control: take it first")?;
        match seat.inputs.try_send(input) {
            Ok(()) => Ok(None),
            // That it was taken away is told elsewhere.
            Err(TrySendError::Closed(_)) => Ok(None),
            // To drop some of it would leave keys down and words without letters.
            Err(TrySendError::Full(_)) => {
                Ok(self.lose("the desktop does not take your input fast enough"))
            }
        }
    }
}

fn key(scancode: u8, extended: bool, down: bool) -> Result<ControlInput, String> {
    if scancode == 0 || scancode > LAST_SCANCODE {
        return Err(format!("`scancode` must be from 1 to {LAST_SCANCODE}"));
    }
    Ok(ControlInput::Key {
        scancode,
        extended,
        down,
    })
}

fn typed(text: String) -> Result<ControlInput, String> {
    if text.chars().count() > LONGEST_TEXT {
        return Err(format!(
            "`text` may have {LONGEST_TEXT} characters at most; send several messages"
        ));
    }
    let control = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.chars().any(control) {
        return Err("`text` may hold no control characters but line ends and tabs".to_owned());
    }
    Ok(ControlInput::Text(text))
}

fn mouse(x: u16, y: u16, buttons: u8, wheel: i16) -> Result<ControlInput, String> {
    if buttons & !BUTTONS != 0 {
        return Err(format!("`buttons` must be from 0 to {BUTTONS}"));
    }
    Ok(ControlInput::Mouse {
        x,
        y,
        buttons,
        wheel,
    })
}

fn no_seat(why: NoSeat, node: &str) -> String {
    match why {
        NoSeat::Elsewhere => format!(
            "the session lives on the node `{node}`; watch it through that node to take control"
        ),
        NoSeat::Busy => "the session is busy; try again".to_owned(),
    }
}

/// How much a viewer may say.
pub struct Allowance {
    left: u32,
    renewed: Instant,
}

impl Allowance {
    /// All of it.
    pub fn new() -> Self {
        Self {
            left: MESSAGES,
            renewed: Instant::now(),
        }
    }

    /// Waits until he may say something. Nothing is lost if that is given up.
    pub async fn ready(&mut self) {
        if self.left == 0 {
            tokio::time::sleep_until(self.renewed + WINDOW).await;
        }
        if self.renewed.elapsed() >= WINDOW {
            *self = Self::new();
        }
    }

    /// He said something.
    pub fn spend(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_checked() {
        let read = |text: &str| serde_json::from_str::<Said>(text).is_ok();
        for right in [
            r#"{"type":"take"}"#,
            r#"{"type":"take","mode":"shared"}"#,
            r#"{"type":"release"}"#,
            r#"{"type":"key","scancode":30,"down":true}"#,
            r#"{"type":"key","scancode":29,"extended":true,"down":false}"#,
            r#"{"type":"text","text":"é\n"}"#,
            r#"{"type":"mouse","x":1,"y":2}"#,
            r#"{"type":"mouse","x":1,"y":2,"buttons":3,"wheel":-120}"#,
        ] {
            assert!(read(right), "{right}");
        }
        for wrong in [
            "",
            "[]",
            r#"{"type":"take","mode":"all"}"#,
            r#"{"type":"release","now":true}"#,
            r#"{"type":"key","scancode":300,"down":true}"#,
            r#"{"type":"key","scancode":30}"#,
            r#"{"type":"mouse","x":-1,"y":2}"#,
            r#"{"type":"command"}"#,
        ] {
            assert!(!read(wrong), "{wrong}");
        }
        assert!(key(1, false, true).is_ok() && key(0x7f, true, false).is_ok());
        assert!(key(0, false, true).is_err() && key(0x80, false, true).is_err());
        assert!(mouse(0, 0, 31, 0).is_ok() && mouse(0, 0, 32, 0).is_err());
        assert!(typed("a\tb\n".to_owned()).is_ok());
        for wrong in ["\u{1b}[2J".to_owned(), "x".repeat(LONGEST_TEXT + 1)] {
            assert!(typed(wrong).is_err());
        }
    }

    #[tokio::test]
    async fn who_says_too_much_waits() {
        let mut allowance = Allowance::new();
        let start = Instant::now();
        for _ in 0..MESSAGES {
            allowance.ready().await;
            allowance.spend();
        }
        assert!(start.elapsed() < WINDOW, "a burst is taken at once");
        allowance.ready().await;
        assert!(start.elapsed() >= WINDOW);
    }
}
