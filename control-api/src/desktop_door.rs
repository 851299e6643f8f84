//! `GET /api/v1/rdp`: a browser's way to a desktop. What is said in the WebSocket is between the browser's RDP client and
//! the gateway's RDP side; here bytes are only carried.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures::SinkExt;
use futures::stream::StreamExt;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::problem::Problem;
use crate::serve::Peer;
use crate::state::Api;

/// Where the streams of browsers go.
pub trait DesktopDoor: Send + Sync {
    /// Serves a browser; the stream is closed when that is over.
    fn enter(&self, stream: DuplexStream, from: SocketAddr);
}

/// Bytes on their way in each direction.
const ON_THE_WAY: usize = 64 << 10;
/// The longest message of a browser's.
const LONGEST: usize = 64 << 10;
/// A browser that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// `GET /rdp`
pub async fn enter(
    State(api): State<Api>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|_| {
        Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "connect with a WebSocket: this is a desktop's stream",
        )
    })?;
    if !is_from_here(&headers) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "desktops are opened by pages of this gateway only",
        ));
    }
    let (door, tasks) = (Arc::clone(&api.desktop_door), api.tasks.clone());
    let upgrade = upgrade.max_message_size(LONGEST).max_frame_size(LONGEST);
    Ok(upgrade.on_upgrade(move |socket| {
        tasks.track_future(async move {
            let (ours, theirs) = tokio::io::duplex(ON_THE_WAY);
            door.enter(theirs, peer);
            carry(socket, ours).await;
        })
    }))
}

/// A page of another site must not use what it can make a browser send. Programs send no origin.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.strip_prefix("https://") == Some(host),
        (Some(_), None) => false,
    }
}

async fn carry(socket: WebSocket, stream: DuplexStream) {
    let (mut to_browser, mut from_browser) = socket.split();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let inward = async {
        while let Some(Ok(message)) = from_browser.next().await {
            let written = match message {
                Message::Binary(bytes) => writer.write_all(&bytes).await,
                Message::Close(_) => return,
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) => Ok(()),
            };
            if written.is_err() {
                return;
            }
        }
    };
    let outward = async {
        let mut buffer = vec![0; LONGEST];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            let message = Message::Binary(Bytes::copy_from_slice(&buffer[..count]));
            let sent = tokio::time::timeout(PATIENCE, to_browser.send(message)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
        let _ = tokio::time::timeout(PATIENCE, to_browser.send(Message::Close(None))).await;
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}
