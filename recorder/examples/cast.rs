//! Exports a tape: `cargo run -p sallyport-recorder --example cast TAPE [text]`. Without a tape, one
//! is made up.

use std::path::PathBuf;

use sallyport_domain::id::{ConnectionId, SessionId};
use sallyport_recorder::{Record, TapeHeader, TapeWriter, export};
use uuid::Uuid;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = match args.next() {
        Some(path) => PathBuf::from(path),
        None => made_up()?,
    };
    let mut out = std::io::stdout().lock();
    match args.next() {
        Some(_) => export::text(&path, &mut out)?,
        None => export::asciicast(&path, None, &mut out)?,
    }
    Ok(())
}

fn made_up() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("cast-{}", Uuid::new_v4()));
    let (session, connection) = (
        SessionId::from(Uuid::new_v4()),
        ConnectionId::from(Uuid::new_v4()),
    );
    let mut writer = TapeWriter::create(
        &dir,
        &TapeHeader::new(session, connection, chrono::Utc::now()),
    )?;
    let pty = Some(("xterm-256color", 80, 24));
    writer.append(&[Record::ChannelOpened {
        channel: 0,
        what: "shell",
        pty,
    }])?;
    for data in [
        &b"$ "[..],
        b"ls\r\n",
        b"\x1b[1;34mfolder\x1b[m caf\xc3",
        b"\xa9 \xff\r\n",
    ] {
        writer.append(&[Record::Output {
            channel: 0,
            stderr: false,
            data,
        }])?;
    }
    writer.append(&[Record::InputRevealed {
        channel: 0,
        data: b"ls\r",
    }])?;
    writer.append(&[Record::Resize {
        channel: 0,
        cols: 100,
        rows: 30,
    }])?;
    let path = writer.path().to_owned();
    writer.finish(None)?;
    Ok(path)
}
