//! The viewer's end of a live view, and what all kinds of views share.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use chrono::{DateTime, Utc};
use futures::SinkExt;
use futures::stream::SplitSink;
use sallyport_domain::event::Event;
use sallyport_recorder::TapeError;
use sallyport_recorder::track::TrackError;
use serde_json::{Value, json};
use tokio::time::timeout;

/// A viewer who takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// Why watching is over: what the viewer is told, if he is still there.
pub enum Over {
    /// He is told.
    Told(String),
    /// He left.
    Gone,
}

/// How a view goes on after a step.
pub enum Next {
    /// There is nothing more at present.
    Later,
    /// There is more already.
    AtOnce,
    /// All was shown, and nothing will come.
    Ended,
}

/// The viewer's end.
pub struct Feed(SplitSink<WebSocket, Message>);

impl Feed {
    /// Takes it over.
    pub fn new(sender: SplitSink<WebSocket, Message>) -> Self {
        Self(sender)
    }

    /// Sends a message of JSON.
    pub async fn text(&mut self, value: &Value) -> Result<(), Over> {
        self.send(Message::Text(value.to_string().into())).await
    }

    /// Sends a message of bytes.
    pub async fn bytes(&mut self, bytes: impl Into<Bytes>) -> Result<(), Over> {
        self.send(Message::Binary(bytes.into())).await
    }

    /// Sends an event of the session.
    pub async fn event(&mut self, at: DateTime<Utc>, event: &Event) -> Result<(), Over> {
        let (level, kind) = (event.level().as_str(), event.code());
        let told = json!({ "type": "event", "at": at, "level": level, "kind": kind, "message": event.message() });
        self.text(&told).await
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        let _ = timeout(SEND_TIMEOUT, self.0.close()).await;
    }

    /// Comes back when the message is on its way: nothing heaps up here for who takes it slowly.
    async fn send(&mut self, message: Message) -> Result<(), Over> {
        match timeout(SEND_TIMEOUT, self.0.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Over::Gone),
        }
    }
}

/// Why a recording cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The tape.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// The track of its pictures.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// An earlier look did not come back.
    #[error("reading was interrupted")]
    Interrupted,
}

impl From<Fault> for Over {
    fn from(fault: Fault) -> Self {
        tracing::error!(error = %fault, "a recording could not be followed for a viewer");
        Self::Told("the recording cannot be read".to_owned())
    }
}

/// Reads where reading may block.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Fault::Interrupted)?
}
