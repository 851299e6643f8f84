//! A tape as a readable log.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::ExportError;
use super::lines::Lines;
use super::typing::Typing;
use crate::picture::keys::presses;
use crate::{Ended, Entry, TapeHeader, TapeReader};

/// Writes a readable log: who, where and when; then, each line with its time since the start,
/// what the channels printed (`|`, standard error `!`), what was typed and echoed (`<`), and what
/// happened (`*`). Works through the tape once, whatever its size.
pub fn text(path: &Path, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut reader = TapeReader::open(path)?;
    write_header(reader.header(), out)?;
    let mut log = Log {
        out,
        channels: BTreeMap::new(),
        last: Duration::ZERO,
        io_channel: 0,
        user: reader.header().user.clone(),
        typing: BTreeMap::new(),
    };
    while let Some(timed) = reader.next()? {
        log.paused(timed.at)?;
        log.last = timed.at;
        log.entry(timed.entry)?;
    }
    log.finish()?;
    let end = match (reader.closing(), reader.ended()) {
        (Some(closing), _) => {
            log.last = Duration::from_micros(closing.duration_us);
            let reason = closing.reason.as_ref().map(|r| format!(": {r}"));
            let recovered = if closing.recovered {
                format!(
                    " (finished after a crash, {} torn bytes cut)",
                    closing.torn_bytes
                )
            } else {
                String::new()
            };
            format!("end of the tape{}{recovered}", reason.unwrap_or_default())
        }
        (None, Ended::Torn { offset }) => format!("the tape is damaged at byte {offset}"),
        (None, Ended::Open | Ended::Finished) => "the tape is not finished".to_owned(),
    };
    log.line(None, '*', &end)
}

fn write_header(header: &TapeHeader, out: &mut dyn Write) -> Result<(), ExportError> {
    let started = header
        .started_at
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    for (name, value) in [
        ("Session", header.session.to_string()),
        ("Connection", header.connection.to_string()),
        ("User", header.user.clone()),
        ("Host", header.host.clone()),
        ("Account", header.account.clone()),
        ("Activity", header.activity.clone()),
        ("Started", started),
    ] {
        writeln!(out, "{:<11} {}", format!("{name}:"), clean(&value))?;
    }
    writeln!(out)?;
    Ok(())
}

/// Nothing in a log may steer the terminal that shows it.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

struct Log<'a> {
    out: &'a mut dyn Write,
    channels: BTreeMap<u32, Channel>,
    last: Duration,
    /// Of a desktop: on which channel input goes, and who types what.
    io_channel: u16,
    user: String,
    typing: BTreeMap<Option<String>, Keyboard>,
}

/// Who types on a desktop, and when he did so last.
#[derive(Default)]
struct Keyboard {
    typing: Typing,
    last: Duration,
}

/// Whoever types nothing for so long begins a new line.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Channel {
    output: Lines,
    errors: Lines,
    input: Lines,
    /// No text: its bytes are counted.
    binary: bool,
    bytes: u64,
}

impl Log<'_> {
    fn entry(&mut self, entry: Entry) -> Result<(), ExportError> {
        match entry {
            Entry::Output {
                channel,
                stderr,
                data,
            } => self.stream(channel, if stderr { '!' } else { '|' }, &data),
            Entry::Input { channel, data } => self.stream(channel, '<', &data),
            Entry::InputRevealed { channel, data } => self.typed(channel, &data),
            Entry::InputMasked { .. } => Ok(()),
            Entry::InputKeptMasked { channel, bytes } => {
                self.line(Some(channel), '<', &format!("({bytes} masked)"))
            }
            Entry::ChannelOpened { channel, what, pty } => self.opened(channel, &what, pty),
            Entry::Resize {
                channel,
                cols,
                rows,
            } => self.line(
                Some(channel),
                '*',
                &format!("terminal is {cols}x{rows} now"),
            ),
            Entry::Eof {
                channel,
                from_client,
            } => {
                let who = if from_client { "client" } else { "target" };
                self.line(Some(channel), '*', &format!("the {who} sends nothing more"))
            }
            Entry::Exit {
                channel,
                status,
                signal,
            } => self.exited(channel, status, signal),
            Entry::ChannelClosed { channel } => {
                self.close(channel)?;
                self.line(Some(channel), '*', "closed")
            }
            Entry::Marker(event) => self.line(None, '*', &event.message()),
            Entry::DesktopBegun(begun) => {
                self.io_channel = begun.io_channel;
                Ok(())
            }
            Entry::FromClient { pdus } => self.keys(None, &pdus),
            Entry::FromViewer { viewer, pdus } => self.keys(Some(viewer), &pdus),
            Entry::Bulk { .. } | Entry::FromTarget { .. } | Entry::Covered { .. } => Ok(()),
            Entry::BulkDigest {
                channel,
                stream,
                bytes,
                sha256,
            } => {
                let digest = hex::encode(sha256);
                let text = format!("{bytes} bytes {}, SHA-256 {digest}", stream.as_str());
                self.line(Some(channel), '*', &text)
            }
            Entry::Gap { bytes } => {
                self.line(None, '*', &format!("{bytes} bytes were not recorded"))
            }
            Entry::Unknown { kind, data, .. } => {
                let text = format!(
                    "a record of a later version (kind {kind}, {} bytes)",
                    data.len()
                );
                self.line(None, '*', &text)
            }
        }
    }

    /// Keys on a desktop: the user's, or a viewer's who has taken control.
    fn keys(&mut self, viewer: Option<String>, pdus: &[u8]) -> Result<(), ExportError> {
        let presses = presses(pdus, self.io_channel);
        if presses.is_empty() {
            return Ok(());
        }
        let keyboard = self.typing.entry(viewer.clone()).or_default();
        keyboard.last = self.last;
        let lines = presses.into_iter();
        let lines: Vec<String> = lines
            .filter_map(|press| keyboard.typing.press(press))
            .collect();
        let lines = lines.iter();
        lines
            .map(|line| (&viewer, line))
            .try_for_each(|(viewer, line)| self.typist(viewer, line))
    }

    fn typist(&mut self, viewer: &Option<String>, line: &str) -> Result<(), ExportError> {
        let who = viewer.as_ref().unwrap_or(&self.user).clone();
        self.line(None, '<', &format!("{who}: {line}"))
    }

    /// Ends the lines of those who have typed nothing for a while.
    fn paused(&mut self, now: Duration) -> Result<(), ExportError> {
        let mut ended = Vec::new();
        for (viewer, keyboard) in &mut self.typing {
            if now.saturating_sub(keyboard.last) >= PAUSE
                && let Some(line) = keyboard.typing.finish()
            {
                ended.push((viewer.clone(), line));
            }
        }
        ended
            .iter()
            .try_for_each(|(viewer, line)| self.typist(viewer, line))
    }

    fn opened(
        &mut self,
        channel: u32,
        what: &str,
        pty: Option<(String, u16, u16)>,
    ) -> Result<(), ExportError> {
        self.close(channel)?;
        let opened = Channel {
            binary: what.starts_with("subsystem "),
            ..Channel::default()
        };
        self.channels.insert(channel, opened);
        let terminal = pty.map(|(term, cols, rows)| format!(" ({term}, {cols}x{rows})"));
        let text = format!("{what}{}", terminal.unwrap_or_default());
        self.line(Some(channel), '*', &text)
    }

    fn exited(
        &mut self,
        channel: u32,
        status: Option<u32>,
        signal: Option<String>,
    ) -> Result<(), ExportError> {
        let status = status.map(|n| format!("exit status {n}"));
        let signal = signal.map(|name| format!("killed by signal {name}"));
        let text = status.or(signal).unwrap_or_else(|| "ended".to_owned());
        self.line(Some(channel), '*', &text)
    }

    fn stream(&mut self, channel: u32, mark: char, data: &[u8]) -> Result<(), ExportError> {
        let state = self.channels.entry(channel).or_default();
        state.binary |= data.contains(&0);
        if state.binary {
            state.bytes += data.len() as u64;
            return Ok(());
        }
        let lines = match mark {
            '!' => state.errors.push(data),
            '<' => state.input.push(data),
            _ => state.output.push(data),
        };
        lines
            .iter()
            .try_for_each(|line| self.line(Some(channel), mark, line))
    }

    /// What was typed, control keys made visible, a line each.
    fn typed(&mut self, channel: u32, data: &[u8]) -> Result<(), ExportError> {
        let text = String::from_utf8_lossy(data);
        for part in text.split_inclusive(['\r', '\n']) {
            let mut shown = String::new();
            for c in part.trim_end_matches(['\r', '\n']).chars() {
                match c {
                    '\0'..='\x1f' => {
                        shown.push('^');
                        shown.extend(char::from_u32(u32::from(c) + 0x40));
                    }
                    '\x7f' => shown.push_str("^?"),
                    c => shown.push(c),
                }
            }
            if !shown.is_empty() {
                self.line(Some(channel), '<', &shown)?;
            }
        }
        Ok(())
    }

    /// Writes what a channel still holds.
    fn close(&mut self, channel: u32) -> Result<(), ExportError> {
        let Some(mut state) = self.channels.remove(&channel) else {
            return Ok(());
        };
        let ends = [
            ('<', state.input.finish()),
            ('!', state.errors.finish()),
            ('|', state.output.finish()),
        ];
        for (mark, line) in ends {
            if let Some(line) = line {
                self.line(Some(channel), mark, &line)?;
            }
        }
        if state.bytes > 0 {
            self.line(
                Some(channel),
                '*',
                &format!("{} bytes that are no text", state.bytes),
            )?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        self.paused(Duration::MAX)?;
        let open: Vec<u32> = self.channels.keys().copied().collect();
        open.into_iter().try_for_each(|channel| self.close(channel))
    }

    fn line(&mut self, channel: Option<u32>, mark: char, text: &str) -> Result<(), ExportError> {
        let millis = self.last.as_millis();
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let channel = channel.map(|n| n.to_string()).unwrap_or_default();
        let line = format!(
            "{hours:02}:{minutes:02}:{seconds:02}.{millis:03} {channel:>3} {mark} {}",
            clean(text)
        );
        writeln!(self.out, "{}", line.trim_end())?;
        Ok(())
    }
}
