//! `sallyport sessions watch --png`: what a desktop shows now, as a file.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;
use sallyport_recorder::picture::Rect;
use sallyport_recorder::track::{self, Canvas, What};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::watch::{Socket, connect, runtime};
use crate::client::Client;
use crate::failure::{Failure, OrFail as _};
use crate::output::{Output, create, field};

/// A session shows something within so long, or there is nothing to show yet.
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes what the desktop shows now, with the pointer, and says so.
pub(super) fn take(client: &Client, id: &str, file: &Path, output: Output) -> Result<(), Failure> {
    let canvas = runtime()?.block_on(async {
        let mut socket = connect(client, id).await?;
        let looking = timeout(PATIENCE, look(&mut socket)).await;
        let _ = timeout(Duration::from_secs(1), socket.close(None)).await;
        looking.unwrap_or_else(|_| Err(nothing_yet()))
    })?;
    let drawn = canvas.with_pointer();
    let image = drawn.image().ok_or_else(nothing_yet)?;
    let png = track::png(image, Rect::whole(image.width, image.height)).or_fail("the picture")?;
    create(file)
        .and_then(|mut out| out.write_all(&png))
        .or_fail(file.display())?;
    let told = json!({
        "file": file.display().to_string(), "width": image.width, "height": image.height, "covered": canvas.covered,
    });
    output.show(&told, |told| {
        let cover = match canvas.covered {
            true => "\nthe user sees a cover instead",
            false => "",
        };
        format!(
            "{}  {}x{}{cover}",
            field(told, "file"),
            image.width,
            image.height
        )
    })
}

fn nothing_yet() -> Failure {
    Failure::new("the session shows no picture yet: try again when its desktop is up")
}

/// Takes what comes until all that is to be seen was sent.
async fn look(socket: &mut Socket) -> Result<Canvas, Failure> {
    let mut canvas = Canvas::default();
    loop {
        let message = match socket.next().await {
            Some(message) => message.or_fail("watching failed")?,
            None => return Err(Failure::new("the connection to the server was closed")),
        };
        let what = match message {
            Message::Binary(bytes) => picture(&bytes),
            Message::Text(text) => {
                let value: Value =
                    serde_json::from_str(&text).or_fail("the server's frame is no JSON")?;
                match field(&value, "type").as_str() {
                    "live" => return Ok(canvas),
                    "end" => return Err(Failure::new(field(&value, "reason"))),
                    _ => told(&value),
                }
            }
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
        };
        if let Some(what) = what {
            canvas.apply(&what).or_fail("the server's picture")?;
        }
    }
}

/// A picture's message: kind, x, y, width and height, PNG. `None`: of a kind we do not know; a newer server may send
/// more.
fn picture(bytes: &[u8]) -> Option<What> {
    let (head, png) = bytes.split_at_checked(9)?;
    let number = |at: usize| Some(u16::from_le_bytes([*head.get(at)?, *head.get(at + 1)?]));
    let (x, y, width, height) = (number(1)?, number(3)?, number(5)?, number(7)?);
    let png = png.to_vec();
    match head.first()? {
        1 => Some(What::Keyframe { png }),
        2 => Some(What::Tile {
            rect: Rect {
                x,
                y,
                width,
                height,
            },
            png,
        }),
        3 => Some(What::PointerShape {
            hot_x: x,
            hot_y: y,
            png,
        }),
        _ => None,
    }
}

/// What a message of JSON says of the picture.
fn told(value: &Value) -> Option<What> {
    let number = |name: &str| u16::try_from(value.get(name)?.as_u64()?).ok();
    match (
        field(value, "type").as_str(),
        field(value, "shape").as_str(),
    ) {
        ("pointer", "arrow") => Some(What::PointerArrow),
        ("pointer", "hidden") => Some(What::PointerHidden),
        ("pointer", _) => Some(What::PointerPlace {
            x: number("x")?,
            y: number("y")?,
        }),
        ("cover", _) => Some(What::Covered {
            shown: value.get("shown")?.as_bool()?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_taken_apart_and_unknown_ones_skipped() {
        let tile = [2, 1, 0, 2, 0, 3, 0, 4, 1, 9, 9];
        let rect = Rect {
            x: 1,
            y: 2,
            width: 3,
            height: 260,
        };
        let png = vec![9, 9];
        assert_eq!(picture(&tile), Some(What::Tile { rect, png }));
        assert_eq!(picture(&[77; 30]), None);
        for cut in 0..9 {
            assert_eq!(picture(&tile[..cut]), None);
        }
    }

    #[test]
    fn what_is_told_beside_the_picture_is_understood() {
        for (value, what) in [
            (
                json!({ "type": "pointer", "at": "…", "x": 7, "y": 8 }),
                Some(What::PointerPlace { x: 7, y: 8 }),
            ),
            (
                json!({ "type": "pointer", "shape": "arrow" }),
                Some(What::PointerArrow),
            ),
            (
                json!({ "type": "pointer", "shape": "hidden" }),
                Some(What::PointerHidden),
            ),
            (
                json!({ "type": "cover", "shown": true }),
                Some(What::Covered { shown: true }),
            ),
            (json!({ "type": "pointer", "x": 70000, "y": 8 }), None),
            (json!({ "type": "new" }), None),
        ] {
            assert_eq!(told(&value), what, "{value}");
        }
    }
}
