//! `sallyport recordings export`: a recording in another form, made by the server or here.

use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::time::Duration;

use sallyport_recorder::export::{self, ExportError};

use super::{Archive, find};
use crate::cli::{Export, Format};
use crate::client::{Client, escape};
use crate::failure::{Failure, OrFail as _};
use crate::output::{self, create};

/// A server may first have to make the pictures of a long recording, which takes a second for every 100 MB of it.
const MAKING_PICTURES: Duration = Duration::from_secs(3600);

/// Writes a recording in another form.
pub(super) fn run(archive: &Archive, asked: &Export) -> Result<(), Failure> {
    let at = moment(asked)?;
    let file = asked.output.as_deref();
    if at.is_some() && file.is_none() && output::is_terminal() {
        return Err(Failure::new(
            "a picture is nothing for a terminal: name a file with -o FILE",
        ));
    }
    match archive {
        Archive::Server(client) if !Path::new(&asked.recording).is_file() => {
            let mut bytes = exported(client, asked, at)?;
            write_to(file, |out| Ok(std::io::copy(&mut bytes, out).map(drop)?))
        }
        Archive::Server(_) | Archive::Folder(_) => {
            let tape = find::tape(archive, &asked.recording)?;
            let path = tape.path();
            if let Some(at) = at {
                let png = export::picture_at(path, at).or_fail(path.display())?;
                return write_to(file, |out| Ok(out.write_all(&png)?));
            }
            write_to(file, |out| match asked.format {
                Format::Text => export::text(path, out),
                // A picture has a time, and was written above.
                Format::Asciicast | Format::PngAt => export::asciicast(path, asked.channel, out),
            })
        }
    }
}

/// The server's own export: it is put on record as one.
fn exported(
    client: &Client,
    asked: &Export,
    at: Option<Duration>,
) -> Result<impl Read + use<>, Failure> {
    let id = find::on_server(client, &asked.recording)?;
    let path = |last: &str| format!("recordings/{}/{last}", escape(&id));
    let format = match asked.format {
        Format::Asciicast => "asciicast",
        Format::Text => "text",
        Format::PngAt => {
            let seconds = at.unwrap_or_default().as_secs_f64().to_string();
            return client.download_late(&path("pictures"), &[("at", seconds)], MAKING_PICTURES);
        }
    };
    let mut query = vec![("format", format.to_owned())];
    if let Some(channel) = asked.channel {
        query.push(("channel", channel.to_string()));
    }
    client.download(&path("export"), &query)
}

/// `--at`, which belongs to pictures and to nothing else.
fn moment(asked: &Export) -> Result<Option<Duration>, Failure> {
    match (asked.format, &asked.at, asked.channel) {
        (Format::PngAt, _, Some(_)) => Err(Failure::new(
            "--channel is of terminals: leave it out for a picture",
        )),
        (Format::PngAt, None, _) => Err(Failure::new(
            "say which picture: --at 12.5s is what the desktop showed 12.5 seconds after the start",
        )),
        (Format::PngAt, Some(text), None) => span(text).map(Some),
        (Format::Asciicast | Format::Text, Some(_), _) => Err(Failure::new(
            "--at is of pictures: write --format png-at as well",
        )),
        (Format::Asciicast | Format::Text, None, _) => Ok(None),
    }
}

/// `12.5s`, `12.5`, `3m 20s`.
fn span(text: &str) -> Result<Duration, Failure> {
    let seconds = text.strip_suffix('s').unwrap_or(text).trim().parse().ok();
    let decimal = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match decimal {
        Some(span) => Ok(span),
        None => humantime::parse_duration(text).or_fail(format!(
            "--at is `{text}`, but must be a length of time, for example 12.5s or 3m20s"
        )),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_seconds_or_a_length_of_time() {
        for (text, millis) in [
            ("12.5s", 12_500),
            ("12.5", 12_500),
            ("0", 0),
            ("3m20s", 200_000),
            ("1h 1s", 3_601_000),
        ] {
            assert_eq!(span(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for wrong in ["", "s", "-1s", "soon", "NaN", "inf", "1e300"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
