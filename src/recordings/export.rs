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
/// Where nothing changes, a film stands still for so long, if nobody says how long.
const IDLE_CUT: Duration = Duration::from_secs(2);

/// What is asked for, with all that belongs to it and nothing that does not.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Asciicast { channel: Option<u32> },
    Text,
    Picture { at: Duration },
    Film { idle_cut: Duration },
}

/// Writes a recording in another form.
pub(super) fn run(archive: &Archive, asked: &Export) -> Result<(), Failure> {
    let wanted = Wanted::of(asked)?;
    let file = asked.output.as_deref();
    if wanted.is_binary() && file.is_none() && output::is_terminal() {
        return Err(Failure::new(
            "a picture or film is nothing for a terminal: name a file with -o FILE",
        ));
    }
    match archive {
        Archive::Server(client) if !Path::new(&asked.recording).is_file() => {
            let mut bytes = exported(client, &asked.recording, &wanted)?;
            write_to(file, |out| Ok(std::io::copy(&mut bytes, out).map(drop)?))
        }
        Archive::Server(_) | Archive::Folder(_) => {
            let tape = find::tape(archive, &asked.recording)?;
            let path = tape.path();
            match wanted {
                Wanted::Asciicast { channel } => {
                    write_to(file, |out| export::asciicast(path, channel, out))
                }
                Wanted::Text => write_to(file, |out| export::text(path, out)),
                Wanted::Picture { at } => {
                    let png = export::picture_at(path, at).or_fail(path.display())?;
                    write_to(file, |out| Ok(out.write_all(&png)?))
                }
                Wanted::Film { idle_cut } => {
                    let limit = (!idle_cut.is_zero()).then_some(idle_cut);
                    write_to(file, |out| export::mp4(path, limit, out))
                }
            }
        }
    }
}

/// The server's own export: it is put on record as one.
fn exported(
    client: &Client,
    recording: &str,
    wanted: &Wanted,
) -> Result<impl Read + use<>, Failure> {
    let id = find::on_server(client, recording)?;
    let path = |last: &str| format!("recordings/{}/{last}", escape(&id));
    let format = |name: &str| ("format", name.to_owned());
    let seconds = |span: &Duration| span.as_secs_f64().to_string();
    match wanted {
        Wanted::Asciicast { channel } => {
            let mut query = vec![format("asciicast")];
            query.extend(channel.map(|channel| ("channel", channel.to_string())));
            client.download(&path("export"), &query)
        }
        Wanted::Text => client.download(&path("export"), &[format("text")]),
        Wanted::Picture { at } => {
            client.download_late(&path("pictures"), &[("at", seconds(at))], MAKING_PICTURES)
        }
        Wanted::Film { idle_cut } => {
            let query = [format("mp4"), ("idle_cut", seconds(idle_cut))];
            client.download_late(&path("export"), &query, MAKING_PICTURES)
        }
    }
}

impl Wanted {
    /// What the options say together.
    fn of(asked: &Export) -> Result<Self, Failure> {
        let refuse = |told: &str| Err(Failure::new(told));
        let is_film = asked.format == Format::Mp4;
        let is_picture = asked.format == Format::PngAt;
        if asked.channel.is_some() && (is_film || is_picture) {
            return refuse("--channel is of terminals: leave it out for a picture or film");
        }
        if asked.at.is_some() && !is_picture {
            return refuse("--at is of pictures: write --format png-at as well");
        }
        if asked.idle_cut.is_some() && !is_film {
            return refuse("--idle-cut is of films: write --format mp4 as well");
        }
        Ok(match asked.format {
            Format::Asciicast => Self::Asciicast {
                channel: asked.channel,
            },
            Format::Text => Self::Text,
            Format::PngAt => match &asked.at {
                Some(text) => Self::Picture {
                    at: span("--at", text)?,
                },
                None => {
                    return refuse(
                        "say which picture: --at 12.5s is what the desktop showed 12.5 seconds after the start",
                    );
                }
            },
            Format::Mp4 => Self::Film {
                idle_cut: match &asked.idle_cut {
                    Some(text) => span("--idle-cut", text)?,
                    None => IDLE_CUT,
                },
            },
        })
    }

    /// Would it make a mess of a terminal?
    fn is_binary(&self) -> bool {
        match self {
            Self::Picture { .. } | Self::Film { .. } => true,
            Self::Asciicast { .. } | Self::Text => false,
        }
    }
}

/// `12.5s`, `12.5`, `3m 20s`.
fn span(option: &str, text: &str) -> Result<Duration, Failure> {
    let seconds = text.strip_suffix('s').unwrap_or(text).trim().parse().ok();
    let decimal = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match decimal {
        Some(span) => Ok(span),
        None => humantime::parse_duration(text).or_fail(format!(
            "{option} is `{text}`, but must be a length of time, for example 12.5s or 3m20s"
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
            assert_eq!(
                span("--at", text).unwrap(),
                Duration::from_millis(millis),
                "{text}"
            );
        }
        for wrong in ["", "s", "-1s", "soon", "NaN", "inf", "1e300"] {
            assert!(span("--at", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn options_belong_to_their_formats() {
        let asked = |format, at: Option<&str>, idle_cut: Option<&str>| {
            Wanted::of(&Export {
                recording: "r".to_owned(),
                format,
                channel: None,
                at: at.map(str::to_owned),
                idle_cut: idle_cut.map(str::to_owned),
                output: None,
            })
        };
        let film = |seconds| Wanted::Film {
            idle_cut: Duration::from_secs(seconds),
        };
        assert_eq!(asked(Format::Mp4, None, None).unwrap(), film(2));
        assert_eq!(asked(Format::Mp4, None, Some("0")).unwrap(), film(0));
        assert_eq!(asked(Format::Mp4, None, Some("1m")).unwrap(), film(60));
        for (format, at, idle_cut, told) in [
            (Format::Mp4, Some("1s"), None, "png-at"),
            (Format::PngAt, Some("1s"), Some("1s"), "mp4"),
            (Format::PngAt, None, None, "--at"),
            (Format::Text, None, Some("1s"), "mp4"),
            (Format::Asciicast, Some("1s"), None, "png-at"),
            (Format::Mp4, None, Some("soon"), "--idle-cut"),
        ] {
            let refused = asked(format, at, idle_cut).unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
