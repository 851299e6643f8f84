//! `sallyport recordings …` and `sallyport verify`: tapes of a server, of the data folder, or by
//! their file.

mod find;
mod player;
mod verify;

use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sallyport_recorder::export::{self, ExportError};
use serde_json::Value;

use crate::cli::{Format, Paging, Recordings};
use crate::client::{Client, escape};
use crate::failure::{Failure, OrFail as _};
use crate::output::{Output, create, field, page, time};

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
            let tape = find::tape(archive, recording)?;
            let options = player::Options::new(*speed, idle.as_deref(), *channel)?;
            player::play(tape.path(), &options, *plain, output)
        }
        Recordings::Export {
            recording,
            format,
            channel,
            output: file,
        } => match archive {
            Archive::Server(client) if !Path::new(recording).is_file() => {
                let mut bytes = exported(client, recording, *format, *channel)?;
                write_to(file.as_deref(), |out| {
                    Ok(std::io::copy(&mut bytes, out).map(drop)?)
                })
            }
            Archive::Server(_) | Archive::Folder(_) => {
                let tape = find::tape(archive, recording)?;
                write_to(file.as_deref(), |out| match format {
                    Format::Asciicast => export::asciicast(tape.path(), *channel, out),
                    Format::Text => export::text(tape.path(), out),
                })
            }
        },
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

/// The server's own export: it is put on record as one.
fn exported(
    client: &Client,
    recording: &str,
    format: Format,
    channel: Option<u32>,
) -> Result<impl Read + use<>, Failure> {
    let id = find::on_server(client, recording)?;
    let format = match format {
        Format::Asciicast => "asciicast",
        Format::Text => "text",
    };
    let mut query = vec![("format", format.to_owned())];
    if let Some(channel) = channel {
        query.push(("channel", channel.to_string()));
    }
    client.download(&format!("recordings/{}/export", escape(&id)), &query)
}

fn write_to(
    file: Option<&Path>,
    export: impl FnOnce(&mut dyn Write) -> Result<(), ExportError>,
) -> Result<(), Failure> {
    let mut out: Box<dyn Write> = match file {
        Some(path) => Box::new(BufWriter::new(create(path).or_fail(path.display())?)),
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    let written = export(&mut out).and_then(|()| Ok(out.flush()?));
    match written {
        // A reader who went away (`| head`) is no failure.
        Err(ExportError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Ok(()) => Ok(()),
        Err(error) => Err(Failure::new(error.to_string())),
    }
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
