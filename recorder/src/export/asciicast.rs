//! asciicast version 2, as asciinema plays it.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::utf8::Decoder;
use super::{ExportError, choose, survey};
use crate::{Ended, Entry, TapeHeader, TapeReader};

/// Writes asciicast v2: output, revealed input, sizes and the session's events as markers.
/// `channel`: which one (`None`: the first with a terminal). Times count from the tape's start.
pub fn asciicast(
    path: &Path,
    channel: Option<u32>,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let terminal = choose(survey(path)?, channel)?;
    let mut reader = TapeReader::open(path)?;
    let header = json!({
        "version": 2,
        "width": terminal.cols,
        "height": terminal.rows,
        "timestamp": reader.header().started_at.timestamp(),
        "title": title(reader.header()),
        "env": { "TERM": terminal.term },
    });
    writeln!(out, "{header}")?;
    let mut cast = Cast {
        out,
        output: Decoder::default(),
        input: Decoder::default(),
    };
    let mut last = Duration::ZERO;
    while let Some(timed) = reader.next()? {
        // A later channel may have the same number.
        let again = matches!(&timed.entry, Entry::ChannelOpened { channel, .. } if *channel == terminal.channel);
        if again && timed.at > terminal.opened {
            break;
        }
        last = timed.at;
        let channel = timed.entry.channel();
        if channel.is_none_or(|channel| channel == terminal.channel) {
            cast.entry(timed.at, &timed.entry)?;
        }
    }
    cast.finish(last)?;
    if let (Ended::Torn { offset }, Some(why)) = (reader.ended(), reader.torn_why()) {
        cast.event(
            last,
            "m",
            &format!("the tape is damaged at byte {offset}: {why}"),
        )?;
    }
    Ok(())
}

fn title(header: &TapeHeader) -> String {
    format!(
        "{} as {} on {} ({}), session {}",
        header.user, header.account, header.host, header.activity, header.session
    )
}

struct Cast<'a> {
    out: &'a mut dyn Write,
    output: Decoder,
    input: Decoder,
}

impl Cast<'_> {
    fn entry(&mut self, at: Duration, entry: &Entry) -> Result<(), ExportError> {
        match entry {
            Entry::Output { data, .. } => {
                let text = self.output.push(data);
                self.event(at, "o", &text)
            }
            Entry::Input { data, .. } | Entry::InputRevealed { data, .. } => {
                let text = self.input.push(data);
                self.event(at, "i", &text)
            }
            Entry::Resize { cols, rows, .. } => self.event(at, "r", &format!("{cols}x{rows}")),
            Entry::Marker(event) => self.event(at, "m", &event.message()),
            Entry::Gap { bytes } => {
                self.event(at, "m", &format!("{bytes} bytes were not recorded"))
            }
            Entry::ChannelOpened { .. }
            | Entry::InputMasked { .. }
            | Entry::InputKeptMasked { .. }
            | Entry::Eof { .. }
            | Entry::Exit { .. }
            | Entry::ChannelClosed { .. }
            | Entry::Bulk { .. }
            | Entry::BulkDigest { .. }
            | Entry::DesktopBegun(_)
            | Entry::FromTarget { .. }
            | Entry::FromClient { .. }
            | Entry::FromViewer { .. }
            | Entry::Covered { .. }
            | Entry::Unknown { .. } => Ok(()),
        }
    }

    fn event(&mut self, at: Duration, code: &str, data: &str) -> Result<(), ExportError> {
        // A marker may be empty, output that became no text need not be told.
        if !data.is_empty() || code == "m" {
            serde_json::to_writer(&mut *self.out, &(at.as_secs_f64(), code, data))?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn finish(&mut self, at: Duration) -> Result<(), ExportError> {
        let (output, input) = (self.output.finish(), self.input.finish());
        self.event(at, "o", &output)?;
        self.event(at, "i", &input)
    }
}
