//! Tapes as files: where they are, and how to send one without holding it in memory.

use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::thread;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::problem::Problem;
use crate::state::Api;
use crate::tracks::give_way;

/// Bytes of one piece of an answer.
const PIECE: usize = 64 * 1024;
/// Pieces made ahead of a slow reader.
const AHEAD: usize = 4;

/// Where a tape lies. The path comes from the store, but nothing outside the tape folder is ever opened.
pub fn path(api: &Api, below: &str) -> Result<PathBuf, Problem> {
    let below = Path::new(below);
    let inside = below
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if below.as_os_str().is_empty() || !inside {
        return Err(Problem::internal(
            "a tape's path leads out of the tape folder",
        ));
    }
    Ok(api.tape_dir.join(below))
}

/// Sends a file as it is on disk; a tape still being written, up to where it is now.
pub async fn download(path: &Path, name: &str) -> Result<Response, Problem> {
    let file = tokio::fs::File::open(path).await.map_err(missing)?;
    let length = file.metadata().await.map_err(missing)?.len();
    let pieces = stream::try_unfold(file.take(length), |mut file| async move {
        let mut piece = Vec::with_capacity(PIECE);
        let mut part = (&mut file).take(PIECE as u64);
        let read = part.read_to_end(&mut piece).await?;
        Ok::<_, io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
    });
    let mut response = attachment(Body::from_stream(pieces), "application/octet-stream", name);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

/// Sends what `write` writes, while it writes. A failure before the first piece is a problem; one after it
/// breaks the answer off.
pub async fn written<E, W>(
    name: &str,
    content_type: &'static str,
    write: W,
) -> Result<Response, Problem>
where
    E: Into<Problem> + std::fmt::Display + Send + 'static,
    W: FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static,
{
    let (sender, pieces) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || fill(write, sender));
    sent(name, content_type, pieces).await
}

/// The same for what takes much computing: it is done by a thread that gives way to all others.
pub async fn written_aside<E, W>(
    name: &str,
    content_type: &'static str,
    write: W,
) -> Result<Response, Problem>
where
    E: Into<Problem> + std::fmt::Display + Send + 'static,
    W: FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static,
{
    let (sender, pieces) = mpsc::channel(AHEAD);
    let work = move || {
        give_way();
        fill(write, sender);
    };
    let thread = thread::Builder::new().name("export".to_owned());
    thread.spawn(work).map_err(Problem::internal)?;
    sent(name, content_type, pieces).await
}

/// What is written goes from piece to piece to the receiver.
fn fill<E>(
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    sender: mpsc::Sender<Result<Bytes, E>>,
) {
    let mut pipe = Pipe {
        piece: Vec::with_capacity(PIECE),
        sender,
    };
    let last = match write(&mut pipe) {
        Ok(()) => pipe.flush().map(|()| Ok(END)),
        Err(error) => Ok(Err(error)),
    };
    // Nobody listens any more if the reader went away; that is his business.
    if let Ok(last) = last {
        let _ = pipe.sender.blocking_send(last);
    }
}

async fn sent<E>(
    name: &str,
    content_type: &'static str,
    mut pieces: mpsc::Receiver<Result<Bytes, E>>,
) -> Result<Response, Problem>
where
    E: Into<Problem> + std::fmt::Display + Send + 'static,
{
    let first = match pieces.recv().await {
        Some(Ok(piece)) => piece,
        Some(Err(error)) => return Err(error.into()),
        None => return Err(Problem::internal("an export ended without its end")),
    };
    let pieces = stream::try_unfold((Some(first), pieces), |(first, mut pieces)| async move {
        let piece = match first {
            Some(first) => first,
            None => next(&mut pieces).await?,
        };
        Ok::<_, io::Error>((piece != END).then_some((piece, (None, pieces))))
    });
    Ok(attachment(Body::from_stream(pieces), content_type, name))
}

/// The piece after the last: without it the answer was cut, and must not look whole.
const END: Bytes = Bytes::new();

async fn next<E: std::fmt::Display>(
    pieces: &mut mpsc::Receiver<Result<Bytes, E>>,
) -> io::Result<Bytes> {
    let why = match pieces.recv().await {
        Some(Ok(piece)) => return Ok(piece),
        Some(Err(error)) => error.to_string(),
        None => "it ended without its end".to_owned(),
    };
    tracing::error!(%why, "an export broke off");
    Err(io::Error::other("the export broke off"))
}

fn missing(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => Problem::not_found("recording"),
        _ => Problem::internal(error),
    }
}

fn attachment(body: Body, content_type: &'static str, name: &str) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// From a writer that blocks to a body that is polled.
struct Pipe<E> {
    piece: Vec<u8>,
    sender: mpsc::Sender<Result<Bytes, E>>,
}

impl<E> Write for Pipe<E> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.sender
            .blocking_send(Ok(Bytes::from(piece)))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
