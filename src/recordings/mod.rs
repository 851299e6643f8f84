//! `sallyport recordings …` and `sallyport verify`: tapes of a server, of the data folder, or by
//! their file.

mod find;
mod player;
mod verify;

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sallyport_recorder::export;
use serde_json::Value;

use crate::cli::{Format, Paging, Recordings};
use crate::client::{Client, escape};
use crate::failure::{Failure, OrFail as _};
use crate::output::{Output, field, page, time};

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
        } => {
            let tape = find::tape(archive, recording)?;
            write(tape.path(), *format, *channel, file.as_deref())
        }
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

fn write(
    tape: &Path,
    format: Format,
    channel: Option<u32>,
    file: Option<&Path>,
) -> Result<(), Failure> {
    match file {
        // What somebody typed is nobody else's business.
        Some(path) => {
            let out = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(path)
                .or_fail(path.display())?;
            export_to(tape, format, channel, &mut BufWriter::new(out))
        }
        None => export_to(
            tape,
            format,
            channel,
            &mut BufWriter::new(std::io::stdout().lock()),
        ),
    }
}

fn export_to(
    tape: &Path,
    format: Format,
    channel: Option<u32>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let written = match format {
        Format::Asciicast => export::asciicast(tape, channel, out),
        Format::Text => export::text(tape, out),
    };
    let flushed = written.and_then(|()| out.flush().map_err(export::ExportError::from));
    match flushed {
        // A reader who went away (`| head`) is no failure.
        Err(export::ExportError::Write(error))
            if error.kind() == std::io::ErrorKind::BrokenPipe =>
        {
            Ok(())
        }
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
