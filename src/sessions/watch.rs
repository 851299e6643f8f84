//! `sallyport sessions watch`: a live session in this terminal, over the API's WebSocket.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use crate::client::{Client, escape, io_error};
use crate::failure::{Failure, OrFail as _};
use crate::output::{self, Output, field};
use crate::view::{Key, Keys, Painter, Terminal};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The largest picture of a desktop (64 MiB), and what stands before it.
const LONGEST_MESSAGE: usize = (64 << 20) + 1024;

/// Watches until the session ends or the viewer leaves.
pub fn run(client: &Client, id: &str, plain: bool, output: Output) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let socket = connect(client, id).await?;
        if output.json {
            lines(socket).await
        } else if plain || !output::is_terminal() {
            stream(socket).await
        } else {
            let reason = view(socket).await?;
            // After the terminal is itself again.
            eprintln!("{reason}");
            Ok(())
        }
    })
}

/// What a viewer's connection runs on.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_fail("starting")
}

/// Connects as a viewer.
pub(super) async fn connect(client: &Client, id: &str) -> Result<Socket, Failure> {
    let base = client.base();
    let url = format!(
        "{}/api/v1/sessions/{}/watch",
        base.replacen("https://", "wss://", 1),
        escape(id)
    );
    let mut request = url.into_client_request().or_fail("SALLYPORT_URL")?;
    if let Some(token) = client.token() {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {token}")).or_fail("SALLYPORT_TOKEN")?;
        value.set_sensitive(true);
        request.headers_mut().insert("authorization", value);
    }
    let connector = Connector::Rustls(client.trust().tls()?);
    let limits = WebSocketConfig::default()
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE));
    let connecting = tokio_tungstenite::connect_async_tls_with_config(
        request,
        Some(limits),
        true,
        Some(connector),
    );
    match timeout(Duration::from_secs(15), connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(explain(base, error)),
        Err(_) => Err(Failure::new(format!("{base} does not answer in time"))),
    }
}

fn explain(base: &str, error: Error) -> Failure {
    #[expect(clippy::wildcard_enum_match_arm, reason = "not our enum, and it grows")]
    match error {
        Error::Http(answer) => {
            let body = answer.body().as_deref().unwrap_or_default();
            crate::client::failure(answer.status().as_u16(), &String::from_utf8_lossy(body))
        }
        Error::Io(error) => Failure::new(io_error(base, &error)),
        other => Failure::new(format!("watching failed: {other}")),
    }
}

/// What a frame of the server means.
enum Frame {
    Bytes(Vec<u8>),
    Hello { columns: u16, rows: u16 },
    Resize { columns: u16, rows: u16 },
    Event(String),
    End(String),
}

/// The next frame; nothing at the end of the connection. Text frames of a kind we do not know are
/// skipped: a newer server may send more.
async fn next(socket: &mut Socket) -> Result<Option<(Frame, Option<Value>)>, Failure> {
    loop {
        let message = match socket.next().await {
            None => return Ok(None),
            Some(Ok(message)) => message,
            Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => return Ok(None),
            Some(Err(error)) => return Err(Failure::new(format!("watching failed: {error}"))),
        };
        match message {
            Message::Binary(bytes) => return Ok(Some((Frame::Bytes(bytes.to_vec()), None))),
            Message::Text(text) => {
                let value: Value =
                    serde_json::from_str(&text).or_fail("the server's frame is no JSON")?;
                if let Some(frame) = understand(&value) {
                    return Ok(Some((frame, Some(value))));
                }
            }
            Message::Close(_) => return Ok(None),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

fn understand(value: &Value) -> Option<Frame> {
    let number = |name: &str, default: u16| {
        value
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|number| u16::try_from(number).ok())
            .unwrap_or(default)
    };
    match field(value, "type").as_str() {
        "hello" => Some(Frame::Hello {
            columns: number("cols", 80),
            rows: number("rows", 24),
        }),
        "resize" => Some(Frame::Resize {
            columns: number("cols", 80),
            rows: number("rows", 24),
        }),
        "event" => Some(Frame::Event(field(value, "message"))),
        "end" => Some(Frame::End(field(value, "reason"))),
        _ => None,
    }
}

/// `--plain`: the output as it comes.
async fn stream(mut socket: Socket) -> Result<(), Failure> {
    while let Some((frame, _)) = next(&mut socket).await? {
        match frame {
            Frame::Bytes(bytes) => output::write(&bytes)?,
            Frame::End(reason) => {
                eprintln!("{reason}");
                break;
            }
            Frame::Hello { .. } | Frame::Resize { .. } | Frame::Event(_) => {}
        }
    }
    let _ = socket.close(None).await;
    Ok(())
}

/// `--json`: every frame as a line; output as `{"type":"output","data":…}`, invalid UTF-8 replaced.
async fn lines(mut socket: Socket) -> Result<(), Failure> {
    while let Some((frame, value)) = next(&mut socket).await? {
        let line = match (&frame, value) {
            (Frame::Bytes(bytes), _) => serde_json::json!({
                "type": "output",
                "data": String::from_utf8_lossy(bytes),
            }),
            (_, Some(value)) => value,
            (_, None) => continue,
        };
        output::write(format!("{line}\n").as_bytes())?;
        if let Frame::End(_) = frame {
            break;
        }
    }
    let _ = socket.close(None).await;
    Ok(())
}

/// No window needs more pictures than this.
const FRAME_EVERY: Duration = Duration::from_millis(30);

/// In the terminal; answers why it is over.
async fn view(mut socket: Socket) -> Result<String, Failure> {
    let mut terminal = Terminal::take()?;
    let mut keys = Keys::start();
    let mut painter = Painter::new(80, 24, terminal.size());
    let mut note = String::new();
    let mut paint_at: Option<Instant> = Some(Instant::now());
    loop {
        let due = paint_at.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            frame = next(&mut socket) => {
                match frame? {
                    None => return Ok("The connection to the server was closed".to_owned()),
                    Some((Frame::Bytes(bytes), _)) => painter.feed(&bytes),
                    Some((Frame::Hello { columns, rows }, _)) => painter.clear(columns, rows),
                    Some((Frame::Resize { columns, rows }, _)) => painter.resize(columns, rows),
                    Some((Frame::Event(message), _)) => note = message,
                    Some((Frame::End(reason), _)) => return Ok(reason),
                }
                paint_at.get_or_insert_with(|| Instant::now() + FRAME_EVERY);
            }
            key = keys.next() => match key {
                Some(Key::Quit) | None => {
                    let _ = timeout(Duration::from_secs(1), socket.send(Message::Close(None))).await;
                    return Ok("No longer watching".to_owned());
                }
                Some(Key::Resized) => {
                    painter.set_window(terminal.size());
                    paint_at.get_or_insert_with(Instant::now);
                }
                Some(Key::Pause | Key::Forward | Key::Back | Key::Faster | Key::Slower | Key::Idle) => {}
            },
            () = tokio::time::sleep_until(due) => {
                paint_at = None;
                let (columns, rows) = painter.size();
                terminal.paint(&painter.frame(&format!(" watching {columns}x{rows}  q leaves  {note}")))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn frames_are_understood_and_unknown_ones_skipped() {
        let hello = json!({"type": "hello", "session": "s", "connection": "c", "channel": 0, "cols": 132, "rows": 43});
        assert!(matches!(
            understand(&hello),
            Some(Frame::Hello {
                columns: 132,
                rows: 43
            })
        ));
        let resize = json!({"type": "resize", "cols": 70000, "rows": 10});
        assert!(matches!(
            understand(&resize),
            Some(Frame::Resize {
                columns: 80,
                rows: 10
            })
        ));
        assert!(
            matches!(understand(&json!({"type": "end", "reason": "x"})), Some(Frame::End(why)) if why == "x")
        );
        assert!(understand(&json!({"type": "new"})).is_none());
    }
}
