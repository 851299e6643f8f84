//! `sallyport recordings …` and `sallyport verify`: tapes of a server, of the data folder, or by
//! their file.

mod export;
mod find;
mod player;
mod verify;

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::{Paging, Recordings};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output::{Output, field, page, time};
use crate::sessions::DESKTOP;

pub use verify::verify;

/// Where recordings are looked for.
pub enum Archive {
    /// A server.
    Server(Client),
    /// A folder of tapes.
    Folder(PathBuf),
}

/// Runs one of the commands.
pub fn run(archive: &Archive, command: &Recordings, output: Output) -> Result<(), Failure> {
    match command {
        Recordings::List(paging) => list(archive, paging, output),
        Recordings::Replay {
            recording,
            speed,
            idle,
            channel,
            plain,
        } => {
            if let Archive::Server(client) = archive
                && !Path::new(recording).is_file()
                && is_desktop(client, recording)?
            {
                return Err(not_a_terminal(recording));
            }
            let tape = find::tape(archive, recording)?;
            let options = player::Options::new(*speed, idle.as_deref(), *channel)?;
            player::play(tape.path(), &options, *plain, output)
        }
        Recordings::Export(asked) => export::run(archive, asked),
        Recordings::Verify { recording } => match archive {
            Archive::Server(client) if !Path::new(recording).is_file() => {
                verify_on_server(client, recording, output)
            }
            Archive::Server(_) | Archive::Folder(_) => {
                let tape = find::tape(archive, recording)?;
                verify(tape.path(), output)
            }
        },
    }
}

/// Is that recording of a desktop? The whole tape need not be fetched to know it.
fn is_desktop(client: &Client, recording: &str) -> Result<bool, Failure> {
    let id = find::on_server(client, recording)?;
    let row = client.get(&format!("recordings/{}", escape(&id)), &[])?;
    let session = escape(&field(&row, "session"));
    let session = client.get(&format!("sessions/{session}"), &[])?;
    Ok(field(&session, "type") == DESKTOP)
}

/// What to do with a desktop's recording instead of playing it in a terminal.
fn not_a_terminal(recording: impl fmt::Display) -> Failure {
    Failure::new(format!(
        "this recording is of a desktop (RDP), which no terminal can play: make a film of it with \
         `sallyport recordings export {recording} --format mp4 -o FILE`, or a picture with --format png-at --at 12.5s"
    ))
}

fn list(archive: &Archive, paging: &Paging, output: Output) -> Result<(), Failure> {
    let list = match archive {
        Archive::Server(client) => {
            let query = [
                ("page", paging.page.to_string()),
                ("page_size", paging.page_size.to_string()),
            ];
            client.get("recordings", &query)?
        }
        Archive::Folder(folder) => find::list(folder, paging)?,
    };
    output.show(&list, |list| {
        page(
            list,
            &["ID", "SESSION", "USER", "HOST", "STARTED", "STATE", "BYTES"],
            |row| {
                vec![
                    field(row, "id"),
                    field(row, "session"),
                    field(row, "user"),
                    field(row, "host"),
                    time(row, "started_at"),
                    field(row, "state"),
                    field(row, "bytes"),
                ]
            },
        )
    })
}

fn verify_on_server(client: &Client, recording: &str, output: Output) -> Result<(), Failure> {
    let id = find::on_server(client, recording)?;
    let report = client.get(&format!("recordings/{}/verify", escape(&id)), &[])?;
    output.show(&report, verify::line)?;
    if report.get("root_as_stored") == Some(&Value::Bool(false)) {
        return Err(Failure::new(format!(
            "{id}: the tape is not the one that was recorded: its root differs from the stored one"
        )));
    }
    match report.get("whole") {
        Some(Value::Bool(true)) => Ok(()),
        Some(_) | None => Err(Failure::new(format!("{id}: the tape is not whole"))),
    }
}
